"""Cumulative operations along a dimension, and the differences and areas between neighbours.

Source: https://docs.pytorch.org/docs/2.13/torch.html#other-operations
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.dtypes import C_NAMES, TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array, numpy_names, read_dtype, read_int
from cltorch.functions.complex_sums import running_logs, running_products, running_sums
from cltorch.functions.convert import to
from cltorch.functions.create import full
from cltorch.functions.join import cat
from cltorch.functions.outputs import check_asked
from cltorch.functions.overwrite import copy_
from cltorch.functions.parts import narrow
from cltorch.functions.pointwise import into_out, into_outs, need_out
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import reshape
from cltorch.ops import scan as ops
from cltorch.ops.array import Array
from cltorch.ops.overlap import check_overlap
from cltorch.shapes import wrap_dim

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumprod_",
    "cumsum",
    "cumsum_",
    "cumulative_trapezoid",
    "diff",
    "logcumsumexp",
    "recurrence",
    "running_sum",
    "shifted",
    "trapezoid",
    "trapz",
]

cummax_return, cummin_return = (result_class(name, "values", "indices") for name in ("cummax", "cummin"))


def running_sum(x: Any, dim: int, reverse: bool) -> Any:
    """Add up along a dimension from either end, in the dtype of the tensor."""
    return apply(ops.CumSum, x, dim, x.dtype, reverse)


def recurrence(a: Any, b: Any, dim: int, reverse: bool, lag: int) -> Any:
    """Return out[j] = a[j - lag] * out[j - 1] + b[j] along a dimension, from either end."""
    return apply(ops.Recurrence, a, b, dim, reverse, lag)


def shifted(x: Any, dim: int, fill: float | None, back: bool) -> Any:
    """Move everything one place along a dimension; the free place gets ``fill``, or (None) keeps what it had."""
    if not x.lay.numel:
        return x
    if not x.lay.ndim:
        return x if fill is None else full((), fill, dtype=x.dtype, device=x.device)
    n = x.lay.shape[dim]
    if n == 0:
        return x
    end = [1 if d == dim else k for d, k in enumerate(x.lay.shape)]
    if fill is None:
        free = narrow(x, dim, n - 1 if back else 0, 1)
    else:
        free = full(end, fill, dtype=x.dtype, device=x.device)
    kept = narrow(x, dim, 1 if back else 0, n - 1)
    return cat([kept, free] if back else [free, kept], dim)


def _running(name: str, op: Any, words: str, example: str) -> Any:
    @numpy_names
    def f(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
        need_array(name, "input", 1, input)
        d = wrap_dim(read_int(name, "dim", 2, dim), input.lay.ndim)
        t = read_dtype(name, dtype, None if out is None else need_array(name, "out", 3, out).dtype)
        if dtype is not None:
            check_asked(t, out)
        if t is None:
            t = input.dtype if input.dtype.differentiable else dtypes.int64
        if t is not input.dtype and (dtype is not None or out is not None or input.dtype.few):
            input = to(input, t)
        if t is dtypes.bool_:
            raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
        if out is not None:
            check_overlap(out, (input,))
        if t.is_complex:
            result = running_sums(input, d) if op is ops.CumSum else running_products(input, d)
            return result if out is None else into_out(name, out, result)
        result = apply(op, input, d, t, False) if op is ops.CumSum else apply(op, input, d, t)
        return result if out is None else into_out(name, out, result)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the running {words} along a dimension; integers count in int64 unless ``dtype`` says otherwise.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n{example}"
    )
    return f


cumsum = _running(
    "cumsum",
    ops.CumSum,
    "sums",
    ">>> import cltorch as torch\n>>> torch.cumsum(torch.tensor([1, 2, 3]), 0)\ntensor([1, 3, 6])\n",
)
cumprod = _running(
    "cumprod",
    ops.CumProd,
    "products",
    ">>> import cltorch as torch\n>>> torch.cumprod(torch.tensor([1, 2, 3]), 0)\ntensor([1, 2, 6])\n",
)


def _same_dtype(name: str, input: Any, asked: Any) -> Any:
    t = read_dtype(name, asked, need_array(name, "input", 1, input).dtype)
    if t is not input.dtype:
        raise RuntimeError(
            f"Bad in-place call: input tensor dtype {C_NAMES[input.dtype.name]} and output tensor dtype "
            f"{C_NAMES[t.name]} should match"
        )
    return t


def cumsum_(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Replace the elements by their running sums along a dimension."""
    return copy_(input, cumsum(input, dim, dtype=_same_dtype("cumsum_", input, dtype)))


