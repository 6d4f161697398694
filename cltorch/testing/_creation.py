"""Random tensors for tests, of any dtype, range and layout."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.dtypes import dtype
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor

__all__ = ["make_tensor"]


def _range(low: float | None, high: float | None, limits: tuple[Any, Any], default: tuple[Any, Any], t: dtype) -> Any:
    """Return the bounds to draw from: those given, or the dtype's own, as far as it can hold them."""
    low, high = default[0] if low is None else low, default[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
    if low == high and t.differentiable:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is deprecated since 2.1; "
            "use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=callers_level(),
        )
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < limits[0] or low >= limits[1]:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {t} only supports "
            f"[{limits[0]}, {limits[1]})"
        )
    return tuple(min(max(value, limits[0]), limits[1]) for value in (low, high))


def _drawn(shape: tuple[int, ...], t: dtype, device: Any, low: Any, high: Any) -> Tensor:
    if not t.differentiable:
        if t is dtypes.bool_:
            limits, default = (0, 2), (0, 2)
        else:
            whole = dtypes.iinfo(t)
            # randint's own bounds are int64, which do not hold one more than the greatest
            limits, default = (whole.min, whole.max + (t is not dtypes.int64)), (-9, 10)
        low, high = _range(low, high, limits, default, t)
        return functions.randint(math.ceil(low), math.ceil(high), shape, device=device, dtype=t)
    info = dtypes.finfo(t)
    low, high = _range(low, high, (info.min, info.max), (-9, 9), t)
    parts = t.to_real() if t.is_complex else dtypes.float32 if info.bits == 8 else t
    made = functions.empty((*shape, 2) if t.is_complex else shape, device=device, dtype=parts)
    if high - low >= dtypes.finfo(parts).max:  # a width that the dtype cannot hold: half of it, twice
        made.uniform_(low / 2, high / 2).mul_(2)
    else:
        made.uniform_(low, high)
    return functions.view_as_complex(made) if t.is_complex else made.to(t)


def make_tensor(
    *shape: int | Sequence[int], dtype: dtype, device: Any, low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Return a tensor of random numbers from [low, high): by default [-9, 9), whole ones [-9, 10) or [0, 10).

    Bounds beyond what the dtype holds are cut to it. Raises ValueError for bounds that leave nothing, for gradients of
    whole numbers, and for ``noncontiguous`` together with ``memory_format``.

    >>> import cltorch as torch
    >>> make_tensor(2, 3, dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    given: Any = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes: tuple[int, ...] = tuple(given)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    if requires_grad and not dtype.differentiable:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    apart = noncontiguous and math.prod(sizes) > 1
    made = _drawn((*sizes[:-1], 2 * sizes[-1]) if apart else sizes, dtype, device, low, high)
    if apart:
        made = made[..., 1::2]  # neither dense nor from the start
    elif memory_format is not None:
        made = made.clone(memory_format=memory_format)
    if exclude_zero:
        made[made == 0] = dtypes.finfo(dtype).tiny if dtype.differentiable else 1
    return made.requires_grad_() if requires_grad else made
