"""Values and gradients at the edges, which generated calls found to differ from PyTorch's; the numbers are PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F

NAN, INF = math.nan, math.inf


def gradient(f, values, device):
    x = cltorch.tensor(values, device=device, requires_grad=True)
    return cltorch.autograd.grad(f(x).sum(), x)[0].tolist()


GRADIENTS = {
    "a median shared by equal elements": (lambda x: x.median(), [1.0, 2, 2, 2, 3], [0, 1 / 3, 1 / 3, 1 / 3, 0]),
    "a median of several NaN": (lambda x: x.median(), [1.0, NAN, NAN], [0, 0.5, 0.5]),
    "nanmedian": (lambda x: x.nanmedian(), [1.0, NAN, 1.0, 5.0], [0.5, 0, 0.5, 0]),
    "a median of one number": (lambda x: x.median(), 1.0, 1.0),
    "xlogy at zero": (lambda x: cltorch.xlogy(x, cltorch.tensor([0.0, 2.0], device=x.device)), [0.0, 0.0], [0, math.log(2)]),
    "a zero gradient times an infinite logarithm": (lambda x: 0 * cltorch.xlogy(x, INF), [1.0], [0.0]),
    "a zero gradient times log1p(inf)": (lambda x: 0 * cltorch.special.xlog1py(x, INF), [1.0], [0.0]),
    "logit beyond 0 and 1": (cltorch.logit, [-1.0, 0.5, 2.0], [NAN, 4, NAN]),
    "logit with limits": (lambda x: cltorch.logit(x, 0.25), [-1.0, 0.5, 2.0], [0, 4, 0]),
    "smooth_l1_loss of NaN": (lambda x: F.smooth_l1_loss(x, x.detach() * 0 + 1), [NAN, 1.5], [NAN, 0.25]),
    "huber_loss of NaN": (lambda x: F.huber_loss(x, x.detach() * 0 + 1), [NAN, 1.5], [NAN, 0.25]),
    "a variance of fewer than no degrees of freedom": (lambda x: x.var(correction=3), [1.0, 2.0], [INF, INF]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_at_the_edges(device, name):
    f, values, expected = GRADIENTS[name]
    np.testing.assert_allclose(gradient(f, values, device), expected, rtol=1e-6)


CHANGES = {
    "copy_": lambda y, o: y.copy_(o),
    "lt_": lambda y, o: y.lt_(o),
    "eq_ with a number": lambda y, o: y.eq_(2),
    "logical_not_": lambda y, o: y.logical_not_(),
    "logical_xor_ through a view": lambda y, o: y[1:].logical_xor_(o[1:]),
    "copy_ through a view": lambda y, o: y[:1].copy_(o[:1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_overwritten_has_a_gradient_of_zeros(device, name):
    x, o = (cltorch.tensor(v, device=device, requires_grad=True) for v in ([1.0, 2.0], [3.0, 1.0]))
    y = x.clone()
    CHANGES[name](y, o)
    assert y.requires_grad
    (mine,) = cltorch.autograd.grad((y * 5).sum(), x)
    untouched = {"logical_xor_ through a view": [5.0, 0.0], "copy_ through a view": [0.0, 5.0]}
    assert mine.tolist() == untouched.get(name, [0.0, 0.0])


def test_the_other_side_of_a_comparison_in_place_has_zeros_too(device):
    o = cltorch.ones(3, device=device, requires_grad=True)
    x = cltorch.zeros(2, 3, device=device)
    x.lt_(o)
    assert x.tolist() == [[1, 1, 1]] * 2
    assert cltorch.autograd.grad(x.sum(), o)[0].tolist() == [0, 0, 0]


def test_a_part_of_an_expanded_tensor_is_replaced_alone(device):
    x = cltorch.tensor([[1, 2]], device=device).expand(2, 2)
    src = cltorch.tensor([7, 8], device=device)
    assert cltorch.select_scatter(x, src, 0, 0).tolist() == [[7, 8], [1, 2]]
    assert cltorch.slice_scatter(x, src[None], 0, 1).tolist() == [[1, 2], [7, 8]]
    assert cltorch.diagonal_scatter(x, src).tolist() == [[7, 2], [1, 8]]
    assert x.tolist() == [[1, 2], [1, 2]]
    wide = cltorch.ones(1, 2, device=device, requires_grad=True)
    got = cltorch.select_scatter(wide.expand(3, 2), src.float(), 0, 1)
    assert cltorch.autograd.grad(got.sum(), wide)[0].tolist() == [[2, 2]]
    with pytest.raises(IndexError, match="0-dim"):
        cltorch.slice_scatter(src[0], src[0])


def test_products_and_views_of_nothing(device):
    x = cltorch.ones(2, 0, device=device)
    assert cltorch.inner(x, cltorch.ones(0, device=device)).tolist() == [0, 0]
    assert cltorch.inner(x, cltorch.ones(3, 0, device=device)).tolist() == [[0, 0, 0]] * 2
    base = cltorch.ones(2, 3, device=device)
    batches = cltorch.ones(0, 2, 4, device=device), cltorch.ones(0, 4, 3, device=device)
    assert cltorch.addbmm(base, *batches, beta=2).tolist() == [[2, 2, 2]] * 2
    number = cltorch.tensor(3.0, device=device)
    assert number.movedim(0, -1).item() == number.movedim((), ()).item() == 3


@pytest.mark.parametrize("name", ["fmod_", "remainder_", "copysign_", "atan2_", "hypot_", "floor_divide_"])
def test_no_complex_numbers_in_place(device, name):
    x = cltorch.ones(2, dtype=cltorch.complex64, device=device, requires_grad=True).clone()
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        getattr(x, name)(cltorch.ones(2, device=device))
