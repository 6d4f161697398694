"""Interpreters, transformers, patterns and fused networks."""

from __future__ import annotations

import pytest

import cltorch as torch
from cltorch import fx, nn
from cltorch.fx.experimental.optimization import fuse, remove_dropout


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.drop = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.9)

    def forward(self, x):
        return torch.relu(self.drop(self.bn(self.conv(x)))).mean(dim=(2, 3))


def test_an_interpreter_sees_each_node(device):
    seen = []

    class Watch(fx.Interpreter):
        def run_node(self, n):
            result = super().run_node(n)
            seen.append(n.op)
            return result

    model = Mixed().to(device).eval()
    traced = fx.symbolic_trace(model)
    x = torch.randn(2, 2, 5, 5, device=device)
    watch = Watch(traced)
    torch.testing.assert_close(watch.run(x), model(x))
    assert seen == ["placeholder", *["call_module"] * 3, "call_function", "call_method", "output"]
    assert len(watch.env) == 1  # what is over is forgotten
    conv = next(n for n in traced.graph.nodes if n.name == "conv")
    given = fx.Interpreter(traced).run(x, initial_env={conv: torch.zeros(2, 3, 3, 3, device=device)})
    assert given.shape == (2, 3)
    with pytest.raises(RuntimeError, match="(?s)one was not passed in.*While executing %x : "):
        fx.Interpreter(traced).run()


def test_a_transformer_makes_another_graph(device):
    class Swap(fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(torch.sigmoid if target is torch.relu else target, args, kwargs)

        def call_method(self, target, args, kwargs):
            return super().call_method("sum" if target == "mean" else target, args, kwargs)

    model = Mixed().to(device).eval()
    made = Swap(fx.symbolic_trace(model)).transform()
    x = torch.randn(2, 2, 5, 5, device=device)
    torch.testing.assert_close(made(x), torch.sigmoid(model.bn(model.conv(x))).sum(dim=(2, 3)))


def test_networks_are_fused_and_lose_dropout(device):
    model = Mixed().to(device)
    model.bn.running_mean.fill_(0.3)
    model.bn.running_var.fill_(2.0)
    model.eval()
    x = torch.randn(2, 2, 5, 5, device=device)
    fused = fuse(model)
    assert "bn" not in fused.code and "bn" in fx.symbolic_trace(model).code
    torch.testing.assert_close(fused(x), model(x))
    bare = remove_dropout(model.train())
    assert "drop" not in bare.code and torch.equal(bare.eval()(x), model.eval()(x))


def test_patterns_are_replaced():
    def program(x, y):
        a = torch.add(torch.neg(x), y)
        b = torch.add(torch.neg(a), x)
        kept = torch.neg(b)
        return torch.add(kept, b), kept

    traced = fx.symbolic_trace(program)
    x, y = torch.tensor([3.0]), torch.tensor([5.0])
    before = traced(x, y)
    matches = fx.replace_pattern(traced, lambda p, q: torch.add(torch.neg(p), q), lambda p, q: torch.sub(q, p))
    assert len(matches) == 2 and [m.anchor.name for m in matches] == ["add", "add_1"]
    assert [n.target for n in traced.graph.nodes if n.op == "call_function"] == [
        torch.sub, torch.sub, torch.neg, torch.add  # the last negation is needed elsewhere, and stays
    ]  # fmt: skip
    assert [t.item() for t in traced(x, y)] == [t.item() for t in before]
    assert fx.replace_pattern(traced, lambda p: torch.exp(p), lambda p: p) == []
    with pytest.raises(ValueError, match="2 inputs, but the replacement 1"):
        fx.replace_pattern(traced, lambda p, q: torch.sub(p, q), lambda p: p)


def test_a_pattern_may_have_two_results():
    traced = fx.symbolic_trace(lambda x: torch.stack([torch.sin(x), torch.cos(x)]))

    def pattern(x):
        return torch.sin(x), torch.cos(x)

    def replacement(x):
        return torch.cos(x), torch.sin(x)

    assert len(fx.replace_pattern(traced, pattern, replacement)) == 1
    assert torch.equal(traced(torch.zeros(1)), torch.tensor([[1.0], [0.0]]))


def test_a_replacement_may_be_a_module():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.by = nn.Parameter(torch.tensor(4.0))

        def forward(self, x):
            return x * self.by

    traced = fx.symbolic_trace(lambda x: torch.relu(x) + 1)
    fx.replace_pattern(traced, lambda x: torch.relu(x), fx.symbolic_trace(Scale()))
    assert traced(torch.tensor(2.0)).item() == 9 and dict(traced.named_parameters()).keys() == {"by"}
