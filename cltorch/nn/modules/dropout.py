"""Dropout as modules: they drop in training mode only.

Source: https://docs.pytorch.org/docs/2.13/nn.html#dropout-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Zero each element with probability ``p`` and multiply the others by 1 / (1 - p).

    N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
    Shape: (*) to (*); it does nothing after ``eval()``. Raises ValueError for ``p`` outside 0 … 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Dropout.html

    >>> import cltorch as torch
    >>> torch.nn.Dropout(0.2).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Zero whole channels with probability ``p`` and multiply the others by 1 / (1 - p).

    Shape: (N, C, L) or (C, L) to the same; it does nothing after ``eval()``. Raises ValueError for ``p`` outside 0 … 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Dropout1d.html

    >>> import cltorch as torch
    >>> torch.nn.Dropout1d(1.0)(torch.ones(1, 2, 3)).sum()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Zero whole channels with probability ``p`` and multiply the others by 1 / (1 - p).

    Shape: (N, C, H, W) or (N, C, L) to the same; it does nothing after ``eval()``. Raises ValueError for ``p`` outside
    0 … 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Dropout2d.html

    >>> import cltorch as torch
    >>> torch.nn.Dropout2d(1.0)(torch.ones(1, 2, 3, 3)).sum()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Zero whole channels with probability ``p`` and multiply the others by 1 / (1 - p).

    Shape: (N, C, D, H, W) or (C, D, H, W) to the same; it does nothing after ``eval()``. Raises ValueError for ``p``
    outside 0 … 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Dropout3d.html

    >>> import cltorch as torch
    >>> torch.nn.Dropout3d(0.5).eval()(torch.ones(1, 1, 1, 1, 2)).sum()
    tensor(2.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Drop elements to SELU's negative limit, keeping mean and variance.

    y = a (x · mask + α (1 - mask)) + b with α = -1.7581 and a, b that keep mean and variance.
    Shape: (*) to (*); it does nothing after ``eval()``. Raises ValueError for ``p`` outside 0 … 1. G. Klambauer et al.,
    Self-Normalizing Neural Networks, 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.AlphaDropout.html

    >>> import cltorch as torch
    >>> torch.nn.AlphaDropout(0.5).eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """Drop whole channels to SELU's negative limit, keeping mean and variance.

    y = a (x · mask + α (1 - mask)) + b as in AlphaDropout, the mask being one draw for each channel.
    Shape: (N, C, *) to the same; the formula is AlphaDropout's, with one draw for each channel. It does nothing after
    ``eval()``. Raises ValueError for ``p`` outside 0 … 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.FeatureAlphaDropout.html

    >>> import cltorch as torch
    >>> torch.nn.FeatureAlphaDropout(0.5).eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training)
