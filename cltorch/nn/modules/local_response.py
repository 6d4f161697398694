"""Normalization by the activity of neighbouring channels, as modules.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LocalResponseNorm.html
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["LocalResponseNorm"]


class _LRN(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_LRN):
    """Divide (N, C, …) by (k + alpha times the mean of the squares of ``size`` channels around) ** beta.

    >>> import cltorch as torch
    >>> torch.nn.LocalResponseNorm(2)(torch.randn(16, 5, 7, 7, 7, 7)).shape
    torch.Size([16, 5, 7, 7, 7, 7])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)
