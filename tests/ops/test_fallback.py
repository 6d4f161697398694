"""The policy for operators that run on the host."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cltorch as ct
from cltorch.ops.fallback import HOST_OPERATORS, on_host


@pytest.fixture(autouse=True)
def _restored():
    before = ct.get_host_fallback()
    yield
    ct.set_host_fallback(before)


def test_only_the_three_words_are_policies():
    for word in ("error", "allow", "warn"):
        ct.set_host_fallback(word)
        assert ct.get_host_fallback() == word
    with pytest.raises(ValueError, match="expected one of 'error', 'warn' or 'allow', but got 'never'"):
        ct.set_host_fallback("never")
    assert ct.get_host_fallback() == "warn"


def test_error_names_the_operator_and_computes_nothing(cl_device):
    ct.set_host_fallback("error")
    with pytest.raises(RuntimeError, match=rf"linalg_qr runs on the host, not on {cl_device}"):
        ct.linalg.qr(ct.eye(2, device=cl_device))
    assert ct.linalg.matrix_norm(ct.eye(2, device=cl_device)).item() == pytest.approx(2**0.5)


def test_warn_warns_once_for_each_operator(cl_device):
    ct.set_host_fallback("warn")
    x = ct.eye(2, device=cl_device)
    with pytest.warns(UserWarning, match="linalg_qr runs on the host: its operands are copied from") as told:
        ct.linalg.qr(x)
    assert told[0].filename == __file__  # the line of the program, not of this package
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ct.linalg.qr(x)
        with pytest.raises(UserWarning, match="linalg_det runs on the host"):
            ct.linalg.det(x)
    ct.set_host_fallback("warn")
    with pytest.warns(UserWarning, match="linalg_qr"):
        ct.linalg.qr(x)


def test_allow_is_silent(cl_device):
    ct.set_host_fallback("allow")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ct.linalg.inv(ct.eye(2, device=cl_device)).device == ct.device(cl_device)


def test_no_policy_concerns_tensors_of_the_host():
    ct.set_host_fallback("error")
    assert ct.linalg.det(ct.eye(2)).item() == 1


def test_a_declared_operator_gets_numpy_and_returns_tensors_of_the_device(device):
    ct.set_host_fallback("allow")

    @on_host("test_operator", lambda a, factor: [(a.shape, "x"), (a.shape, "l"), (a.shape, "x")])
    def order(a, factor):
        assert isinstance(a, np.ndarray) and a.dtype == np.float32
        return a * factor, np.argsort(a).astype(np.int64), a > 1

    try:
        x = ct.tensor([3.0, 1.0, 2.0], dtype=ct.bfloat16, device=device)
        doubled, places, large = order(x[:2], 2.0)
        assert (doubled.dtype, doubled.tolist(), doubled.device) == (ct.bfloat16, [6, 2], ct.device(device))
        assert (places.dtype, places.tolist(), large.tolist()) == (ct.int64, [1, 0], [True, False])
        assert "test_operator" in HOST_OPERATORS
        doubled.zero_()
        assert x.tolist() == [3, 1, 2]
    finally:
        del HOST_OPERATORS["test_operator"]
