"""SqueezeNet (F. Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, 2016).

Source: https://docs.pytorch.org/vision/0.28/models/squeezenet.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build


class Fire(nn.Module):
    """Narrow to ``squeeze_planes`` channels, then widen by 1x1 and by 3x3 convolutions side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        small, large = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return functions.cat([small, large], 1)


# (narrow, wide) of the eight blocks
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))


class SqueezeNet(nn.Module):
    """Eight ``Fire`` blocks; ``version`` "1_1" pools earlier than "1_0" and starts narrower.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version == "1_0":
            channels, first, pools = 96, nn.Conv2d(3, 96, 7, stride=2), (0, 3, 7)
        elif version == "1_1":
            channels, first, pools = 64, nn.Conv2d(3, 64, 3, stride=2), (0, 2, 4)
        else:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        layers: list[nn.Module] = [first, nn.ReLU(inplace=True)]
        for i, (narrow, wide) in enumerate(_FIRES):
            if i in pools:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            layers.append(Fire(channels, narrow, wide, wide))
            channels = 2 * wide
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is last:
                    nn.init.normal_(m.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return functions.flatten(self.classifier(self.features(x)), 1)


@network
def squeezenet1_0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """Return SqueezeNet 1.0; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    model: SqueezeNet = build("squeezenet1_0", partial(SqueezeNet, "1_0"), weights, kwargs)
    return model


@network
def squeezenet1_1(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> SqueezeNet:
    """Return SqueezeNet 1.1; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    model: SqueezeNet = build("squeezenet1_1", partial(SqueezeNet, "1_1"), weights, kwargs)
    return model


__getattr__ = attributes(__name__)
