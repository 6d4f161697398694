"""What several networks share: widths that are whole multiples, and the first values of weights."""

from __future__ import annotations

from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """Return the nearest multiple of ``divisor`` that is not less than nine tenths of ``v``."""
    new = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return new if new >= 0.9 * v else new + divisor


def initialise(model: nn.Module) -> None:
    """Draw the weights of convolutions after their fan-out and those of linear layers narrowly; biases become zero.

    Source: K. He et al., Delving Deep into Rectifiers, https://arxiv.org/abs/1502.01852
    """
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
        if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
            nn.init.zeros_(m.bias)


class BasicConv2d(nn.Module):
    """A convolution without bias, normalised and rectified: what the Inception networks are made of."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(norm(convolution(x)))."""
        return F.relu(self.bn(self.conv(x)))


def cut_normal(layer: Any) -> None:
    """Draw a layer's weight from a normal distribution of deviation 0.02 that is cut at ±2, and set its bias to 0."""
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def inception_weights(model: nn.Module, std: float) -> None:
    """Draw weights from a normal distribution cut at ±2; a module's ``stddev`` goes before ``std``."""
    for m in model.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(m.weight, mean=0.0, std=float(getattr(m, "stddev", std)), a=-2, b=2)
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)


def rescale_for_inception(x: Tensor) -> Tensor:
    """Turn images normalised by ImageNet's mean and deviation into those from -1 to 1."""
    scale = functions.tensor([0.229, 0.224, 0.225], dtype=x.dtype, device=x.device).view(3, 1, 1) / 0.5
    mean = functions.tensor([0.485, 0.456, 0.406], dtype=x.dtype, device=x.device).view(3, 1, 1)
    return x * scale + (mean - 0.5) / 0.5
