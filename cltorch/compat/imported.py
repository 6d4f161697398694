"""What PyTorch's modules import from elsewhere: programs import it from them, as ``from torch.functional import F``.

``ci/imported_names.py`` writes the list.
"""

from __future__ import annotations

import importlib
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def _data() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    data = json.loads(files("cltorch.compat").joinpath("imported_names.json").read_text("utf-8"))
    modules = {
        module: {name: place for name, _, place in (word.partition("=") for word in line.split())}
        for module, line in data["names"].items()
    }
    return data["usual"], modules


def has(module: str, name: str) -> bool:
    """Return whether a module of PyTorch imports something by this name."""
    return name in _data()[1].get(module, {})


def find(module: str, name: str) -> Any:
    """Return what a module of PyTorch imports by this name; raise AttributeError where it does not, or it is not there.

    >>> import math
    >>> find("torch.nn.functional", "math") is math
    True
    """
    usual, modules = _data()
    place = modules.get(module, {}).get(name)
    if place is None:
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    home, _, own = (place or usual[name]).partition(":")
    try:
        found = importlib.import_module(home)
    except ImportError:
        raise AttributeError(f"module '{module}' has '{name}' from {home}, which is not there") from None
    return getattr(found, own) if own else found
