"""A norm of the elements of many tensors or of each, or whether all are finite: a few launches for however many.

As in ``multi_tensor``, a table says what part of which tensor a work-group takes. Every entry leaves a partial result,
and one more launch combines them, to one number or to one for each tensor, in an order that depends on the sizes alone.
Tensors that are parts of one storage are one argument of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.dtypes import dtype, float64
from cltorch.layout import Layout
from cltorch.ops.array import Array, empty, from_host, host, two_devices, view
from cltorch.ops.multi_tensor import is_run, widened
from cltorch.ops.plan import GROUP, LETTER, VECTOR

__all__ = ["any_not_finite", "norm", "norms"]

_STORAGES = 64
_MOST = 120  # storages to a launch of many: pointers for which 1024 bytes of arguments have room
_GRAIN = {"cpu": 32768, "gpu": 8192}


def norm(arrays: Sequence[Any], power: float, out: dtype, kind: str = "") -> Any:
    """Return the norm of all elements of Arrays as one vector, 0-d, of a floating-point dtype.

    The Arrays are of floating-point dtypes and lie on one device, each as one run of memory (in any order of its
    dimensions). ``kind`` ("cpu", "gpu") asks for a variant of the kernels other than the device's own.
    """
    what = {2.0: "square", 1.0: "abs", 0.0: "count", math.inf: "max", -math.inf: "min"}.get(power, "norm")
    return _reduce(what, arrays, power, out, kind)


def norms(arrays: Sequence[Any], out: dtype = dtypes.float32, kind: str = "", largest: bool = False) -> Any:
    """Return the Euclidean norm of every Array, or its largest absolute value: 1-d, of a floating-point dtype.

    See ``norm``.
    """
    return _reduce("max" if largest else "square", arrays, 2.0, out, kind, each=True)


def any_not_finite(arrays: Sequence[Any], kind: str = "") -> Any:
    """Return 1.0 where an element of Arrays is infinite or no number, else 0.0: 0-d, float32; see ``norm``."""
    return _reduce("bad", arrays, 0.0, dtypes.float32, kind)


def _reduce(what: str, arrays: Sequence[Any], power: float, out: dtype, kind: str, each: bool = False) -> Any:
    compute = float64 if any(x.dtype is float64 for x in arrays) else dtypes.float32
    dev = arrays[0].device
    for x in arrays:
        if not is_run([x.lay]):
            raise RuntimeError("an array that is not one run of memory cannot be reduced with others")
        if x.device is not dev:
            raise two_devices(dev, x.device)
    if dev.type == "cpu":
        if each:
            return from_host(np.array([_on_host(what, [x], power, compute) for x in arrays], np.float64), out, dev)
        value = _on_host(what, arrays, power, compute)
        return from_host(np.array(value, np.float64), out, dev)
    return _on_device(dev.context, what, arrays, power, out, compute, kind, each)


# ---- an OpenCL device --------------------------------------------------------------------------------------------
class _Plan:
    """The launches that a list of layouts needs, their table and the number of partial results."""

    __slots__ = ("launches", "table", "count", "finish")

    def __init__(self, launches: list[Any], table: Storage | None, count: int, finish: Any) -> None:
        self.launches, self.table, self.count, self.finish = launches, table, count, finish


def _on_device(
    context: Any, what: str, arrays: Sequence[Any], power: float, out: dtype, compute: dtype, kind: str, each: bool
) -> Any:
    numbers: dict[int, int] = {}
    places = [numbers.setdefault(id(x._storage), len(numbers)) for x in arrays]
    geometry = ((at, x.lay.key, x.lay.offset, x.dtype) for at, x in zip(places, arrays, strict=True))
    key = ("multi_tensor_reduce", what, kind, out, each, *geometry)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, what, arrays, places, out, compute, kind or context.caps.kind, each)
    parts = context.alloc(max(plan.count, 1) * compute.itemsize)
    for kernel, global_size, local_size, first, members in plan.launches:
        buffers = [arrays[i]._storage.buf for i in members]
        kernel.launch(global_size, local_size, (plan.table.buf, first, parts.buf, power, *buffers))
    kernel, local = plan.finish
    if each:
        result = empty((len(arrays),), out, arrays[0].device)
        given = parts.buf, plan.table.buf, 3 * plan.count, result._storage.buf
        kernel.launch((len(arrays) * local,), (local,), given)
        return result
    result = empty((), out, arrays[0].device)
    kernel.launch((local,), (local,), (parts.buf, plan.count, result._storage.buf, power))
    return result


def _plan(
    context: Any, what: str, arrays: Sequence[Any], places: Sequence[int], out: dtype, compute: dtype, kind: str,
    each: bool,
) -> _Plan:  # fmt: skip
    grain = _GRAIN.get(kind, _GRAIN["gpu"])
    a = compute.compute
    local, width = 1, VECTOR[a]
    if kind != "cpu":
        # a power of two, for halves are joined; 64 entries of the table fill a device anyway
        local, width = 1 << (min(GROUP, context.caps.max_work_group).bit_length() - 1), 4
    groups = 0 if kind == "cpu" else local
    table: list[list[int]] = []
    spans = [[0, 0] for _ in arrays]
    launches: list[Any] = []
    for t in dict.fromkeys(x.dtype for x in arrays):
        chosen = [i for i, x in enumerate(arrays) if x.dtype is t and x.lay.numel]
        most = _STORAGES if len({places[i] for i in chosen}) <= _STORAGES else _MOST
        kernel = context.kernel(
            "multi_tensor_reduce", "ct_partial", "blb" + LETTER[a] + "b" * most,
            mode="partial", T=most, tag=t.tag, ctype=t.ctype, A=a, W=width, what=what,
            groups=groups,
        )  # fmt: skip
        while chosen:
            slots: dict[int, int] = {}  # by the number of a storage: its argument
            first, part = len(table), []
            for i in list(chosen):
                if places[i] not in slots:
                    if len(slots) == most:
                        continue
                    part.append(i)
                slot = slots.setdefault(places[i], len(slots))
                lay = arrays[i].lay
                spans[i] = [len(table), len(table) + -(-lay.numel // grain)]
                table += [[slot, min(grain, lay.numel - at), lay.offset + at] for at in range(0, lay.numel, grain)]
                chosen.remove(i)
            count = len(table) - first
            launches.append((kernel, (count * local,), (local,), first, part + part[:1] * (most - len(part))))
    finish = context.kernel(
        "multi_tensor_reduce", "ct_finish", "bblb" if each else "blb" + LETTER[a],
        mode="each" if each else "finish", T=0, tag=out.tag, ctype=out.ctype, A=a, W=1, what=what, groups=groups,
    )  # fmt: skip
    if not table and not each:
        return _Plan([], None, 0, (finish, local))
    numbers = np.array([x for row in (*table, *(spans if each else ())) for x in row], np.int64)
    storage = context.alloc(numbers.nbytes)
    context.write(storage.buf, numbers, owned=True)
    return _Plan(launches, storage, len(table), (finish, local))


# ---- the host ----------------------------------------------------------------------------------------------------
def _on_host(what: str, arrays: Sequence[Array], power: float, compute: dtype) -> float:
    values = []
    with np.errstate(all="ignore"):
        for x in arrays:
            n = x.lay.numel
            if n:
                a = widened(host(view(x, Layout((n,), (1,), x.lay.offset))), x.dtype, compute.wide)
                values.append(float(_part(what, a, power)))
        if what in ("max", "bad"):
            return float(np.max(values, initial=0.0))
        if what == "min":
            return float(np.min(values, initial=np.inf))
        total = np.sum(np.array(values, compute.wide))
        if what == "square":
            total = np.sqrt(total)
        elif what == "norm":
            total = total ** compute.wide.type(1 / power)
        return float(total)


def _part(what: str, a: Any, power: float) -> Any:
    if what == "square":
        return np.dot(a, a)
    if what == "count":
        return np.count_nonzero(a)
    if what == "bad":
        return not np.isfinite(a).all()
    a = np.abs(a)
    if what == "norm":
        return np.sum(a**power)
    return np.sum(a) if what == "abs" else np.max(a) if what == "max" else np.min(a)
