"""What the derivatives of functions share: levels of nesting, arguments to differentiate by, gradients at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cltorch import autograd, functions
from cltorch.autograd import batch_levels
from cltorch.autograd.grad_mode import inference_mode, mode
from cltorch.autograd.graph import Settings
from cltorch.autograd.saving import disable_saved_tensors_hooks
from cltorch.device.storage import eras
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_flatten, tree_map

_depth = 0
_recorded = True  # whether the innermost level was begun where operations are recorded
_NO_HOOKS = (
    "torch.func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks. Please open an issue with your use "
    "case."
)


@contextmanager
def refusing_captures(inputs: Any) -> Iterator[None]:
    """Refuse changes in place of what was there before and is not among the inputs.

    A transform runs a function as if it had no effect but its result, perhaps several times at once.
    """
    eras[0] += 1
    before = mode.captures
    mode.captures = (*before, (eras[0], [batch_levels.bare(x)._storage for x in leaves(inputs)]))
    try:
        yield
    finally:
        mode.captures = before


@contextmanager
def new_level(*inputs: Any) -> Iterator[None]:
    """Record a function's operations, and count how deep derivatives are nested.

    Where nothing is recorded around the caller, derivatives begin anew. Raises RuntimeError for hooks on saved tensors.
    """
    global _depth, _recorded
    before = _depth, _recorded
    recorded = autograd.is_grad_enabled()
    with disable_saved_tensors_hooks(_NO_HOOKS), transformed(inputs):
        _depth, _recorded = _depth + 1, recorded
        try:
            with inference_mode(False), autograd.enable_grad():
                yield
        finally:
            _depth, _recorded = before


@contextmanager
def transformed(inputs: Any) -> Iterator[None]:
    """Let everyone know that a function's derivative is being computed, which has no effect but its result."""
    Settings.transforms += 1
    try:
        with refusing_captures(inputs):
            yield
    finally:
        Settings.transforms -= 1


def inside() -> bool:
    """Return whether a derivative is being computed around the caller."""
    return _depth > 0


def recorded_around(outs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether results are to be differentiated again by what stands around this level."""
    return _recorded and (_depth > 1 or reaches_others(outs, own))


def fresh(tree: Any) -> Any:
    """Return the same values as tensors of this level, whose gradients can be asked for."""
    return tree_map(
        lambda x: (
            x if not isinstance(x, Tensor) or not x.dtype.differentiable else _own(batch_levels.in_every_level(x))
        ),
        tree,
    )


def fresh_tensors(tree: Any) -> Any:
    """Return what ``fresh`` does; raise ValueError for what is no tensor, RuntimeError for integers."""
    for x in tree_flatten(tree)[0]:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if not x.dtype.differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
    return fresh(tree)


def need_tensors(outs: Sequence[Any], name: str) -> None:
    """Raise RuntimeError where a function has returned nothing, or something else than tensors."""
    if not outs or (len(outs) == 1 and outs[0] is None):
        raise RuntimeError(f"{name}: Expected f to be a function that has non-empty output (got output = {list(outs)})")
    for out in outs:
        if not isinstance(out, Tensor):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(out)}")


def _own(x: Any) -> Any:
    if x.requires_grad:
        return x.view_as(x)
    made = x._detached(True)
    batch_levels.bare(made)._inference = False  # within a transform such a tensor is one like others
    return made._asking()


def reaches_others(outs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether the graph of some tensors ends in leaves other than the ones of this level."""
    mine = {id(batch_levels.bare(x)) for x in own if x.is_leaf}
    seen: set[int] = set()
    nodes = [out.grad_fn for out in outs if isinstance(out, Tensor) and out.grad_fn is not None]
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if hasattr(node, "variable") and id(node.variable) not in mine:
            return True
        nodes += [following for following, _ in node.next_functions if following is not None]
    return False


def leaves(tree: Any) -> list[Any]:
    """Return the tensors of a tree."""
    return [x for x in tree_flatten(tree)[0] if isinstance(x, Tensor)]


def detached(tree: Any) -> Any:
    """Return a tree whose tensors belong to no graph."""
    return tree_map(lambda x: x._detached(True) if isinstance(x, Tensor) and x.requires_grad else x, tree)


def gradients_at(outs: Sequence[Any], xs: Sequence[Any], vs: Any, create: bool, retain: bool = False) -> list[Any]:
    """Return the gradients at xs, zeros where nothing depends on one."""
    wanted = [x for x in xs if x.requires_grad]
    pairs = [(o, v) for o, v in zip(outs, vs or [None] * len(outs), strict=True) if o.requires_grad]
    found: Any = [None] * len(wanted)
    if wanted and pairs:
        found = autograd.grad(
            [o for o, _ in pairs], wanted, [v for _, v in pairs] if vs else None, create_graph=create,
            retain_graph=True if retain or create else None, allow_unused=True,
        )  # fmt: skip
    by_input = iter(found)
    grads = [next(by_input) if x.requires_grad else None for x in xs]
    return [functions.zeros_like(x) if g is None else g for g, x in zip(grads, xs, strict=True)]


def chosen(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> tuple[list[Any], tuple[int, ...]]:
    """Return the arguments with fresh ones in the places that derivatives are asked for, and the places."""
    places = read_argnums(args, argnums)
    made = list(args)
    for i in places:
        made[i] = fresh_tensors(args[i])
    return made, places


def read_argnums(args: tuple[Any, ...], argnums: Any) -> tuple[int, ...]:
    """Return the places that derivatives are asked for; raise RuntimeError for what are none."""
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    for i in argnums if isinstance(argnums, tuple) else ():
        if not isinstance(i, int):
            raise RuntimeError(f"argnum must be int, got: {type(i)}")
    if argnums == ():
        raise RuntimeError("argnums must be non-empty")
    places = (argnums,) if isinstance(argnums, int) else argnums
    for i in places:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    places = tuple(i % len(args) for i in places)
    if len(set(places)) < len(places):
        raise RuntimeError(f"argnums elements must be unique, got {places}")
    return places


def split_aux(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    """Return (output, aux) of what a function has returned; raise RuntimeError where it is no such pair."""
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    for x in tree_flatten(result[1])[0]:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")
    return result


def need_real(args: Sequence[Any], name: str, what: str = "input") -> None:
    """Raise RuntimeError for a complex tensor: its Jacobian would be two of real numbers."""
    for i, x in enumerate(tree_flatten(args)[0]):
        if isinstance(x, Tensor) and x.dtype.is_complex:
            raise RuntimeError(
                f"{name}: Expected all {what}s to be real but received complex tensor at flattened input idx: {i}"
            )
