"""Attributes of PyTorch's tensors that are not planned here: asking for one says so, while ``import torch`` is cltorch.

To ``hasattr`` they are not there.
"""

from __future__ import annotations

from typing import Any

from cltorch.compat import reference
from cltorch.compat.missing import Missing
from cltorch.tensor import Tensor

__all__ = ["settle", "strike"]


def _of_no_use(self: Any, name: str) -> Any:
    if ("torch.Tensor", name) in reference.listed():
        Missing(f"torch.Tensor.{name}")._refuse()
    return object.__getattribute__(self, name)  # once more, for its error


def settle() -> None:
    """Let tensors say of their missing attributes that they are not planned."""
    Tensor.__getattr__ = _of_no_use  # type: ignore[method-assign]


def strike() -> None:
    """Undo ``settle``."""
    if vars(Tensor).get("__getattr__") is _of_no_use:
        del Tensor.__getattr__
