"""VGG (K. Simonyan and A. Zisserman, Very Deep Convolutional Networks, 2014).

Source: https://docs.pytorch.org/vision/0.28/models/vgg.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import define
from cltorch.vision.models.common import initialise
from cltorch.vision.models.weights import attributes, build

# how many 3x3 convolutions each of the five stages has, under the letters of the paper's table
_DEPTHS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
#: Layers for ``make_layers``: the channels of a convolution, or "M" for a pool.
cfgs: dict[str, list[str | int]] = {letter: [] for letter in _DEPTHS}
for _letter, _counts in _DEPTHS.items():
    for _count, _width in zip(_counts, _WIDTHS, strict=True):
        cfgs[_letter] += [*[_width] * _count, "M"]


class VGG(nn.Module):
    """Convolutions (``features``), a pool to 7×7, and three linear layers.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout), nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functions.flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """Return convolutions of as many channels as ``cfg`` says, rectified, and pools for its "M"s (see ``cfgs``).

    Each convolution has batch normalisation behind it or none.
    """
    layers: list[nn.Module] = []
    channels = 3
    for item in cfg:
        if item == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        width = int(item)
        layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers)


def _define(letter: str, batch_norm: bool) -> Any:
    depth = sum(_DEPTHS[letter]) + 3
    name = f"vgg{depth}{'_bn' * batch_norm}"

    def make(weights: Any, options: dict[str, Any]) -> VGG:
        if weights is not None:
            options["init_weights"] = False
        model: VGG = build(name, lambda **kw: VGG(make_layers(cfgs[letter], batch_norm), **kw), weights, options)
        return model

    return define(name, f"VGG with {depth} layers{' and batch normalisation' * batch_norm}", make)


_plain, _normed = (partial(_define, batch_norm=normed) for normed in (False, True))
vgg11, vgg13, vgg16, vgg19 = (_plain(letter) for letter in _DEPTHS)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_normed(letter) for letter in _DEPTHS)

__getattr__ = attributes(__name__)
