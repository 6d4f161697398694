"""Channels as pixels and pixels as channels, as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#vision-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """Move blocks of r² channels into squares of r x r pixels, r being ``upscale_factor``.

    out[c, h r + i, w r + j] = x[c r² + i r + j, h, w].
    Shape: (*, C r², H, W) to (*, C, H r, W r).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.PixelShuffle.html

    >>> import cltorch as torch
    >>> torch.nn.PixelShuffle(3)(torch.randn(1, 9, 4, 4)).shape
    torch.Size([1, 1, 12, 12])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Move squares of r x r pixels into blocks of r² channels, r being ``downscale_factor``.

    out[c r² + i r + j, h, w] = x[c, h r + i, w r + j].
    Shape: (*, C, H r, W r) to (*, C r², H, W).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.PixelUnshuffle.html

    >>> import cltorch as torch
    >>> torch.nn.PixelUnshuffle(3)(torch.randn(1, 1, 12, 12)).shape
    torch.Size([1, 9, 4, 4])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
