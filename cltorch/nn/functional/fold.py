"""Sliding windows of images as columns, and back.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from typing import Any

from cltorch import functions

__all__ = ["fold", "unfold"]


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the sliding windows of (N, C, H, W) as columns (N, C kh kw, windows); (C, H, W) has no N.

    columns[(c, k), i] = x[c, i · stride + k · dilation - padding], for the windows i and the places k in them; i and k
    count in both dimensions, rows first.
    Zeros stand in for the padding. Raises RuntimeError for sizes that do not fit.
    Shape: (N, C, H, W) or (C, H, W) to (N, C kh kw, L) or (C kh kw, L), L = Π floor((size + 2 padding - dilation (k -
    1) - 1) / stride + 1).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.unfold.html

    >>> import cltorch as torch
    >>> torch.nn.functional.unfold(torch.arange(6.0).view(1, 1, 2, 3), 2)
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    return functions.im2col(input, kernel_size, dilation, padding, stride)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Sum columns (N, C kh kw, windows) over the windows of images (N, C, *output_size); (C kh kw, windows) has no N.

    out[c, i · stride + k · dilation - padding] = Σ columns[(c, k), i] over all windows i and places k in them that meet
    there; i and k count in both dimensions, rows first.
    Raises RuntimeError for sizes that do not fit.
    Shape: (N, C kh kw, L) or (C kh kw, L) to (N, C, *output_size) or (C, *output_size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.fold.html

    >>> import cltorch as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    return functions.col2im(input, output_size, kernel_size, dilation, padding, stride)
