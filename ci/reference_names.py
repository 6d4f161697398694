"""Write the list of PyTorch's public names, which cltorch compares itself with, from an installed PyTorch.

    python ci/reference_names.py        writes cltorch/compat/pytorch_names.json and pytorch_inner_names.json

A module's names are those of its ``__all__``, or its functions and classes that are defined in PyTorch. The second file
holds what is not public and other packages import all the same: inner modules, and inner names of public modules. Needs
PyTorch: pip install torch. To be run again when the version that cltorch follows changes.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

COMPAT = Path(__file__).resolve().parents[1] / "cltorch" / "compat"
TARGET = COMPAT / "pytorch_names.json"
INNER_TARGET = COMPAT / "pytorch_inner_names.json"
BASIC = {"Event", "Generator", "Size", "Stream", "Tag", "device", "dtype", "finfo", "iinfo", "layout", "memory_format"}
# parts that cltorch leaves out, and whose import asks for what is not there
LEFT_OUT = set("ao onnx testing contrib csrc bin include lib share package xpu mtia".split())

# inner parts that no other package builds upon
LEFT_OUT_INNER = (
    "torch._decomp torch._inductor. torch._meta_registrations torch._native torch._numpy torch._prims torch._refs "
    "torch._vendor torch.ao. torch.bin torch.contrib torch.csrc torch.include torch.lib torch.share torch.testing."
).split()
PACKAGES_KEPT = ("torch._inductor.config", "torch.ao.nn", "torch.ao.quantization", "torch.testing._internal")


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


def inner_modules() -> dict[str, ModuleType]:
    """Return all modules of PyTorch that can be imported, but for those that nobody builds upon."""
    for info in pkgutil.walk_packages(torch.__path__, "torch.", onerror=lambda name: None):
        if not info.name.startswith(tuple(LEFT_OUT_INNER)) or info.name in PACKAGES_KEPT:
            try:
                importlib.import_module(info.name)
            except (Exception, SystemExit) as error:
                print(f"left out {info.name}: {type(error).__name__}")
    return {
        name: module for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] == "torch" and (not name.startswith(tuple(LEFT_OUT_INNER)) or name in PACKAGES_KEPT)
    }  # fmt: skip


def _home(value: Any, default: str) -> str:
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else default


def inner_names(module: ModuleType) -> list[str]:
    """Return a module's ``__all__`` and what it defines, for a package what it has of the whole; no modules."""
    name = module.__name__
    builtin = name.startswith("torch._C")
    whole = hasattr(module, "__path__") and name != "torch"
    homes = (f"{name.partition('.')[0]}.",) if whole else (f"{name}.",)
    listed = getattr(module, "__all__", ())
    return sorted(
        key for key, value in vars(module).items()
        if not key.startswith("__") and not inspect.ismodule(value)
        and (key in listed or not callable(value) or builtin or f"{_home(value, name)}.".startswith(homes))
        and (key in listed or callable(value) or key.isupper() or key.startswith("_") or builtin)
    )  # fmt: skip


def write_inner(public: dict[str, list[str]]) -> None:
    """Write what ``main`` did not."""
    lines = {}
    for name, module in inner_modules().items():
        found = sorted(set(inner_names(module)) - set(public.get(name, ())))
        if found or name not in public:
            lines[name] = " ".join(found)
    INNER_TARGET.write_text(json.dumps(lines, indent=0) + "\n")
    print(f"{len(lines)} modules with inner names, {sum(len(line.split()) for line in lines.values())} names")


def main() -> None:
    warnings.simplefilter("ignore")
    found = {module.__name__: names(module) for module in modules()}
    found["torch.Tensor"] = members(torch.Tensor)
    lines = {name: " ".join(found[name]) for name in sorted(found)}
    TARGET.write_text(json.dumps({"version": torch.__version__.split("+")[0], "names": lines}, indent=0) + "\n")
    print(f"{len(found)} modules, {sum(map(len, found.values()))} names")
    write_inner(found)


if __name__ == "__main__":
    main()
