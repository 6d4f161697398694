"""Convolutions.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from cltorch.functions.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from cltorch.functions.conv_tbc import conv_tbc

__all__ = ["conv1d", "conv2d", "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
