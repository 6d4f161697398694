"""Utilities around tensors: torch.utils."""

from cltorch.utils import checkpoint, data, dlpack

__all__ = ["checkpoint", "data", "dlpack"]
