"""GoogLeNet (C. Szegedy et al., Going Deeper with Convolutions, 2014).

Source: https://docs.pytorch.org/vision/0.28/models/googlenet.html
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

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])

# (channels before, 1x1, before the 3x3, 3x3, before the second 3x3, second 3x3, after pooling)
_STAGES = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "maxpool3": (3,),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "maxpool4": (2,),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Join a 1x1 convolution, two of 3x3 behind 1x1 ones, and a pooling; in the paper one of the two is of 5x5."""

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int, pool_proj: int,
        conv_block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        for name, narrow, wide in (("branch2", ch3x3red, ch3x3), ("branch3", ch5x5red, ch5x5)):
            pair = conv(in_channels, narrow, kernel_size=1), conv(narrow, wide, kernel_size=3, padding=1)
            setattr(self, name, nn.Sequential(*pair))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv(in_channels, pool_proj, kernel_size=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' channels one after the other."""
        return functions.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Classify from the middle of the network, so that its beginning learns as well."""

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Callable[..., nn.Module] | None = None,
        dropout: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        x = functions.flatten(self.conv(F.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Classify images (N, 3, H, W); in training with ``aux_logits`` the result is a ``GoogLeNetOutputs``.

    ``transform_input`` takes images normalised as for other networks. ``init_weights`` draws the weights from a cut
    normal distribution. Raises ValueError unless there are three ``blocks``.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool | None = None, blocks: Sequence[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2, dropout_aux: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        blocks = [BasicConv2d, Inception, InceptionAux] if blocks is None else blocks
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of GoogleNet will be changed in future releases: "
                "set init_weights=True to keep this one.", FutureWarning, stacklevel=2,
            )  # fmt: skip
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, sizes in _STAGES.items():
            setattr(
                self, name, inception(*sizes) if len(sizes) > 1 else nn.MaxPool2d(sizes[0], stride=2, ceil_mode=True)
            )
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is None or init_weights:
            inception_weights(self, 0.01)

    def forward(self, x: Tensor) -> Any:
        """Return the scores, in training with those of the auxiliary heads."""
        x = rescale_for_inception(x) if self.transform_input else x
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        side: dict[str, Tensor | None] = {"inception4a": None, "inception4d": None}
        for name in _STAGES:
            x = getattr(self, name)(x)
            head = {"inception4a": self.aux1, "inception4d": self.aux2}.get(name)
            if head is not None and self.training:
                side[name] = head(x)
        x = self.fc(self.dropout(functions.flatten(self.avgpool(x), 1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(x, side["inception4d"], side["inception4a"])
        return x


@network
def googlenet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> GoogLeNet:
    """Return GoogLeNet; arguments as of ``resnet18``.

    With published weights ``aux_logits`` is False unless given, and images are those of the other networks.
    Source: https://docs.pytorch.org/vision/0.28/models.html
    """

    def drop_heads(model: GoogLeNet) -> None:
        model.aux_logits, model.aux1, model.aux2 = False, None, None

    keep = kwargs.get("aux_logits", False)
    model: GoogLeNet = build_with_heads("googlenet", GoogLeNet, weights, kwargs, None if keep else drop_heads)
    if weights is not None and keep:
        warnings.warn("auxiliary heads of the published googlenet are NOT trained: train them", stacklevel=2)
    return model


__getattr__ = attributes(__name__)
