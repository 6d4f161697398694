"""Counts of floating-point operations: those that PyTorch has, by module and operator, and the names of what runs."""

from __future__ import annotations

import os
import threading
from importlib import import_module

import pytest

import cltorch
from cltorch.ops.matmul import Matmul, Mm
from cltorch.utils.flop_counter import FlopCounterMode, register_flop_formula
from cltorch.utils.module_tracker import ModuleTracker

# what is run with (torch, torch.nn.functional, a tensor of ones that needs a gradient) and then differentiated
CALLS = {
    "mm": lambda t, f, x: t.mm(x(2, 3), x(3, 4)),
    "of rows only": lambda t, f, x: t.mm(x(2, 3).detach(), x(3, 4)),
    "mv": lambda t, f, x: t.mv(x(2, 3), x(3)),
    "dot": lambda t, f, x: t.dot(x(3), x(3)),
    "bmm": lambda t, f, x: t.bmm(x(5, 2, 3), x(5, 3, 4)),
    "addmm": lambda t, f, x: t.addmm(x(4), x(2, 3), x(3, 4)),
    "baddbmm": lambda t, f, x: t.baddbmm(x(5, 2, 4), x(5, 2, 3), x(5, 3, 4)),
    "matmul of a batch": lambda t, f, x: x(5, 2, 3) @ x(3, 4),
    "matmul of batches": lambda t, f, x: x(6, 1, 2, 3) @ x(5, 3, 4),
    "matmul of nothing": lambda t, f, x: x(0, 2, 3) @ x(0, 3, 4),
    "row": lambda t, f, x: x(3) @ x(3, 4),
    "linear": lambda t, f, x: f.linear(x(2, 3), x(4, 3), x(4)),
    "linear of a vector": lambda t, f, x: f.linear(x(3), x(4, 3), x(4)),
    "linear without bias": lambda t, f, x: f.linear(x(5, 2, 3), x(4, 3)),
    "linear of four dimensions": lambda t, f, x: f.linear(x(6, 5, 2, 3), x(4, 3), x(4)),
    "einsum": lambda t, f, x: t.einsum("bij,bjk->bik", x(5, 2, 3), x(5, 3, 4)),
    "tensordot": lambda t, f, x: t.tensordot(x(2, 3, 4), x(4, 3, 5), dims=([1, 2], [1, 0])),
    "conv1d in groups": lambda t, f, x: f.conv1d(x(2, 4, 9), x(6, 2, 3), x(6), 2, 1, 1, 2),
    "conv2d": lambda t, f, x: f.conv2d(x(2, 4, 9, 8), x(6, 4, 3, 2), x(6), 2, 1),
    "conv2d of an image": lambda t, f, x: f.conv2d(x(4, 9, 8).detach(), x(6, 4, 3, 2)),
    "conv3d": lambda t, f, x: f.conv3d(x(1, 2, 4, 4, 4), x(3, 2, 2, 2, 2)),
    "transposed": lambda t, f, x: f.conv_transpose2d(x(2, 4, 5, 6), x(4, 3, 3, 3), x(6), 2, 1, 1, 2),
    "recurrent cell": lambda t, f, x: t.nn.GRUCell(3, 4).to(x(1).device)(x(2, 3)),
    "recurrent layer": lambda t, f, x: t.nn.GRU(3, 4, bidirectional=True).to(x(1).device)(x(5, 2, 3))[0],
    "recurrent layer without bias": lambda t, f, x: t.nn.RNN(3, 4, bias=False).to(x(1).device)(x(5, 2, 3))[0],
}
# by operator, forward and backward
KNOWN = {
    "mm": {"aten.mm": 48 + 96},
    "of rows only": {"aten.mm": 48 + 48},
    "mv": {},
    "addmm": {"aten.addmm": 48, "aten.mm": 96},
    "bmm": {"aten.bmm": 240 + 480},
    "conv2d": {"aten.convolution": 2 * 2 * 5 * 5 * 6 * 24, "aten.convolution_backward": 2 * 2 * 2 * 5 * 5 * 6 * 24},
}


