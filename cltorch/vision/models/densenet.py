"""DenseNet (G. Huang et al., Densely Connected Convolutional Networks, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/densenet.html
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.utils import checkpoint
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build


class _DenseLayer(nn.Module):
    """Make ``growth_rate`` new channels from all before."""

    def __init__(
        self, channels: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate, self.memory_efficient = float(drop_rate), memory_efficient

    def _narrow(self, *features: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(functions.cat(list(features), 1))))

    def forward(self, features: list[Tensor]) -> Tensor:
        if self.memory_efficient and any(f.requires_grad for f in features):
            x = checkpoint.checkpoint(self._narrow, *features, use_reentrant=False)
        else:
            x = self._narrow(*features)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, p=self.drop_rate, training=self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers each of which sees the results of all before."""

    def __init__(self, count: int, channels: int, growth_rate: int, **options: Any) -> None:
        super().__init__()
        for i in range(count):
            layer = _DenseLayer(channels + i * growth_rate, growth_rate, **options)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return functions.cat(features, 1)


class _Transition(nn.Sequential):
    """Halve the resolution, and bring the channels to ``out``."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """Blocks of densely connected layers; ``memory_efficient`` computes parts again in backward.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16), num_init_features: int = 64,
        bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000, memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        channels = num_init_features
        for i, count in enumerate(block_config, 1):
            block = _DenseBlock(
                count, channels, growth_rate, bn_size=bn_size, drop_rate=drop_rate, memory_efficient=memory_efficient
            )
            self.features.add_module(f"denseblock{i}", block)
            channels += count * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(functions.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


def _densenet(name: str, growth: int, blocks: tuple[int, ...], first: int, weights: Any, options: Any) -> DenseNet:
    model: DenseNet = build(name, partial(DenseNet, growth, blocks, first), weights, options)
    return model


@network
def densenet121(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """Return DenseNet-121; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _densenet("densenet121", 32, (6, 12, 24, 16), 64, weights, kwargs)


@network
def densenet161(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """Return DenseNet-161; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _densenet("densenet161", 48, (6, 12, 36, 24), 96, weights, kwargs)


@network
def densenet169(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """Return DenseNet-169; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _densenet("densenet169", 32, (6, 12, 32, 32), 64, weights, kwargs)


@network
def densenet201(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """Return DenseNet-201; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _densenet("densenet201", 32, (6, 12, 48, 32), 64, weights, kwargs)


__getattr__ = attributes(__name__)
