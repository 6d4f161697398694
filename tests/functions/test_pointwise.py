"""What surrounds the rows of the pointwise table: names, arguments, ``out=``, functions that choose between rows."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import cltorch
from cltorch import functions
from cltorch.ops.table import TABLE

X = [-1.5, -0.25, 0.0, 0.5, 2.0]

ALIASES = {
    "absolute": "abs", "negative": "neg", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
    "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh",
    "arctan2": "atan2", "fix": "trunc", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le",
    "not_equal": "ne", "clip": "clamp",
}  # fmt: skip


def test_second_names_are_the_same_functions():
    for alias, name in ALIASES.items():
        assert getattr(cltorch, alias) is getattr(cltorch, name), alias
        methods = [getattr(cltorch.Tensor, n).__wrapped__ for n in (alias, name)]  # each may be overridden by itself
        assert methods[0].__code__ == methods[1].__code__ and methods[0].__closure__ == methods[1].__closure__, alias


@pytest.mark.parametrize("name", list(TABLE))
def test_functions_say_what_they_take(name):
    f = getattr(functions.pointwise, name)
    row = TABLE[name]
    names = list(inspect.signature(f).parameters)
    assert (
        names == [*row.args, *row.params, *(["out"] if row.out else [])]
        and f.__name__ == name
        and f.__doc__.count("\n\n")
    )
    if row.inplace:
        assert list(inspect.signature(getattr(functions.pointwise, name + "_")).parameters) == names[:-1]


def test_arguments_by_name_and_in_order(device):
    x, y = cltorch.tensor(X, device=device), cltorch.tensor([1.0] * 5, device=device)
    assert cltorch.add(input=x, other=y, alpha=2).tolist() == cltorch.add(x, y, alpha=2).tolist() == (x + 2).tolist()
    assert (
        cltorch.pow(x, exponent=2).tolist() == x.square().tolist() and cltorch.exp(input=y).tolist() == y.exp().tolist()
    )
    assert cltorch.lerp(x, y, weight=0.5).tolist() == cltorch.lerp(x, y, 0.5).tolist()
    assert cltorch.addcmul(x, y, y, value=2).tolist() == (x + 2).tolist() == x.add(y, alpha=2).tolist()
    assert cltorch.heaviside(x, values=y).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    for bad, words in (
        (lambda: cltorch.add(x), "missing"),
        (lambda: cltorch.add(x, y, beta=2), "unexpected keyword argument 'beta'"),
        (lambda: cltorch.add(x, y, alpha="a"), "argument 'alpha' must be Number, not str"),
        (lambda: cltorch.exp(2), r"exp\(\): argument 'input' \(position 1\) must be Tensor, not int"),
        (lambda: cltorch.addcmul(x, y), "missing 1 required positional arguments"),
        (lambda: cltorch.mul(x, None), "must be Tensor, not NoneType"),
        (lambda: cltorch.sigmoid(x, out=3), "argument 'out' must be Tensor, not int"),
    ):
        with pytest.raises(TypeError, match=words):
            bad()


def test_out_is_filled_and_resized(device):
    x = cltorch.tensor(X, device=device)
    out = cltorch.empty(0, device=device)
    assert cltorch.exp(x, out=out) is out and out.shape == (5,)
    np.testing.assert_allclose(out.cpu().numpy(), np.exp(X), rtol=1e-6)
    whole = cltorch.zeros(5, 2, device=device)
    cltorch.add(x, 1, out=whole[:, 1])
    np.testing.assert_array_equal(whole.cpu().numpy()[:, 1], np.array(X) + 1)
    assert whole[:, 0].tolist() == [0.0] * 5
    assert cltorch.mul(x, 2, out=x) is x and x.tolist() == [2 * v for v in X]
    for call in (lambda o: cltorch.clamp(x, 0, 1, out=o), lambda o: cltorch.div(x, 2, rounding_mode="floor", out=o),
                 lambda o: cltorch.pow(x, 3, out=o), lambda o: cltorch.nan_to_num(x, out=o)):  # fmt: skip
        assert call(out) is out


def test_division_by_its_rounding_mode(device):
    x, y = cltorch.tensor([7.0, -7.0, 7.0], device=device), cltorch.tensor([2.0, 2.0, -2.0], device=device)
    assert cltorch.div(x, y).tolist() == [3.5, -3.5, -3.5]
    assert cltorch.div(x, y, rounding_mode="floor").tolist() == (x // y).tolist() == [3.0, -4.0, -4.0]
    assert cltorch.div(x, y, rounding_mode="trunc").tolist() == [3.0, -3.0, -3.0]
    assert x.clone().div_(y, rounding_mode="trunc").tolist() == [3.0, -3.0, -3.0]
    assert cltorch.div(x.int(), 2, rounding_mode="floor").dtype is cltorch.int32
    with pytest.raises(
        RuntimeError, match="div expected rounding_mode to be one of None, 'trunc', or 'floor' but found 'x"
    ):
        cltorch.div(x, y, rounding_mode="x")
    w = x.clone().requires_grad_()
    assert cltorch.autograd.grad(cltorch.div(w, y, rounding_mode="floor").sum(), w)[0].tolist() == [0.0] * 3
    with pytest.raises(RuntimeError, match="derivative for aten::floor_divide is not implemented"):
        (w // y).sum().backward()


def test_powers_that_are_simpler_functions(device):
    x = cltorch.tensor([0.25, 4.0, -2.0], device=device, requires_grad=True)
    for exponent in (2, 2.0, 0.5, -0.5, -1, -1.0, 3, 0, 1, 2.5):
        with np.errstate(all="ignore"):
            want = np.float64([0.25, 4.0, -2.0]) ** exponent
            slope = exponent * np.float64([0.25, 4.0, -2.0]) ** (exponent - 1)
        got = x**exponent
        np.testing.assert_allclose(got.detach().cpu().numpy(), want, rtol=1e-5)
        (g,) = cltorch.autograd.grad(got.sum(), x)
        np.testing.assert_allclose(g.cpu().numpy(), slope, rtol=1e-5)
    assert (cltorch.tensor([True, False], device=device) ** True).tolist() == [True, False]
    assert (cltorch.tensor([True, False], device=device) ** False).tolist() == [True, True]
    zero = cltorch.tensor([0.0], device=device, requires_grad=True)
    (g,) = cltorch.autograd.grad((zero**0).sum(), zero)
    assert g.tolist() == [0.0]
    exponent = cltorch.tensor([0.0, 2.0], device=device, requires_grad=True)
    (g,) = cltorch.autograd.grad(cltorch.pow(0.0, exponent).sum(), exponent)
    assert g.tolist() == [0.0, 0.0]  # and not NaN, as 0 * log(0) is


def test_logit_and_ldexp(device):
    x = cltorch.tensor([0.0, 0.25, 1.0], device=device)
    assert x.logit().tolist() == [-math.inf, pytest.approx(math.log(1 / 3)), math.inf]
    assert x.logit(0.1).tolist() == pytest.approx([math.log(1 / 9), math.log(1 / 3), math.log(9)], rel=1e-5)
    assert x.clone().logit_(0.1).tolist() == x.logit(0.1).tolist()
    assert cltorch.ldexp(
        cltorch.tensor([1.0, -3.0], device=device), cltorch.tensor([3, -1], device=device)
    ).tolist() == [8, -1.5]


def test_bounds(device):
    x = cltorch.tensor(X, device=device)
    low, high = cltorch.tensor([-1.0] * 5, device=device), cltorch.tensor([0.25] * 5, device=device)
    want = np.clip(X, -1, 0.25)
    for got in (
        x.clamp(-1, 0.25), x.clamp(min=-1, max=0.25), x.clamp(low, high), cltorch.clip(x, low, high),
        x.clone().clamp_(-1, 0.25), x.clamp(min=-1).clamp(max=0.25), x.clone().clamp_min_(low).clamp_max_(high),
    ):  # fmt: skip
        np.testing.assert_array_equal(got.cpu().numpy(), want.astype(np.float32))
    assert x.int().clamp(0.5, 1.5).dtype is cltorch.float32
    for bad in (lambda: x.clamp(), lambda: x.clamp_()):
        with pytest.raises(RuntimeError, match="At least one of 'min' or 'max' must not be None"):
            bad()


def test_replacement_of_what_is_no_number(device):
    x = cltorch.tensor([math.nan, math.inf, -math.inf, 1.0], device=device)
    top = cltorch.finfo(cltorch.float32).max
    assert cltorch.nan_to_num(x).tolist() == [0.0, top, -top, 1.0]
    assert x.nan_to_num(9, posinf=5).tolist() == [9.0, 5.0, -top, 1.0]
    half = x.half().nan_to_num()
    assert half.tolist() == [0.0, 65504.0, -65504.0, 1.0]
    assert x.nan_to_num_(1, 2, 3).tolist() == [1.0, 2.0, 3.0, 1.0]
    assert cltorch.tensor([1, 2], device=device).nan_to_num().tolist() == [1, 2]


def test_tests_of_values(device):
    x = cltorch.tensor([math.nan, math.inf, -math.inf, -0.0, 1.0], device=device)
    assert x.isnan().tolist() == [True, False, False, False, False]
    assert x.isinf().tolist() == [False, True, True, False, False]
    assert x.isfinite().tolist() == [False, False, False, True, True]
    assert x.isposinf().tolist() == [False, True, False, False, False]
    assert x.isneginf().tolist() == [False, False, True, False, False]
    assert x.signbit().tolist()[1:] == [False, True, True, False] and x.isreal().all()
    n = cltorch.tensor([0, -3], device=device)
    assert n.isfinite().all() and not n.isnan().any() and not n.isinf().any() and n.signbit().tolist() == [False, True]


def test_choice_by_a_condition(device):
    x = cltorch.tensor(X, device=device)
    mask = x > 0
    assert cltorch.where(mask, x, 0).tolist() == x.where(mask, 0).tolist() == [0.0, 0.0, 0.0, 0.5, 2.0]
    assert cltorch.where(mask, 1, 2).dtype is cltorch.int64 and cltorch.where(mask, 1.0, 2).dtype is cltorch.float32
    assert cltorch.where(mask.view(5, 1), x, cltorch.tensor(7.0, device=device)).shape == (5, 5)
    assert cltorch.where(mask.to(cltorch.uint8), x, 0).tolist()[3:] == [0.5, 2.0]


def test_a_changed_result_is_noticed(device):
    x = cltorch.tensor(X, device=device, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(
        RuntimeError, match=r"modified by an inplace operation: .* which is output 0 of Exp, is at version 1"
    ):
        y.sum().backward()
    z = x * 2
    w = z * z
    z.zero_()
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0 instead"):
        w.sum().backward()
    v = x * 2
    u = v + v  # nothing of v is kept
    v.zero_()
    u.sum().backward()
    assert x.grad.tolist() == [4.0] * 5


def test_a_tensor_is_changed_by_itself(device):
    x = cltorch.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    for change, value, slope in (
        (lambda y: y.mul_(y), [1.0, 4.0, 9.0], [2.0, 4.0, 6.0]), (lambda y: y.add_(y), [2.0, 4.0, 6.0], [2.0] * 3),
        (lambda y: y.div_(y), [1.0] * 3, [0.0] * 3), (lambda y: y.sub_(y, alpha=2), [-1.0, -2.0, -3.0], [-1.0] * 3),
    ):  # fmt: skip
        y = x * 1
        assert change(y) is y and y.tolist() == value
        (g,) = cltorch.autograd.grad(y.sum(), x)
        assert g.tolist() == slope
