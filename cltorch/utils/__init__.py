"""Utilities around tensors: torch.utils."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from cltorch.functions.swap import swap_tensors
from cltorch.utils import _pytree as _pytree
from cltorch.utils import checkpoint, deterministic, dlpack, hooks, serialization, weak

if _TYPE_CHECKING:
    from cltorch.utils import data

__all__ = ["checkpoint", "data", "deterministic", "dlpack", "hooks", "serialization", "swap_tensors", "weak"]


def __getattr__(name: str) -> _Any:
    if name == "data":  # imported at its first use, for it brings processes and pipes along
        return _import_module("cltorch.utils.data")
    raise AttributeError(f"module 'cltorch.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
