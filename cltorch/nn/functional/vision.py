"""Sampling by a grid, with PyTorch's words for the modes.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#vision-functions
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array
from cltorch.ops.fallback import callers_level

__all__ = ["affine_grid", "grid_sample"]

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
_CHANGED = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)
_UNIT = (
    "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when align_corners=True. This is not an "
    "intended use case of affine_grid. See the documentation of affine_grid for details."
)


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """Return (N, C, H, W) or (N, C, D, H, W) at the places of a grid (N, …, 2 or 3), whose (x, y, z) go from -1 to 1.

    out[…] = x at column ((gx + 1) W - 1) / 2 and row ((gy + 1) H - 1) / 2, or (gx + 1) (W - 1) / 2 and so on with
    ``align_corners``; between elements they are weighted by 1 - distance in each dimension ("bilinear").
    ``mode`` is "bilinear" (trilinear for volumes), "nearest" or "bicubic" (images only); ``padding_mode`` says what
    lies outside: "zeros", the "border", or the "reflection". ``align_corners`` puts -1 and 1 on the centres of the
    outer elements, else on their outer edges. Raises ValueError for other modes and RuntimeError for sizes that do
    not fit.
    Shape: input (N, C, H, W), grid (N, H', W', 2) to (N, C, H', W'), or with a depth each and grid (N, D', H', W', 3).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.grid_sample.html

    >>> import cltorch as torch
    >>> x = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> torch.nn.functional.grid_sample(x, torch.ones(1, 1, 1, 2), padding_mode="border", align_corners=False)
    tensor([[[[3.]]]])
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=callers_level())
    return functions.grid_sampler(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), bool(align_corners))


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """Return the grid for ``grid_sample`` by which affine maps (N, 2, 3) or (N, 3, 4) fill an output of ``size``.

    grid[n, i, j] = theta[n] @ (x_j, y_i, 1) with x_j = (2 j + 1) / W - 1 and y_i = (2 i + 1) / H - 1, or, with
    ``align_corners``, x_j = 2 j / (W - 1) - 1 and so on.
    The grid is (N, H, W, 2) or (N, D, H, W, 3). Raises ValueError for other maps and sizes, NotImplementedError for
    sizes of other numbers of dimensions; warns of a size of 1 with ``align_corners``.
    Shape: theta (N, 2, 3) and size (N, C, H, W) to (N, H, W, 2), or (N, 3, 4) and (N, C, D, H, W) to (N, D, H, W, 3).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.affine_grid.html

    >>> import cltorch as torch
    >>> turn = torch.tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    >>> torch.nn.functional.affine_grid(turn, (1, 1, 1, 2), align_corners=True)
    tensor([[[[ 0.,  1.],
              [ 0., -1.]]]])
    """
    need_array("affine_grid", "theta", 1, theta)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size {size}. Got "
            f"{theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=callers_level())
    elif align_corners and min(size[2:]) == 1:
        warnings.warn(_UNIT, stacklevel=callers_level())
    return functions.affine_grid_generator(theta, size, bool(align_corners))
