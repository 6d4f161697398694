"""Feature maps of all scales with what the coarser ones know, and regions pooled from the map that suits them.

T. Lin et al., Feature Pyramid Networks for Object Detection, 2017.
Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.FeaturePyramidNetwork.html
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cltorch import nn
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.tensor import Tensor
from cltorch.vision.ops.misc import Conv2dNormActivation

__all__ = ["ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7"]


class ExtraFPNBlock(nn.Module):
    """Make further maps: ``forward(results, x, names)`` returns the maps and names with its own behind them."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        raise NotImplementedError


class FeaturePyramidNetwork(nn.Module):
    """Return maps of ``out_channels`` channels each, from maps of ``in_channels_list`` channels, finest first.

    Maps come and go in an ordered dict. Each is brought to ``out_channels``, added to the next coarser one made
    larger, and smoothed. ``extra_blocks`` makes further maps of the coarsest.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.FeaturePyramidNetwork.html

    >>> import cltorch as torch
    >>> maps = {"0": torch.rand(1, 2, 8, 8), "1": torch.rand(1, 4, 4, 4)}
    >>> [(name, tuple(m.shape)) for name, m in FeaturePyramidNetwork([2, 4], 3)(maps).items()]
    [('0', (1, 3, 8, 8)), ('1', (1, 3, 4, 4))]
    """

    def __init__(
        self, in_channels_list: list[int], out_channels: int, extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if 0 in in_channels_list:
            raise ValueError("in_channels=0 is currently not supported")
        common: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
        self.inner_blocks = nn.ModuleList(
            Conv2dNormActivation(n, out_channels, kernel_size=1, padding=0, **common) for n in in_channels_list
        )
        self.layer_blocks = nn.ModuleList(
            Conv2dNormActivation(out_channels, out_channels, kernel_size=3, **common) for _ in in_channels_list
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    init.constant_(module.bias, 0)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the maps by name, finest first."""
        names, maps = list(x), list(x.values())
        inner = [block(m) for block, m in zip(self.inner_blocks, maps, strict=True)]
        for i in reversed(range(len(inner) - 1)):
            inner[i] = inner[i] + F.interpolate(inner[i + 1], size=inner[i].shape[-2:], mode="nearest")
        results = [block(m) for block, m in zip(self.layer_blocks, inner, strict=True)]
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results, strict=True))


class LastLevelMaxPool(ExtraFPNBlock):
    """Make one map more, of every second element of the coarsest."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        """Return the maps and their names."""
        return [*results, F.max_pool2d(results[-1], kernel_size=1, stride=2, padding=0)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Make two maps more by convolutions, as RetinaNet does (T. Lin et al., 2017)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            init.kaiming_uniform_(module.weight, a=1)
            init.constant_(module.bias, 0)
        self.use_P5 = in_channels == out_channels

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        """Return the maps and their names."""
        p6 = self.p6(results[-1] if self.use_P5 else x[-1])
        return [*results, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]
