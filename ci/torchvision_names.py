"""Write the lists of torchvision's names and signatures, which cltorch compares itself with, from an installed one.

    python ci/torchvision_names.py      writes cltorch/compat/torchvision_names.json, tests/vision/signatures.json

Of each module those names are listed that it defines, of a package all that it has of torchvision. Signatures are those
of what is public. Needs PyTorch and torchvision: pip install --no-deps torchvision==0.28.0. To be run again when the
version that cltorch follows changes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import warnings
from enum import Enum, EnumMeta
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from reference_names import inner_names

ROOT = Path(__file__).resolve().parents[1]
NAMES = ROOT / "cltorch" / "compat" / "torchvision_names.json"
SIGNATURES = ROOT / "tests" / "vision" / "signatures.json"
# Only what torchvision's compiled part defines, which need not fit this PyTorch: no operator runs here.
COMPILED = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # fmt: skip
# What programs import that 0.28 has only where it is built with a decoder of videos, as earlier versions were.
VIDEO = "read_video read_video_timestamps write_video"
FORMER = {"torchvision.io": f"VideoReader {VIDEO}", "torchvision.io.video": VIDEO}
FILES = ("torchvision.transforms.functional", "torchvision.utils")  # public, and no packages


def imported() -> tuple[str, list[ModuleType]]:
    """Return torchvision's version and its modules."""
    try:
        vision = importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in COMPILED:
            library.define(operator)
        vision = importlib.import_module("torchvision")
        globals()["_kept"] = library
    found = [vision]
    for info in pkgutil.walk_packages(vision.__path__, "torchvision.", onerror=lambda name: None):
        try:
            found.append(importlib.import_module(info.name))
        except Exception as error:
            print(f"left out {info.name}: {type(error).__name__}")
    return vision.__version__.split("+")[0], found


def written(default: Any) -> str:
    """Return a default as text that is the same on every run; "..." for an object that has none."""
    if isinstance(default, Enum):
        return default.value if isinstance(default.value, str) else default.name
    text = str(default)
    return "..." if "<" in text else text


def signature(value: Any) -> str | None:
    """Return the names and defaults of a function's or class's parameters, None where Python cannot tell them."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={written(p.default)}" for p in found)


def public(module: ModuleType) -> list[str]:
    """Return the names of a module that are functions and classes of torchvision, without an underscore."""
    listed = getattr(module, "__all__", None) or inner_names(module)
    return [name for name in listed if not name.startswith("_") and callable(getattr(module, name, None))]


def main() -> None:
    warnings.simplefilter("ignore")
    version, found = imported()
    names = {module.__name__: " ".join(inner_names(module)) for module in found}
    for name, former in FORMER.items():
        names[name] = " ".join(sorted({*names.get(name, "").split(), *former.split()}))
    NAMES.write_text(json.dumps({"version": version, "names": names}, indent=0, sort_keys=True) + "\n")
    print(f"{len(names)} modules, {sum(len(line.split()) for line in names.values())} names")
    lines = {}
    for module in found:
        if any(part.startswith("_") for part in module.__name__.split(".")) or "prototype" in module.__name__:
            continue
        for name in public(module):
            # enumerations are called alike everywhere, and what that looks like depends on Python's version
            told = not isinstance(getattr(module, name), EnumMeta)
            if told and (hasattr(module, "__path__") or module.__name__ in FILES):
                lines[f"{module.__name__}.{name}"] = signature(getattr(module, name))
    lines = {name: line for name, line in lines.items() if line is not None}
    SIGNATURES.write_text(json.dumps(lines, indent=0, sort_keys=True) + "\n")
    print(f"{len(lines)} signatures")


if __name__ == "__main__":
    main()
