"""What is done with tensors that are kept for derivatives: hooks around them, keeping them on the host, clones.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#saved-tensors-default-hooks
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import Settings

__all__ = ["allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Send every tensor kept for a derivative through ``pack_hook`` and back through ``unpack_hook``.

    Raises RuntimeError where the hooks are disabled, or where ``pack_hook`` changes its argument in place.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html#torch.autograd.graph.saved_tensors_hooks

    >>> import cltorch as torch
    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t * 10, lambda t: t / 10):
    ...     y = x * x
    >>> y.backward(); x.grad
    tensor([4.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> Any:
        if mode.hooks_refused is not None:
            raise RuntimeError(mode.hooks_refused)
        mode.saved_hooks = (*mode.saved_hooks, (self.pack_hook, self.unpack_hook))
        return self

    def __exit__(self, *exc: Any) -> None:
        mode.saved_hooks = mode.saved_hooks[:-1]


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Raise RuntimeError with ``error_message`` where hooks are in force, or where someone puts them in force.

    >>> import cltorch as torch
    >>> with torch.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
    ...     x = torch.ones(1, requires_grad=True).exp()
    """
    if mode.saved_hooks:
        raise RuntimeError(error_message)
    before, mode.hooks_refused = mode.hooks_refused, error_message
    try:
        yield
    finally:
        mode.hooks_refused = before


class save_on_cpu(saved_tensors_hooks):
    """Keep tensors for derivatives on the host, and move them back when they are needed.

    ``pin_memory`` and ``device_type`` are taken and change nothing: copies to a device have the same speed from all
    memory of the host. Source: https://docs.pytorch.org/docs/2.13/autograd.html#torch.autograd.graph.save_on_cpu

    >>> import cltorch as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 2.])
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cl") -> None:
        super().__init__(lambda t: (t.device, t.to("cpu")), lambda packed: packed[1].to(packed[0]))


class _Kept:
    """Stand for a kept tensor, which is exchanged for a clone when someone is about to change it."""

    __slots__ = ("tensor", "__weakref__")

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


class _Mutations:
    """Know what is kept of which storage, weakly, and clone it before a change in place.

    ``cloned`` holds the clones by what they are kept for, as long as that is kept.
    """

    def __init__(self) -> None:
        self.by_storage: dict[int, list[weakref.ref[_Kept]]] = {}
        self.known: weakref.WeakSet[_Kept] = weakref.WeakSet()
        self.cloned: weakref.WeakKeyDictionary[_Kept, Any] = weakref.WeakKeyDictionary()

    def pack(self, tensor: Any) -> _Kept:
        """Keep a tensor, once as long as it is the same."""
        rows = self.by_storage.setdefault(id(tensor._storage), [])
        rows[:] = [r for r in rows if r() is not None]
        for ref in rows:
            kept = ref()
            if kept is not None and kept.tensor is tensor:
                return kept
        kept = _Kept(tensor)
        rows.append(weakref.ref(kept))
        self.known.add(kept)
        return kept

    def unpack(self, kept: _Kept) -> Any:
        """Return the tensor, or the clone that stands for what it was."""
        if kept not in self.known:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was "
                "originally recorded."
            )
        return kept.tensor

    def before(self, x: Any) -> None:
        """Clone what is kept of a tensor's storage: it is about to be changed."""
        clones: dict[int, Any] = {}
        with no_grad():
            for ref in self.by_storage.pop(id(x._storage), ()):
                kept = ref()
                if kept is not None and kept.tensor._storage is x._storage:
                    t = kept.tensor
                    if id(t) not in clones:
                        clones[id(t)] = Settings.functions.clone(t.detach())
                    kept.tensor = self.cloned[kept] = clones[id(t)]

    def clear(self) -> None:
        """Forget everything that was kept until now."""
        self.by_storage.clear()
        self.cloned.clear()
        self.known.clear()


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Mutations]:
    """Clone tensors that are kept for a derivative when they are changed in place, so that the derivative stays right.

    Forward and backward must both run within. Changes that optimisers make to several tensors at once are not seen:
    a derivative that needs the old value raises RuntimeError as it does without. Raises RuntimeError when nested.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html#torch.autograd.graph.allow_mutation_on_saved_tensors

    >>> import cltorch as torch
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     x = torch.ones(1, requires_grad=True)
    ...     y = x.clone()
    ...     out = (y**2).sum()
    ...     _ = y.mul_(5)
    ...     out.backward()
    >>> x.grad
    tensor([2.])
    """
    if mode.mutations is not None:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    known = _Mutations()
    with saved_tensors_hooks(known.pack, known.unpack):
        mode.mutations = known
        try:
            yield known
        finally:
            mode.mutations = None
            known.clear()
