"""The steps of a scaler that sharded scalers call: against a few lines of Python and PyTorch's words."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch


@pytest.mark.parametrize("bad", [None, math.inf, -math.inf, math.nan])
def test_gradients_are_unscaled_and_what_is_not_finite_is_found(device, bad):
    found = cltorch.zeros(1, device=device)
    gradients = [cltorch.full((n, 3), 8.0, device=device) for n in range(1, 40)]
    gradients += [cltorch.ones(4, 5, device=device).t()[::2], cltorch.ones(3, device=device, dtype=cltorch.float16)]
    wanted = [g.cpu().float().numpy() * 0.25 for g in gradients]
    if bad is not None:
        gradients[30][2, 1] = bad
        wanted[30][2, 1] = bad
    # a flag that was set before stays so
    for _ in range(2):
        done = cltorch._amp_foreach_non_finite_check_and_unscale_(gradients, found, cltorch.tensor(0.25, device=device))
        assert done is None
        assert found.tolist() == [0.0 if bad is None else 1.0]
        for g, w in zip(gradients, wanted, strict=True):
            np.testing.assert_array_equal(g.cpu().float().numpy(), w)
            w *= 0.25
        gradients[30].fill_(8.0)
        wanted[30][...] = 2.0
    cltorch._amp_foreach_non_finite_check_and_unscale_([], found, cltorch.tensor(0.25, device=device))


def test_the_scale_grows_and_backs_off(device):
    scale, tracker = cltorch.tensor([8.0], device=device), cltorch.tensor([0], dtype=cltorch.int32, device=device)
    seen = []
    for found in (0.0, 0.0, 0.0, 1.0, 0.0):
        flag = cltorch.tensor([found], device=device)
        assert cltorch._amp_update_scale_(scale, tracker, flag, 2.0, 0.5, 2) is scale
        seen.append((scale.item(), tracker.item()))
    assert seen == [(8.0, 1), (16.0, 0), (16.0, 1), (8.0, 0), (8.0, 1)]
    assert scale._version == tracker._version == 5


@pytest.mark.parametrize(
    "text",
    [
        "f(g, t.zeros(2), i)", "f(g, found.double(), i)", "f(g, found, i.double())", "f(g, found, t.ones(2))",
        "u(i, t.zeros(()), found, 2.0, 0.5, 1)", "u(i.double(), n, found, 2.0, 0.5, 1)",
        "u(i, n, found.double(), 2.0, 0.5, 1)", "u(t.ones(2), n, found, 2.0, 0.5, 1)",
        "u(i, t.zeros(2, dtype=t.int32), found, 2.0, 0.5, 1)", "u(i, n, t.zeros(3), 2.0, 0.5, 1)",
    ],
)  # fmt: skip
def test_refusals_are_pytorchs(text):
    torch = pytest.importorskip("torch", reason="torch is not installed")

    def said(t):
        names = {"f": t._amp_foreach_non_finite_check_and_unscale_, "u": t._amp_update_scale_, "t": t}
        names |= {"g": [t.ones(2)], "found": t.zeros(1), "i": t.tensor(0.5), "n": t.zeros((), dtype=t.int32)}
        with pytest.raises(RuntimeError) as caught:
            eval(text, names)
        return str(caught.value)

    assert said(cltorch) == said(torch)


def test_whole_numbers_have_no_scale():
    found, inverse = cltorch.zeros(1), cltorch.tensor(0.5)
    with pytest.raises(NotImplementedError, match="not implemented for"):
        cltorch._amp_foreach_non_finite_check_and_unscale_([cltorch.ones(2, dtype=cltorch.int32)], found, inverse)
