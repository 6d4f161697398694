"""VGG (K. Simonyan and A. Zisserman, Very Deep Convolutional Networks, 2014).

Source: https://docs.pytorch.org/vision/0.28/models/vgg.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import functions, nn
from cltorch.tensor import Tensor
from cltorch.vision.models.weights import build, register_model

# how many 3x3 convolutions each of the five stages has
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Convolutions (``features``), a pool to 7×7, and three linear layers."""

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
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, nn.Linear):
                    nn.init.normal_(m.weight, 0, 0.01)
                if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(functions.flatten(self.avgpool(self.features(x)), 1))


def make_layers(depth: int, batch_norm: bool = False) -> nn.Sequential:
    """Return the convolutions of VGG with ``depth`` layers, each with batch normalisation behind it or without."""
    layers: list[nn.Module] = []
    channels = 3
    for count, width in zip(_DEPTHS[depth], _WIDTHS, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, weights: Any, options: dict[str, Any]) -> VGG:
    if weights is not None:
        options["init_weights"] = False
    make = lambda **kw: VGG(make_layers(depth, batch_norm), **kw)  # noqa: E731
    model: VGG = build(f"vgg{depth}{'_bn' * batch_norm}", make, weights, options)
    return model


def _define(depth: int, batch_norm: bool) -> Any:
    def network(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
        return _vgg(depth, batch_norm, weights, kwargs)

    network.__name__ = network.__qualname__ = f"vgg{depth}{'_bn' * batch_norm}"
    network.__doc__ = (
        f"Return VGG with {depth} layers{' and batch normalisation' * batch_norm}; arguments as of ``resnet18``."
    )
    return register_model(network)


_plain, _normed = (partial(_define, batch_norm=normed) for normed in (False, True))
vgg11, vgg13, vgg16, vgg19 = (_plain(depth) for depth in _DEPTHS)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_normed(depth) for depth in _DEPTHS)
