"""Every layer and optimiser against values that PyTorch gave, committed beside this file: no PyTorch is needed."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import cltorch
from tests.golden import modules, optimizers, record

VALUES = record.load()
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


@pytest.mark.parametrize("part", range(SHARES))
def test_layers_and_optimisers_give_what_pytorch_gave(device, part):
    # on a device a mode of each will do, and what lazy layers become are others here
    short = device != "cpu"
    runs = [
        (name, run)
        for name, run in record.every(cltorch, device)
        if not (short and (name.startswith("Lazy") or (name.endswith("/eval") and name[:-5] not in modules.RANDOM)))
    ]
    wrong = [line for line in (different(name, run()) for name, run in runs[part::SHARES]) if line]
    assert not wrong, "\n".join(wrong)


def test_no_layer_and_no_optimiser_is_left_out():
    both = ((cltorch.nn, modules, cltorch.nn.Module), (cltorch.optim, optimizers, cltorch.optim.Optimizer))
    for module, cases, base in both:
        public = {name: getattr(module, name) for name in module.__all__}
        classes = {name for name, c in public.items() if inspect.isclass(c) and issubclass(c, base)}
        assert classes - {case.split()[0] for case in cases.CASES} == cases.PARTS


@pytest.mark.parametrize("name", ["Linear/train", "optim.Adam"])
def test_a_difference_would_be_seen(name):
    values = [v.copy() for v in VALUES[name]]
    assert different(name, values) is None
    values[0].flat[0] += 0.01
    assert "array 0 differs by" in different(name, values)
