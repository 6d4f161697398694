"""Computing a formula on the host by NumPy, with all that the operands' layouts and dtypes decide found out before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cltorch.device import CPU, host_memory
from cltorch.device.caps import Ready
from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, cast_host, empty_layout, host, host_compute, on_memory_of
from cltorch.ops.formula_host import HOST
from cltorch.ops.quiet import quietly

READY = Ready()  # plans by what they depend on, as those of a device are in its context
UNFIT = (OverflowError, TypeError, ValueError)  # too large, complex, and NaN among integers


class HostPlan:
    """What operands of some layouts and dtypes decide about computing a formula: how each is read, what comes out."""

    __slots__ = ("name", "fn", "reads", "number", "type", "lay", "types")

    def __init__(
        self, formula: Any, compute: dtype, operands: Sequence[Any], types: Sequence[dtype], layout: Layout
    ) -> None:
        self.name, self.fn, self.types, self.lay = formula.name, formula.fn, types, layout
        self.type = compute.wide
        self.number = compute.wide.type if compute.wide.kind in "fc" else partial(_whole, compute.wide)
        self.reads = [
            (host if i in formula.masks else _reader(x.dtype, compute.wide)) if isinstance(x, Array) else self.number
            for i, x in enumerate(operands)
        ]

    def run(self, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Return the result of a formula that has one, a new Array."""
        try:  # without the closure of ``_each``: all small operations come here
            return self._kept(quietly(self._found, operands, params), self.types[0])
        except MemoryError:
            pass
        return host_memory.again(self.name, lambda: self._kept(quietly(self._found, operands, params), self.types[0]))

    def run_all(self, operands: Sequence[Any], params: Sequence[Any]) -> list[Any]:
        """Return the results as new Arrays."""
        return self._each(self._kept, operands, params)

    def into(self, operands: Sequence[Any], params: Sequence[Any], outs: Sequence[Any]) -> None:
        """Write the results into Arrays, which a lack of memory leaves as they were."""
        for out, value in zip(outs, self._each(cast_host, operands, params), strict=True):
            host(out)[...] = value

    def _each(self, finish: Callable[[Any, dtype], Any], operands: Sequence[Any], params: Sequence[Any]) -> list[Any]:
        def work() -> list[Any]:
            found = quietly(self._found, operands, params)
            found = found if found.__class__ is tuple else (found,)
            return [finish(value, t) for value, t in zip(found, self.types, strict=True)]

        return host_memory.attempt(self.name, work)

    def _found(self, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Return what NumPy makes of the formula."""
        try:
            read = [f(x) for f, x in zip(self.reads, operands, strict=True)]
            if params:
                read += map(self.number, params)
        except UNFIT as error:
            raise RuntimeError(f"value cannot be converted to type {self.type} without overflow") from error
        return self.fn(HOST, *read)

    def _kept(self, bits: Any, t: dtype) -> Any:
        """Return an Array of a result, on its own memory where that is new and lies as it should."""
        if bits.__class__ is not np.ndarray or bits.dtype is not t.np or t.opaque:
            bits = cast_host(bits, t)
        layout = self.lay
        if layout.dense and bits.shape == layout.shape:
            return on_memory_of(bits, layout, t)
        out = empty_layout(layout, t, CPU)
        host(out)[...] = bits
        return out


def _reader(t: dtype, wide: np.dtype) -> Callable[[Any], np.ndarray]:
    """Return what reads an Array's values in the type that the host computes in."""
    if t.np is wide and not t.opaque:
        return host
    return lambda x: host_compute(x).astype(wide, copy=False)


def _whole(wide: np.dtype, x: Any) -> Any:
    """Return a number as NumPy's integer of a type, which it wraps around in; for truth values as it is."""
    if wide.kind == "b" and not (isinstance(x, int) and abs(x) > 2**62):
        return x
    return np.asarray(int(x), np.int64).astype(wide)[()]
