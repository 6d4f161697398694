"""Two tensors that become each other: torch.utils.swap_tensors."""

from __future__ import annotations

import copyreg
import gc
import sys
import weakref
from collections.abc import Sequence
from typing import Any, NoReturn

from cltorch.ops.array import Array

__all__ = ["swap_tensors"]


def _has_views(t: Any, shared: bool) -> bool:
    """Return whether there are views of a tensor, whose base would become another.

    Looking for them takes milliseconds, so who holds the memory is counted first; ``shared`` says that both tensors do.
    """
    storage = t._storage
    if sys.getrefcount(storage) <= 3 + shared:  # the tensor's own, the name here and the argument of the question
        return False
    for x in gc.get_referrers(storage):
        found = x if isinstance(x, dict) else _members(x) if isinstance(x, Array) else {}
        if found.get("_base") is t:
            return True
    return False


_members = vars(Array)["__dict__"].__get__  # with the fields, which Tensor's own __dict__ leaves out


class _Poisoned:
    """Stand for the leaf of a graph that was recorded before the leaf became another tensor."""

    @property
    def _hooks(self) -> NoReturn:
        raise RuntimeError(
            "Trying to execute AccumulateGrad node that was poisoned by swap_tensors this can happen when you try to "
            "run backward on a tensor that was swapped. For a module m with "
            "`torch.__future__.set_swap_module_params_on_conversion(True)` you should not change the device or dtype "
            "of the module (e.g. `m.cpu()` or `m.half()`) between running forward and backward. To resolve this, "
            "please only change the device/dtype before running forward (or after both forward and backward)."
        )


def swap_tensors(t1: Any, t2: Any) -> None:
    """Let each of two tensors become the other: class, values, gradient and attributes; both stay the objects they are.

    A graph that was recorded with one of them as a leaf can no longer be differentiated. Raises RuntimeError for a
    tensor that something refers to weakly or that has views, and for classes with other slots.
    Source: https://docs.pytorch.org/docs/2.13/future_mod.html

    >>> import cltorch as torch
    >>> a, b = torch.zeros(2), torch.ones(1)
    >>> torch.utils.swap_tensors(a, b)
    >>> a, b
    (tensor([1.]), tensor([0., 0.]))
    """
    exchange(t1, t2, ("t1", "t2"))


def exchange(t1: Any, t2: Any, checked: Sequence[str] = ("t1",)) -> None:
    """Do what ``swap_tensors`` does; views are looked for of those that are to be checked, not of one just made."""
    for name, t in (("t1", t1), ("t2", t2)):
        if weakref.getweakrefs(t):
            raise RuntimeError(f"Cannot swap {name} because it has weakref associated with it")
    if set(copyreg._slotnames(type(t1))) != set(copyreg._slotnames(type(t2))):  # type: ignore[attr-defined]
        raise RuntimeError("Cannot swap t1 and t2 if they have different slots")
    shared = t1._storage is t2._storage
    for name, t in (("t1", t1), ("t2", t2)):
        if name in checked and _has_views(t, shared):
            raise RuntimeError(
                f"Expected use_count of {name} to be 1 or 2 with an AccumulateGrad node: there are views of it; make "
                "sure you are not holding references to the tensor in other places."
            )
    for t in (t1, t2):
        node = None if t._accumulate is None else t._accumulate()
        if node is not None:
            node.variable = _Poisoned()
            t._accumulate = None
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    mine, other = _members(t1), _members(t2)
    kept = dict(mine)
    mine.clear()
    mine.update(other)
    other.clear()
    other.update(kept)
