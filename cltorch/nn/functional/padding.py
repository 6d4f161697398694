"""Padding.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pad.html
"""

from __future__ import annotations

from cltorch.functions.pad import pad

__all__ = ["pad"]
