"""Plans of formulas with complex operands or results, which kernels take as their real and imaginary parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.dtypes import dtype
from cltorch.ops.array import Array
from cltorch.ops.complex_formula import lower
from cltorch.ops.evaluate import planned


class ComplexPlan:
    """A kernel of some parts with everything about its launch that the operands' geometry and dtypes decide.

    ``otherwise(operands, params)`` returns the results for parameters that are complex, which the kernel does not take.
    """

    __slots__ = ("kernel", "global_size", "local_size", "pre", "lay", "results", "offsets", "context", "otherwise")

    def __init__(
        self, formula: Any, compute: dtype, operands: Sequence[Any], params: Sequence[Any], outs: Sequence[Any],
        otherwise: Callable[[Sequence[Any], Sequence[Any]], list[Any]],
    ) -> None:  # fmt: skip
        """Take what a first evaluation computed: its operands, its parameters, none of them complex, its results."""
        self.context, self.lay, self.otherwise = outs[0].device.context, outs[0].lay, otherwise
        formula, compute, parts, _, results = lower(formula, compute, operands, params, outs)
        self.kernel, self.global_size, self.local_size, self.pre = planned(formula, compute, parts, results, True)
        self.results = [(self.lay.numel * x.dtype.itemsize, x.dtype) for x in outs]
        self.offsets = [x.lay.offset for x in results]

    def run(self, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Return the result of a formula that has one."""
        return self.run_all(operands, params)[0]

    def run_all(self, operands: Sequence[Any], params: Sequence[Any]) -> list[Any]:
        """Return the results, which a launch fills in."""
        if not plain(params):
            return self.otherwise(operands, params)
        alloc = self.context.alloc
        outs = [Array.new(alloc(nbytes), self.lay, t) for nbytes, t in self.results]
        buffers: list[Any] = []
        for x in outs:
            buffers += [x._storage.buf] * (2 if x.dtype.is_complex else 1)
        offsets: list[int] = list(self.offsets)
        numbers: list[float] = []
        for x in operands:
            if not isinstance(x, Array):
                numbers += (x.real, x.imag) if x.__class__ is complex else (x,)
            elif x.dtype.is_complex:
                buf, first = x._storage.buf, 2 * x.lay.offset
                buffers += (buf, buf)
                offsets += (first, first + 1)
            else:
                buffers.append(x._storage.buf)
                offsets.append(x.lay.offset)
        arguments = (*self.pre, *buffers, *offsets, *numbers, *params)
        self.kernel.launch(self.global_size, self.local_size, arguments)
        return outs


def plain(numbers: Sequence[Any]) -> bool:
    """Return whether kernels of real and imaginary parts take numbers as they come."""
    for x in numbers:
        if x.__class__ is not int and x.__class__ is not float:
            return False
    return True


def planable(operands: Sequence[Any], params: Sequence[Any]) -> bool:
    """Return whether a plan serves operands like these, of which numbers may be complex."""
    return plain(params) and plain([x for x in operands if not isinstance(x, Array) and x.__class__ is not complex])
