"""Functions and classes take the arguments of torchvision's, whose signatures ci/torchvision_names.py has recorded."""

from __future__ import annotations

import importlib
import inspect
import json
from enum import Enum
from pathlib import Path

import pytest

from cltorch.compat.finder import counterpart

RECORDED = json.loads((Path(__file__).parent / "signatures.json").read_text())
MODULES = sorted({name.rpartition(".")[0] for name in RECORDED})
# the arguments that they hand on to FasterRCNN are not listed here, but taken
HANDED_ON = {"torchvision.models.detection.KeypointRCNN", "torchvision.models.detection.MaskRCNN"}
# inner functions that dispatch makes, whose first argument is named, or whose default is written, otherwise
KERNELS = {
    "torchvision.transforms.v2.functional.adjust_gamma_image",
    "torchvision.transforms.v2.functional.center_crop_keypoints",
    "torchvision.transforms.v2.functional.get_size_bounding_boxes",
}


def written(default):
    if isinstance(default, Enum):
        return default.value if isinstance(default.value, str) else default.name
    return "..." if "<" in str(default) else str(default)


@pytest.mark.parametrize("module", MODULES)
def test_signatures_are_torchvisions(module):
    try:
        ours = importlib.import_module(counterpart(module))
    except ModuleNotFoundError:
        assert module in ("torchvision.models.quantization", "torchvision.datasets.samplers")
        return
    compared = 0
    for name, wanted in RECORDED.items():
        home, _, last = name.rpartition(".")
        if home != module or not hasattr(ours, last) or name in KERNELS:
            continue
        found = inspect.signature(getattr(ours, last)).parameters
        if name in HANDED_ON:
            assert set(found) - {"args", "kwargs"} <= set(wanted.replace("=", " ").replace(",", " ").split())
            continue
        listed = [p.name if p.default is p.empty else f"{p.name}={written(p.default)}" for p in found.values()]
        assert ", ".join(listed) == wanted, name
        compared += 1
    assert compared
