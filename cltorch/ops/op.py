"""Structured operators: a class with ``forward`` and ``vjp``, and the record of one call that joins them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Call:
    """Carry what one call of an operator must remember for its derivative.

    ``needs[i]`` tells whether positional argument ``i`` needs a gradient, and is None for what never has one. ``save``
    keeps Arrays (a no-op when nothing needs a gradient); plain values are kept as attributes. ``flat`` says that the
    gradient changes with no operand and is all the same part of the operands' graph, as PyTorch has it.
    """

    kept: tuple[Any, ...] = ()
    outside: tuple[Any, ...] = ()
    unpack: Any = None
    flat = False

    def __init__(self, needs: Sequence[bool | None]) -> None:
        self.needs = tuple(needs)
        self.recording = True in self.needs

    def save(self, *arrays: Any) -> None:
        """Keep Arrays (inputs, results or intermediates; None is allowed) for the derivative."""
        if self.recording:
            self.kept = arrays

    def non_differentiable(self, *arrays: Any) -> None:
        """Mark results that carry no gradient (indices, masks)."""
        self.outside = arrays

    @property
    def saved(self) -> tuple[Any, ...]:
        """Return the kept Arrays; raises RuntimeError if one was changed in place or already freed."""
        return tuple(self.unpack())

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the forward of this operator stored nothing called {name!r}")


class Op:
    """Declare a structured operator: subclass with two static methods.

    ``forward(c, *args)`` computes on Arrays and returns an Array or a tuple of them; ``vjp(m, c, *grads)`` returns one
    gradient (or None) per argument, composed of the differentiable functions in ``m``, so that it can be
    differentiated again. A gradient handed in is None when that result was not used.

    What an operator may say besides, so that forward-mode derivatives cost less: ``linear``, the places of the
    arguments in which it is linear together; ``products``, those in each of which it is linear alone, and ``offset``,
    one that is added to such a product and may be None. ``complex`` says that its rules, the gradient's too, hold for
    complex numbers; any other operator refuses them. ``form`` is the number at the end of its node's name, and
    ``places`` are the arguments whose edges that node has in PyTorch, in its order, where these are not just the
    tensors of a dtype that has gradients.
    """

    name = "op"
    node = ""
    form = 0
    linear: tuple[int, ...] | slice | None = None
    products: tuple[int, ...] = ()
    offset: int | None = None
    complex = False
    places: tuple[int, ...] = ()
    one_device = True  # whether its operands must lie on one device

    @staticmethod
    def forward(c: Call, *args: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def vjp(m: Any, c: Call, *grads: Any) -> Any:
        raise NotImplementedError


def node_name(op: type[Op]) -> str:
    """Return the name that ``grad_fn`` prints for an operator."""
    return f"{op.node or ''.join(part.capitalize() for part in op.name.split('_'))}Backward{op.form}"
