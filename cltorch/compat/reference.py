"""The names of the version of PyTorch that cltorch follows; ``ci/reference_names.py`` writes the lists."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def _data() -> tuple[str, dict[str, frozenset[str]]]:
    data = json.loads(files("cltorch.compat").joinpath("pytorch_names.json").read_text("utf-8"))
    return data["version"], {module: frozenset(names.split()) for module, names in data["names"].items()}


@lru_cache(maxsize=1)
def _inner() -> dict[str, str]:
    return json.loads(files("cltorch.compat").joinpath("pytorch_inner_names.json").read_text("utf-8"))


def version() -> str:
    """Return the version of PyTorch that the list was made from."""
    return _data()[0]


def names(module: str) -> frozenset[str]:
    """Return the public names of a module of PyTorch; none for a module that it does not have."""
    return _data()[1].get(module, frozenset())


def modules() -> list[str]:
    """Return the names of PyTorch's public modules, in order."""
    return sorted(_data()[1])


def has_module(module: str) -> bool:
    """Return whether PyTorch has a public module of this name, itself or as the parent of others."""
    known = _data()[1]
    return module in known or any(name.startswith(module + ".") for name in known)


def has_inner_module(module: str) -> bool:
    """Return whether PyTorch has a module of this name that is not public, but that other packages import."""
    return module in _inner()


def has_name(module: str, name: str) -> bool:
    """Return whether a module of PyTorch has a name, public or not."""
    return name in names(module) or name in _inner().get(module, "").split()
