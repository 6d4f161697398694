"""Graphs and modules that are made of them: building, changing, copying and writing them."""

from __future__ import annotations

import copy
import operator
import pickle
import sys

import pytest

import cltorch as torch
from cltorch import fx, nn
from cltorch.fx.immutable_collections import immutable_list
from cltorch.fx.passes.shape_prop import ShapeProp


def net(device="cpu"):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2)).to(device)


def test_a_graph_is_built_by_hand(device):
    graph = fx.Graph()
    x = graph.placeholder("x")
    y = graph.placeholder("y", default_value=3)
    total = graph.call_function(operator.add, (x, y))
    halved = graph.call_method("div", (total, 2), {"rounding_mode": "floor"})
    graph.output((graph.call_module("layer", (halved,)), graph.get_attr("layer.weight")))
    graph.lint()
    assert str(graph).splitlines()[3:5] == [
        "    %add : [num_users=1] = call_function[target=operator.add](args = (%x, %y), kwargs = {})",
        "    %div : [num_users=1] = call_method[target=div](args = (%add, 2), kwargs = {rounding_mode: floor})",
    ]
    layer = nn.Linear(2, 1, device=device)
    module = fx.GraphModule({"layer": layer, "layer.weight": layer.weight}, graph)
    out, weight = module(torch.tensor([4.0, 6.0], device=device))
    assert torch.equal(out, layer(torch.tensor([3.0, 4.0], device=device))) and weight is layer.weight
    with pytest.raises(RuntimeError, match="not provided in `root`"):
        fx.GraphModule({"layer": layer}, graph)


def test_nodes_know_their_users_and_move():
    graph = fx.symbolic_trace(lambda x, y: torch.relu(x + y) * x).graph
    x, y, add, relu, mul, output = graph.nodes
    assert list(x.users) == [add, mul] and mul.all_input_nodes == [relu, x] and add.next is relu and mul.prev is relu
    assert len(graph.nodes) == 6 and graph.output_node() is output and x < mul and output > relu
    assert x <= x and add >= x and not add <= x
    assert list(reversed(graph.nodes))[0] is output
    with pytest.raises(RuntimeError, match="still had 1 users"):
        graph.erase_node(relu)
    assert relu.replace_all_uses_with(add) == [mul] and mul.args == (add, x)
    graph.erase_node(relu)
    with graph.inserting_after(add):
        first = graph.call_function(torch.neg, (add,))
        second = graph.call_function(torch.exp, (first,))
    mul.update_arg(0, second)
    assert [n.name for n in graph.nodes] == ["x", "y", "add", "neg", "exp", "mul", "output"]
    output.append(graph.call_function(torch.sin, (x,)))
    with graph.inserting_before(add):
        early = graph.call_function(torch.cos, (mul,))
    add.insert_arg(1, early)
    with pytest.raises(RuntimeError, match="used before it has been defined"):
        graph.lint()
    with pytest.raises(NotImplementedError, match="does not support mutation"):
        immutable_list([1]).append(2)


def test_dead_code_goes_and_what_acts_stays():
    def program(x):
        torch.neg(x)
        torch._assert(x.sum() > 0, "positive")
        return x + 1

    traced = fx.symbolic_trace(program)
    assert traced.graph.eliminate_dead_code() and not traced.graph.eliminate_dead_code()
    traced.recompile()
    assert "neg" not in traced.code and "_assert" in traced.code
    with pytest.raises(AssertionError, match="positive"):
        traced(-torch.ones(1))


@pytest.mark.parametrize("how", [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_run_the_same_code(how, device):
    traced = fx.symbolic_trace(net(device).eval())
    made = how(traced)
    x = torch.randn(2, 3, device=device)
    assert made.code == traced.code and type(made).__name__ == "Sequential" and not made.training
    torch.testing.assert_close(made(x), traced(x))
    (first, *_) = [n for n in made.graph.nodes if n.op == "call_module"]
    first.replace_all_uses_with(first.args[0])
    made.graph.erase_node(first)
    made.recompile()
    assert made.code != traced.code
    torch.testing.assert_close(traced(x), how(traced)(x))


def test_submodules_are_added_and_removed():
    traced = fx.symbolic_trace(net().eval())
    assert traced.add_submodule("more.inner", nn.ReLU()) and isinstance(traced.more.inner, nn.ReLU)
    traced.delete_all_unused_submodules()
    assert not hasattr(traced, "more") and traced.delete_submodule("2") and not traced.delete_submodule("2")
    with pytest.raises(RuntimeError, match="references nonexistent attribute 2"):
        traced.graph.lint()


def test_a_folder_is_a_package(tmp_path, monkeypatch):
    model = net().eval()
    fx.symbolic_trace(model).to_folder(tmp_path / "made_net", "Net")
    text = (tmp_path / "made_net" / "module.py").read_text()
    monkeypatch.setitem(sys.modules, "torch", torch)
    space: dict = {}
    exec(compile(text, "module.py", "exec"), space)
    x = torch.randn(2, 3)
    torch.testing.assert_close(space["Net"]().eval()(x), model(x))


def test_lines_of_code_may_be_changed(capsys):
    traced = fx.symbolic_trace(lambda x: x + 1)
    with traced.graph.on_generate_code(lambda before: lambda body: ["print('run')\n", *body]):
        traced.recompile()
    assert traced(1) == 2 and capsys.readouterr().out == "run\n"
    traced.recompile()
    assert traced(1) == 2 and capsys.readouterr().out == ""


def test_a_code_generator_says_what_the_function_takes_and_gives():
    class Doubled(fx.CodeGen):
        def process_inputs(self, *args):
            return tuple(2 * x for x in args)

        def process_outputs(self, outputs):
            return {"sum": outputs}

    traced = fx.symbolic_trace(lambda x, y: x + y)
    traced.graph.set_codegen(Doubled())
    assert fx.Interpreter(traced).run(1, 2) == {"sum": 6}
    assert fx.Interpreter(traced).run(1, 2, enable_io_processing=False) == 3


def test_shapes_are_noted(device):
    traced = fx.symbolic_trace(net(device))
    ShapeProp(traced).propagate(torch.ones(5, 3, device=device))
    metas = [n.meta["tensor_meta"] for n in traced.graph.nodes]
    assert [tuple(m.shape) for m in metas] == [(5, 3), (5, 4), (5, 4), (5, 4), (5, 2), (5, 2)]
    assert all(m.dtype is torch.float32 for m in metas) and not metas[0].requires_grad and metas[1].requires_grad
