"""Operators as a profiler tells of them: PyTorch's names for what one of cltorch's does, and the operations it counts.

Source: https://docs.pytorch.org/docs/2.13/profiler.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cltorch.ops.conv import Convolution, TransposedConvolution
from cltorch.ops.matmul import Addmm, Linear, Matmul
from cltorch.ops.op import Op

Shape = tuple[int, ...]


def names_of(op: type[Op], shapes: Sequence[Shape | None], within: str) -> tuple[str, ...]:
    """Return the names of an operator and of PyTorch's operators inside it, the outermost first.

    ``within`` is the name of the event around it, for a convolution may be the derivative of another.
    """
    if issubclass(op, (Convolution, TransposedConvolution)):
        if within.startswith("Convolution"):
            return ("convolution_backward",)
        kind = "conv_transpose" if issubclass(op, TransposedConvolution) else "conv"
        return (f"{kind}{len(shapes[1] or ()) - 2}d", op.name)
    if issubclass(op, Matmul):
        a, b = (len(s or ()) for s in shapes[:2])
        return (op.name, "bmm" if a > 2 and b > 2 else "mm")
    if issubclass(op, Linear):
        return (op.name, "mm" if shapes[2] is None else "addmm")
    if issubclass(op, Addmm):
        return (op.name if len(shapes[1] or ()) == 2 else "baddbmm",)
    return (op.name,)


def operations(name: str, shapes: Sequence[Shape | None], result: Any) -> int:
    """Return how many additions and multiplications an operator takes, 0 where PyTorch counts none.

    2mnk for a product of matrices, as many for each place that a convolution's kernel comes to, and one for each
    element of the first operand of a sum or product.
    """
    if name in ("add", "mul"):
        return prod(shapes[0] or ())
    if name in ("mm", "bmm"):
        a = shapes[0] or ()
        # one of the last two sizes of ``a``, which may be given transposed, is that of the result
        return 2 * prod(result) * (prod(a[-2:]) // max(result[-2], 1)) if len(result) > 1 else 0
    if name in ("addmm", "baddbmm"):
        a = shapes[0 if len(shapes) == 3 else 1] or ()
        return 2 * prod(result) * a[-1] if a else 0
    if name.startswith("conv_transpose"):
        return 2 * prod(shapes[0] or ()) * prod((shapes[1] or ())[1:])
    if name.startswith("conv") and name[4:5].isdigit():
        return 2 * prod(result) * prod((shapes[1] or ())[1:])
    return 0
