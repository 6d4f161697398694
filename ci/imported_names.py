"""Write what PyTorch's and torchvision's modules import from elsewhere, which programs then import from them.

    python ci/imported_names.py         writes cltorch/compat/imported_names.json

``from torch.functional import F, Tensor`` works with PyTorch because its file begins with such imports itself. Listed
are names that neither list of ``reference.py`` has, of public modules, each with the module that it comes from. Needs
PyTorch and torchvision, as ``torchvision_names.py`` does.
"""

from __future__ import annotations

import importlib
import inspect
import json
import typing
import warnings
from collections import Counter
from types import ModuleType
from typing import Any

from reference_names import COMPAT, modules
from torchvision_names import imported

from cltorch.compat import reference

TARGET = COMPAT / "imported_names.json"
LEFT_OUT = tuple(
    "torch.distributed torch.utils.benchmark torch.utils.data.datapipes torch.fx torch.export torch.quantization "
    "torch.nn.quantized torch.nn.quantizable torch.nn.intrinsic torch.nn.qat torchvision.models.quantization".split()
)


def home(value: Any, name: str) -> str | None:
    """Return where a value comes from, as "module:" or "module:name"; None where that cannot be told."""
    if inspect.ismodule(value):
        return f"{value.__name__}:"
    for module, own in (
        (getattr(value, "__module__", None), getattr(value, "__qualname__", None)),
        ("typing", getattr(value, "_name", name)),
        ("typing_extensions", name),
    ):
        if isinstance(module, str) and isinstance(own, str) and own.isidentifier() and "." not in own:
            try:
                if getattr(importlib.import_module(module), own, None) is value:
                    return f"{module}:{own}"
            except ImportError:
                continue
    return None


def names(module: ModuleType) -> dict[str, str]:
    """Return what a module imports and from where."""
    found = {}
    for name, value in vars(module).items():
        if value is None or name.startswith("__") or isinstance(value, typing.TypeVar):
            continue
        if reference.has_name(module.__name__, name) or reference.has_module(f"{module.__name__}.{name}"):
            continue
        place = home(value, name)
        if place and place.partition(":")[0] not in (module.__name__, "builtins", "__future__"):
            found[name] = place
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    public = [m for m in (*modules(), *imported()[1]) if not m.__name__.startswith(LEFT_OUT) and hasattr(m, "__file__")]
    found = {m.__name__: names(m) for m in public if ".prototype" not in m.__name__}
    usual: dict[str, str] = {}
    for name in sorted({name for of in found.values() for name in of}):
        usual[name] = Counter(of[name] for of in found.values() if name in of).most_common(1)[0][0]
    lines = {
        module: " ".join(name if usual[name] == place else f"{name}={place}" for name, place in sorted(of.items()))
        for module, of in sorted(found.items())
        if of
    }
    TARGET.write_text(json.dumps({"usual": usual, "names": lines}, indent=0) + "\n")
    print(f"{len(lines)} modules import {sum(len(line.split()) for line in lines.values())} names")


if __name__ == "__main__":
    main()
