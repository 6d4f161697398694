"""Utilities around tensors: torch.utils."""

from cltorch.utils import data, dlpack

__all__ = ["data", "dlpack"]
