"""gradcheck must fail where a gradient is wrong: everybody else's tests rely on it."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import Function, GradcheckError, gradcheck, gradgradcheck


def double(*values, **kw):
    return cltorch.tensor(values, dtype=cltorch.float64, requires_grad=True, **kw)


def function(backward, forward=lambda x: x * x):
    """Return a function with a derivative of the test's own: ``backward(x, g)``."""

    class Made(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, g):
            return backward(ctx.saved_tensors[0], g)

    return Made.apply


WRONG = {
    "a factor": lambda x, g: 3 * x * g,
    "a sign": lambda x, g: -2 * x * g,
    "one element": lambda x, g: 2 * x * g * cltorch.tensor([1.0, 1.0, 1.01], dtype=cltorch.float64),
    "the order": lambda x, g: (2 * x * g).flip(0),
    "nothing": lambda x, g: None,
    "not a number": lambda x, g: 2 * x * g * float("nan"),
    "infinite": lambda x, g: 2 * x * g / 0,
}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_first_derivatives_are_found(name):
    f = function(WRONG[name])
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(f, double(0.5, -1.0, 2.0))
    assert gradcheck(f, double(0.5, -1.0, 2.0), raise_exception=False) is False


def without_gradients(backward, outputs=1):
    """Return a function of one or two results whose backward gets None where no gradient comes."""

    class Made(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2 if outputs == 1 else (x * 2, x * 3)

        @staticmethod
        def backward(ctx, *grads):
            return backward(*grads)

    return Made.apply


def test_no_gradient_counts_as_zero():
    x = double(1.0, 2.0)
    careless = without_gradients(lambda g: g * 2)
    with pytest.raises(TypeError, match="NoneType"):
        gradcheck(careless, x)
    assert gradcheck(careless, x, check_undefined_grad=False)
    assert gradcheck(without_gradients(lambda g: None if g is None else g * 2), x)
    wrong = without_gradients(lambda g: cltorch.ones_like(x) if g is None else g * 2)
    with pytest.raises(GradcheckError, match="Expected all input grads to be undefined or zero"):
        gradcheck(wrong, x)

    def of_two(g, h):
        if g is None and h is None:
            return None
        if g is None or h is None:
            raise RuntimeError("one is missing")
        return g * 2 + h * 3

    with pytest.raises(RuntimeError, match="one is missing"):  # the Jacobian of one result alone
        gradcheck(without_gradients(of_two, 2), x)
    assert gradcheck(lambda y: cltorch.var_mean(y), x)


def test_right_derivatives_pass():
    f = function(lambda x, g: 2 * x * g)
    x = double(0.5, -1.0, 2.0)
    assert gradcheck(f, x) and gradcheck(f, (x,)) and gradgradcheck(f, x)
    assert gradcheck(lambda a, b, n: (a * b, a.sum() * n), (x, double(1.0, 2.0, 3.0), 3))
    assert gradcheck(lambda a: a.detach() * 2 + a * 0 + 1, x, raise_exception=False) is False
    assert x.grad is None


def test_wrong_second_derivatives_are_found():
    first = function(lambda x, g: 2 * x.detach() * g)  # right at first, but its own derivative lost x
    x = double(0.5, -1.0, 2.0)
    assert gradcheck(first, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(first, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(function(lambda x, g: (x * x).detach() / x * 2 * g), x)


def test_gradients_that_differ_from_run_to_run_are_found():
    rng = np.random.default_rng(0)

    def noisy(x, g):
        return 2 * x * g * (1 + float(rng.standard_normal()) * 1e-9)

    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(function(noisy), double(1.0, 2.0, 3.0))
    assert gradcheck(function(noisy), double(1.0, 2.0, 3.0), nondet_tol=1e-6, check_undefined_grad=False)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_gradients_must_be_found_again_and_be_linear_in_those_that_come(fast_mode):
    rng, x = np.random.default_rng(0), double(1.0, 2.0)
    noisy = function(lambda x, g: 2 * x * g * (1 + float(rng.standard_normal()) * 1e-8))
    with pytest.raises(GradcheckError, match="Backward is not reentrant"):
        gradcheck(noisy, x, fast_mode=fast_mode)
    assert gradcheck(noisy, x, fast_mode=fast_mode, nondet_tol=1e-6)
    shifted = function(lambda x, g: 2 * x * g + 1e-3)
    with pytest.raises(GradcheckError, match="backward not multiplied by grad_output"):
        gradcheck(shifted, x, fast_mode=fast_mode, atol=0.1)
    assert not gradcheck(shifted, x, fast_mode=fast_mode, atol=0.1, raise_exception=False)


def test_hooks_must_take_no_gradient():
    def f(x):
        y = x * 2
        y.register_hook(lambda g: g * 1)
        return y

    with pytest.raises(TypeError, match="NoneType"):
        gradcheck(f, double(1.0))

    def careful(x):
        y = x * 2

        def hook(g):
            if g is None:
                raise RuntimeError("nothing came")

        y.register_hook(hook)
        return y

    with (
        pytest.warns(UserWarning, match="undefined gradient support"),
        pytest.raises(GradcheckError, match="handle undefined output grads"),
    ):
        gradcheck(careful, double(1.0))


def test_complex_results_are_compared_by_their_parts():
    def f(x):
        y = cltorch.complex(x, x)
        y.register_hook(lambda g: None if g is None else g + 0.01)
        return y

    with pytest.raises(GradcheckError, match="imaginary part of complex outputs only, Jacobian mismatch"):
        gradcheck(f, double(1.0, 2.0))


def test_forward_mode_derivatives_know_all_inputs():
    class Made(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y, y * 1

        @staticmethod
        def jvp(ctx, x, y):
            seen.append(x is None or y is None)
            return x + y * factor, y * 1

        @staticmethod
        def backward(ctx, g, h):
            raise RuntimeError("backwards")

    seen, factor, kw = [], 1.0, {"check_forward_ad": True, "check_backward_ad": False}
    x, y = double(1.0, 2.0), double(3.0, 4.0)
    assert gradcheck(Made.apply, (x, y), **kw) and not any(seen)
    factor = 1.1
    with pytest.raises(GradcheckError, match="forward mode mismatch for output 0 with respect to input 1"):
        gradcheck(Made.apply, (x, y), **kw)
    with pytest.raises(RuntimeError, match="backwards"):  # backward passes are looked at first
        gradcheck(Made.apply, (x, y), check_forward_ad=True)


def test_tolerances_count():
    f = function(lambda x, g: 2.002 * x * g)
    x = double(1.0, 2.0, 3.0)
    assert gradcheck(f, x, rtol=0.1) and not gradcheck(f, x, rtol=1e-5, raise_exception=False)


def test_inputs_must_ask_for_gradients():
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(cltorch.sin, cltorch.ones(2, dtype=cltorch.float64))


def test_second_derivatives_with_given_gradients(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = double(0.5, -1.0, 2.0, device=device)
    assert gradgradcheck(lambda x: x**3, x, double(1.0, 0.5, -2.0, device=device))
    assert gradgradcheck(lambda x, y: (x * y).sum(), (x, double(1.0, 2.0, 3.0, device=device)))
    assert gradcheck(lambda x: (x.sin(), x.cos()), x) and gradgradcheck(lambda x: (x.sin(), x.cos()), x)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_function_may_know_its_inputs_without_being_given_them(device, fp64, fast_mode):
    """What a closure holds, as a module's parameters, is moved where it is, and is afterwards what it was."""
    if not fp64:
        pytest.skip("the device has no float64")
    layer = cltorch.nn.Linear(2, 3, dtype=cltorch.float64, device=device)
    x = cltorch.randn(4, 2, dtype=cltorch.float64, device=device, requires_grad=True)
    before = [p.tolist() for p in (x, *layer.parameters())]

    def f(*_):
        return layer(x).tanh()

    assert cltorch.autograd.gradcheck(f, (x, *layer.parameters()), fast_mode=fast_mode)
    assert cltorch.autograd.gradgradcheck(f, (x, *layer.parameters()), fast_mode=fast_mode)
    assert [p.tolist() for p in (x, *layer.parameters())] == before
    assert cltorch.autograd.gradcheck(lambda a, b: a * b.sin(), (x, x), fast_mode=fast_mode)
    with pytest.raises(
        cltorch.autograd.GradcheckError if hasattr(cltorch.autograd, "GradcheckError") else RuntimeError
    ):
        cltorch.autograd.gradcheck(lambda *_: layer(x.detach()) + x.sum() * 0, (x, *layer.parameters()))


@pytest.mark.parametrize("forward", [False, True])
def test_what_differs_is_shown_as_tensors_and_of_the_fast_mode_as_whole_jacobians(forward):
    class Wrong(Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g * 3

        @staticmethod
        def jvp(ctx, x):
            return x * 3

    x = double(1.0, 1.0)
    how = {"check_forward_ad": forward, "check_backward_ad": not forward}
    whole = ["tensor([[2.0000, 0.0000],", "tensor([[3., 0.],", "dtype="]
    with pytest.raises(GradcheckError) as slow:
        gradcheck(Wrong.apply, x, **how)
    with pytest.raises(GradcheckError) as fast:
        gradcheck(Wrong.apply, x, fast_mode=True, **how)
    said, more = str(slow.value), str(fast.value)
    assert all(words in said and words in more for words in whole) and "slow mode" not in said
    assert "Numerical:\n tensor" in more and "difference (slow mode) is: 1.0000" in more
