"""What a tracer makes of programs: the graph, the code, and the same numbers."""

from __future__ import annotations

import math

import pytest

import cltorch as torch
from cltorch import fx, nn
from cltorch.fx import _symbolic_trace as st
from cltorch.fx.proxy import TraceError
from cltorch.nn import functional as F


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.seq = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Identity()))
        self.w = nn.Parameter(torch.full((4,), 0.5))
        self.register_buffer("buf", torch.ones(4))
        self.t = torch.full((4,), 2.0)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        for block in self.blocks:
            x = block(x) * self.w
        return self.seq(x + self.buf) - self.t + F.linear(x, self.blocks[0].weight)


def variadic(x, y=None, *a, k=3, **kw):
    first, second = x.split(1)
    return second * k


#: Programs, and the bodies of the code that torch 2.13 makes of them.
PROGRAMS = [
    (lambda x: x.relu().sum(-1, keepdim=True), "relu = x.relu();  x = None\n"
     "sum_1 = relu.sum(-1, keepdim = True);  relu = None\nreturn sum_1"),
    (lambda x: 2 - x**2 @ x / 3 // 2 % 5, "pow_1 = x ** 2\nmatmul = pow_1 @ x;  pow_1 = x = None\n"
     "truediv = matmul / 3;  matmul = None\nfloordiv = truediv // 2;  truediv = None\nmod = floordiv % 5;  "
     "floordiv = None\nsub = 2 - mod;  mod = None\nreturn sub"),
    (lambda x: x.shape[0] * x.size(-1), "getattr_1 = x.shape\ngetitem = getattr_1[0];  getattr_1 = None\n"
     "size = x.size(-1);  x = None\nmul = getitem * size;  getitem = size = None\nreturn mul"),
    (lambda x: torch.stack([x, x], 1)[:, 0, ..., None, ::2], "stack = torch.stack([x, x], 1);  x = None\n"
     "getitem = stack[(slice(None, None, None), 0, Ellipsis, None, slice(None, None, 2))];  stack = None\n"
     "return getitem"),
    (lambda x: x.to("cpu", torch.float16), "to = x.to('cpu', torch.float16);  x = None\nreturn to"),
    (lambda x: math.sqrt(x.size(1)) * x, "size = x.size(1)\nsqrt = math_sqrt(size);  size = None\n"
     "mul = sqrt * x;  sqrt = x = None\nreturn mul"),
    (lambda x: {"a": x[1:], "b": (x, [x.T])}, "getitem = x[slice(1, None, None)]\ngetattr_1 = x.T\n"
     "return {'a': getitem, 'b': (x, [getattr_1])}"),
    (lambda x: torch.clamp(x, min=-math.inf), "clamp = torch.clamp(x, min = -inf);  x = None\nreturn clamp"),
    (variadic, "_a = a\n_kw = kw\nsplit = x.split(1);  x = None\ngetitem = split[0];  getitem = None\n"
     "getitem_1 = split[1];  split = None\nmul = getitem_1 * k;  getitem_1 = k = None\nreturn mul"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "code"), PROGRAMS)
def test_the_code_is_pytorchs(program, code):
    made = fx.symbolic_trace(program).code.strip().split("\n", 1)[1]
    assert "\n".join(line[4:] for line in made.splitlines()) == code


def test_a_module_gives_the_same_numbers_and_gradients(device):
    torch.manual_seed(0)
    model = Block().to(device)
    model.t = model.t.to(device)
    traced = fx.symbolic_trace(model)
    x = torch.randn(2, 3, 4, 4, device=device)
    assert [n.name for n in traced.graph.nodes if n.op in ("get_attr", "call_module")] == [
        "conv", "bn", "blocks_0", "w", "blocks_1", "buf", "seq_0", "seq_1_0", "t", "blocks_0_weight"
    ]  # fmt: skip
    for mode in (True, False):
        model.train(mode)
        traced.train(mode)
        torch.testing.assert_close(traced(x), model(x))
    assert set(traced.state_dict()) == set(model.state_dict()) | {"t"}
    loss = traced(x).square().sum()
    loss.backward()
    grad = model.w.grad.clone()  # parameters are shared
    model.w.grad = None
    model(x).square().sum().backward()
    torch.testing.assert_close(model.w.grad, grad)


