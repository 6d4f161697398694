"""Memory that an operator's result has in common with its operands, or with itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.ops.array import Array


def check_overlap(out: Any, operands: Sequence[Any]) -> None:
    """Raise RuntimeError where writing ``out`` would change an operand halfway through."""
    if out.lay.overlaps():
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
    check_meeting(out, operands)


def check_meeting(out: Any, operands: Sequence[Any]) -> None:
    """Raise RuntimeError where ``out``, whose elements lie apart, shares memory with an operand laid out otherwise."""
    for x in operands:
        if x is not out and isinstance(x, Array) and _meet(out, x):
            if x.lay.offset != out.lay.offset or x.lay.key != out.lay.key:
                raise RuntimeError(_MEET)


def check_apart(out: Any, operands: Sequence[Any]) -> None:
    """Raise RuntimeError where ``out`` has memory in common with an operand, be it the operand itself.

    That is what PyTorch asks of operators that read elements from other places than those they write.
    """
    for x in operands:
        if isinstance(x, Array) and (x is out or _meet(out, x)):
            raise RuntimeError(_MEET)


_MEET = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
    "location. Please clone() the tensor before performing the operation."
)


def _meet(a: Any, b: Any) -> bool:
    """Return whether two Arrays have bytes in common; False, as in PyTorch, where strides make that hard to say."""
    return (
        same_bytes(a._storage, b._storage)
        and a.lay.packed()
        and b.lay.packed()
        and b.lay.offset < a.lay.extent()
        and a.lay.offset < b.lay.extent()
    )


def same_bytes(a: Any, b: Any) -> bool:
    """Return whether two storages have the same memory."""
    return a is b or (a.memory is not None and a.memory is b.memory)
