"""The names of the versions of PyTorch and torchvision that cltorch follows, and which of them are left out.

``ci/reference_names.py`` and ``ci/torchvision_names.py`` write the lists of names. What is not planned, and why, is
told in ``not_planned.json``.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files
from typing import Any

_FILES = {"torch": "pytorch_names.json", "torchvision": "torchvision_names.json"}


@lru_cache(maxsize=2)
def _data(package: str) -> tuple[str, dict[str, frozenset[str]]]:
    data = json.loads(files("cltorch.compat").joinpath(_FILES[package]).read_text("utf-8"))
    return data["version"], {module: frozenset(names.split()) for module, names in data["names"].items()}


def _known(module: str) -> dict[str, frozenset[str]]:
    return _data(module.partition(".")[0])[1]


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


def listed() -> Collection[tuple[str, str]]:
    """Return the names, with their modules, that are listed one by one as not planned."""
    return _kinds()[0].keys()


def version(package: str = "torch") -> str:
    """Return the version of PyTorch, or of torchvision, that the list was made from."""
    return _data(package)[0]


def names(module: str) -> frozenset[str]:
    """Return the public names of a module of PyTorch; none for a module that it does not have.

    Of torchvision the names with an underscore in front are among them.
    """
    return _known(module).get(module, frozenset())


def modules(package: str = "torch") -> list[str]:
    """Return the names of PyTorch's public modules, or of torchvision's modules, in order."""
    return sorted(_data(package)[1])


def has_module(module: str) -> bool:
    """Return whether PyTorch has a public module of this name, itself or as the parent of others."""
    return module in _known(module) or has_parts(module)


def has_parts(module: str) -> bool:
    """Return whether there are modules below one of PyTorch."""
    return any(name.startswith(module + ".") for name in _known(module))


def parts(module: str) -> set[str]:
    """Return the last names of the public modules that are directly below one of PyTorch."""
    start = module + "."
    return {name[len(start) :].partition(".")[0] for name in _known(module) if name.startswith(start)}


def has_inner_module(module: str) -> bool:
    """Return whether PyTorch has a module of this name that is not public, but that other packages import."""
    return module in _inner()


def has_name(module: str, name: str) -> bool:
    """Return whether a module of PyTorch has a name, public or not."""
    return name in names(module) or name in _inner().get(module, "").split()
