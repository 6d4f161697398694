"""Every layer, optimiser and more functions against values that PyTorch gave, committed here: no PyTorch is needed."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest

import cltorch
from tests.golden import batchless, modules, optimizers, record, schedules

VALUES = record.load()
LONG = os.environ.get("CLTORCH_LONG") == "1"
SHARES = 8  # a device with a slow compiler takes minutes for all of them, more than one test is given
TOLERANCE = {"optim.Muon": 0.03}  # its iterations are in bfloat16


def different(name: str, found: list[np.ndarray]) -> str | None:
    """Return what differs from the recorded values."""
    wanted = VALUES[name]
    if [a.shape for a in found] != [b.shape for b in wanted]:
        return f"{name}: shapes {[a.shape for a in found]}, not {[b.shape for b in wanted]}"
    limit = TOLERANCE.get(name, 2e-5)
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        if not np.allclose(a, b, rtol=limit, atol=limit, equal_nan=True):
            return f"{name}: array {k} differs by {np.abs(a - b).max():.3g}"
    return None


def runs(device: str, layout: str) -> list:
    """Return what is run of a layout: a mode of each will do where the other differs in statistics only.

    On a device lazy layers are left out, for what they become are others here, and every second case takes one of the
    odd layouts, by turns: kernels differ by layout, and their compilation takes a minute. With CLTORCH_LONG=1 all
    cases take all of them.
    """
    odd = modules.LAYOUTS.index(layout)
    found = [
        (name, run)
        for name, run in record.every(cltorch, device, layout)
        if (device == "cpu" and not odd) or "/eval" not in name or name.split()[0].split("/")[0] in modules.RANDOM
    ]
    if device == "cpu":
        return found
    found = [(name, run) for name, run in found if not name.startswith("Lazy")]
    return [x for k, x in enumerate(found) if k % 6 == 2 * odd - 1] if odd and not LONG else found


def assert_as_recorded(chosen: list) -> None:
    wrong = [line for line in (different(name, run()) for name, run in chosen) if line]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", range(SHARES))
def test_layers_and_optimisers_give_what_pytorch_gave(device, part):
    assert_as_recorded(runs(device, "contiguous")[part::SHARES])


@pytest.mark.parametrize("layout", [layout for layout in modules.LAYOUTS if layout != "contiguous"])
@pytest.mark.parametrize("part", range(SHARES))
def test_operands_and_gradients_may_lie_in_memory_as_they_like(device, part, layout):
    assert_as_recorded(runs(device, layout)[part::SHARES])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layout", ["contiguous", "expanded"])
def test_pytorch_gives_what_is_recorded(layout):
    assert_as_recorded(list(record.every(pytest.importorskip("torch"), layout=layout)))


def test_no_layer_no_optimiser_and_no_schedule_is_left_out():
    optim = cltorch.optim
    of_rates = optim.lr_scheduler.LRScheduler
    for module, cases, base in (
        (cltorch.nn, modules, cltorch.nn.Module),
        (optim, optimizers, optim.Optimizer),
        (optim.lr_scheduler, schedules, of_rates),
        (optim.swa_utils, schedules, of_rates),
    ):
        public = {name: getattr(module, name) for name in module.__all__}
        classes = {name for name, c in public.items() if inspect.isclass(c) and issubclass(c, base)}
        lacking = classes - {case.split()[0] for case in cases.CASES}
        assert lacking == (set() if module is optim.swa_utils else cases.PARTS)


@pytest.mark.parametrize("name", ["Linear/train", "optim.Adam", "lr.StepLR"])
def test_a_difference_would_be_seen(name):
    values = [v.copy() for v in VALUES[name]]
    assert different(name, values) is None
    values[0].flat[0] += 0.01
    assert "array 0 differs by" in different(name, values)


def test_every_layer_has_an_input_without_a_batch_or_takes_none():
    alone = {case.split()[0] for case in batchless.CASES}
    assert not alone & batchless.BATCHED
    assert alone | batchless.BATCHED == {case.split()[0] for case in modules.CASES}


def test_layouts_are_what_they_are_called():
    shape = (2, 3, 4)
    lines, gaps, repeated = (
        modules.Draw(cltorch, "Linear", "cpu", layout).f(*shape) for layout in ("transposed", "strided", "expanded")
    )
    assert [x.shape for x in (lines, gaps, repeated)] == [shape] * 3
    assert lines.stride() == (1, 2, 6)
    assert gaps.stride() == (27, 9, 2)
    assert repeated.stride() == (0, 4, 1)
