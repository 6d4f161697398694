"""Distances of vectors as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#distance-functions
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """Return the p-norm of ``x1 - x2 + eps`` along the last dimension.

    (Σ |x1 - x2 + eps|ᵖ)^(1/p).
    Shape: (N, D) or (D) twice to (N) or (), with ``keepdim`` (N, 1) or (1).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.PairwiseDistance.html

    >>> import cltorch as torch
    >>> torch.nn.PairwiseDistance()(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0]]))
    tensor([5.])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """Return the cosine of the angle between vectors along a dimension.

    x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)).
    Shape: (*, D, *) and the same, or what broadcasts, to (*, *) without ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CosineSimilarity.html

    >>> import cltorch as torch
    >>> torch.nn.CosineSimilarity()(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Any, x2: Any) -> Any:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
