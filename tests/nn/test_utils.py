"""Clipping of gradients, and parameters as one vector."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import cltorch
from cltorch import nn


def with_gradients(device, *values, library=cltorch):
    out = []
    for v in values:
        g = library.tensor(v) if device is None else library.tensor(v, device=device)
        p = library.nn.Parameter(library.zeros_like(g))
        p.grad = g
        out.append(p)
    return out


@pytest.mark.parametrize("norm_type", [1, 2.0, 3, "inf", float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_gradients_are_scaled_to_their_common_norm(norm_type, max_norm, device):
    a, b = np.array([[3.0, -4.0]], np.float32), np.array([1.0, 2.0, 2.0], np.float32)
    p = [*with_gradients(device, a, b), nn.Parameter(cltorch.ones(2, device=device))]
    both = np.concatenate([a.reshape(-1), b])
    total = np.linalg.norm(both, float(norm_type))
    found = nn.utils.clip_grad_norm_(p, max_norm, norm_type)
    assert found.item() == pytest.approx(total, rel=1e-5) and found.device == cltorch.device(device)
    factor = min(1.0, max_norm / (total + 1e-6))
    np.testing.assert_allclose(p[0].grad.cpu().numpy(), a * factor, rtol=1e-5)
    np.testing.assert_allclose(p[1].grad.cpu().numpy(), b * factor, rtol=1e-5)
    assert p[2].grad is None


def test_one_tensor_or_none_can_be_clipped(lib):
    (p,) = with_gradients(None, [3.0, 4.0], library=lib)
    assert lib.nn.utils.clip_grad_norm_(p, 1.0).item() == 5
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-5)
    assert lib.nn.utils.clip_grad_norm_([], 1.0).item() == 0
    assert lib.nn.utils.clip_grad_norm_([lib.nn.Parameter(lib.ones(1))], 1.0).item() == 0
    with pytest.warns(UserWarning, match="`parameters` is an empty generator, no gradient clipping will occur"):
        lib.nn.utils.clip_grad_norm_((p for p in []), 1.0)
    with pytest.warns(FutureWarning, match="clip_grad_norm. is now deprecated in favor of"):
        lib.nn.utils.clip_grad_norm([p], 1.0)


def test_norms_that_are_not_finite_can_be_refused(lib):
    (p,) = with_gradients(None, [float("inf"), 1.0], library=lib)
    with pytest.raises(RuntimeError, match="The total norm of order 2.0 for gradients from `parameters` is non-finite"):
        lib.nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [float("inf"), 1.0]
    assert math.isinf(lib.nn.utils.clip_grad_norm_([p], 1.0).item())


@pytest.mark.parametrize("norm_type", [0.1, 1, 2, 3.5])
def test_gradients_of_double_precision_are_scaled_by_numbers_that_float32_has_not(norm_type, device, fp64):
    if not fp64:
        pytest.skip("no double precision on this device")
    a, b = np.zeros(10), np.array([1.0])
    a[1] = 3e40
    p = with_gradients(device, a, b)
    total = nn.utils.clip_grad_norm_(p, 1.0, norm_type)
    wanted = (a[1] ** norm_type + 1) ** (1 / norm_type)
    assert total.item() == pytest.approx(wanted, rel=1e-9)
    np.testing.assert_allclose(p[0].grad.cpu().numpy(), a / (wanted + 1e-6), rtol=1e-9)
    np.testing.assert_allclose(p[1].grad.cpu().numpy(), b / (wanted + 1e-6), rtol=1e-9)


def test_values_are_limited(device):
    p = with_gradients(device, [3.0, -0.5, -9.0], [[0.0, float("inf")]])
    nn.utils.clip_grad_value_(p, 2)
    assert p[0].grad.tolist() == [2.0, -0.5, -2.0] and p[1].grad.tolist() == [[0.0, 2.0]]
    nn.utils.clip_grad_value_(p[0], 0.25)
    assert p[0].grad.tolist() == [0.25, -0.25, -0.25]
    nn.utils.clip_grad_value_([nn.Parameter(cltorch.ones(1))], 1.0)


def test_complex_gradients_are_scaled_by_their_magnitudes(device):
    p = nn.Parameter(cltorch.zeros(2, dtype=cltorch.complex64, device=device))
    for norm_type, wanted in ((2.0, 13.0), (1.0, 17.0), (math.inf, 12.0)):
        p.grad = cltorch.tensor([3 + 4j, 12j], device=device)
        total = nn.utils.clip_grad_norm_(p, 1.0, norm_type)
        assert total.dtype is cltorch.float32 and total.item() == pytest.approx(wanted)
        np.testing.assert_allclose(p.grad.cpu().numpy(), np.array([3 + 4j, 12j]) / wanted, rtol=1e-5)
    with pytest.raises(NotImplementedError, match="complex"):
        nn.utils.clip_grad_value_(p, 1.0)


def test_norms_of_order_zero_and_of_nothing(device):
    ones, none = cltorch.ones(3, device=device), cltorch.ones(0, device=device)
    assert nn.utils.get_total_norm([ones, ones, 0 * ones], 0).item() == 2.0  # tensors, not elements
    assert nn.utils.get_total_norm([ones, none]).item() == pytest.approx(math.sqrt(3))
    for norm_type in (math.inf, -1):
        with pytest.raises(RuntimeError, match="does not have an identity"):
            nn.utils.get_total_norm([ones, none], norm_type)


def test_clipping_does_not_wait_for_the_device(cl_device):
    p = with_gradients(cl_device, [3.0, 4.0], [1.0])
    context = cltorch.device(cl_device).context
    before = context.syncs
    nn.utils.clip_grad_norm_(p, 1.0)
    nn.utils.clip_grad_value_(p, 0.5)
    assert context.syncs == before


def test_the_norm_can_be_used_apart(device):
    p = with_gradients(device, [3.0, 4.0])
    total = nn.utils.get_total_norm([q.grad for q in p])
    nn.utils.clip_grads_with_norm_(p, 2.5, total)
    np.testing.assert_allclose(p[0].grad.cpu().numpy(), [1.5, 2.0], rtol=1e-5)


def test_parameters_become_a_vector_and_come_back(device):
    m = nn.Linear(2, 3).to(device)
    vector = nn.utils.parameters_to_vector(m.parameters())
    assert vector.tolist() == [*m.weight.reshape(-1).tolist(), *m.bias.tolist()] and vector.requires_grad
    new = cltorch.arange(9.0, device=device)
    nn.utils.vector_to_parameters(new, m.parameters())
    assert m.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] and m.bias.tolist() == [6.0, 7.0, 8.0]
    assert isinstance(m.weight, nn.Parameter) and m.weight.requires_grad and m.weight.is_leaf
    m(cltorch.ones(1, 2, device=device)).sum().backward()
    assert m.bias.grad.tolist() == [1.0] * 3


def test_a_vector_must_be_a_tensor(lib):
    with pytest.raises(TypeError, match="expected torch.Tensor, but got: list"):
        lib.nn.utils.vector_to_parameters([1.0], [])


def test_signatures_are_pytorchs(peer):
    for name in nn.utils.__all__:
        if inspect.ismodule(getattr(nn.utils, name)):
            continue
        ours, theirs = (inspect.signature(getattr(u, name)).parameters.values() for u in (nn.utils, peer.nn.utils))
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs], name
