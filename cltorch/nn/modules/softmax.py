"""Softmax and its kin as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#non-linear-activations-other
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _Softmax(Module):
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)  # files of versions without the argument

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Softmax):
    """Return exp(xᵢ) / Σⱼ exp(xⱼ) along a dimension, computed without overflow.

    Shape: (*) to (*), of a floating dtype. Without ``dim`` PyTorch's old choice of one is made, with a warning.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softmax.html

    >>> import cltorch as torch
    >>> torch.nn.Softmax(dim=1)(torch.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim, 5)


class LogSoftmax(_Softmax):
    """Return log(exp(xᵢ) / Σⱼ exp(xⱼ)) along a dimension, computed without overflow.

    Shape: (*) to (*), of a floating dtype. Without ``dim`` PyTorch's old choice of one is made, with a warning.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LogSoftmax.html

    >>> import cltorch as torch
    >>> torch.nn.LogSoftmax(dim=0)(torch.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim, 5)


class Softmin(_Softmax):
    """Return exp(-xᵢ) / Σⱼ exp(-xⱼ) along a dimension, which is softmax of the negated input.

    Shape: (*) to (*), of a floating dtype. Without ``dim`` PyTorch's old choice of one is made, with a warning.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softmin.html

    >>> import cltorch as torch
    >>> torch.nn.Softmin(dim=0)(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim, 5)


class Softmax2d(Module):
    """Apply softmax over the channels; raise ValueError for another rank.

    y[c, h, w] = exp(x[c, h, w]) / Σ_k exp(x[k, h, w]).
    Shape: (N, C, H, W) or (C, H, W) to the same, of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softmax2d.html

    >>> import cltorch as torch
    >>> torch.nn.Softmax2d()(torch.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        if input.lay.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.lay.ndim}D instead")
        return F.softmax(input, -3)
