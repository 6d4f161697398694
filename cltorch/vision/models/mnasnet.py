"""MNASNet (M. Tan et al., Platform-Aware Neural Architecture Search for Mobile, 2019).

Source: https://docs.pytorch.org/vision/0.28/models/mnasnet.html
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.common import make_divisible
from cltorch.vision.models.weights import attributes, build

_MOMENTUM = 1 - 0.9997  # of TensorFlow's averages, as PyTorch counts it


class _InvertedResidual(nn.Module):
    """Widen, convolve each channel by itself, narrow; the input is added where the shape stays."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.apply_residual = before == after and stride == 1
        norm = partial(nn.BatchNorm2d, momentum=_MOMENTUM)
        self.layers = nn.Sequential(
            nn.Conv2d(before, wide, 1, bias=False), norm(wide), nn.ReLU(inplace=True),
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False), norm(wide),
            nn.ReLU(inplace=True), nn.Conv2d(wide, after, 1, bias=False), norm(after),
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


# (channels, window, stride, expansion, blocks)
_STACKS = ((24, 3, 2, 3, 3), (40, 5, 2, 3, 3), (80, 5, 2, 6, 3), (96, 3, 1, 6, 2), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1))


def _stem(first: int, before: int) -> list[nn.Module]:
    norm = partial(nn.BatchNorm2d, momentum=_MOMENTUM)
    return [
        nn.Conv2d(3, first, 3, padding=1, stride=2, bias=False), norm(first), nn.ReLU(inplace=True),
        nn.Conv2d(first, first, 3, padding=1, groups=first, bias=False), norm(first), nn.ReLU(inplace=True),
        nn.Conv2d(first, before, 1, bias=False), norm(before),
    ]  # fmt: skip


def _stack(before: int, after: int, kernel: int, stride: int, expansion: int, count: int) -> nn.Module:
    blocks = [_InvertedResidual(before, after, kernel, stride, expansion)]
    return nn.Sequential(*blocks, *(_InvertedResidual(after, after, kernel, 1, expansion) for _ in range(count - 1)))


class MNASNet(nn.Module):
    """Stacks of inverted residuals whose channels ``alpha`` scales.

    A checkpoint of version 1, whose first layers were not scaled, makes a model of that version of it, with a warning.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        before = make_divisible(16 * alpha, 8)
        layers = _stem(make_divisible(32 * alpha, 8), before)
        for width, *rest in _STACKS:
            after = make_divisible(width * alpha, 8)
            layers.append(_stack(before, after, *rest))
            before = after
        norm = nn.BatchNorm2d(1280, momentum=_MOMENTUM)
        layers += [nn.Conv2d(before, 1280, 1, bias=False), norm, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(1280, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="sigmoid")
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *args: Any
    ) -> None:
        version = local_metadata.get("version", self._version)  # plain dictionaries do not tell
        if version not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {version}")
        if version == 1 and self.alpha != 1.0:
            width, *rest = _STACKS[0]
            for i, layer in enumerate([*_stem(32, 16), _stack(16, make_divisible(width * self.alpha, 8), *rest)]):
                self.layers[i] = layer
            self._version = 1  # what it is saved as from now on
            warnings.warn(
                "The checkpoint is of MNASNet's version 1, whose first layers all widths have in common. It loads and "
                "works as it did, and the model is of that version now.",
                UserWarning,
                stacklevel=callers_level(),
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)


def _define(name: str, alpha: float) -> Any:
    make = partial(MNASNet, alpha)
    return define(name, f"MNASNet of width {alpha}", lambda weights, options: build(name, make, weights, options))


mnasnet0_5, mnasnet0_75 = _define("mnasnet0_5", 0.5), _define("mnasnet0_75", 0.75)
mnasnet1_0, mnasnet1_3 = _define("mnasnet1_0", 1.0), _define("mnasnet1_3", 1.3)

__getattr__ = attributes(__name__)