def test_values_that_are_given_are_part_of_the_graph():
    traced = fx.symbolic_trace(
        lambda x, double, y=None: x * 2 if double and y is None else x, {"double": True, "y": None}
    )
    assert [n.name for n in traced.graph.nodes][:4] == ["x", "double_1", "eq", "_assert"]
    assert traced(3, True) == 6
    for other in ((3, False), (3, True, 1)):
        with pytest.raises(AssertionError, match="has been specialized to have value"):
            traced(*other)
    traced.graph.eliminate_dead_code()
    assert len(traced.graph.find_nodes(op="call_function", target=torch._assert)) == 1


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, TraceError, "control flow"),
        (lambda x: [-y for y in x], TraceError, "cannot be iterated"),
        (lambda x: len(x), RuntimeError, "'len' is not supported"),
        (lambda x: x.add(object()), NotImplementedError, "argument of type"),
        (lambda x: x.add(nn.ReLU()), NotImplementedError, "argument of type: .*ReLU"),
    ],
)
def test_what_cannot_be_traced_is_told(program, error, message):
    with pytest.raises(error, match=message):
        fx.symbolic_trace(program)
    assert (
        not torch.fx._symbolic_trace.is_fx_tracing() and nn.ReLU()(torch.ones(1)).item() == 1
    )  # nothing stays patched
    assert isinstance(math.sqrt(4), float)


def test_constants_are_kept_on_the_module(device):
    constant = torch.arange(3.0, device=device)
    traced = fx.symbolic_trace(lambda x: constant + x * constant)
    assert traced._tensor_constant0 is constant and "_tensor_constant1" not in dict(traced.named_buffers())
    assert traced(torch.ones(3, device=device)).tolist() == [0, 2, 4]
    generator = torch.Generator(device)
    traced = fx.symbolic_trace(lambda x: abs(torch.bernoulli(x, generator=generator)))
    assert traced._opaque_obj0 is generator
    torch.testing.assert_close(traced(torch.ones(3, device=device)), torch.ones(3, device=device))


def leaf(x, n):
    return x * 2 if n > 1 else x


fx.wrap("leaf")
fx.wrap("sum")


def test_wrapped_functions_are_not_traced_into():
    traced = fx.symbolic_trace(lambda x: leaf(x, x.shape[0]) + sum(x))
    assert [str(n.name) for n in traced.graph.nodes if n.op == "call_function"] == [
        "getattr_1", "getitem", "leaf", "sum_1", "add"
    ]  # fmt: skip
    assert traced(torch.ones(2)).tolist() == [4, 4] and leaf(2, 5) == 4 and sum([1]) == 1
    with pytest.raises(NotImplementedError, match="top level"):
        fx.wrap("leaf")


def test_a_tracer_says_what_is_a_leaf():
    class OnlyConvolutions(fx.Tracer):
        def is_leaf_module(self, m, module_qualified_name):
            return isinstance(m, (nn.Conv2d, nn.BatchNorm2d))

    tracer = OnlyConvolutions()
    graph = tracer.trace(Block())
    assert [n.name for n in graph.nodes if n.op == "call_module"] == ["conv", "bn"]
    assert tracer.node_name_to_scope["linear"] == ("blocks.0", nn.Linear)
    (conv,) = graph.find_nodes(op="call_module", target="conv")
    assert list(conv.meta["nn_module_stack"]) == ["conv"]


def test_operands_in_a_list_are_traced_one_by_one():
    traced = fx.symbolic_trace(lambda x, y: torch.einsum("ij,jk->ik", [x, y]))
    assert "torch.einsum('ij,jk->ik', x, y)" in traced.code


def test_a_tracer_of_another_library_patches_as_ours_does():
    """It has a ``trace`` of its own, made of the private parts of PyTorch's."""

    class Own(fx.Tracer):
        @st.compatibility(is_backward_compatible=True)
        def trace(self, root, concrete_args=None):
            self.root, self.graph, self.tensor_attrs = root, fx.Graph(tracer_cls=type(self)), {}
            self.submodule_paths = {module: name for name, module in root.named_modules()}
            fn, args = self.create_args_for_root(type(root).forward, True, concrete_args)
            assert isinstance(fn, st.FunctionType) and not isinstance(root, st.ScriptObject)

            def called(mod, *args, **kwargs):
                return self.call_module(mod, lambda *a: st._orig_module_call(mod, *a), args, kwargs)

            with st._Patcher() as patcher:
                patcher.patch_method(nn.Module, "__call__", called, deduplicate=False)
                patcher.patch_method(nn.Linear, "extra_repr", lambda mod: "patched", deduplicate=False)
                st._patch_wrapped_functions(patcher)
                for module in self._autowrap_search:
                    st._autowrap_check(patcher, module.__dict__, self._autowrap_function_ids)
                self.create_node("output", "output", (self.create_arg(fn(*args)),), {})
            return self.graph

    model = nn.Sequential(nn.Linear(2, 2))
    assert [n.name for n in Own().trace(model).nodes] == ["input_1", "_0", "output"]
    assert "patched" not in repr(model) and "extra_repr" in vars(nn.Linear)
