"""Hooks that wait for the gradients of several tensors.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#torch.autograd.graph.register_multi_grad_hook
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.engine import Task, tasks
from cltorch.autograd.graph import edge_of

__all__ = ["register_multi_grad_hook"]


class _Handles:
    """Take several hooks away together."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Remove the hooks; a second call does nothing."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[[Any], None], *, mode: str = "all") -> _Handles:
    """Call ``fn`` once in each backward pass with the gradients of several tensors; return a handle to remove it.

    With mode "all" it is called with a list when all gradients that the pass computes are there, None for the others;
    with "any" it is called with the first of them. Raises ValueError for another mode.

    >>> import cltorch as torch
    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((a, b), lambda grads: print(len(grads)))
    >>> (a * b).backward()
    2
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "any":
        first = _First(fn)
        return _Handles([x.register_hook(first) for x in tensors if x.requires_grad])
    edges = [edge_of(x) for x in tensors]
    if None in edges:
        raise AssertionError("Expected gradient function to be set")
    together = _Together(fn, [e[0] for e in edges])
    return _Handles([x.register_hook(together.hook(i)) for i, x in enumerate(tensors)])


class _First:
    """Hand on the first gradient of each backward pass."""

    def __init__(self, fn: Callable[[Any], None]) -> None:
        self.fn = fn

    def __call__(self, g: Any) -> None:
        notes = tasks.running[-1].notes
        if self not in notes:
            notes[self] = True
            self.fn(g)


class _Together:
    """Gather the gradients of each backward pass, and hand them on when the last one has come."""

    def __init__(self, fn: Callable[[Any], None], nodes: Sequence[Any]) -> None:
        self.fn, self.nodes = fn, nodes

    def hook(self, i: int) -> Callable[[Any], None]:
        """Return the hook of one of the tensors."""

        def take(g: Any) -> None:
            task: Task = tasks.running[-1]
            if self not in task.notes:
                task.notes[self] = [[None] * len(self.nodes), sum(map(task.will_run, self.nodes))]
            row = task.notes[self]
            row[0][i] = g
            row[1] -= 1
            if row[1] == 0:
                del task.notes[self]
                self.fn(row[0])

        return take
