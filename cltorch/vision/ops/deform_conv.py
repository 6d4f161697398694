"""Convolution whose kernel's points are moved by numbers that are learnt.

J. Dai et al., Deformable Convolutional Networks, 2017; with a mask X. Zhu et al., Deformable ConvNets v2, 2019.
Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.deform_conv2d.html
"""

from __future__ import annotations

import math
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import init
from cltorch.tensor import Tensor


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def deform_conv2d(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = (1, 1),
    padding: Any = (0, 0), dilation: Any = (1, 1), mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return the convolution [N, O, h, w] of an image [N, C, H, W] at moved points.

    ``offset`` [N, 2 G kh kw, h, w] holds (down, right) for each of G groups of channels and each point of the kernel,
    ``mask`` [N, G kh kw, h, w] what the point's value is multiplied by; ``weight`` is [O, C / groups, kh, kw]. Between
    pixels values are bilinear, outside they are zero. Raises RuntimeError for shapes that do not fit.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.deform_conv2d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.deform_conv2d(torch.ones(1, 1, 3, 3), torch.zeros(1, 8, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    (down, right), (top, left), (apart_y, apart_x) = _pair(stride), _pair(padding), _pair(dilation)
    n, channels, height, width = input.shape
    out_channels, per_group, rows, columns = weight.shape
    groups, k = channels // per_group, rows * columns
    parts = offset.shape[1] // (2 * k)
    if parts == 0:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of "
            f"2 * weight.size[2] * weight.size[3]. Got offset.shape[1]={offset.shape[1]}, while "
            f"2 * weight.size[2] * weight.size[3]={2 * k}"
        )
    h = (height + 2 * top - apart_y * (rows - 1) - 1) // down + 1
    w = (width + 2 * left - apart_x * (columns - 1) - 1) // right + 1
    if tuple(offset.shape) != (n, 2 * parts * k, h, w) or channels % parts:
        raise RuntimeError(f"offset of shape {tuple(offset.shape)} does not fit: expected {(n, 2 * parts * k, h, w)}")
    if mask is not None and tuple(mask.shape) != (n, parts * k, h, w):
        raise RuntimeError(f"mask of shape {tuple(mask.shape)} does not fit: expected {(n, parts * k, h, w)}")

    def places(size: int, kernel: int, step: int, apart: int, before: int) -> Tensor:
        """Return where the kernel's points lie in one direction, before they are moved: [kernel, size]."""
        first = torch.arange(size, dtype=input.dtype, device=input.device) * step - before
        return torch.arange(kernel, dtype=input.dtype, device=input.device)[:, None] * apart + first

    moves = offset.reshape(n, parts, rows, columns, 2, h, w)
    y = moves[..., 0, :, :] + places(h, rows, down, apart_y, top)[:, None, :, None]
    x = moves[..., 1, :, :] + places(w, columns, right, apart_x, left)[:, None, :]
    share = None if mask is None else mask.reshape(n, parts, rows, columns, h, w)
    found = _bilinear(input.reshape(n, parts, channels // parts, height * width), y, x, height, width, share)
    found = found.reshape(n, groups, per_group * k, h * w)
    out = torch.matmul(weight.reshape(groups, out_channels // groups, per_group * k), found)
    out = out.reshape(n, out_channels, h, w)
    return out if bias is None else out + bias[:, None, None]


def _bilinear(flat: Tensor, y: Tensor, x: Tensor, height: int, width: int, share: Tensor | None) -> Tensor:
    """Return the values [N, G, C, P] of pixels [N, G, C, H W] at places [N, G, …], zero outside."""
    inside = (y > -1) & (y < height) & (x > -1) & (x < width)
    upper, before = y.floor(), x.floor()
    part_y, part_x = y - upper, x - before
    total: Any = 0.0
    for row, weight_y in ((upper, 1 - part_y), (upper + 1, part_y)):
        for column, weight_x in ((before, 1 - part_x), (before + 1, part_x)):
            there = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = torch.where(there, weight_y * weight_x, 0.0)
            weight = weight if share is None else weight * share
            index = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
            index = index.flatten(2)[:, :, None].expand(-1, -1, flat.shape[2], -1)
            total = total + flat.gather(3, index) * weight.flatten(2)[:, :, None]
    return total


class DeformConv2d(nn.Module):
    """Do what ``deform_conv2d`` does, with ``weight`` and ``bias`` of its own.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.DeformConv2d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.DeformConv2d(3, 8, 3)(torch.ones(1, 3, 4, 4), torch.zeros(1, 18, 2, 2)).shape
    torch.Size([1, 8, 2, 2])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding, self.dilation = _pair(padding), _pair(dilation)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters as those of a convolution."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def __repr__(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return f"{type(self).__name__}({text}{', bias=False' if self.bias is None else ''})"
