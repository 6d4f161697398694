"""torch.masked: reductions and normalisations of the elements where a mask holds.

A mask is a tensor of truth values that broadcasts to the input: False leaves an element out. Each function puts a value
that changes nothing in the place of what is left out, and does what its namesake in ``torch`` does. Where nothing is
left of a row, the result is that value; NaN of a mean, a variance, and a median.
Source: https://docs.pytorch.org/docs/2.13/masked.html

>>> import cltorch as torch
>>> x, mask = torch.tensor([[3.0, 1.0], [7.0, 5.0]]), torch.tensor([[True, False], [False, False]])
>>> torch.masked.sum(x, 1, mask=mask)
tensor([3., 0.])
>>> torch.masked.mean(x, 1, mask=mask)
tensor([3., nan])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import dtypes
from cltorch import functions as f
from cltorch.dtypes import dtype as DType
from cltorch.functions.softmax import softmax as _softmax

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

Dims = int | Sequence[int] | None
_KEEPING = frozenset("softmax log_softmax softmin normalize cumsum cumprod".split())  # results of the input's shape
_COUNTED = frozenset((dtypes.uint8, dtypes.bool_, dtypes.int8, dtypes.int16, dtypes.int32))


def _mask_of(input: Any, mask: Any) -> Any:
    """Return a mask as truth values of the input's shape; raise IndexError where it has more dimensions."""
    if mask.lay.ndim > input.lay.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return f.broadcast_to(mask.to(dtypes.bool_), input.lay.shape)


def _input_mask(input: Any, *args: Any, mask: Any = None, **kwargs: Any) -> Any:
    """Return the mask of a call as truth values of the input's shape; raise ValueError where there is none."""
    if mask is None:
        raise ValueError("_input_mask requires explicit mask")
    return _mask_of(input, mask)


def _output_mask(op: Callable[..., Any], input: Any, *args: Any, **kwargs: Any) -> Any:
    """Return for which elements of a function's result, called with these arguments, anything was left of the input."""
    name = op.__name__
    if name not in __all__ or name == "logaddexp":
        raise ValueError(f"_output_mask expected masked operation (got callable {op.__module__}.{name})")
    left = _input_mask(input, *args, **kwargs)
    if name in _KEEPING:
        return left
    rest = args[1:] if name == "norm" else args
    dim = rest[0] if rest else kwargs.get("dim")
    dims = _dims(dim, input.lay.ndim)
    return f.any(left, dims or None, bool(kwargs.get("keepdim", False)))


def _least(t: DType) -> float:
    return -math.inf if t.is_floating_point else int(dtypes.iinfo(t).min)


def _most(t: DType) -> float:
    return math.inf if t.is_floating_point else int(dtypes.iinfo(t).max)


def _filled(name: str, input: Any, mask: Any, value: Any) -> Any:
    """Return the input with a value, or what a function makes of its dtype, in the place of what is left out."""
    if mask is None:
        return input
    t = input.dtype
    if callable(value):
        if t is dtypes.bool_:
            raise NotImplementedError(f"identity of {name} on {t} input")
        value = value(t)
    return f.where(_mask_of(input, mask), input, f.scalar_tensor(value, dtype=t, device=input.device))


def _dims(dim: Dims, ndim: int) -> list[int]:
    """Return dimensions counted from the front, in order; None stands for all of them."""
    if dim is None:
        return list(range(ndim))
    n = max(ndim, 1)
    found: list[int] = []
    for d in [dim] if isinstance(dim, int) else dim:
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
        if d % n in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        found.append(d % n)
    return sorted(found)


def _counting(t: DType, given: DType | None) -> DType:
    """Return the dtype of a sum: small integers and truth values are counted in int64."""
    return given or (dtypes.int64 if t in _COUNTED else t)


