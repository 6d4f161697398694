"""Inception v3 (C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015).

Source: https://docs.pytorch.org/vision/0.28/models/inception.html
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.common import BasicConv2d, inception_weights, rescale_for_inception
from cltorch.vision.models.weights import attributes, build_with_heads

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
_Block = Callable[..., nn.Module]


def _mean3(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)


class _Mixed(nn.Module):
    """Join branches, each a chain of convolutions that are attributes of the module, and one behind a pooling."""

    def _convolutions(self, conv_block: _Block | None, rows: dict[str, tuple[Any, ...]]) -> None:
        """Set convolutions from (channels before, after, window[, stride, padding])."""
        conv = conv_block or BasicConv2d
        for name, (before, after, kernel, *rest) in rows.items():
            options = dict(zip(("stride", "padding"), rest, strict=False))
            setattr(self, name, conv(before, after, kernel_size=kernel, **options))

    def _chain(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = getattr(self, name)(x)
        return x


class InceptionA(_Mixed):
    """1x1, 5x5 and twice 3x3 convolutions, and an average, at 35x35."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        rows = {
            "branch1x1": (in_channels, 64, 1),
            "branch5x5_1": (in_channels, 48, 1),
            "branch5x5_2": (48, 64, 5, 1, 2),
            "branch3x3dbl_1": (in_channels, 64, 1),
            "branch3x3dbl_2": (64, 96, 3, 1, 1),
            "branch3x3dbl_3": (96, 96, 3, 1, 1),
            "branch_pool": (in_channels, pool_features, 1),
        }
        self._convolutions(conv_block, rows)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels."""
        double = self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        wide = self._chain(x, "branch5x5_1", "branch5x5_2")
        return functions.cat([self.branch1x1(x), wide, double, self.branch_pool(_mean3(x))], 1)


class InceptionB(_Mixed):
    """Halve the resolution by convolutions and by a maximum."""

    def __init__(self, in_channels: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        rows = {
            "branch3x3": (in_channels, 384, 3, 2),
            "branch3x3dbl_1": (in_channels, 64, 1),
            "branch3x3dbl_2": (64, 96, 3, 1, 1),
            "branch3x3dbl_3": (96, 96, 3, 2),
        }
        self._convolutions(conv_block, rows)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels."""
        double = self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
        return functions.cat([self.branch3x3(x), double, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(_Mixed):
    """Convolutions of 7x7 cut into 1x7 and 7x1, at 17x17."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        c, across, down = channels_7x7, ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
        rows = {
            "branch1x1": (in_channels, 192, 1),
            "branch7x7_1": (in_channels, c, 1),
            "branch7x7_2": (c, c, *across),
            "branch7x7_3": (c, 192, *down),
            "branch7x7dbl_1": (in_channels, c, 1),
            "branch7x7dbl_2": (c, c, *down),
            "branch7x7dbl_3": (c, c, *across),
            "branch7x7dbl_4": (c, c, *down),
            "branch7x7dbl_5": (c, 192, *across),
            "branch_pool": (in_channels, 192, 1),
        }
        self._convolutions(conv_block, rows)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels."""
        once = self._chain(x, *(f"branch7x7_{i}" for i in range(1, 4)))
        twice = self._chain(x, *(f"branch7x7dbl_{i}" for i in range(1, 6)))
        return functions.cat([self.branch1x1(x), once, twice, self.branch_pool(_mean3(x))], 1)


class InceptionD(_Mixed):
    """Halve the resolution once more."""

    def __init__(self, in_channels: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        rows = {
            "branch3x3_1": (in_channels, 192, 1),
            "branch3x3_2": (192, 320, 3, 2),
            "branch7x7x3_1": (in_channels, 192, 1),
            "branch7x7x3_2": (192, 192, (1, 7), 1, (0, 3)),
            "branch7x7x3_3": (192, 192, (7, 1), 1, (3, 0)),
            "branch7x7x3_4": (192, 192, 3, 2),
        }
        self._convolutions(conv_block, rows)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels."""
        small = self._chain(x, "branch3x3_1", "branch3x3_2")
        large = self._chain(x, *(f"branch7x7x3_{i}" for i in range(1, 5)))
        return functions.cat([small, large, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionE(_Mixed):
    """Branches that part once more into 1x3 and 3x1, at 8x8."""

    def __init__(self, in_channels: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        across, down = ((1, 3), 1, (0, 1)), ((3, 1), 1, (1, 0))
        rows = {
            "branch1x1": (in_channels, 320, 1),
            "branch3x3_1": (in_channels, 384, 1),
            "branch3x3_2a": (384, 384, *across),
            "branch3x3_2b": (384, 384, *down),
            "branch3x3dbl_1": (in_channels, 448, 1),
            "branch3x3dbl_2": (448, 384, 3, 1, 1),
            "branch3x3dbl_3a": (384, 384, *across),
            "branch3x3dbl_3b": (384, 384, *down),
            "branch_pool": (in_channels, 192, 1),
        }
        self._convolutions(conv_block, rows)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels."""
        once, twice = self.branch3x3_1(x), self._chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
        parts = [self.branch1x1(x), self.branch3x3_2a(once), self.branch3x3_2b(once)]
        parts += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(_mean3(x))]
        return functions.cat(parts, 1)


class InceptionAux(nn.Module):
    """Classify from the middle of the network, so that its beginning learns as well."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: _Block | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(functions.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """Classify images (N, 3, H, W) of 299x299; in training with ``aux_logits`` the result is ``InceptionOutputs``.

    ``transform_input`` takes images normalised as for other networks. Raises ValueError unless there are seven
    ``inception_blocks``.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: Sequence[_Block] | None = None, init_weights: bool | None = None, dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        if inception_blocks is None:
            inception_blocks = [
                BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux,
            ]  # fmt: skip
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of inception_v3 will be changed in future releases: "
                "set init_weights=True to keep this one.", FutureWarning, stacklevel=2,
            )  # fmt: skip
        if len(inception_blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(inception_blocks)}")
        conv, block_a, block_b, block_c, block_d, block_e, aux = inception_blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = block_a(192, pool_features=32)
        self.Mixed_5c = block_a(256, pool_features=64)
        self.Mixed_5d = block_a(288, pool_features=64)
        self.Mixed_6a = block_b(288)
        self.Mixed_6b = block_c(768, channels_7x7=128)
        self.Mixed_6c = block_c(768, channels_7x7=160)
        self.Mixed_6d = block_c(768, channels_7x7=160)
        self.Mixed_6e = block_c(768, channels_7x7=192)
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280)
        self.Mixed_7c = block_e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            inception_weights(self, 0.1)

    def forward(self, x: Tensor) -> Any:
        """Return the scores, in training with those of the auxiliary head."""
        x = rescale_for_inception(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(functions.flatten(self.dropout(self.avgpool(x)), 1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


@network
def inception_v3(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> Inception3:
    """Return Inception v3; arguments as of ``resnet18``.

    With published weights images are those of the other networks, and ``aux_logits=False`` leaves the head out.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def drop_head(model: Inception3) -> None:
        model.aux_logits, model.AuxLogits = False, None

    keep = kwargs.get("aux_logits", True)
    model: Inception3 = build_with_heads("inception_v3", Inception3, weights, kwargs, None if keep else drop_head)
    return model


__getattr__ = attributes(__name__)
