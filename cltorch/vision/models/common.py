"""What several networks share: widths that are whole multiples, and the first values of weights."""

from __future__ import annotations

from cltorch import nn


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
