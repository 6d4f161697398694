"""S3D (S. Xie et al., Rethinking Spatiotemporal Feature Learning, 2017).

Source: https://docs.pytorch.org/vision/0.28/models/video_s3d.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cltorch import functions, nn
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv3dNormActivation

Norm = Callable[..., nn.Module]


class TemporalSeparableConv(nn.Sequential):
    """A convolution over the image, and one over time."""

    def __init__(
        self, in_planes: int, out_planes: int, kernel_size: int, stride: int, padding: int, norm_layer: Norm
    ) -> None:
        super().__init__(
            Conv3dNormActivation(
                in_planes, out_planes, (1, kernel_size, kernel_size), stride=(1, stride, stride),
                padding=(0, padding, padding), bias=False, norm_layer=norm_layer,
            ),
            Conv3dNormActivation(
                out_planes, out_planes, (kernel_size, 1, 1), stride=(stride, 1, 1), padding=(padding, 0, 0), bias=False,
                norm_layer=norm_layer,
            ),
        )  # fmt: skip


class SepInceptionBlock3D(nn.Module):
    """Four ways to look at the same, beside one another."""

    def __init__(
        self, in_planes: int, b0_out: int, b1_mid: int, b1_out: int, b2_mid: int, b2_out: int, b3_out: int,
        norm_layer: Norm,
    ) -> None:  # fmt: skip
        super().__init__()

        def mixed(width: int) -> nn.Module:
            return Conv3dNormActivation(in_planes, width, 1, norm_layer=norm_layer)

        self.branch0 = mixed(b0_out)
        self.branch1 = nn.Sequential(mixed(b1_mid), TemporalSeparableConv(b1_mid, b1_out, 3, 1, 1, norm_layer))
        self.branch2 = nn.Sequential(mixed(b2_mid), TemporalSeparableConv(b2_mid, b2_out, 3, 1, 1, norm_layer))
        self.branch3 = nn.Sequential(nn.MaxPool3d((3, 3, 3), stride=1, padding=1), mixed(b3_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the four answers as channels."""
        return functions.cat([branch(x) for branch in (self.branch0, self.branch1, self.branch2, self.branch3)], 1)


# the blocks of a stage: channels before, of the first branch, within and after the next two, of the last
_STAGES = (
    ((192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64)),
    (
        (480, 192, 96, 208, 16, 48, 64), (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64),
        (512, 112, 144, 288, 32, 64, 64), (528, 256, 160, 320, 32, 128, 128),
    ),
    ((832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128)),
)  # fmt: skip


class S3D(nn.Module):
    """Classify clips (N, 3, T, H, W) of at least 14 images of 224x224 into scores (N, num_classes)."""

    def __init__(self, num_classes: int = 400, dropout: float = 0.2, norm_layer: Norm | None = None) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm3d, eps=0.001, momentum=0.001)
        first, second, third = ([SepInceptionBlock3D(*row, norm) for row in stage] for stage in _STAGES)
        halve = partial(nn.MaxPool3d, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        self.features = nn.Sequential(
            TemporalSeparableConv(3, 64, 7, 2, 3, norm), halve(),
            Conv3dNormActivation(64, 64, 1, norm_layer=norm), TemporalSeparableConv(64, 192, 3, 1, 1, norm), halve(),
            *first, nn.MaxPool3d((3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)),
            *second, nn.MaxPool3d((2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0)),
            *third,
        )  # fmt: skip
        self.avgpool = nn.AvgPool3d((2, 7, 7), stride=1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Conv3d(1024, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of the classes."""
        return self.classifier(self.avgpool(self.features(x))).mean(dim=(2, 3, 4))


@network
def s3d(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> S3D:
    """Return S3D; arguments as of ``resnet18``."""
    model: S3D = build("s3d", S3D, weights, kwargs)
    return model


__getattr__ = attributes(__name__)
