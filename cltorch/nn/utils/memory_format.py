"""Weights of convolutions in another order of memory.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.convert_conv2d_weight_memory_format.html
"""

from __future__ import annotations

from typing import Any

from cltorch.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from cltorch.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Module, kinds: tuple[Any, ...], memory_format: Any) -> Module:
    for m in module.modules():
        if isinstance(m, kinds):
            m.weight.data = m.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Let the weights of all 2-d convolutions in a module have a memory format, and return the module.

    Shape: weights of four dimensions keep theirs; strides change.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.convert_conv2d_weight_memory_format.html

    >>> import cltorch as torch
    >>> layer = torch.nn.Conv2d(3, 4, 2)
    >>> layer = torch.nn.utils.convert_conv2d_weight_memory_format(layer, torch.channels_last)
    >>> layer.weight.stride()
    (12, 1, 6, 3)
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Let the weights of all 3-d convolutions in a module have a memory format, and return the module.

    Shape: weights of five dimensions keep theirs; strides change.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.convert_conv3d_weight_memory_format.html

    >>> import cltorch as torch
    >>> net = torch.nn.Conv3d(2, 3, 2)
    >>> torch.nn.utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d).weight.stride()
    (16, 1, 8, 4, 2)
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
