"""Normalisation by the activity of neighbouring channels, as one operator."""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply
from cltorch.ops import local_response as ops

__all__ = ["response_norm"]


def response_norm(x: Any, size: int, alpha: float, beta: float, k: float) -> Any:
    """Return x, (N, C, …) of a floating dtype, over (k + alpha · mean of the squares of channels around) ** beta."""
    return apply(ops.LocalResponseNorm, x, size, float(alpha), float(beta), float(k))
