"""RAFT (Z. Teed and J. Deng, Recurrent All-Pairs Field Transforms for Optical Flow, 2020).

Source: https://docs.pytorch.org/vision/0.28/models/raft.html; https://arxiv.org/abs/2003.12039
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.builders import network
from cltorch.vision.models.optical_flow._correlation import CorrBlock, pixels, upsampled
from cltorch.vision.models.optical_flow._encoders import BottleneckBlock, FeatureEncoder, MotionEncoder, ResidualBlock
from cltorch.vision.models.weights import attributes, build
from cltorch.vision.ops.misc import Conv2dNormActivation


class ConvGRU(nn.Module):
    """A gated recurrent unit of convolutions."""

    def __init__(self, *, input_size: int, hidden_size: int, kernel_size: Any, padding: Any) -> None:
        super().__init__()
        both = hidden_size + input_size
        self.convz = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)
        self.convr = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)
        self.convq = nn.Conv2d(both, hidden_size, kernel_size=kernel_size, padding=padding)

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        """Return the next state for state ``h`` and input ``x``."""
        both = functions.cat([h, x], dim=1)
        update, keep = self.convz(both).sigmoid(), self.convr(both).sigmoid()
        new = self.convq(functions.cat([keep * h, x], dim=1)).tanh()
        return (1 - update) * h + update * new


class RecurrentBlock(nn.Module):
    """One or two gated recurrent units, by default along rows and along columns."""

    def __init__(
        self, *, input_size: int, hidden_size: int, kernel_size: Sequence[Any] = ((1, 5), (5, 1)),
        padding: Sequence[Any] = ((0, 2), (2, 0)),
    ) -> None:  # fmt: skip
        super().__init__()
        if len(kernel_size) != len(padding):
            raise ValueError(
                "kernel_size should have the same length as padding, instead got "
                f"len(kernel_size) = {len(kernel_size)} and len(padding) = {len(padding)}"
            )
        if len(kernel_size) not in (1, 2):
            raise ValueError(f"kernel_size should either 1 or 2, instead got {len(kernel_size)}")
        units = [
            ConvGRU(input_size=input_size, hidden_size=hidden_size, kernel_size=k, padding=p)
            for k, p in zip(kernel_size, padding, strict=True)
        ]
        self.convgru1 = units[0]
        self.convgru2 = units[1] if len(units) == 2 else None
        self.hidden_size = hidden_size

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        """Return the next state."""
        h = self.convgru1(h, x)
        return h if self.convgru2 is None else self.convgru2(h, x)


class FlowHead(nn.Module):
    """Two convolutions that say from a state by how much to change the flow."""

    def __init__(self, *, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the change [N, 2, h, w]."""
        return self.conv2(self.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """One step: from a state, the context, products around the present flow, and the flow to a state and a change."""

    def __init__(self, *, motion_encoder: Any, recurrent_block: Any, flow_head: nn.Module) -> None:
        super().__init__()
        self.motion_encoder, self.recurrent_block, self.flow_head = motion_encoder, recurrent_block, flow_head
        self.hidden_state_size = recurrent_block.hidden_size

    def forward(
        self, hidden_state: Tensor, context: Tensor, corr_features: Tensor, flow: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the next state and the change of the flow."""
        motion = self.motion_encoder(flow, corr_features)
        hidden_state = self.recurrent_block(hidden_state, functions.cat([context, motion], dim=1))
        return hidden_state, self.flow_head(hidden_state)


class MaskPredictor(nn.Module):
    """Say from a state how the nine neighbours of each place weigh in each of its 8x8 pixels."""

    def __init__(self, *, in_channels: int, hidden_size: int, multiplier: float = 0.25) -> None:
        super().__init__()
        self.convrelu = Conv2dNormActivation(in_channels, hidden_size, norm_layer=None, kernel_size=3)
        self.conv = nn.Conv2d(hidden_size, 8 * 8 * 9, 1, padding=0)
        self.multiplier = multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, 576, h, w]; ``multiplier`` makes the gradients of this branch smaller."""
        return self.multiplier * self.conv(self.convrelu(x))


class RAFT(nn.Module):
    """Say for pairs of images (N, 3, H, W) where each pixel goes: a list of ever better flows (N, 2, H, W).

    H and W are multiples of 8, and at least 128 with the usual ``corr_block``. ``update_block`` has an attribute
    ``hidden_state_size``; without ``mask_predictor`` flows are enlarged bilinearly. Raises ValueError for parts and
    images that do not fit.
    Source: https://docs.pytorch.org/vision/0.28/models/raft.html
    """

    def __init__(
        self, *, feature_encoder: nn.Module, context_encoder: nn.Module, corr_block: Any, update_block: Any,
        mask_predictor: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.feature_encoder, self.context_encoder = feature_encoder, context_encoder
        self.corr_block, self.update_block, self.mask_predictor = corr_block, update_block, mask_predictor
        if not hasattr(update_block, "hidden_state_size"):
            raise ValueError("The update_block parameter should expose a 'hidden_state_size' attribute.")

    def forward(self, image1: Tensor, image2: Tensor, num_flow_updates: int = 12) -> list[Tensor]:
        """Return the flow after each of ``num_flow_updates`` steps."""
        n, _, h, w = image1.shape
        if (h, w) != tuple(image2.shape[-2:]):
            raise ValueError(f"input images should have the same shape, instead got ({h}, {w}) != {image2.shape[-2:]}")
        if h % 8 or w % 8:
            raise ValueError(f"input image H and W should be divisible by 8, instead got {h} (h) and {w} (w)")
        small = (h // 8, w // 8)
        first, second = self.feature_encoder(functions.cat([image1, image2])).chunk(2)
        if tuple(first.shape[-2:]) != small:
            raise ValueError("The feature encoder should downsample H and W by 8")
        self.corr_block.build_pyramid(first, second)
        context = self.context_encoder(image1)
        if tuple(context.shape[-2:]) != small:
            raise ValueError("The context encoder should downsample H and W by 8")
        width = self.update_block.hidden_state_size
        if context.shape[1] <= width:
            raise ValueError(
                f"The context encoder outputs {context.shape[1]} channels, but it should have at strictly more than "
                f"hidden_state={width} channels"
            )
        state, context = context[:, :width].tanh(), F.relu(context[:, width:])
        start = pixels(n, *small, first.device)
        places, flows = start, []
        for _ in range(num_flow_updates):
            places = places.detach()  # a step's gradient does not reach the steps before through where it read
            read = self.corr_block.index_pyramid(centroids_coords=places)
            state, change = self.update_block(state, context, read, places - start)
            places = places + change
            mask = None if self.mask_predictor is None else self.mask_predictor(state)
            flows.append(upsampled(places - start, mask))
        return flows


_LARGE: dict[str, Any] = {
    "feature": (ResidualBlock, (64, 64, 96, 128, 256), nn.InstanceNorm2d),
    "context": (ResidualBlock, (64, 64, 96, 128, 256), nn.BatchNorm2d),
    "radius": 4,
    "motion": ((256, 192), (128, 64), 128),
    "recurrent": (128, ((1, 5), (5, 1)), ((0, 2), (2, 0))),
    "head": 256,
    "mask": True,
}
_SMALL: dict[str, Any] = {
    "feature": (BottleneckBlock, (32, 32, 64, 96, 128), nn.InstanceNorm2d),
    "context": (BottleneckBlock, (32, 32, 64, 96, 160), None),
    "radius": 3,
    "motion": ((96,), (64, 32), 82),
    "recurrent": (96, (3,), (1,)),
    "head": 128,
    "mask": False,
}


def _encoder(block: Any, layers: Sequence[int], norm: Any) -> FeatureEncoder:
    return FeatureEncoder(block=block, layers=layers, norm_layer=norm)


def _make(size: dict[str, Any], **parts: Any) -> RAFT:
    """Return the network of a size; ``parts`` replace its own."""
    hidden, kernels, paddings = size["recurrent"]
    feature = parts.pop("feature_encoder", None) or _encoder(*size["feature"])
    context = parts.pop("context_encoder", None) or _encoder(*size["context"])
    products = parts.pop("corr_block", None) or CorrBlock(num_levels=4, radius=size["radius"])
    update = parts.pop("update_block", None)
    if update is None:
        by_products, by_flow, out = size["motion"]
        motion = MotionEncoder(
            in_channels_corr=products.out_channels, corr_layers=by_products, flow_layers=by_flow, out_channels=out
        )
        recurrent = RecurrentBlock(
            input_size=out + size["context"][1][-1] - hidden, hidden_size=hidden, kernel_size=kernels, padding=paddings
        )
        head = FlowHead(in_channels=hidden, hidden_size=size["head"])
        update = UpdateBlock(motion_encoder=motion, recurrent_block=recurrent, flow_head=head)
    mask = parts.pop("mask_predictor", None)
    if mask is None and size["mask"]:
        mask = MaskPredictor(in_channels=hidden, hidden_size=256)
    return RAFT(
        feature_encoder=feature, context_encoder=context, corr_block=products, update_block=update,
        mask_predictor=mask, **parts,
    )  # fmt: skip


@network
def raft_large(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> RAFT:
    """Return RAFT; arguments as of ``resnet18``, or parts of the network in place of its own."""
    model: RAFT = build("raft_large", lambda **parts: _make(_LARGE, **parts), weights, kwargs)
    return model


@network
def raft_small(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> RAFT:
    """Return the small RAFT; arguments as of ``resnet18``, or parts of the network in place of its own."""
    model: RAFT = build("raft_small", lambda **parts: _make(_SMALL, **parts), weights, kwargs)
    return model


__getattr__ = attributes(__name__)
