"""Pinning the tensors of a batch, whatever structure it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cltorch.tensor import Tensor
from cltorch.utils.data._utils.collate import rebuild_mapping, rebuild_sequence


def pin_memory(data: Any, device: Any = None) -> Any:
    """Return the batch with its tensors in pinned memory; an object with its own ``pin_memory`` is asked."""
    if isinstance(data, Tensor):
        return data.pin_memory()
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return rebuild_mapping(data, {key: pin_memory(data[key], device) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(d, device) for d in data))
    if isinstance(data, tuple):
        return [pin_memory(d, device) for d in data]
    if isinstance(data, Sequence):
        return rebuild_sequence(data, [pin_memory(d, device) for d in data])
    return data
