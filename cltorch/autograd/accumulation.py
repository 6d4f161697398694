"""The end of a backward pass at a leaf: its gradient is taken over, copied or added."""

from __future__ import annotations

import sys
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import Settings
from cltorch.autograd.links import copied
from cltorch.ops.array import Array
from cltorch.ops.turned import Turned


def _counts_alone() -> tuple[int, int]:
    """Return what getrefcount says of a local variable's and an attribute's only reference: Pythons differ."""
    x: Any = Settings()
    x.attribute = object()
    return sys.getrefcount(x), sys.getrefcount(x.attribute)


_ALONE = _counts_alone()


def accumulate(x: Any, grads: list[Any], create_graph: bool) -> None:
    """Add a gradient to a leaf's ``grad``, taking the tensor over where nobody else holds it.

    A gradient is laid out as its leaf is where that is packed, and contiguous otherwise, as PyTorch promises.
    """
    functions = Settings.functions
    g = grads.pop()
    have = x.grad
    wanted = x.dtype if x._grad_dtype is ... else x._grad_dtype
    if g.dtype is not wanted and wanted is not None:
        g = functions.gradient_cast(g, wanted)
    if have is not None:
        if create_graph:
            x.grad = functions.add(have, g)
        else:
            functions.add_(have, g)
    elif create_graph:
        x.grad = copied(g, x)  # two leaves may have been handed the same
    elif (
        g.lay.offset == 0
        and (not mode.layouts or (g.lay.key == x.lay.key if x.lay.packed() else g.lay.contiguous))
        and g._storage.__class__ is not Turned
        and sys.getrefcount(g) <= _ALONE[0]
        and sys.getrefcount(g._storage) <= _ALONE[1]
    ):
        x.grad = g
    else:
        x.grad = functions.gradient_copy(g, x)
    grads.append(x.grad)
    if x._post_hooks:
        for hook in tuple(x._post_hooks.values()):
            returned = hook(x)
            if returned is not None:
                if not isinstance(returned, Array):
                    raise TypeError(f"expected Variable, but hook returned '{type(returned).__name__}'")
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
