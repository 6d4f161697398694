"""Leaving out whole blocks of a feature map (G. Ghiasi, T. Lin, Q. Le, DropBlock, 2018).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.drop_block2d.html
"""

from __future__ import annotations

import math

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def _drop(input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int) -> Tensor:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    size = tuple(input.shape[2:])
    block = min(block_size, *size)
    if block % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block} which is even.")
    starts = [n - block + 1 for n in size]
    # how often a block must begin so that a share p of the elements is left out
    share = p * math.prod(size) / (block**dims * math.prod(starts))
    begins = torch.empty((*input.shape[:2], *starts), dtype=input.dtype, device=input.device).bernoulli_(share)
    begins = F.pad(begins, [block // 2] * (2 * dims))
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    kept = 1 - pool(begins, block, stride=1, padding=block // 2)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """Return [N, C, H, W] with squares of ``block_size`` zero, a share ``p`` in all, and the rest scaled up for it.

    Raises ValueError for a probability outside [0, 1], an even size or another number of dimensions.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.drop_block2d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.drop_block2d(torch.ones(1, 1, 4, 4), 0.5, 3, training=False).sum()
    tensor(16.)
    """
    return _drop(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """Return [N, C, D, H, W] with cubes of ``block_size`` zero, a share ``p`` in all, and the rest scaled up for it.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.drop_block3d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.drop_block3d(torch.ones(1, 1, 4, 4, 4), 0.5, 3, training=False).sum()
    tensor(64.)
    """
    return _drop(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """Do what ``drop_block2d`` does while training.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.DropBlock2d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.DropBlock2d(0.5, 3).eval()(torch.ones(1, 1, 4, 4)).sum()
    tensor(16.)
    """

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """Do what ``drop_block3d`` does while training.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.DropBlock3d.html

    >>> import cltorch as torch
    >>> from cltorch.vision import ops
    >>> ops.DropBlock3d(0.5, 3).eval()(torch.ones(1, 1, 4, 4, 4)).sum()
    tensor(64.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return drop_block3d(input, self.p, self.block_size, self.inplace, self.eps, self.training)
