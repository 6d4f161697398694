"""Interpolation of lines, images and volumes to other sizes.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#vision-functions
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array
from cltorch.ops.fallback import callers_level

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}
_PLAIN = ("nearest", "area", "nearest-exact")


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _sizes(input: Any, size: Any) -> list[int]:
    dim = input.dim() - 2
    if not isinstance(size, (list, tuple)):
        if isinstance(size, bool) or not _is_integer(size):
            raise TypeError(
                "interpolate(): argument 'size' must be int or tuple of ints, but found element of type "
                f"{type(size).__name__}"
            )
        return [operator.index(size)] * dim
    if len(size) != dim:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and output size of {size}. Please provide input tensor in (N, C, d1, d2, "
            "...,dK) format and output size in (o1, o2, ...,oK) format."
        )
    if not all(_is_integer(n) for n in size):
        raise TypeError(
            "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], but got size "
            f"with types {[type(n) for n in size]}"
        )
    return [operator.index(n) for n in size]


def _factors(input: Any, scale_factor: Any) -> list[float]:
    dim = input.dim() - 2
    if not isinstance(scale_factor, (list, tuple)):
        return [_factor(scale_factor)] * dim
    if len(scale_factor) != dim:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
            f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}. Please provide input "
            "tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
        )
    return [_factor(f) for f in scale_factor]


def _factor(value: Any) -> float:
    if isinstance(value, (str, bytes, complex)):  # which float() would take, or refuse in other words
        raise TypeError(
            "interpolate(): argument 'scale_factors' must be tuple of floats, but found element of type "
            f"{type(value).__name__}"
        )
    return float(value)


def _check_mode(input: Any, mode: str, antialias: bool, align_corners: bool) -> None:
    """Raise where a mode does not suit the rank of the input."""
    rank = input.dim()
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    if mode == "lanczos" and rank == 4:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
    if rank in (3, 4, 5) and (mode in _PLAIN or _RANKS.get(mode) == rank):
        return
    if rank in (3, 4, 5) and mode in ("linear", "bilinear", "trilinear"):
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {_RANKS[mode]}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank}D) for the modes: nearest | linear | "
        f"bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
    )


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resample (N, C, *sizes) of one to three dimensions to ``size``, or by ``scale_factor``.

    "nearest": out[i] = x[floor(i r)]; linear: out[i] = (1 - t) x[⌊s⌋] + t x[⌊s⌋ + 1] with t = s - ⌊s⌋ at s = max((i +
    1/2) r - 1/2, 0), or at s = i (L - 1) / (L' - 1) with ``align_corners``; so in each dimension, with r = L / L', or 1
    / scale_factor where that is given; beyond the last element the last one counts.
    ``mode``: "nearest", "nearest-exact", "linear" (3-D input), "bilinear", "bicubic" (4-D), "trilinear" (5-D), "area"
    (averages), "lanczos" (4-D, with ``antialias``). ``align_corners`` puts the outer elements of input and output on
    one another. ``antialias`` widens the filter where an image shrinks. With ``recompute_scale_factor`` positions
    follow the sizes and not ``scale_factor``. Floating point and uint8.

    Raises ValueError for options that do not go together and NotImplementedError for modes of another rank.
    Shape: (N, C, *) to (N, C, *size), of three to five dimensions.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.interpolate.html

    >>> import cltorch as torch
    >>> x = torch.tensor([[[1.0, 3.0]]])
    >>> torch.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    need_array("interpolate", "input", 1, input)
    if mode in _PLAIN:
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    factors = None
    if size is not None:
        output = _sizes(input, size)
    else:
        factors = _factors(input, scale_factor)
        output = [int(n * f) for n, f in zip(input.shape[2:], factors, strict=True)]
        if recompute_scale_factor or mode == "area":
            factors = None
    _check_mode(input, mode, antialias, bool(align_corners))
    if mode == "area":
        pools = (functions.adaptive_avg_pool1d, functions.adaptive_avg_pool2d, functions.adaptive_avg_pool3d)
        return pools[input.dim() - 3](input, tuple(output))
    return functions.upsample_to(input, output, mode, bool(align_corners), antialias, factors)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """Resample as ``interpolate`` does; deprecated in its favour, and warns so.

    out[i] = x[floor(i r)] for "nearest", r = L / L' or 1 / scale_factor; other modes as in ``interpolate``.
    Shape: (N, C, *) to (N, C, *size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.upsample.html

    >>> import cltorch as torch
    >>> torch.nn.functional.upsample(torch.arange(2.0).view(1, 1, 2), scale_factor=2)
    tensor([[[0., 0., 1., 1.]]])
    """
    need_array("upsample", "input", 1, input)
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=callers_level(),
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Resample to the nearest element; deprecated in favour of ``interpolate``, and warns so.

    out[i] = x[floor(i r)], r = L / L' or 1 / scale_factor, in each dimension.
    Shape: (N, C, *) to (N, C, *size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.upsample_nearest.html

    >>> import cltorch as torch
    >>> torch.nn.functional.upsample_nearest(torch.arange(2.0).view(1, 1, 2), scale_factor=2)
    tensor([[[0., 0., 1., 1.]]])
    """
    need_array("upsample_nearest", "input", 1, input)
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=callers_level(),
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Resample linearly with aligned corners; deprecated in favour of ``interpolate``, and warns so.

    out[i] = (1 - t) x[⌊s⌋] + t x[⌊s⌋ + 1] with t = s - ⌊s⌋ at s = i (L - 1) / (L' - 1), in both dimensions.
    Shape: (N, C, *) to (N, C, *size).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.upsample_bilinear.html

    >>> import cltorch as torch
    >>> torch.nn.functional.upsample_bilinear(torch.arange(2.0).view(1, 1, 1, 2), scale_factor=2)[0, 0, 0]
    tensor([0.0000, 0.3333, 0.6667, 1.0000])
    """
    need_array("upsample_bilinear", "input", 1, input)
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=callers_level(),
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