def counts(lib, run):
    """Return the counts by module and by the operators' names."""
    with import_module(f"{lib.__name__}.utils.flop_counter").FlopCounterMode(display=False) as counter:
        run()
    assert counter.get_total_flops() == sum(counter.get_flop_counts().get("Global", {}).values())
    return {m: {str(op): n for op, n in by.items()} for m, by in counter.get_flop_counts().items()}


def counted(lib, name, device):
    ones = lambda *shape: lib.ones(*shape, device=device, requires_grad=True)  # noqa: E731
    return counts(lib, lambda: CALLS[name](lib, lib.nn.functional, ones).sum().backward()).get("Global", {})


@pytest.mark.parametrize("name", KNOWN)
def test_operations_are_counted(name, device):
    assert counted(cltorch, name, device) == KNOWN[name]


@pytest.mark.parametrize("name", CALLS)
def test_operations_are_as_many_as_in_pytorch(name, device):
    assert counted(cltorch, name, device) == counted(pytorch(), name, "cpu")


def pytorch():
    if not os.environ.get("CLTORCH_PARITY"):
        pytest.skip("CLTORCH_PARITY is not set")
    return pytest.importorskip("torch")


def net(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.c = lib.nn.Sequential(lib.nn.Conv2d(3, 4, 3), lib.nn.ReLU(), lib.nn.Conv2d(4, 4, 3, groups=2))
            self.f = lib.nn.Linear(64, 5)

        def forward(self, x):
            return self.f(self.c(x).flatten(1))

    return Net()


def test_modules_are_told_apart_forward_and_backward(device):
    def by_module(lib, where, needed):
        model, x = net(lib).to(where), lib.ones(2, 3, 8, 8, device=where, requires_grad=needed)
        return counts(lib, lambda: (model(x).sum().backward(), lib.mm(x[0, 0], x[0, 1])))

    ours = by_module(cltorch, device, True)
    assert ours["Net.f"] == {"aten.addmm": 1280, "aten.mm": 2560}
    assert ours["Net.c"] == {"aten.convolution": 20160, "aten.convolution_backward": 44928}
    assert ours["Global"]["aten.mm"] == 2560 + 2 * 8**3 and set(ours) == {
        "Global", "Net", "Net.c", "Net.c.0", "Net.c.2", "Net.f",
    }  # fmt: skip
    theirs = pytorch()
    assert ours == by_module(theirs, "cpu", True)
    assert by_module(cltorch, device, False)["Global"] == by_module(theirs, "cpu", False)["Global"]


@pytest.mark.parametrize("heads", [4, 2])
def test_attention_counts_as_one_operator(heads, device):
    shapes = (2, 4, 5, 8), (2, heads, 6, 8), (2, heads, 6, 16)
    q, k, v = (cltorch.ones(*shape, device=device, requires_grad=True) for shape in shapes)
    attend = cltorch.nn.functional.scaled_dot_product_attention
    found = counts(cltorch, lambda: attend(q, k, v, enable_gqa=heads != 4).sum().backward())["Global"]
    product = 2 * 2 * 4 * 5 * 6
    assert found == {
        "aten._scaled_dot_product_flash_attention": product * (8 + 16),
        "aten._scaled_dot_product_flash_attention_backward": product * (3 * 8 + 2 * 16),
    }
    module = import_module(f"{pytorch().__name__}.utils.flop_counter")
    assert found["aten._scaled_dot_product_flash_attention"] == module.sdpa_flop_count(*shapes)
    assert found["aten._scaled_dot_product_flash_attention_backward"] == module.sdpa_backward_flop_count(
        (2, 4, 5, 16), *shapes
    )


def test_attention_by_products_counts_these(device):
    def run(lib, where):
        q, k, v = (lib.ones(2, 4, 5, 8, device=where, requires_grad=True) for _ in range(3))
        with lib.nn.attention.sdpa_kernel(lib.nn.attention.SDPBackend.MATH):
            return counts(lib, lambda: lib.nn.functional.scaled_dot_product_attention(q, k, v).sum().backward())

    assert run(cltorch, device) == {"Global": {"aten.bmm": 6 * 2 * 8 * 5 * 5 * 8}}
    assert run(cltorch, device) == run(pytorch(), "cpu")


def test_gradients_are_the_same_while_counting(device):
    model, x = net(cltorch).to(device), cltorch.rand(2, 3, 8, 8, device=device)
    model(x).sum().backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    with FlopCounterMode(display=False):
        model(x).sum().backward()
    for p, g in zip(model.parameters(), plain, strict=True):
        cltorch.testing.assert_close(p.grad, g)


def test_a_counter_leaves_nothing_behind_and_counts_anew():
    forward, inherits = Matmul.forward, "forward" in vars(Mm)
    counter = FlopCounterMode(display=False)
    with pytest.raises(ZeroDivisionError), counter:
        cltorch.ones(2, 3) @ cltorch.ones(3, 4)
        _ = 1 / 0
    assert Matmul.forward is forward and ("forward" in vars(Mm)) is inherits
    cltorch.ones(2, 3) @ cltorch.ones(3, 4)
    assert counter.get_total_flops() == 48
    with counter, FlopCounterMode(display=False) as inner:
        cltorch.ones(2, 3) @ cltorch.ones(3, 1)
    assert counter.get_total_flops() == inner.get_total_flops() == 12


def test_other_threads_are_not_counted():
    with FlopCounterMode(display=False) as counter:
        other = threading.Thread(target=lambda: cltorch.ones(2, 3) @ cltorch.ones(3, 4))
        other.start()
        other.join()
    assert counter.get_flop_counts() == {} and "0%" in counter.get_table()


def test_a_table_is_printed(capsys):
    model = net(cltorch)
    with FlopCounterMode():
        model(cltorch.ones(2, 3, 8, 8))
        cltorch.ones(100, 100) @ cltorch.ones(100, 50)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["Module", "FLOP", "%", "Total"]
    assert lines[2] == ["Global", "1021.440K", "100.00%"] and ["-", "aten.mm", "1000.000K", "97.90%"] in lines
    assert ["Net.f", "1.280K", "0.13%"] in lines and not any("Net.c.0" in line for line in lines)


def test_formulas_of_a_program(device):
    """For further operators, and in place of known ones: of shapes, or of the operands themselves."""
    aten = cltorch.ops.aten

    def raw(x, *more, out_val, **named):
        assert isinstance(x, cltorch.Tensor) and out_val.device == x.device
        return 5

    raw._get_raw = True
    x = cltorch.ones(2, 3, device=device, requires_grad=True)
    mine = {aten.sigmoid: lambda a, out_shape=None, **named: 4 * out_shape.numel(), aten.mm: lambda *a, **named: 1}
    with FlopCounterMode(display=False, custom_mapping={**mine, aten.exp: raw}) as counter:
        cltorch.nn.Sequential(cltorch.nn.Sigmoid()).to(device)(x).exp().sum().backward()
        x @ x.t()
    assert counter.get_flop_counts()["Global"] == {aten.sigmoid: 24, aten.exp: 5, aten.mm: 1}
    assert counter.get_flop_counts()["Sequential.0"] == {aten.sigmoid: 24}


def test_what_is_not_counted_is_refused():
    with pytest.raises(ValueError, match="expected each target to be OpOverloadPacket"):
        register_flop_formula("aten.add")(len)
    with pytest.warns(UserWarning, match="mods"):
        FlopCounterMode(cltorch.nn.Linear(1, 1))


def test_the_tracker_tells_what_runs():
    with ModuleTracker() as tracker:
        seen = []
        model = net(cltorch)
        x = cltorch.ones(1, 3, 8, 8, requires_grad=True)
        note = lambda *_: seen.append((tracker.is_bw, *sorted(tracker.parents)))  # noqa: E731
        model.c[2].register_forward_pre_hook(note)
        model.f.register_full_backward_hook(note)
        y = model(x)
        note()
        y.sum().backward()
    assert seen[0] == (False, "Global", "Net", "Net.c", "Net.c.2")
    assert seen[1] == (False, "Global")
    assert seen[2][:3] == (True, "Global", "Net")
    assert tracker.parents == {"Global"}
