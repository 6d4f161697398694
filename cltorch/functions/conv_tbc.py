"""Convolution of sequences whose time comes first.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv_tbc.html
"""

from __future__ import annotations

from typing import Any

from cltorch.functions.arguments import need_array
from cltorch.functions.conv import conv1d
from cltorch.functions.convert import contiguous
from cltorch.functions.dim_orders import permute

__all__ = ["conv_tbc"]


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """Convolve (time, batch, in) by kernels (width, in, out): (time, batch, out) with ``pad`` zeros at both ends.

    out[t, n, o] = bias[o] + Σ input[t + k - pad, n, i] · weight[k, i, o] over k and i.
    Raises RuntimeError for sizes that do not fit.
    Shape: input (T, N, C_in), weight (K, C_in, C_out), bias (C_out) to (T + 2 pad - K + 1, N, C_out).
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html

    >>> import cltorch as torch
    >>> torch.conv_tbc(torch.ones(3, 1, 1), torch.ones(2, 1, 1), torch.zeros(1)).flatten()
    tensor([2., 2.])
    """
    for i, (name, value) in enumerate((("input", input), ("weight", weight), ("bias", bias))):
        need_array("conv_tbc", name, i + 1, value)
    if input.lay.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.lay.ndim != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if bias.lay.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if input.lay.shape[2] != weight.lay.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if bias.lay.shape[0] != weight.lay.shape[2]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    found = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad)
    return contiguous(permute(found, (2, 0, 1)))
