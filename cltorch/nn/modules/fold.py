"""Sliding windows of images as columns, and back, as modules.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Unfold.html and torch.nn.Fold.html
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """Sum columns over the sliding windows of images.

    out[c, i · stride + k · dilation - padding] = Σ columns[(c, k), i] over all windows i and places k in them that meet
    there; i and k count in both dimensions, rows first.
    Shape: (N, C kh kw, L) or without N to (N, C, *output_size) with L = Π floor((size + 2 padding - dilation (k - 1) -
    1) / stride + 1), else RuntimeError.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Fold.html

    >>> import cltorch as torch
    >>> torch.nn.Fold(output_size=(4, 5), kernel_size=(2, 2))(torch.randn(1, 3 * 2 * 2, 12)).shape
    torch.Size([1, 3, 4, 5])
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size, self.dilation = output_size, kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Any) -> Any:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """Return the sliding windows of images as columns.

    columns[(c, k), i] = x[c, i · stride + k · dilation - padding], for the windows i and the places k in them; i and k
    count in both dimensions, rows first.
    Shape: (N, C, H, W) to (N, C kh kw, L) with L = Π floor((size + 2 padding - dilation (k - 1) - 1) / stride + 1) over
    H and W.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Unfold.html

    >>> import cltorch as torch
    >>> torch.nn.Unfold(kernel_size=(2, 3))(torch.randn(2, 5, 3, 4)).shape
    torch.Size([2, 30, 4])
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