def cumprod_(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Replace the elements by their running products along a dimension."""
    # the derivative wants the factors, which are about to be overwritten
    factors = p.clone(input) if needs_grad(input) else input
    return copy_(input, cumprod(factors, dim, dtype=_same_dtype("cumprod_", input, dtype)))


@numpy_names
def logcumsumexp(input: Any, dim: int, *, out: Any = None) -> Any:
    """Return the running log(sum(exp)) along a dimension, without overflow.

    Raises NotImplementedError for dtypes that are neither floating-point nor complex.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.logcumsumexp.html

    >>> import cltorch as torch
    >>> torch.logcumsumexp(torch.tensor([1.0, 1.0]), 0)
    tensor([1.0000, 1.6931])
    """
    need_array("logcumsumexp", "input", 1, input)
    d = wrap_dim(read_int("logcumsumexp", "dim", 2, dim), input.lay.ndim)
    if not input.dtype.differentiable:
        raise NotImplementedError(f"\"logcumsumexp\" not implemented for '{TYPE_NAMES[input.dtype]}'")
    if out is not None:
        check_overlap(need_out("logcumsumexp", out), (input,))
    result = running_logs(input, d) if input.dtype.is_complex else apply(ops.LogCumSumExp, input, d)
    return result if out is None else into_out("logcumsumexp", out, result)


def _extreme(name: str, op: str, kind: Any) -> Any:
    @numpy_names
    def f(input: Any, dim: int, *, out: Any = None) -> Any:
        need_array(name, "input", 1, input)
        d = wrap_dim(read_int(name, "dim", 2, dim), input.lay.ndim)
        values, indices = apply(ops.CumExtreme, input, d, op)
        called(values, f"{name.capitalize()}Backward0")
        if out is not None:
            return kind(*into_outs(name, out, (values, indices)))
        return kind(values, indices)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return (values, indices) of the running {'maxima' if op == ops.MAX else 'minima'} along a dimension.\n\n"
        "Of equal elements the last counts; NaN wins over everything, and every NaN over those before it.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([2, 3, 1]), 0).values\n"
        f"tensor({[2, 3, 3] if op == ops.MAX else [2, 2, 1]})\n"
    )
    return f


cummax, cummin = _extreme("cummax", ops.MAX, cummax_return), _extreme("cummin", ops.MIN, cummin_return)


def _beside(input: Any, piece: Any, dim: int) -> Any:
    if piece.lay.ndim != input.lay.ndim:
        if piece.lay.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        piece = reshape(piece, (1,) * input.lay.ndim)
    for i, (n, k) in enumerate(zip(input.lay.shape, piece.lay.shape, strict=True)):
        if n != k and i != dim:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the "
                f"differencing dimension; input.size({i}) = {n}, but got tensor.size({i}) = {k}"
            )
    return piece


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Any:
    """Return the differences of neighbours along a dimension, taken ``n`` times; of bools, where they differ.

    Raises RuntimeError for a 0-d tensor, for a negative ``n``, and where ``prepend`` or ``append`` do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.diff.html

    >>> import cltorch as torch
    >>> torch.diff(torch.tensor([1, 3, 2]))
    tensor([ 2, -1])
    """
    if append is not None:
        need_array("diff", "append", 5, append)
    if prepend is not None:
        need_array("diff", "prepend", 4, prepend)
    need_array("diff", "input", 1, input)
    if not input.lay.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    d = wrap_dim(dim, input.lay.ndim)
    if n == 0:  # what stands beside the tensor is not looked at
        return p.clone(input) if out is None else into_out("diff", out, input)
    pieces = [x if x is input else _beside(input, x, d) for x in (prepend, input, append) if x is not None]
    x = cat(pieces, d) if len(pieces) > 1 else input
    step = p.logical_xor if x.dtype is dtypes.bool_ else p.sub
    for _ in range(min(n, x.lay.shape[d])):
        length = x.lay.shape[d] - 1
        x = step(narrow(x, d, 1, length), narrow(x, d, 0, length))
    return x if out is None else into_out("diff", out, x)


def _areas(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """Return twice the areas between neighbouring samples, and the dimension."""
    need_array(name, "y", 1, y)
    if isinstance(dx, bool) or (dx is not None and not isinstance(dx, (int, float, Array))):
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number.")
    if y.dtype is dtypes.bool_:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    if not y.lay.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    d = wrap_dim(dim, y.lay.ndim)
    n = y.lay.shape[d]
    if x is not None:
        if need_array(name, "x", 2, x).dtype is dtypes.bool_:
            raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
        if x.lay.ndim == 1 and y.lay.ndim > 1:
            line = [1] * y.lay.ndim
            line[d] = x.lay.numel
            x = reshape(x, line)
        elif x.lay.ndim < y.lay.ndim:
            x = reshape(x, (*(1,) * (y.lay.ndim - x.lay.ndim), *x.lay.shape))
        if x.lay.shape[d] != n:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        dx = p.sub(narrow(x, d, 1, max(n - 1, 0)), narrow(x, d, 0, max(n - 1, 0))) if n else x
    if n == 0:
        return (y if x is None else p.mul(y, dx)), d
    sums = p.add(narrow(y, d, 1, n - 1), narrow(y, d, 0, n - 1))
    return p.mul(sums, 1 if dx is None else dx), d


@numpy_names
def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Integrate along a dimension by the trapezoidal rule, over sample points ``x`` or at a distance ``dx`` (1).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.trapezoid.html

    >>> import cltorch as torch
    >>> torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    areas, d = _areas("trapezoid", y, x, dx, dim)
    if not y.lay.shape[d]:
        return r.sum(y, d, dtype=y.dtype)
    return p.div(r.sum(areas, d), 2)


trapz = trapezoid


@numpy_names
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """Return the running integrals by the trapezoidal rule, one fewer than samples.

    Shape: (*, n, *) to (*, n - 1, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cumulative_trapezoid.html

    >>> import cltorch as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1.5000, 4.0000])
    """
    areas, d = _areas("cumulative_trapezoid", y, x, dx, dim)
    return p.div(cumsum(areas, d), 2)
