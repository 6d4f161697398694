"""Gradients of one tensor that come from many of its parts, summed in place.

By itself each part's gradient is put into zeros of the whole, and these are added: a loop over N parts of a tensor
takes N times the whole. Once the first of them has made such a tensor, which nobody else knows yet, the others are
added to their places in it.
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.graph import Node, Settings
from cltorch.autograd.views import IntoZeros
from cltorch.ops.array import view
from cltorch.ops.strided import relative


class PartSums:
    """The sums that one backward pass has made itself and that wait for further parts."""

    def __init__(self, pending: dict[Node, list[Any]]) -> None:
        self._pending = pending
        # their identities: a reference more would make them look shared to whom they are handed
        self._own: dict[tuple[Node, int], int] = {}

    def take(self, edge: Any, into: IntoZeros, g: Any) -> bool:
        """Add the gradient of a view to its place in what waits for an edge; return False where that is no sum."""
        known = self._own.get(edge)
        if known is None or g is None:
            return False
        target, nr = edge
        slots = self._pending.get(target)
        whole = None if slots is None else slots[nr]
        if whole is None or id(whole) != known or whole.dtype is not g.dtype or whole.device != g.device:
            return False
        if whole.lay.offset or whole.lay.shape != into.base.shape or whole.lay.strides != into.base.strides:
            return False
        Settings.functions.add_(view(whole, relative(into.base, into.part)), g)
        return True

    def wait(self, edge: Any) -> None:
        """Note that what waits for an edge is a sum that this pass has made."""
        target, nr = edge
        self._own[edge] = id(self._pending[target][nr])
