"""Products of matrices of 8-bit floats with their scales, in float32."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions.arguments import need_array

__all__ = ["is_float8", "refuse_scales", "scaled_product"]


def is_float8(x: Any) -> bool:
    """Return whether the elements are fractions of 8 bits."""
    return x.dtype.form is not None


def refuse_scales(a: Any, b: Any, scale_a: Any, scale_b: Any) -> ValueError:
    """Return the error for scales that are neither one for a matrix nor one for each row and column."""

    def said(name: str, x: Any) -> str:
        if x is None:
            return f"{name}=None"
        return (
            f"{name}.dtype()={TYPE_NAMES[x.dtype]}, {name}.size()={list(x.shape)}"
            f"{' and' if name == 'scale_b' else ','} {name}.stride()={list(x.stride())}"
        )

    return ValueError(
        "Invalid scaling configuration.\n- For TensorWise scaling, a and b should be float8, scales should be float "
        "and singletons.\n- For RowWise scaling, a and b should be float8, scales should be float, scale_a should be "
        f"({a.shape[0]}, 1) and scale_b should be (1, {b.shape[1]}), and both should be contiguous.\n"
        f"Got mat_a.dtype()={TYPE_NAMES[a.dtype]}, {said('scale_a', scale_a)}, "
        f"mat_b.dtype()={TYPE_NAMES[b.dtype]}, {said('scale_b', scale_b)}"
    )


def scaled_product(
    name: str, a: Any, b: Any, scale_a: Any, scale_b: Any, bias: Any, scale_result: Any, out_dtype: Any
) -> Any:
    """Return (a · scale_a) @ (b · scale_b) + bias, computed in float32, in ``out_dtype`` or that of ``a``.

    Results of 8 bits are divided by ``scale_result``.
    """
    if bias is not None:
        need_array(name, "bias", 5, bias)
        if bias.numel() != b.shape[1]:
            raise ValueError(f"Bias must be size {b.shape[1]} but got {bias.numel()}")
    if scale_result is not None:
        need_array(name, "scale_result", 6, scale_result)
        if scale_result.numel() != 1 or scale_result.dtype is not dtypes.float32:
            raise RuntimeError("scale_result must be a float scalar")
    t = a.dtype if out_dtype is None else out_dtype
    out = f.mm(*(f.mul(x.to(dtypes.float32), _flat(s)) for x, s in ((a, scale_a), (b, scale_b))))
    if bias is not None:
        out = f.add(out, f.reshape(bias, (-1,)).to(dtypes.float32))
    if scale_result is not None and t.form is not None:
        out = f.div(out, _flat(scale_result))
    return out.to(t)


def _flat(scale: Any) -> Any:
    """Return a scale, one without dimensions where there is but one."""
    return f.reshape(scale, ()) if scale.numel() == 1 else scale
