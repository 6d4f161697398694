"""Utilities around tensors: torch.utils."""

from cltorch.utils import data

__all__ = ["data"]
