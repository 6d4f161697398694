"""Largest and smallest elements: amax, max, argmax, aminmax and their kin.

Source: https://docs.pytorch.org/docs/2.13/torch.html#reduction-ops
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array, numpy_names, read_dims, read_int
from cltorch.functions.create import zeros
from cltorch.functions.pointwise import into_outs
from cltorch.functions.ranges import arange
from cltorch.functions.reduce import keep, spread, store
from cltorch.functions.return_types import result_class
from cltorch.functions.shape import reshape
from cltorch.layout import Layout
from cltorch.ops import reduce as rows
from cltorch.ops.argreduce import MaxDim, MinDim, extreme
from cltorch.ops.array import Array
from cltorch.ops.op import Op
from cltorch.ops.reduce import Reduction, kept_shape, reduce
from cltorch.shapes import wrap_dim

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min", "scatter_chosen"]

aminmax_return = result_class("aminmax", "min", "max")


class Extreme(Op):
    """amax or amin: equal extremes share the gradient."""

    name = "amax"

    @staticmethod
    def forward(c: Any, x: Any, row: Reduction, dims: tuple[int, ...], keepdim: bool) -> Any:
        c.dims, c.shape = dims, x.lay.shape
        out = keep(reduce(row, x, dims, x.dtype), c.shape, dims, keepdim)
        c.save(x, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, out = c.saved
        best = spread(m, out, c.shape, c.dims)
        # not equal to the extreme only where it is NaN, which then gets the gradient
        hit = m.reached(x, best)
        count = m.sum(hit, c.dims, True) if c.dims else hit
        share = m.div(m.reshape(g, kept_shape(c.shape, c.dims, True)), count)
        return m.mul(m.expand(share, c.shape), hit), None, None, None


class Amin(Extreme):
    """The smallest elements."""

    name = "amin"


class MaxAll(Extreme):
    """The largest of all elements."""

    name = "max"


class MinAll(Extreme):
    """The smallest of all elements."""

    name = "min"


def _no_empty(name: str, input: Any, dims: tuple[int, ...], given: Any) -> None:
    for d in dims:
        if input.lay.shape[d] == 0:
            if given is None and not input.lay.numel:
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                    "reduction dim with the 'dim' argument."
                )
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def _extreme(name: str, op: type[Extreme], row: Reduction) -> Any:
    def f(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
        dims = read_dims(name, input, dim)
        given = None if dim is None or (isinstance(dim, (tuple, list)) and not dim) else dim
        _no_empty(name, input, dims, given)
        if isinstance(out, Array) and out.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected the dtype for input and out to match, but got {SCALAR_NAMES[input.dtype.name]} for input's "
                f"dtype and {SCALAR_NAMES[out.dtype.name]} for out's dtype."
            )
        return store(name, apply(op, input, row, dims, keepdim), out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the {'largest' if name == 'amax' else 'smallest'} elements along dimensions; equal ones share "
        "the gradient.\n\nRaises IndexError or RuntimeError for an empty dimension, which has no extreme.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([[1.0, 3.0], [2.0, 0.0]]), 1)\n"
        f"tensor({'[3., 2.]' if name == 'amax' else '[1., 0.]'})\n"
    )
    return numpy_names(f)


amax, amin = _extreme("amax", Extreme, rows.AMAX), _extreme("amin", Amin, rows.AMIN)


@numpy_names
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """Return (min, max) of all elements or along a dimension.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.aminmax.html

    >>> import cltorch as torch
    >>> torch.aminmax(torch.tensor([1, -3, 5]))
    torch.return_types.aminmax(
    min=tensor(-3),
    max=tensor(5))
    """
    dims = read_dims("aminmax", input, dim if dim is None else read_int("aminmax", "dim", 2, dim))
    if dim is None and not input.lay.numel:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    _no_empty("aminmax", input, dims, dims)
    lo, hi = apply(Amin, input, rows.AMIN, dims, keepdim), apply(Extreme, input, rows.AMAX, dims, keepdim)
    if out is not None:
        lo, hi = into_outs("aminmax", out, (lo, hi))
    return aminmax_return(lo, hi)


def _max(name: str, less: bool) -> Any:
    whole, row = (MinAll, rows.AMIN) if less else (MaxAll, rows.AMAX)
    along = MinDim if less else MaxDim
    pairwise = p.minimum if less else p.maximum
    result_of = result_class(name, "values", "indices")

    def f(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
        if other is not None or isinstance(dim, Array):
            need_array(name, "input", 1, input)
            return pairwise(input, dim if other is None else other, out=out)
        dims = read_dims(name, input, dim if dim is None else read_int(name, "dim", 2, dim))
        if dim is None:
            _no_empty(name, input, dims, None)
            result = called(apply(whole, input, row, dims, False), f"{name.capitalize()}Backward1")
            return store(name, result, out)
        if input.dtype.is_complex:
            raise NotImplementedError(f"{name}(): does not support complex input")
        if input.lay.ndim == 0:
            values, indices = p.clone(input), zeros((), dtype=dtypes.int64, device=input.device)
        else:
            _no_empty(name, input, dims, dim)
            values, indices = apply(along, input, dims[0], keepdim, less)
        if out is not None:
            values, indices = into_outs(f"{name}_dim", out, (values, indices))
        return result_of(values, indices)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the {name}imum of all elements; with ``dim`` (values, indices) along it; with a second tensor "
        "the elementwise one.\n\n"
        "Of equal elements the first is chosen along a dimension, and gets the gradient; of all elements equal ones "
        "share it.\nNaN wins over every number. Raises IndexError or RuntimeError for an empty dimension.\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([2.0, 3.0, 1.0]), 0)\n"
        f"torch.return_types.{name}(\nvalues=tensor({1 if less else 3}.),\nindices=tensor({2 if less else 1}))\n"
    )
    return numpy_names(f)


max, min = _max("max", False), _max("min", True)


def _arg(name: str, less: bool) -> Any:
    def f(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        dims = read_dims(name, input, dim if dim is None else read_int(name, "dim", 2, dim))
        if input.dtype is dtypes.bool_:
            raise RuntimeError(f"{name}(): does not support bool input")
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        if dim is None and not input.lay.numel:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        _no_empty(name, input, dims, dims)
        _, indices = extreme(input, None if dim is None or not input.lay.ndim else dims[0], less, False)
        if keepdim:
            indices = Array.new(indices._storage, Layout.of(kept_shape(input.lay.shape, dims, True)), indices.dtype)
        if isinstance(out, Array) and out.dtype is not dtypes.int64:
            raise RuntimeError(f"Expected out tensor to have dtype long int, but got {out.dtype.name} instead")
        return store(name, indices, out)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        f"Return the index of the {name[3:]}imum, of all elements flattened or along a dimension; the first of "
        "equal ones.\n\n"
        f"Source: https://docs.pytorch.org/docs/2.13/generated/torch.{name}.html\n\n"
        f">>> import cltorch as torch\n>>> torch.{name}(torch.tensor([2.0, 3.0, 1.0]))\ntensor({2 if less else 1})\n"
    )
    return numpy_names(f)


argmax, argmin = _arg("argmax", False), _arg("argmin", True)


def scatter_chosen(g: Any, indices: Any, dim: int, shape: Any) -> Any:
    """Return zeros of ``shape`` with ``g`` at ``indices`` along ``dim``, by comparing positions: nothing collides."""
    line = [1] * len(shape)
    if shape:
        line[dim] = shape[wrap_dim(dim, len(shape))]
    places = reshape(arange(shape[dim] if shape else 1, device=indices.device), line)
    return p.where(p.eq(places, indices), g, 0)
