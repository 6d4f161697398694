"""torch.func at its edges: inference mode, what transforms refuse, and how they call functions of the user."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch import func
from cltorch.func import grad, jvp, vjp
from cltorch.testing import assert_close


def test_derivatives_inside_of_inference_mode_are_those_outside_of_it(device):
    x, v = torch.tensor([1.0, -2.0], device=device), torch.tensor([3.0, 1.0], device=device)
    with torch.inference_mode():
        kept = x.clone()
        found = [
            grad(lambda a: (a**3).sum())(x), vjp(lambda a: a**3, x)[1](torch.ones_like(x))[0],
            grad(lambda a: (a**3).sum())(kept), torch.vmap(grad(lambda a: a**3))(x),
            jvp(lambda a: a**3, (x,), (torch.ones_like(x),))[1],
        ]  # fmt: skip
        second = func.hessian(lambda a: (a**3).sum())(x)
        assert torch.is_inference_mode_enabled()
    assert [g.tolist() for g in found] == [[3, 12]] * 5 and second.tolist() == [[6, 0], [0, -12]]
    # what was made in that mode is a constant of a transform like others
    assert grad(lambda a: (a * kept).sum())(v).tolist() == [1, -2]
    assert grad(lambda a: (a * a).sum())(kept).tolist() == [2, -4]
    assert jvp(lambda a: a * kept, (x,), (v,))[1].tolist() == [3, -2]
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved"):
        v.clone().requires_grad_() * kept


def test_transforms_refuse_what_they_do_not_follow(device):
    x = torch.ones(2, device=device)
    hooks = torch.autograd.graph.save_on_cpu

    def hooked(a):
        with hooks():
            return a.sin().sum()

    for transform in (grad, func.grad_and_value, func.jacrev, func.hessian, lambda f: vjp(f, x)[1]):
        with pytest.raises(RuntimeError, match="don't yet support saved tensor hooks"):
            transform(hooked)(x)
        with hooks(), pytest.raises(RuntimeError, match="don't yet support saved tensor hooks"):
            transform(lambda a: a.sin().sum())(x)
    assert jvp(hooked, (x,), (x,))[1].item() == pytest.approx(2 * np.cos(1), rel=1e-6)
    for transform in (grad, lambda f: lambda a: jvp(f, (a,), (a,)), lambda f: lambda a: vjp(f, a)):
        with pytest.raises(RuntimeError, match=r"call Tensor.requires_grad_\(\)"):
            transform(lambda a: a.requires_grad_().sum())(x)
        with pytest.raises(RuntimeError, match="perhaps using torch.autograd.functional"):
            transform(lambda a: torch.autograd.functional.jacobian(torch.sin, a).sum())(x)
    with pytest.raises(RuntimeError, match=r"call Tensor.retain_grad\(\)"):
        grad(lambda a: a.sin().retain_grad())(x)
    with pytest.raises(RuntimeError, match="backward.. called inside a functorch transform"):
        jvp(lambda a: a.sum().backward(), (x,), (x,))
    with pytest.raises(RuntimeError, match="jacrev: Expected all outputs to be real"):
        func.jacrev(lambda a: a * 1j)(x)
    with pytest.raises(RuntimeError, match="jacfwd: Expected all outputs to be real"):
        func.jacfwd(lambda a: a * 1j)(x)
    for nothing in (None, (), [], {}):
        for call in (lambda f: vjp(f, x), lambda f: jvp(f, (x,), (x,)), lambda f: func.jacrev(f)(x)):
            with pytest.raises(RuntimeError, match="non-empty output"):
                call(lambda a, out=nothing: out)
    layers = [torch.nn.Linear(2, 2, device=device) for _ in range(2)]
    layers[1].weight.requires_grad_(False)
    with pytest.raises(RuntimeError, match="Expected weight from each model to have the same .requires_grad"):
        func.stack_module_state(layers)


def test_vectors_of_vjp(device):
    x = torch.tensor([1.0, 2.0], device=device, requires_grad=True)
    with torch.no_grad():
        value, pull = vjp(lambda a: a**3, x)
    (g,) = pull(torch.ones(2, device=device))
    assert not value.requires_grad and torch.autograd.grad(g.sum(), x)[0].tolist() == [6, 12]
    value, pull = vjp(lambda a: a**3, x)
    with torch.no_grad():
        (g,) = pull(torch.ones(2, device=device))
    assert value.requires_grad and not g.requires_grad
    with pytest.raises(TypeError, match="gradients can be either Tensors or None"):
        pull(1.0)
    with pytest.raises(RuntimeError, match="implicitly created only for scalar outputs"):
        pull(None)


def test_a_tangent_takes_the_dtype_of_its_primal(device):
    x = torch.tensor([1.0, 2.0], device=device)
    double = torch.device(device).type == "cpu" or torch.device(device).context.caps.fp64
    for t in (torch.float64, torch.float16) if double else (torch.float16,):
        for f in (torch.square, lambda a: a @ torch.eye(2, device=device) * a, lambda a: a.cumsum(0)):
            value, pushed = jvp(f, (x,), (torch.tensor([0.5, 3.0], device=device, dtype=t),))
            assert pushed.dtype is value.dtype is torch.float32
            assert_close(pushed, jvp(f, (x,), (torch.tensor([0.5, 3.0], device=device),))[1])


def test_jacobians_of_functions_that_change_an_argument(device):
    x, y = torch.tensor([1.0, 2.0], device=device), torch.tensor([5.0, 6.0], device=device)
    for jacobian in (func.jacrev, func.jacfwd):
        assert jacobian(lambda a, b: b.copy_(a * a))(x, y.clone()).tolist() == [[2, 0], [0, 4]]


class DynamicBackward(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        g.nonzero()  # which a batch cannot do
        return g * 2


def test_rows_one_by_one_need_no_batch(device):
    x = torch.ones(2, device=device)
    assert func.jacrev(DynamicBackward.apply, chunk_size=1)(x).tolist() == [[2, 0], [0, 2]]
    with pytest.raises(RuntimeError, match="dynamic shape"):
        func.jacrev(DynamicBackward.apply, chunk_size=2)(x)


def test_a_function_that_returns_and_keeps_its_input(device):
    class AsIs(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.ones((), device=device)
    for run in (AsIs.apply, grad(AsIs.apply)):
        with pytest.raises(RuntimeError, match="An input that has been returned as-is"):
            run(x)
    names = []

    def named(x):
        y = DynamicBackward.apply(x)
        names.append(type(y.grad_fn).__name__)
        return y

    grad(named)(x)
    named(x.clone().requires_grad_())
    assert names == ["DynamicBackwardGeneratedBackward", "DynamicBackwardBackward"]


def test_a_view_changed_within_a_batch_keeps_the_tangent_of_the_rest(device):
    x, t = torch.zeros(2, 4, device=device), torch.ones(2, 4, device=device)
    y, s = torch.ones(2, 2, device=device), torch.full((2, 2), 3.0, device=device)

    def f(a, b):
        part = a[::2]
        part.copy_(b)
        return a

    value, pushed = torch.vmap(lambda *args: jvp(f, args[:2], args[2:]))(x, y, t, s)
    assert value.tolist() == [[1, 0, 1, 0]] * 2 and pushed.tolist() == [[3, 1, 3, 1]] * 2
