"""One element of every line by its rank or its number: the k-th smallest, the median, the mode."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.layout import Layout
from cltorch.ops.array import Array, empty, from_host, host, host_compute, view
from cltorch.ops.op import Op
from cltorch.ops.reduce import kept_shape
from cltorch.ops.softmax import lines
from cltorch.ops.sort import from_bits, key_params, sort
from cltorch.ops.strided import copy_into

KTH, MEDIAN, NANMEDIAN, MODE = "kth", "median", "nanmedian", "mode"


def pick(what: str, x: Any, dim: int, k: int = 0) -> tuple[Any, Any]:
    """Return one element of every line along a dimension and its position, without that dimension.

    KTH takes the element at place ``k`` (from 0) in ascending order; MEDIAN the lower one of two, or the first NaN;
    NANMEDIAN the same without counting NaN; MODE the smallest of the most frequent, at its last position.
    """
    values, indices = sort(x, dim, False)
    shape = kept_shape(x.lay.shape, (dim,), False)
    if not x.lay.ndim:
        return values, indices
    n = x.lay.shape[dim]
    if what == KTH or (what != MODE and not x.dtype.is_floating_point):
        what, k = KTH, k if what == KTH else (n - 1) // 2
        if x.device.type == "cpu":
            return _select(values, dim, k), _select(indices, dim, k)
    if x.device.type == "cpu":
        return _host(what, values, indices, dim)
    picked, positions = empty(shape, x.dtype, x.device), empty(shape, dtypes.int64, x.device)
    count = picked.lay.numel
    if count:
        context = x.device.context
        kernel = context.kernel(
            "sort_pick", f"ct_{what}", "lllllbbbb", name=what, what=what, **key_params(x.dtype, False)
        )
        size, local, per_item = lines(context, count, n if what == MODE else 32)
        kernel.launch(
            size, local,
            (count, n, math.prod(x.lay.shape[dim + 1 :]), per_item, k, values._storage.buf, indices._storage.buf,
             picked._storage.buf, positions._storage.buf),
        )  # fmt: skip
    return picked, positions


def _select(x: Any, dim: int, at: int) -> Any:
    part = view(x, x.lay.select(dim, at))
    out = empty(part.lay.shape, x.dtype, x.device)
    copy_into(out, part)
    return out


def _host(what: str, values: Any, indices: Any, dim: int) -> tuple[Any, Any]:
    a = np.moveaxis(host_compute(values), dim, -1)
    n = a.shape[-1]
    if what == MODE:
        same = a[..., 1:] == a[..., :-1]
        run = np.ones(a.shape, np.int64)
        for i in range(1, n):
            run[..., i] += np.where(same[..., i - 1], run[..., i - 1], 0)
        chosen = run.argmax(-1)
    else:
        known = n - np.isnan(a).sum(-1)
        median = np.where(known < n, known, (n - 1) // 2)
        chosen = median if what == MEDIAN else np.maximum(known - 1, 0) // 2
    place = np.expand_dims(chosen, -1)
    bits = np.take_along_axis(np.moveaxis(host(values), dim, -1), place, -1)[..., 0]
    found = np.take_along_axis(np.moveaxis(host(indices), dim, -1), place, -1)[..., 0]
    return from_bits(bits, values), from_host(found, dtypes.int64, values.device)


class Pick(Op):
    """One element of every line and its position; the gradient goes to the position, or where ``shared``
    to all elements that equal the one chosen."""

    name = "kthvalue"

    @staticmethod
    def forward(c: Any, x: Any, what: str, dim: int, k: int, keepdim: bool, shared: bool = False) -> Any:
        values, indices = pick(what, x, dim, k)
        c.dim, c.keepdim, c.shape, c.shared = dim, keepdim, x.lay.shape, shared
        if keepdim:
            lay = Layout.of(kept_shape(x.lay.shape, (dim,), True))
            values, indices = (Array.new(found._storage, lay, found.dtype) for found in (values, indices))
        c.save(*((x, values) if shared else (indices,)))
        c.non_differentiable(indices)
        return values, indices

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        *x, chosen = c.saved
        if not c.keepdim and c.shape:
            g, chosen = m.unsqueeze(g, c.dim), m.unsqueeze(chosen, c.dim)
        if c.shared:
            hit = m.where(m.isnan(chosen), m.isnan(x[0]), m.eq(x[0], chosen)).to(g.dtype)
            return m.mul(m.div(g, m.sum(hit, (c.dim,), True)), hit), None, None, None, None, None
        return m.scatter_back(g, chosen, c.dim, c.shape), None, None, None, None, None
