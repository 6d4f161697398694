"""Matrix products whose operands are 8-bit floats with scales beside them.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.scaled_mm.html
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.functions.arguments import need_array
from cltorch.functions.scaled import is_float8, refuse_scales, scaled_product
from cltorch.nn.functional.grouped_mm import grouped_mm

__all__ = ["ScalingType", "SwizzleType", "scaled_grouped_mm", "scaled_mm"]


class ScalingType(enum.Enum):
    """Say which elements of a matrix share a scale.

    TensorWise (one scale for all) and RowWise (one for each row of the left matrix and each column of the right one)
    can be computed; the scales of blocks are there by name.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.ScalingType.html

    >>> import cltorch as torch
    >>> torch.nn.functional.ScalingType.RowWise.value
    1
    """

    TensorWise = 0
    RowWise = 1
    BlockWise1x16 = 2
    BlockWise1x32 = 3
    BlockWise1x128 = 4
    BlockWise128x128 = 5

    def __int__(self) -> int:
        return int(self.value)


class SwizzleType(enum.Enum):
    """Say in which order the scales of blocks lie.

    Only NO_SWIZZLE can be computed, as on PyTorch's host.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.SwizzleType.html

    >>> import cltorch as torch
    >>> torch.nn.functional.SwizzleType.NO_SWIZZLE.value
    0
    """

    NO_SWIZZLE = 0
    SWIZZLE_32_4_4 = 1

    def __int__(self) -> int:
        return int(self.value)


_TENSOR, _ROW = [ScalingType.TensorWise.value], [ScalingType.RowWise.value]


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [] if x is None else [x]


def _codes(name: str, x: Any, kind: type) -> list[int]:
    found = _listed(x)
    for e in found:
        if not isinstance(e, kind):
            raise TypeError(f"{name}(): expected {kind.__name__} or a list of them, but got {type(e).__name__}")
    return [int(e.value) for e in found]


def _recipes(name: str, recipe_a: Any, recipe_b: Any, swizzle_a: Any, swizzle_b: Any) -> tuple[list[int], list[int]]:
    """Return the kinds of scales as numbers; raise ValueError where scales are to lie in another order."""
    a, b = (_codes(name, x, ScalingType) for x in (recipe_a, recipe_b))
    swizzles = [_codes(name, x, SwizzleType) for x in (swizzle_a, swizzle_b)]
    if any(e != SwizzleType.NO_SWIZZLE.value for part in swizzles for e in part):
        raise ValueError(f"{name} does not support swizzle.")
    return a, b


def scaled_mm(
    mat_a: Any,
    mat_b: Any,
    scale_a: Any,
    scale_recipe_a: Any,
    scale_b: Any,
    scale_recipe_b: Any,
    swizzle_a: Any = None,
    swizzle_b: Any = None,
    bias: Any = None,
    output_dtype: Any = dtypes.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Any:
    """Return the product of two matrices of 8-bit floats, each times its scales: (M, K) by (K, N) gives (M, N).

    out[i, j] = Σ_k a[i, k] · b[k, j] · scale_a[i] · scale_b[j] + bias[j].
    With ``ScalingType.TensorWise`` scales hold one number each, with ``ScalingType.RowWise`` they are (M, 1) and
    (1, N); they are float32, in which the product is computed and ``bias``, of N elements, added. The result is
    ``output_dtype``, None means that of ``mat_a``. ``use_fast_accum`` changes nothing. Raises ValueError for other
    kinds, shapes and dtypes of scales, as PyTorch does on the host.
    Shape: (M, K) and (K, N), scales (1), or (M, 1) and (1, N), bias (N) to (M, N).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.scaled_mm.html

    >>> import cltorch as torch
    >>> from cltorch.nn.functional import ScalingType
    >>> a = torch.tensor([[1.0, 2.0]]).to(torch.float8_e4m3fn)
    >>> scale, one = torch.tensor(0.5), ScalingType.TensorWise
    >>> torch.nn.functional.scaled_mm(a, a.T, scale, one, scale, one, output_dtype=torch.float32)
    tensor([[1.2500]])
    """
    for i, (what, x) in enumerate((("mat_a", mat_a), ("mat_b", mat_b)), 1):
        need_array("scaled_mm", what, i, x)
    recipe_a, recipe_b = _recipes("scaled_mm", scale_recipe_a, scale_recipe_b, swizzle_a, swizzle_b)
    scales_a, scales_b = _listed(scale_a), _listed(scale_b)
    for i, scales in ((3, scales_a), (5, scales_b)):
        for x in scales:
            need_array("scaled_mm", "scale", i, x)
    for what, x in (("mat_a", mat_a), ("mat_b", mat_b)):
        if x.dim() != 2:
            raise ValueError(f"{what} must be a matrix")
    _check_contraction(mat_a.shape, mat_b.shape, contraction_dim)
    first_a: Any = scales_a[0] if scales_a else None
    first_b: Any = scales_b[0] if scales_b else None
    fits = is_float8(mat_a) and is_float8(mat_b) and len(scales_a) == 1 == len(scales_b)
    if not fits or recipe_a != recipe_b or recipe_a not in (_TENSOR, _ROW):
        raise refuse_scales(mat_a, mat_b, first_a, first_b)
    if first_a.dtype is not dtypes.float32 or first_b.dtype is not dtypes.float32:
        raise refuse_scales(mat_a, mat_b, first_a, first_b)
    (m, _), (_, n) = mat_a.shape, mat_b.shape
    if recipe_a == _TENSOR:
        for what, x in (("scale_a", first_a), ("scale_b", first_b)):
            if x.numel() != 1:
                raise ValueError(f"{what} must have 1 Float element")
    elif list(first_a.shape) != [m, 1]:
        raise ValueError(f"scale_a must have shape [{m}, 1], got [{list(first_a.shape)}]")
    elif list(first_b.shape) != [1, n]:
        raise ValueError(f"scale_b must have {n} Float elements, got {first_b.numel()}")
    return scaled_product("scaled_mm", mat_a, mat_b, first_a, first_b, bias, None, output_dtype)


def _check_contraction(a: Sequence[int], b: Sequence[int], dims: Sequence[int]) -> None:
    """Raise ValueError where the dimensions to be contracted, the last and the first unless given, do not match."""
    product = f"mat_a and mat_b shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
    if not dims:
        if a[1] != b[0]:
            raise ValueError(product)
        return
    if len(dims) != 2:
        raise ValueError("contraction_dim must have exactly 2 elements")
    if a[dims[0]] != b[dims[1]] or a[1] != b[0]:
        raise ValueError(f"{product} with contraction dims mat_a: {dims[0]}, mat_b: {dims[1]}")


def scaled_grouped_mm(
    mat_a: Any,
    mat_b: Any,
    scale_a: Any,
    scale_recipe_a: Any,
    scale_b: Any,
    scale_recipe_b: Any,
    swizzle_a: Any = None,
    swizzle_b: Any = None,
    bias: Any = None,
    offs: Any = None,
    output_dtype: Any = dtypes.bfloat16,
    contraction_dim: Sequence[int] = (),
    use_fast_accum: bool = False,
) -> Any:
    """Return products of groups of matrices of 8-bit floats, each times its scales; ``offs`` cuts as in grouped_mm.

    out[r, j] = Σ_k a[r, k] · b[g, k, j] · scale_a[r] · scale_b[g, j] for the rows r of group g, and so for what else is
    cut.
    Scales are ``ScalingType.RowWise``, float32: (M,) for a matrix (M, K), (G, M) for a batch (G, M, K), (N,) and (G, N)
    on the right; where both are matrices and K is cut, each group has scales of its own, (G · M,) and (G · N,).
    Products are computed in float32, the result is bfloat16. The ends are read, which waits for the device they lie
    on. Raises ValueError for other kinds, shapes and dtypes, and for a ``bias``, which PyTorch does not support either;
    PyTorch itself has no such product on the host.
    Shape: as of ``grouped_mm``; ``offs`` (G).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.scaled_grouped_mm.html

    >>> import cltorch as torch
    >>> from cltorch.nn.functional import ScalingType
    >>> a, b = torch.ones(3, 2).to(torch.float8_e4m3fn), torch.ones(2, 2, 1).to(torch.float8_e4m3fn)
    >>> scales, row = (torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[1.0], [0.5]])), ScalingType.RowWise
    >>> ends = torch.tensor([1, 3], dtype=torch.int32)
    >>> torch.nn.functional.scaled_grouped_mm(a, b, scales[0], row, scales[1], row, offs=ends).flatten()
    tensor([2., 2., 4.], dtype=torch.bfloat16)
    """
    for i, (what, x) in enumerate((("mat_a", mat_a), ("mat_b", mat_b)), 1):
        need_array("scaled_grouped_mm", what, i, x)
        if x.dim() not in (2, 3):
            raise ValueError(f"{what} has to be 2 or 3d")
    kinds = _recipes("scaled_grouped_mm", scale_recipe_a, scale_recipe_b, swizzle_a, swizzle_b)
    scales = _listed(scale_a), _listed(scale_b)
    if kinds != (_ROW, _ROW) or any(len(s) != 1 for s in scales) or not (is_float8(mat_a) and is_float8(mat_b)):
        raise ValueError("Invalid scaling configuration: only matrices of float8 with RowWise scales are supported")
    flat = mat_a.dim() == 2 and mat_b.dim() == 2
    if not flat and mat_a.shape[-1] != mat_b.shape[-2]:
        raise ValueError("contraction dimension of mat_a and mat_b must match")
    if bias is not None:
        raise ValueError("Bias not supported yet")
    if (offs is not None) != (mat_a.dim() == 2 or mat_b.dim() == 2):
        raise ValueError("Have to provide offsets if there is a 2d matrix")
    if output_dtype not in (None, dtypes.bfloat16):
        raise ValueError("Only bf16 high precision output types are supported for grouped gemm")
    groups = offs.shape[0] if flat else 1
    for i, (x, (s,)) in enumerate(zip((mat_a, mat_b), scales, strict=True)):
        need_array("scaled_grouped_mm", "scale", 3 + 2 * i, s)
        _check_rows(x, s, i, groups)
    (sa,), (sb,) = scales
    wide = [x.to(dtypes.float32) for x in (mat_a, mat_b)]
    if flat:
        # scales stand outside of the sums: they are those of a group's rows and columns
        out = f.mul(grouped_mm(*wide, offs=offs), f.reshape(sa, (groups, -1, 1)))
        return f.mul(out, f.reshape(sb, (groups, 1, -1))).to(dtypes.bfloat16)
    wide[0], wide[1] = f.mul(wide[0], f.unsqueeze(sa, -1)), f.mul(wide[1], f.unsqueeze(sb, -2))
    return grouped_mm(*wide, offs=offs).to(dtypes.bfloat16)


def _check_rows(x: Any, scale: Any, at: int, groups: int) -> None:
    """Raise for scales that are not one for each row (``at`` 0) or column (1) of the matrices."""
    if scale.dtype is not dtypes.float32:
        raise ValueError("For grouped FP8 rowwise, both scales must be float32 tensors")
    n = x.shape[-1 if at else -2]
    if x.dim() == 2:
        if scale.dim() != 1:
            raise RuntimeError(f"scale must be a 1D tensor, but got {scale.dim()}D, arg {at}")
        if scale.shape[0] != n * groups:
            raise RuntimeError(f"scale must have the same length as mat for arg {at}")
        return
    if scale.dim() != 2:
        raise RuntimeError(f"scale must be a 2D tensor, but got {scale.dim()}D for arg {at}")
    if scale.shape[0] != x.shape[0]:
        raise RuntimeError(f"scale must have the same batch dimension as mat for arg {at}")
    if scale.shape[1] != n:
        raise RuntimeError(f"scale must have the same first dimension as mat for arg {at}")
