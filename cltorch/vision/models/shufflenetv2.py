"""ShuffleNet V2 (N. Ma et al., Practical Guidelines for Efficient CNN Architecture Design, 2018).

Source: https://docs.pytorch.org/vision/0.28/models/shufflenetv2.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


def _pointwise(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Return channels of (N, C, H, W) in another order: the first of each group, then the second of each."""
    return F.channel_shuffle(x, groups)


class InvertedResidual(nn.Module):
    """Work on half of the channels, or with stride 2 on all in two ways, and shuffle both halves."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        if stride == 1 and inp != oup // 2 * 2:
            raise ValueError(f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values.")
        self.stride, half = stride, oup // 2
        self.branch1 = nn.Sequential(*(_depthwise(inp, stride) + _pointwise(inp, half) if stride > 1 else []))
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, worked = x.chunk(2, dim=1)
            out = functions.cat((kept, self.branch2(worked)), dim=1)
        else:
            out = functions.cat((self.branch1(x), self.branch2(x)), dim=1)
        return F.channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Three stages of ``stages_repeats`` blocks between two convolutions.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, stages_repeats: list[int], stages_out_channels: list[int], num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        channels = stages_out_channels[0]
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (repeats, out) in enumerate(zip(stages_repeats, stages_out_channels[1:4], strict=True), 2):
            blocks = [inverted_residual(channels, out, 2)]
            blocks += [inverted_residual(out, out, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{i}", nn.Sequential(*blocks))
            channels = out
        last = stages_out_channels[-1]
        self.conv5 = nn.Sequential(*_pointwise(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _shufflenet(name: str, widths: list[int], weights: Any, options: dict[str, Any]) -> ShuffleNetV2:
    model: ShuffleNetV2 = build(name, partial(ShuffleNetV2, [4, 8, 4], widths), weights, options)
    return model


@network
def shufflenet_v2_x0_5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ShuffleNetV2:
    """Return ShuffleNet V2 of width 0.5; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _shufflenet("shufflenet_v2_x0_5", [24, 48, 96, 192, 1024], weights, kwargs)


@network
def shufflenet_v2_x1_0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ShuffleNetV2:
    """Return ShuffleNet V2 of width 1; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _shufflenet("shufflenet_v2_x1_0", [24, 116, 232, 464, 1024], weights, kwargs)


@network
def shufflenet_v2_x1_5(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ShuffleNetV2:
    """Return ShuffleNet V2 of width 1.5; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _shufflenet("shufflenet_v2_x1_5", [24, 176, 352, 704, 1024], weights, kwargs)


@network
def shufflenet_v2_x2_0(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> ShuffleNetV2:
    """Return ShuffleNet V2 of width 2; arguments as of ``resnet18``.

    Source: https://docs.pytorch.org/vision/0.28/models.html
    """
    return _shufflenet("shufflenet_v2_x2_0", [24, 244, 488, 976, 2048], weights, kwargs)


__getattr__ = attributes(__name__)
