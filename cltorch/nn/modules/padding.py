"""Padding as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#padding-layers
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """Pad the last ``_dims`` dimensions by one number, or by (before, after) of each, the last one first."""

    _dims = 1
    _mode = "constant"
    padding: Sequence[int]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._dims)(padding)

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    value: float

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ReflectionPadNd(_Pad):
    _mode = "reflect"


class _ReplicationPadNd(_Pad):
    _mode = "replicate"


class _CircularPadNd(_Pad):
    _mode = "circular"

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        return super().forward(input)

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise ValueError(f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.dim()}D input)")


class ConstantPad1d(_ConstantPadNd):
    """Put a value before and after the last dimension.

    out[i] = x[i - left] for 0 <= i - left < L, else ``value``.
    Shape: (N, C, L) or (C, L) to the same with L' = L + left + right. ``padding`` is one number for all sides or two
    numbers (left, right); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConstantPad1d.html

    >>> import cltorch as torch
    >>> torch.nn.ConstantPad1d(1, 9.0)(torch.zeros(1, 2))
    tensor([[9., 0., 0., 9.]])
    """


class ConstantPad2d(_ConstantPadNd):
    """Put a value before and after the last two dimensions.

    out[i] = x[i - left] for 0 <= i - left < L, else ``value``; so in each of the dimensions.
    Shape: (N, C, H, W) or (C, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number for
    all sides or four numbers (left, right, top, bottom); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConstantPad2d.html

    >>> import cltorch as torch
    >>> torch.nn.ConstantPad2d((1, 0, 0, 1), 7.0)(torch.zeros(1, 1, 2))
    tensor([[[7., 0., 0.],
             [7., 7., 7.]]])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Put a value before and after the last three dimensions.

    out[i] = x[i - left] for 0 <= i - left < L, else ``value``; so in each of the dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number
    for all sides or six numbers (left, right, top, bottom, front, back); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ConstantPad3d.html

    >>> import cltorch as torch
    >>> torch.nn.ConstantPad3d(1, 7.0)(torch.zeros(1, 1, 2, 3)).shape
    torch.Size([1, 3, 4, 5])
    """

    _dims = 3


class ZeroPad1d(ConstantPad1d):
    """Put zeros before and after the last dimension.

    out[i] = x[i - left] for 0 <= i - left < L, else 0.
    Shape: (N, C, L) or (C, L) to the same with L' = L + left + right. ``padding`` is one number for all sides or two
    numbers (left, right); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ZeroPad1d.html

    >>> import cltorch as torch
    >>> torch.nn.ZeroPad1d((1, 2))(torch.ones(1, 2))
    tensor([[0., 1., 1., 0., 0.]])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Put zeros before and after the last two dimensions.

    out[i] = x[i - left] for 0 <= i - left < L, else 0; so in each of the dimensions.
    Shape: (N, C, H, W) or (C, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number for
    all sides or four numbers (left, right, top, bottom); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ZeroPad2d.html

    >>> import cltorch as torch
    >>> torch.nn.ZeroPad2d((1, 1, 2, 0))(torch.randn(1, 1, 3, 3)).shape
    torch.Size([1, 1, 5, 5])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Put zeros before and after the last three dimensions.

    out[i] = x[i - left] for 0 <= i - left < L, else 0; so in each of the dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number
    for all sides or six numbers (left, right, top, bottom, front, back); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ZeroPad3d.html

    >>> import cltorch as torch
    >>> torch.nn.ZeroPad3d(1)(torch.ones(1, 2, 3, 4)).shape
    torch.Size([1, 4, 5, 6])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_ReflectionPadNd):
    """Pad the last dimension by its mirror image, the edge not repeated.

    out[i] = x[j] with j = |i - left|, or 2 (L - 1) - j where that exceeds L - 1.
    Shape: (N, C, L) or (C, L) to the same with L' = L + left + right. ``padding`` is one number for all sides or two
    numbers (left, right); negative ones cut off. Raises RuntimeError where a padding is not less than the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReflectionPad1d.html

    >>> import cltorch as torch
    >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """


class ReflectionPad2d(_ReflectionPadNd):
    """Pad the last two dimensions by their mirror image, the edges not repeated.

    out[i] = x[j] with j = |i - left|, or 2 (L - 1) - j where that exceeds L - 1; so in each of the dimensions.
    Shape: (N, C, H, W) or (C, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number for
    all sides or four numbers (left, right, top, bottom); negative ones cut off. Raises RuntimeError where a padding is
    not less than the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReflectionPad2d.html

    >>> import cltorch as torch
    >>> torch.nn.ReflectionPad2d((1, 0, 0, 0))(torch.arange(4.0).view(1, 2, 2))
    tensor([[[1., 0., 1.],
             [3., 2., 3.]]])
    """

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Pad the last three dimensions by their mirror image, the edges not repeated.

    out[i] = x[j] with j = |i - left|, or 2 (L - 1) - j where that exceeds L - 1; so in each of the dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number
    for all sides or six numbers (left, right, top, bottom, front, back); negative ones cut off. Raises RuntimeError
    where a padding is not less than the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReflectionPad3d.html

    >>> import cltorch as torch
    >>> torch.nn.ReflectionPad3d(1)(torch.randn(1, 2, 3, 4, 5)).shape
    torch.Size([1, 2, 5, 6, 7])
    """

    _dims = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Pad the last dimension by repeating its first and last element.

    out[i] = x[min(max(i - left, 0), L - 1)].
    Shape: (N, C, L) or (C, L) to the same with L' = L + left + right. ``padding`` is one number for all sides or two
    numbers (left, right); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReplicationPad1d.html

    >>> import cltorch as torch
    >>> torch.nn.ReplicationPad1d(2)(torch.tensor([[0.0, 1.0]]))
    tensor([[0., 0., 0., 1., 1., 1.]])
    """


class ReplicationPad2d(_ReplicationPadNd):
    """Pad the last two dimensions by repeating their edges.

    out[i] = x[min(max(i - left, 0), L - 1)]; so in each of the dimensions.
    Shape: (N, C, H, W) or (C, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number for
    all sides or four numbers (left, right, top, bottom); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReplicationPad2d.html

    >>> import cltorch as torch
    >>> torch.nn.ReplicationPad2d((1, 0, 0, 0))(torch.arange(4.0).view(1, 2, 2))
    tensor([[[0., 0., 1.],
             [2., 2., 3.]]])
    """

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Pad the last three dimensions by repeating their edges.

    out[i] = x[min(max(i - left, 0), L - 1)]; so in each of the dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number
    for all sides or six numbers (left, right, top, bottom, front, back); negative ones cut off.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReplicationPad3d.html

    >>> import cltorch as torch
    >>> torch.nn.ReplicationPad3d(1)(torch.randn(1, 2, 3, 4, 5)).shape
    torch.Size([1, 2, 5, 6, 7])
    """

    _dims = 3


class CircularPad1d(_CircularPadNd):
    """Pad the last dimension by elements from its other end.

    out[i] = x[(i - left) mod L].
    Shape: (N, C, L) or (C, L) to the same with L' = L + left + right. ``padding`` is one number for all sides or two
    numbers (left, right); negative ones cut off. Raises RuntimeError where a padding exceeds the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CircularPad1d.html

    >>> import cltorch as torch
    >>> torch.nn.CircularPad1d((1, 2))(torch.tensor([[0.0, 1.0, 2.0]]))
    tensor([[2., 0., 1., 2., 0., 1.]])
    """


class CircularPad2d(_CircularPadNd):
    """Pad the last two dimensions by elements from their other ends.

    out[i] = x[(i - left) mod L]; so in each of the dimensions.
    Shape: (N, C, H, W) or (C, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number for
    all sides or four numbers (left, right, top, bottom); negative ones cut off. Raises RuntimeError where a padding
    exceeds the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CircularPad2d.html

    >>> import cltorch as torch
    >>> torch.nn.CircularPad2d((1, 0, 0, 0))(torch.arange(4.0).view(1, 2, 2))
    tensor([[[1., 0., 1.],
             [3., 2., 3.]]])
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Pad the last three dimensions by elements from their other ends.

    out[i] = x[(i - left) mod L]; so in each of the dimensions.
    Shape: (N, C, D, H, W) or (C, D, H, W) to the same with W' = W + left + right, and so on. ``padding`` is one number
    for all sides or six numbers (left, right, top, bottom, front, back); negative ones cut off. Raises RuntimeError
    where a padding exceeds the size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CircularPad3d.html

    >>> import cltorch as torch
    >>> torch.nn.CircularPad3d(1)(torch.randn(1, 2, 3, 4, 5)).shape
    torch.Size([1, 2, 5, 6, 7])
    """

    _dims = 3
