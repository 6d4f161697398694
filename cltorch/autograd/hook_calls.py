"""Call the hooks of tensors and nodes in a backward pass, and refuse what they may not put in a gradient's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.graph import Hooks, Node
from cltorch.ops.array import Array


def hooked(hooks: dict[int, Any], g: Any) -> Any:
    """Return a gradient, which may be None, as a tensor's hooks leave it."""
    for hook in tuple(hooks.values()):
        replaced = hook(g)
        if replaced is not None:
            _check_hook(hook, g, replaced)
            g = replaced
    return g


def _check_hook(hook: Any, g: Any, new: Any) -> None:
    """Refuse what a hook puts in a gradient's place where it is not of its kind."""
    if new is None:
        return
    if g is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(new, Array):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    name = getattr(hook, "__name__", "<unknown>")
    if new.dtype is not g.dtype or new.device is not g.device:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {g.type()} got {new.type()})")
    if new.shape != g.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def _several_from_hook(hook: Any, grads: Sequence[Any], replaced: Any) -> tuple[Any, ...]:
    """Return what a hook of a node puts in the place of gradients: as many, of their kinds."""
    if not isinstance(replaced, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(replaced).__name__}'")
    if len(replaced) != len(grads):
        raise RuntimeError(
            f"hook '{getattr(hook, '__name__', '<unknown>')}' has returned an incorrect number of values "
            f"(got {len(replaced)}, but expected {len(grads)})"
        )
    for g, value in zip(grads, replaced, strict=True):
        _check_hook(hook, g, value)
    return replaced


def run_tensor_hooks(hooks: Hooks, grads: list[Any]) -> None:
    for nr, by_id in hooks.tensor.items():
        grads[nr] = hooked(by_id, grads[nr])
    for nr, keep in hooks.retained.items():
        if grads[nr] is not None:
            keep(grads[nr])


def run_prehooks(hooks: Hooks, grads: list[Any]) -> list[Any]:
    for hook in tuple(hooks.pre.values()):
        replaced = hook(tuple(grads))
        if replaced is not None:
            grads = list(_several_from_hook(hook, grads, replaced))
    return grads


def run_posthooks(node: Node, hooks: Hooks, results: Sequence[Any], grads: list[Any]) -> Sequence[Any]:
    results = node.all_inputs(results)
    for hook in tuple(hooks.post.values()):
        replaced = hook(tuple(results), tuple(grads))
        if replaced is not None:
            results = _several_from_hook(hook, results, replaced)
    return node.of_edges(results)
