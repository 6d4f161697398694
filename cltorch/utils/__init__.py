"""Utilities around tensors: torch.utils."""

from cltorch.utils import checkpoint, data, dlpack, serialization

__all__ = ["checkpoint", "data", "dlpack", "serialization"]
