"""Interpolation of lines, images and volumes to other sizes, as modules.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Upsample.html
"""

from __future__ import annotations

from typing import Any

from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resample to ``size`` or by ``scale_factor``, as ``torch.nn.functional.interpolate`` does.

    "nearest": out[i] = x[floor(i r)]; linear: out[i] = (1 - t) x[⌊s⌋] + t x[⌊s⌋ + 1] with t = s - ⌊s⌋ at s = max((i +
    1/2) r - 1/2, 0), or at s = i (L - 1) / (L' - 1) with ``align_corners``; so in each dimension, with r = L / L', or 1
    / scale_factor where that is given; beyond the last element the last one counts.
    ``mode`` is "nearest", "linear", "bilinear", "bicubic" or "trilinear".
    Shape: (N, C, L), (N, C, H, W) or (N, C, D, H, W) to the same with sizes ``size``, or floor(L · scale_factor) and so
    on.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Upsample.html

    >>> import cltorch as torch
    >>> torch.nn.Upsample(scale_factor=2)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2., 2.]]])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(f) for f in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("recompute_scale_factor", True)
        super().__setstate__(state)

    def extra_repr(self) -> str:
        given = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Resample to the nearest element; PyTorch advises ``interpolate`` instead.

    out[i] = x[floor(i r)], r = L / L' or 1 / scale_factor, in both dimensions.
    Shape: (N, C, H, W) to (N, C, H', W') with ``size``, or floor(H · scale_factor) and so on.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.UpsamplingNearest2d.html

    >>> import cltorch as torch
    >>> torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.arange(2.0).view(1, 1, 1, 2))
    tensor([[[[0., 0., 1., 1.],
              [0., 0., 1., 1.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resample linearly with aligned corners; PyTorch advises ``interpolate`` instead.

    out[i] = (1 - t) x[⌊s⌋] + t x[⌊s⌋ + 1] with t = s - ⌊s⌋ at s = i (L - 1) / (L' - 1), in both dimensions.
    Shape: (N, C, H, W) to (N, C, H', W') with ``size``, or floor(H · scale_factor) and so on.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.UpsamplingBilinear2d.html

    >>> import cltorch as torch
    >>> torch.nn.UpsamplingBilinear2d(scale_factor=2)(torch.arange(2.0).view(1, 1, 1, 2))[0, 0, 0]
    tensor([0.0000, 0.3333, 0.6667, 1.0000])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
