"""Distances, similarities and vectors of length one.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#distance-functions
"""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.functions.distance import cosine_similarity, pairwise_distance
from cltorch.functions.linalg_distance import pdist

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """Divide vectors along a dimension by their p-norm, or by ``eps`` where the norm is smaller.

    v / max(‖v‖ₚ, eps).
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.normalize.html

    >>> import cltorch as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    length = functions.clamp_min(functions.vector_norm(input, p, dim, True), eps)
    return functions.div(input, length, out=out)
