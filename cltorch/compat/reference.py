"""The names of the version of PyTorch that cltorch follows, and which of them are left out.

``ci/reference_names.py`` writes the lists of names. What is not planned, and why, is told in ``not_planned.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def _data() -> tuple[str, dict[str, frozenset[str]]]:
    data = json.loads(files("cltorch.compat").joinpath("pytorch_names.json").read_text("utf-8"))
    return data["version"], {module: frozenset(names.split()) for module, names in data["names"].items()}


@lru_cache(maxsize=1)
def _inner() -> dict[str, str]:
    return json.loads(files("cltorch.compat").joinpath("pytorch_inner_names.json").read_text("utf-8"))


@lru_cache(maxsize=1)
def families() -> dict[str, str]:
    """Return what is not planned, each kind by a short name, and why."""
    return {kind: entry["reason"] for kind, entry in _not_planned().items()}


@lru_cache(maxsize=1)
def _not_planned() -> dict[str, Any]:
    return json.loads(files("cltorch.compat").joinpath("not_planned.json").read_text("utf-8"))


@lru_cache(maxsize=1)
def _kinds() -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    single = {
        (module, name): kind
        for kind, entry in _not_planned().items()
        for module, names in entry["names"].items()
        for name in names.split()
    }
    whole = {module: kind for kind, entry in _not_planned().items() for module in entry["modules"].split()}
    return single, whole


def not_planned(module: str, name: str) -> str | None:
    """Return the kind of what is not planned (see ``families``) that a name of PyTorch belongs to, if it does.

    A name may be listed itself, or its module or the nearest one above it that is listed as a whole.
    """
    single, whole = _kinds()
    found = single.get((module, name))
    while found is None and module:
        found = whole.get(module)
        module = module.rpartition(".")[0]
    return found


def listed() -> Iterator[tuple[str, str]]:
    """Yield the names, with their modules, that are listed one by one as not planned."""
    yield from _kinds()[0]


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
