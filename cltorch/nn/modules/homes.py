"""The modules in which PyTorch has its layers: some lie in files of their own here.

Pickles and libraries name a class by its module, so its module is PyTorch's, which has it by name too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

__all__ = ["settle"]

_HOMES = {
    "_conv": "conv", "_loss": "loss", "embedding_bag": "sparse", "local_response": "normalization",
    "margin_loss": "loss", "multihead": "activation", "other_pooling": "pooling", "parameter_containers": "container",
    "rectifiers": "activation", "rnn_cells": "rnn", "softmax": "activation",
}  # fmt: skip


def settle(classes: Iterable[type]) -> None:
    """Let the classes, and their bases, name the module in which PyTorch has them."""
    for cls in {base for derived in classes for base in derived.__mro__}:
        package, _, file = cls.__module__.rpartition(".")
        home = f"{package}.{_HOMES.get(file, file)}"
        if package == __package__ and getattr(sys.modules[home], cls.__name__, None) is cls:
            cls.__module__ = home
