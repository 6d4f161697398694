"""Normalization by the activity of neighbouring channels, as modules.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LocalResponseNorm.html
"""

from __future__ import annotations

from typing import Any

from cltorch import functions as f
from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["CrossMapLRN2d", "LocalResponseNorm"]


class _LRN(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_LRN):
    """Divide by (k + alpha times the mean of the squares of ``size`` channels around) ** beta.

    y = x · (k + alpha / size · Σ x²)^(-beta) over those channels.
    Shape: (N, C, *) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LocalResponseNorm.html

    >>> import cltorch as torch
    >>> torch.nn.LocalResponseNorm(2)(torch.randn(16, 5, 7, 7, 7, 7)).shape
    torch.Size([16, 5, 7, 7, 7, 7])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_LRN):
    """Divide by (k + alpha / size times the sum of the squares of the channels around) ** beta.

    Around a channel are the (size - 1) // 2 channels before it and as many behind it, for an even ``size`` too; the
    first channel counts for all, which is how PyTorch's running sums leave it. The gradient is the derivative of that;
    PyTorch's own is not quite. Raises ValueError for other dimensions.
    Shape: (N, C, H, W) to the same.
    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import cltorch as torch
    >>> torch.nn.CrossMapLRN2d(3)(torch.ones(1, 4, 2, 2)).shape
    torch.Size([1, 4, 2, 2])
    """

    def forward(self, input: Any) -> Any:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        n, channels, *sizes = (int(m) for m in input.shape)
        reach = int((self.size - 1) / 2 + 1)
        at = f.arange(channels, device=input.device)
        near = f.lt(f.abs(f.sub(f.unsqueeze(at, 1), at)), reach)
        around = f.to(f.logical_or(near, f.eq(at, 0)), input.dtype)
        squares = around @ f.reshape(f.square(input), (n, channels, -1))
        scale = f.add(f.mul(squares, self.alpha / self.size), self.k)
        return f.mul(input, f.reshape(f.pow(scale, -self.beta), (n, channels, *sizes)))
