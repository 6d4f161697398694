"""Write the list of PyTorch's public names, which cltorch compares itself with, from an installed PyTorch.

    python ci/reference_names.py        writes cltorch/compat/pytorch_names.json

A module's names are those of its ``__all__``, or its functions and classes that are defined in PyTorch. Needs PyTorch:
pip install torch. To be run again when the version that cltorch follows changes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import warnings
from pathlib import Path
from types import ModuleType

import torch

TARGET = Path(__file__).resolve().parents[1] / "cltorch" / "compat" / "pytorch_names.json"
BASIC = {"Event", "Generator", "Size", "Stream", "Tag", "device", "dtype", "finfo", "iinfo", "layout", "memory_format"}
# parts that cltorch leaves out, and whose import asks for what is not there
LEFT_OUT = set("ao onnx testing contrib csrc bin include lib share package xpu mtia".split())


def modules() -> list[ModuleType]:
    """Return PyTorch's public modules that can be imported."""
    found = [torch]
    for info in pkgutil.walk_packages(torch.__path__, "torch.", onerror=lambda name: None):
        parts = info.name.split(".")[1:]
        if parts[0] in LEFT_OUT or any(part.startswith("_") for part in parts):
            continue
        try:
            found.append(importlib.import_module(info.name))
        except Exception as error:
            print(f"left out {info.name}: {type(error).__name__}")
    return found


def names(module: ModuleType) -> list[str]:
    """Return the public names of a module, its submodules apart."""
    if hasattr(module, "__all__") and module is not torch:
        return sorted(set(module.__all__))
    kept = list(module.__all__) if module is torch else []
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        home = getattr(value, "__module__", None)
        if module is torch and home in ("torch._C", "torch.jit") and isinstance(value, type) and name not in BASIC:
            continue  # parts of the compiler
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)) or (
            callable(value) and (home is None or home.split(".")[0] == "torch")
        ):
            kept.append(name)
    return sorted(set(kept))


def members(cls: type) -> list[str]:
    """Return the public attributes of a class."""
    return sorted(name for name in dir(cls) if not name.startswith("_"))


def main() -> None:
    warnings.simplefilter("ignore")
    found = {module.__name__: names(module) for module in modules()}
    found["torch.Tensor"] = members(torch.Tensor)
    lines = {name: " ".join(found[name]) for name in sorted(found)}
    TARGET.write_text(json.dumps({"version": torch.__version__.split("+")[0], "names": lines}, indent=0) + "\n")
    print(f"{len(found)} modules, {sum(map(len, found.values()))} names")


if __name__ == "__main__":
    main()
