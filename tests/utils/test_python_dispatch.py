"""Modes below the graph: which operators they see, with which arguments, and what comes of what they return."""

from __future__ import annotations

import pytest

import cltorch as torch
from cltorch import torch_function
from cltorch.autograd.layers import active
from cltorch.nn import functional as F
from cltorch.testing import assert_close
from cltorch.utils import _python_dispatch as modes
from cltorch.utils._python_dispatch import TorchDispatchMode
from cltorch.utils._pytree import tree_leaves, tree_map
from tests.autograd.test_forward import CALLS, double
from tests.ops.test_pointwise import DIFFERENTIABLE, ROW, arguments, inputs_for_gradients, public

aten = torch.ops.aten


def shape(x):
    return tuple(x.shape) if isinstance(x, torch.Tensor) else x


class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        assert types == ()
        self.calls.append((str(func), tree_map(shape, list(args)), kwargs))
        return out

    def names(self):
        return [name for name, *_ in self.calls]


def test_a_model_forward_and_backward(device):
    """What PyTorch 2.13 shows of this model, but that here a loss of classes and some derivatives are one operator."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(32, 3)
    ).to(device)  # fmt: skip
    x = torch.ones(2, 1, 6, 6, device=device)
    with Seen() as seen:
        y = torch.softmax(net(x), 1)
    assert seen.calls == [
        ("aten.convolution.default",
         [(2, 1, 6, 6), (2, 1, 3, 3), (2,), [1, 1], [0, 0], [1, 1], False, [0, 0], 1], {}),
        ("aten.add_.Tensor", [(), 1], {}),
        ("aten.native_batch_norm.default", [(2, 2, 4, 4), (2,), (2,), (2,), (2,), True, 0.1, 1e-05], {}),
        ("aten.relu.default", [(2, 2, 4, 4)], {}),
        ("aten.view.default", [(2, 2, 4, 4), [2, 32]], {}),
        ("aten.addmm.default", [(3,), (2, 32), (32, 3)], {}),
        ("aten._softmax.default", [(2, 3), 1, False], {}),
    ]  # fmt: skip
    with Seen() as seen:
        y.backward(torch.ones_like(y))
    assert [call for call in seen.calls if call[0] != "aten.ones_like.default"] == [
        ("aten._softmax_backward_data.default", [(2, 3), (2, 3), 1, torch.float32], {}),
        ("aten.mm.default", [(2, 3), (3, 32)], {}),
        ("aten.mm.default", [(3, 2), (2, 32)], {}),
        ("aten.sum.dim_IntList", [(2, 3), [0], False], {}),
        ("aten.view.default", [(2, 32), [2, 2, 4, 4]], {}),
        ("aten.threshold_backward.default", [(2, 2, 4, 4), (2, 2, 4, 4), 0], {}),
        ("cltorch.native_batch_norm_backward.default",
         [(2, 2, 4, 4), None, None, (2, 2, 4, 4), (2,), (2,), (2,)], {}),
        ("aten.convolution_backward.default",
         [(2, 2, 4, 4), (2, 1, 6, 6), (2, 1, 3, 3), [2], [1, 1], [0, 0], [1, 1], False, [0, 0], 1,
          [False, True, True]], {}),
    ]  # fmt: skip


def test_small_operators_as_pytorch_names_them(device):
    y = torch.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    cases = {
        "aten.rsub.Scalar": lambda: 1 - y,
        "aten.add.Tensor": lambda: y + 1,
        "aten.mul.Tensor": lambda: 2 * y,
        "aten.reciprocal.default": lambda: y.reciprocal(),
        "aten.gt.Scalar": lambda: y > 1,
        "aten.eq.Tensor": lambda: y == y,
        "aten.pow.Tensor_Scalar": lambda: y**3,
        "aten.where.self": lambda: torch.where(y > 1, y, y),
        "aten.clamp.default": lambda: y.clamp(0, 1),
        "aten._to_copy.default": lambda: y.to(torch.float16),
        "aten.select.int": lambda: y[1],
        "aten.slice.Tensor": lambda: y[:1],
        "aten.transpose.int": lambda: y.transpose(0, 1),
        "aten.t.default": lambda: y.t(),
        "aten.unsqueeze.default": lambda: y[:, None],
        "aten.expand.default": lambda: y[0].expand(3, 2),
        "aten.split.Tensor": lambda: y.split(1),
        "aten.unbind.int": lambda: y.unbind(1),
        "aten.mean.dim": lambda: y.mean(0),
        "aten.std.correction": lambda: y.std(),
        "aten.cat.default": lambda: torch.cat([y, y]),
        "aten.native_layer_norm.default": lambda: F.layer_norm(y, (2,)),
        "aten.embedding.default": lambda: F.embedding(torch.tensor([1], device=device), y),
        "aten.ones.default": lambda: torch.ones(2, 3, device=device),
        "aten.zeros_like.default": lambda: torch.zeros_like(y),
        "aten.argmax.default": lambda: y.argmax(),
        "aten._local_scalar_dense.default": lambda: y[0, 0].item(),
        "aten.normal_.default": lambda: y.clone().normal_(),
        "aten.copy_.default": lambda: y.clone().copy_(y),
        "aten.zero_.default": lambda: y.clone().zero_(),
        "aten.add_.Tensor": lambda: y.clone().add_(1),
        "aten.bmm.default": lambda: y.expand(3, 2, 2) @ y.expand(3, 2, 2),
    }
    for name, run in cases.items():
        with Seen() as seen:
            run()
        assert seen.names()[-1] == name
    with Seen() as seen:
        _ = 3 / y
    assert seen.names() == ["aten.reciprocal.default", "aten.mul.Tensor"]


class Again(TorchDispatchMode):
    """Run every operator of PyTorch's a second time by its name, on other tensors of the same values."""

    def __init__(self):
        super().__init__()
        self.agreed = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.namespace == "aten" and not func._schema.is_mutable and func is not aten.dropout.default:
            others = tree_map(
                lambda x: x.as_strided(x.shape, x.stride(), x.storage_offset()) if isinstance(x, torch.Tensor) else x,
                args,
            )
            mine, named = (list(tree_leaves(y if isinstance(y, list) else [y])) for y in (out, func(*others, **kwargs)))
            assert len(mine) == len(named), func
            for x, y in zip(mine, named, strict=True):
                if isinstance(x, torch.Tensor):
                    assert_close(x, y, equal_nan=True, msg=lambda words, func=func: f"{func}: {words}")
            self.agreed.add(func.name())
        return out


