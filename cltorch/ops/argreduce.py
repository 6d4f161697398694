"""Positions of extremes: argmax, argmin, and max and min along a dimension with their indices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.layout import Layout
from cltorch.ops.array import Array, check_dtype, empty, from_host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.reduce import kept_shape
from cltorch.ops.strided import copy_into


def extreme(x: Any, dim: int | None, less: bool, want_values: bool) -> tuple[Any, Any]:
    """Return (values or None, indices) of the extremes along a dimension (None: of all elements, flattened)."""
    shape = kept_shape(x.layout.shape, (dim,), False) if dim is not None else ()
    if x.device.type == "cpu":
        return _host(x, dim, less, want_values, shape)
    check_dtype(x.dtype, x.device)
    lay = x.layout
    d = lay.ndim - 1 if dim is None else dim
    kept = [i for i in range(lay.ndim) if i != d]
    flat = lay.contiguous and (dim is None or d in (0, lay.ndim - 1)) and lay.ndim > 0
    if not flat or (dim is None and not lay.contiguous):
        order = [*kept, d] if dim is not None else list(range(lay.ndim))
        moved = empty([lay.shape[i] for i in order], x.dtype, x.device)
        copy_into(moved, Array.new(x.storage, lay.permute(order), x.dtype))
        x, lay = moved, moved.layout
        reduced, rs = (lay.shape[-1] if lay.ndim else 1, 1) if dim is not None else (lay.numel, 1)
        count, ks = (lay.numel // max(reduced, 1), reduced) if dim is not None else (1, 0)
    elif dim is None:
        reduced, rs, count, ks = lay.numel, 1, 1, 0
    elif d == lay.ndim - 1:
        reduced, rs = lay.shape[d], 1
        count, ks = lay.numel // max(reduced, 1), reduced
    else:
        reduced, rs = lay.shape[0], lay.numel // max(lay.shape[0], 1)
        count, ks = rs, 1
    indices = empty(shape, dtypes.int64, x.device)
    values = empty(shape, x.dtype, x.device) if want_values else None
    if count == 0:
        return values, indices
    context = x.device.context
    if dim is None and reduced > 65536 and not want_values:
        return None, _two_stage(context, x, reduced, less)
    kernel = _kernel(context, x.dtype, less, want_values)
    items = max(1, min(count, context.caps.compute_units * 8 if context.caps.kind == "cpu" else count))
    per_item = -(-count // items)
    buffers = [x.storage.buf, lay.offset, indices.storage.buf] + ([values.storage.buf] if values is not None else [])
    kernel.launch(
        (-(-count // per_item),),
        None if context.caps.kind != "cpu" else (1,),
        (count, reduced, per_item, ks, rs, *buffers),
    )
    return values, indices


def _kernel(context: Any, t: Any, less: bool, want_values: bool) -> Any:
    name = f"arg{'min' if less else 'max'}" + ("_values" if want_values else "")
    return context.kernel(
        "argreduce",
        f"ct_{name}",
        "lllllblb" + ("b" if want_values else ""),
        name=name,
        less=less,
        X=t.ctype,
        xtag=t.tag,
        A=t.compute,
        floating=t.is_floating_point,
        values=want_values,
    )


def _two_stage(context: Any, x: Any, n: int, less: bool) -> Any:
    # cut into equal rows, take each row's extreme, then the extreme of those (in order, so that the first one wins)
    rows = math.gcd(n, 4096) if n % 64 == 0 else 1
    if rows == 1:
        kernel = _kernel(context, x.dtype, less, False)
        out = empty((), dtypes.int64, x.device)
        kernel.launch(
            (1,),
            (1,) if context.caps.kind == "cpu" else None,
            (1, n, 1, 0, 1, x.storage.buf, x.layout.offset, out.storage.buf),
        )
        return out
    table = Array.new(x.storage, Layout.make((rows, n // rows), (n // rows, 1), x.layout.offset), x.dtype)
    values, inner = extreme(table, 1, less, True)
    _, outer = extreme(values, None, less, False)
    out = empty((), dtypes.int64, x.device)
    kernel = context.kernel("argjoin", "ct_argjoin", "bbbl")
    kernel.launch((1,), (1,), (outer.storage.buf, inner.storage.buf, out.storage.buf, n // rows))
    return out


def _host(x: Any, dim: int | None, less: bool, want_values: bool, shape: Any) -> tuple[Any, Any]:
    a = host_compute(x)
    find = np.argmin if less else np.argmax  # NumPy, too, lets the first NaN win
    at = find(a if a.dtype != bool else a.astype(np.uint8), axis=dim)
    indices = from_host(np.asarray(at, np.int64).reshape(shape), dtypes.int64, x.device)
    if not want_values:
        return None, indices
    taken = a if dim is None or a.ndim == 0 else np.take_along_axis(a, np.expand_dims(at, dim), dim).squeeze(dim)
    return from_host(np.asarray(taken).reshape(shape), x.dtype, x.device), indices


class MaxDim(Op):
    """Values and indices of the extremes along a dimension; the gradient goes to the chosen elements."""

    name = "max"

    @staticmethod
    def forward(c: Any, x: Any, dim: int, keepdim: bool, less: bool) -> Any:
        values, indices = extreme(x, dim, less, True)
        if keepdim:
            lay = Layout.of(kept_shape(x.layout.shape, (dim,), True))
            values, indices = (
                Array.new(values.storage, lay, values.dtype),
                Array.new(indices.storage, lay, indices.dtype),
            )
        c.dim, c.keepdim, c.shape = dim, keepdim, x.layout.shape
        c.save(indices)
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (indices,) = c.saved
        if not c.keepdim and c.shape:
            g, indices = m.unsqueeze(g, c.dim), m.unsqueeze(indices, c.dim)
        return m.scatter_chosen(g, indices, c.dim, c.shape), None, None, None