def sum(input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Add the elements where the mask holds, all of them or along dimensions.

    Σ x[i] over the i where mask[i] is True.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> torch.masked.sum(torch.tensor([1, 2, 4]), mask=torch.tensor([True, False, True]))
    tensor(5)
    """
    dims = _dims(dim, input.lay.ndim)
    return f.sum(_filled("sum", input, mask, 0), dims, bool(keepdim), dtype=_counting(input.dtype, dtype))


def prod(input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Multiply the elements where the mask holds, all of them or along dimensions.

    Π x[i] over the i where mask[i] is True.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.prod(x, mask=mask)
    tensor(6.)
    """
    result = _filled("prod", input, mask, 1).to(_counting(input.dtype, dtype))
    for d in reversed(_dims(dim, input.lay.ndim) or range(input.lay.ndim)):  # as a sum, of all for ()
        result = f.prod(result, d, bool(keepdim))
    return result


def amax(input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the largest element where the mask holds, of all of them or along dimensions.

    out = max x[i] over the i where mask[i] is True, the dtype's least if none is.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.amax(x, mask=mask)
    tensor(3.)
    """
    found = f.amax(_filled("amax", input, mask, _least), _dims(dim, input.lay.ndim), bool(keepdim))
    return found.to(dtype or input.dtype)


def amin(input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the smallest element where the mask holds, of all of them or along dimensions.

    out = min x[i] over the i where mask[i] is True, the dtype's greatest if none is.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.amin(x, mask=mask)
    tensor(2.)
    """
    found = f.amin(_filled("amin", input, mask, _most), _dims(dim, input.lay.ndim), bool(keepdim))
    return found.to(dtype or input.dtype)


def argmax(
    input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None
) -> Any:
    """Return where the largest element is among those where the mask holds, in the input's dtype by default.

    The least i with x[i] = max x[j] over the j where mask[j] is True.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> torch.masked.argmax(torch.tensor([5.0, 2.0, 3.0]), mask=torch.tensor([False, True, True]))
    tensor(2.)
    """
    return f.argmax(_filled("argmax", input, mask, _least), dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(
    input: Any, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None
) -> Any:
    """Return where the smallest element is among those where the mask holds, in the input's dtype by default.

    The least i with x[i] = min x[j] over the j where mask[j] is True.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.argmin(x, mask=mask)
    tensor(2.)
    """
    return f.argmin(_filled("argmin", input, mask, _most), dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input: Any, dim: Any, keepdim: bool, mask: Any) -> Any:
    """Return how many elements there are along dimensions, as a number where there is no mask."""
    dims = _dims(dim, input.lay.ndim)
    if mask is not None:
        return f.sum(_mask_of(input, mask), dims, keepdim)
    shape = input.lay.shape
    return math.prod(shape[d] for d in (dims or range(len(shape)))) if shape else 1


def mean(input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Average the elements where the mask holds, all of them or along dimensions.

    Σ x[i] / Σ 1 over the i where mask[i] is True.
    Raises ValueError where the result's dtype, the input's by default, holds no fractions.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.mean(x, mask=mask)
    tensor(2.5000)
    """
    t = dtype or input.dtype
    if not t.differentiable:
        raise ValueError(
            f"mean(): Could not infer output dtype. {'Input' if dtype is None else 'Optional'} dtype must be either "
            f"a floating point or complex dtype. Got: {t}"
        )
    return f.div(sum(input, dim, keepdim=keepdim, dtype=t, mask=mask), _count(input, dim, bool(keepdim), mask))


def median(input: Any, dim: int = -1, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the median (the lower one of two) along a dimension of the elements where the mask holds.

    Raises ValueError for integers where nothing is left of a row.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.median(x, 0, mask=mask)
    tensor(2.)
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    real = input.dtype.is_floating_point
    wide = input if real else input.to(dtypes.float32)
    found = f.nanmedian(_filled("median", wide, mask, math.nan), d, keepdim).values
    if real:
        return found
    if f.isnan(found).any():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype or input.dtype)


def logsumexp(
    input: Any, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Any = None
) -> Any:
    """Return log(sum(exp)) of the elements where the mask holds, of all of them or along dimensions.

    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.logsumexp(x, 0, mask=mask)
    tensor(3.3133)
    """
    none = -math.inf if input.dtype.is_complex else _least
    found = f.logsumexp(_filled("logsumexp", input, mask, none), _dims(dim, input.lay.ndim), bool(keepdim))
    return found.to(dtype or input.dtype)


def logaddexp(
    input: Any, other: Any, *, dtype: DType | None = None, input_mask: Any = None, other_mask: Any = None
) -> Any:
    """Return log(exp(input) + exp(other)) elementwise, of what the masks leave of either.

    Shape: inputs broadcast, and masks to them.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> mask = torch.tensor([True, False])
    >>> torch.masked.logaddexp(torch.zeros(2), torch.ones(2), input_mask=mask, other_mask=mask)
    tensor([1.3133,   -inf])
    """
    a, b = _filled("logaddexp", input, input_mask, _least), _filled("logaddexp", other, other_mask, _least)
    return f.logaddexp(a, b).to(dtype or input.dtype)


def norm(
    input: Any, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Any = None,
) -> Any:  # fmt: skip
    """Return the norm of order ``ord`` of the elements where the mask holds, as one vector or along dimensions.

    (Σ |x[i]|ᵖ)^(1/p) over the i where mask[i] is True, p being ``ord``.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.norm(x, 2, 0, mask=mask)
    tensor(3.6056)
    """
    kept = _filled("norm", input, mask, math.inf if ord == -math.inf else 0)
    order = 2.0 if ord is None else ord
    return f.vector_norm(kept, order, _dims(dim, input.lay.ndim), bool(keepdim), dtype=dtype or input.dtype)


def _variance(
    input: Any, dim: Dims, unbiased: bool | None, correction: Any, keepdim: bool, dtype: DType | None, mask: Any
) -> Any:
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    less = 1.0 if unbiased is None else float(unbiased)
    less = less if correction is None else float(correction)
    t = dtype or (input.dtype if input.dtype.differentiable else dtypes.float32)
    wide = t if t.differentiable else dtypes.float32
    middle = f.div(sum(input, dim, keepdim=True, dtype=t, mask=mask), _count(input, dim, True, mask))
    away = f.sub(input, middle)
    total = sum(f.mul(away, f.conj(away)), dim, keepdim=keepdim, dtype=wide, mask=mask)
    count = _count(input, dim, bool(keepdim), mask)
    if mask is None:
        return f.div(total, max(count - less, 0.0)).to(t)
    real = wide.to_real() if wide.is_complex else wide
    return f.div(total, f.clamp_min(f.sub(count.to(real), less), 0)).to(t)


def var(
    input: Any, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Any = None,
) -> Any:  # fmt: skip
    """Return the variance of the elements where the mask holds, divided by their count less ``correction`` (1).

    Σ (x[i] - mean)² / (n - correction) over the i where mask[i] is True, n of them.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.var(x, 0, False, mask=mask)
    tensor(0.2500)
    """
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(
    input: Any, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Any = None,
) -> Any:  # fmt: skip
    """Return the standard deviation of the elements where the mask holds; see ``var``.

    √(Σ (x[i] - mean)² / (n - correction)) over the i where mask[i] is True, n of them.
    Shape: input (*), mask what broadcasts to it; result without the dimensions ``dim`` (all by default), or with 1
    there for ``keepdim``.
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.std(x, 0, False, mask=mask)
    tensor(0.5000)
    """
    return f.sqrt(_variance(input, dim, unbiased, correction, keepdim, dtype, mask))


def cumsum(input: Any, dim: int, *, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the running sums along a dimension of the elements where the mask holds.

    out[k] = Σ x[i] over the i <= k where mask[i] is True.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.cumsum(x, 0, mask=mask)
    tensor([3., 3., 5.])
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    return f.cumsum(_filled("cumsum", input, mask, 0), d, dtype=dtype or input.dtype)


def cumprod(input: Any, dim: int, *, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the running products along a dimension of the elements where the mask holds.

    out[k] = Π x[i] over the i <= k where mask[i] is True.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.cumprod(x, 0, mask=mask)
    tensor([3., 3., 6.])
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    return f.cumprod(_filled("cumprod", input, mask, 1), d, dtype=dtype or input.dtype)


def softmax(input: Any, dim: int, *, dtype: DType | None = None, mask: Any = None) -> Any:
    """Normalise the exponentials of the elements where the mask holds, so that they sum to 1 along a dimension.

    exp(x[i]) / Σ_j exp(x[j]) over the j where mask[j] is True.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> torch.masked.softmax(torch.tensor([0.0, 9.0, 0.0]), 0, mask=torch.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    return _softmax(_filled("amax", input, mask, _least), d, dtype or input.dtype)


def log_softmax(input: Any, dim: int, *, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return the logarithm of ``softmax``: of what is left out -inf.

    x[i] - log Σ_j exp(x[j]) over the j where mask[j] is True.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.log_softmax(x, 0, mask=mask)
    tensor([-0.3133,    -inf, -1.3133])
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    return f.log_softmax(_filled("amax", input, mask, _least), d, dtype or input.dtype)


def softmin(input: Any, dim: int, *, dtype: DType | None = None, mask: Any = None) -> Any:
    """Return ``softmax`` of the negated input.

    exp(-x[i]) / Σ_j exp(-x[j]) over the j where mask[j] is True.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.softmin(x, 0, mask=mask)
    tensor([0.2689, 0.0000, 0.7311])
    """
    d = _dims(dim, input.lay.ndim)[0]  # of several it is the first, as in PyTorch
    return f.softmin(_filled("amin", input, mask, _most), d, dtype or input.dtype)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: DType | None = None, mask: Any = None
) -> Any:
    """Divide by the norm, of at least ``eps``, along a dimension of the elements where the mask holds; others are 0.

    x / max((Σ |x[i]|ᵖ)^(1/p), eps) over the i where mask[i] is True, p being ``ord``.
    Shape: input (*), mask what broadcasts to it, to (*).
    Source: https://docs.pytorch.org/docs/2.13/masked.html

    >>> import cltorch as torch
    >>> x, mask = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, True])
    >>> torch.masked.normalize(x, 2, 0, mask=mask)
    tensor([0.8321, 0.0000, 0.5547])
    """
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return f.div(_filled("sum", input, mask, 0), f.clamp_min(length, eps))