def gradients(f, xs):
    found = f(*xs)
    outs = [torch.view_as_real(y) if y.is_complex() else y for y in (found if isinstance(found, tuple) else (found,))]
    outs = [y for y in outs if y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    grads = torch.autograd.grad([y.sum() for y in outs], wanted, allow_unused=True) if outs else ()
    return [y.detach() for y in outs], grads


def check(f, xs, mode):
    plain = gradients(f, xs)
    with mode:
        under = gradients(f, xs)
    for a, b in zip((*plain[0], *plain[1]), (*under[0], *under[1]), strict=True):
        assert (a is None) is (b is None)
        if a is not None:
            assert_close(a, b, equal_nan=True)


@pytest.mark.parametrize("name", CALLS)
def test_names_and_arguments_are_those_that_give_the_result(name):
    f, *shapes = CALLS[name]
    check(f, [double(*s, seed=i) for i, s in enumerate(shapes)], Again())


def test_rows_have_names_and_arguments_that_give_the_result():
    mode = Again()
    for name in DIFFERENTIABLE:
        params = arguments(ROW[name])
        given = [torch.tensor(x, requires_grad=x.dtype != bool) for x in inputs_for_gradients(ROW[name])]
        check(lambda *xs, name=name, params=params: public(name)(*xs, **params), given, mode)
    assert (
        len(mode.agreed) > 100 and {"aten::sigmoid_backward", "aten::gelu_backward", "aten::lerp.Tensor"} < mode.agreed
    )


class Instead(TorchDispatchMode):
    def __init__(self, func, make):
        super().__init__()
        self.func, self.make = func, make

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is self.func:
            return self.make(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def test_what_a_mode_returns_is_the_result_and_is_kept_for_the_derivative(device):
    x = torch.tensor([1.0, -2.0], device=device, requires_grad=True)
    with Instead(aten.relu.default, lambda func, args, kwargs: func(*args) * 2):
        y = x.relu()
        y.sum().backward()
    assert y.tolist() == [2, 0] and x.grad.tolist() == [1, 0] and y.grad_fn.name() == "ReluBackward0"
    x.grad = None
    with Instead(aten._softmax.default, lambda func, args, kwargs: torch.full_like(args[0], 0.5)):
        y = x.softmax(0)
    y[0].backward()
    assert_close(x.grad, torch.tensor([0.25, -0.25], device=device))  # of the 0.5 that it was given


def test_other_arguments_go_to_the_operator_of_the_name(device):
    a = torch.full((2, 2), 1.0001, device=device, requires_grad=True)
    b = torch.ones(2, 2, device=device, requires_grad=True)
    with Instead(aten.mm.default, lambda func, args, kwargs: func(*(x.half() for x in args)).float()):
        y = a @ b
        y.sum().backward()
    assert y.tolist() == [[2, 2], [2, 2]] and b.grad.tolist() == [[2, 2], [2, 2]]


def test_the_inner_mode_is_first_and_calls_reach_the_outer_one():
    order = []

    class Told(TorchDispatchMode):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            order.append((self.name, func.__name__))
            assert modes._get_current_dispatch_mode() is (outer if self.name == "inner" else None)
            out = func(*args, **(kwargs or {}))
            return out.neg() if self.name == "inner" else out

    outer = Told("outer")
    x = torch.ones(2)
    with outer, Told("inner"):
        y = x.exp()
        with modes._disable_current_modes():
            x.log()
    assert order == [("inner", "exp.default"), ("outer", "exp.default"), ("outer", "neg.default")]
    assert_close(y, -x.exp())


def test_views_and_changes_in_place_stay_what_they_are(device):
    x = torch.zeros(3, device=device, requires_grad=True)
    with Seen() as seen:
        y = x * 1
        z = y[1:]
        z.add_(2)
        z[0] = 5
        y.sum().backward()
    assert z._base is y and y.tolist() == [0, 5, 2] and x.grad.tolist() == [1, 0, 1]
    assert {"aten.add_.Tensor", "aten.fill_.Scalar", "aten.slice.Tensor"} < set(seen.names())


def test_nan_is_found_where_it_comes_from(device):
    class NoNan(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for x in tree_leaves(out if isinstance(out, list) else [out]):
                if isinstance(x, torch.Tensor) and x.is_floating_point() and x.isnan().any():
                    raise RuntimeError(f"nan in {func}")
            return out

    x = torch.tensor([0.0], device=device, requires_grad=True)
    with NoNan():
        y = (x * x).sqrt()
        with pytest.raises(RuntimeError, match="nan in aten.div.Tensor"):
            (0 * y).backward()


def test_what_is_refused():
    x = torch.ones(2)
    with pytest.raises(NotImplementedError), TorchDispatchMode():
        x.exp()
    with pytest.raises(TypeError, match="returned a int for exp"), Instead(aten.exp.default, lambda *_: 3):
        x.exp()
    with pytest.raises(TypeError, match="returned a int for ones"), Instead(aten.ones.default, lambda *_: 3):
        torch.ones(2)
    with pytest.raises(NotImplementedError, match="other tensors than its views"):
        with Instead(aten.unbind.int, lambda func, args, kwargs: [args[0], args[0]]):
            x.unbind()
    assert modes._get_current_dispatch_mode() is None


def test_nothing_is_left_behind():
    before = torch_function.on[0], list(active), torch.Tensor.add.__code__
    with Seen() as seen:
        torch.ones(2).add(1)
    assert seen.names() == ["aten.ones.default", "aten.add.Tensor"]
    assert (torch_function.on[0], list(active), torch.Tensor.add.__code__) == before


def test_operators_are_values():
    f = aten.add.Tensor
    assert f is aten.add.Tensor and f.overloadpacket is aten.add and f._overloadpacket is aten.add
    assert (str(f), f.__name__, f.name(), f._overloadname) == (
        "aten.add.Tensor",
        "add.Tensor",
        "aten::add.Tensor",
        "Tensor",
    )
    assert f._schema.name == "aten::add" and not f._schema.is_mutable and aten.add_.Tensor._schema.is_mutable
    assert torch.ops.aten.convolution_backward.default.overloadpacket is torch.ops.aten.convolution_backward
