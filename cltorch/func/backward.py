"""Gradients of functions by backward passes: grad, vjp, and the Jacobian by rows.

Derivatives nest: inside another of these functions, or where outer tensors ask for gradients, results belong to the
graph; otherwise they come detached.
Source: https://docs.pytorch.org/docs/2.13/func.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from cltorch import autograd, functions
from cltorch.autograd import batches
from cltorch.func.batches import vmap
from cltorch.tensor import Tensor
from cltorch.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

__all__ = ["grad", "grad_and_value", "jacrev", "vjp"]

_depth = 0
_recorded = True  # whether the innermost level was begun where operations are recorded


@contextmanager
def _level() -> Iterator[None]:
    """Count how deep derivatives are nested; where nothing is recorded, they begin anew."""
    global _depth, _recorded
    before = _depth, _recorded
    _depth, _recorded = _depth + 1, autograd.is_grad_enabled()
    try:
        yield
    finally:
        _depth, _recorded = before


def _kept(outs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether results are to be differentiated again by what stands around this level."""
    return _recorded and (_depth > 1 or _reaches_others(outs, own))


def _fresh(tree: Any) -> Any:
    """Return the same values as tensors of this level, whose gradients can be asked for."""
    return tree_map(
        lambda x: x if not isinstance(x, Tensor) or not x.dtype.differentiable else _own(batches.in_every_level(x)),
        tree,
    )


def _fresh_tensors(tree: Any) -> Any:
    """Return what ``_fresh`` does; raise ValueError for what is no tensor, RuntimeError for integers."""
    for x in tree_flatten(tree)[0]:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        if not x.dtype.differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
    return _fresh(tree)


def _need_tensors(outs: Sequence[Any], name: str) -> None:
    for out in outs:
        if not isinstance(out, Tensor):
            raise RuntimeError(f"{name}: expected f(*primals) to return only tensors, got unsupported type {type(out)}")


def _own(x: Any) -> Any:
    return x.view_as(x) if x.requires_grad else x._detached(True).requires_grad_()


def _reaches_others(outs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether the graph of some tensors ends in leaves other than the ones of this level."""
    mine = {id(batches.bare(x)) for x in own if x.is_leaf}
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


def _leaves(tree: Any) -> list[Any]:
    return [x for x in tree_flatten(tree)[0] if isinstance(x, Tensor)]


def _detached(tree: Any) -> Any:
    return tree_map(lambda x: x._detached(True) if isinstance(x, Tensor) and x.requires_grad else x, tree)


def _gradients(outs: Sequence[Any], xs: Sequence[Any], vs: Any, create: bool, retain: bool = False) -> list[Any]:
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


def _chosen(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> tuple[list[Any], tuple[int, ...]]:
    """Return the arguments with fresh ones in the places that derivatives are asked for, and the places."""
    places = _places(args, argnums)
    made = list(args)
    for i in places:
        made[i] = _fresh_tensors(args[i])
    return made, places


def _places(args: tuple[Any, ...], argnums: Any) -> tuple[int, ...]:
    """Return the places that derivatives are asked for; raise RuntimeError for what are none."""
    if not isinstance(argnums, (int, tuple)) or (
        isinstance(argnums, tuple) and not all(isinstance(i, int) for i in argnums)
    ):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
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


def _split(result: Any, has_aux: bool, name: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return result


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives (gradient, value), or (gradient, (value, aux)), of one that gives a single number.

    >>> import cltorch as torch
    >>> torch.func.grad_and_value(lambda x: x * x)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _level(), autograd.enable_grad():
            made, places = _chosen(args, argnums)
            out, aux = _split(func(*made, **kwargs), has_aux, "grad_and_value(f)(*args)")
            if not isinstance(out, Tensor):
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}")
            if out.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{out.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            keep = _kept([out], flat)
            result = tree_unflatten(_gradients([out], flat, None, keep), spec)
        value = (out, aux) if has_aux else out
        return (result, value) if keep else (result, _detached(value))

    return wrapped


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of one that gives a single number; with ``has_aux`` (gradient, aux).

    >>> import cltorch as torch
    >>> from cltorch.func import grad
    >>> grad(torch.sin)(torch.tensor(0.0)), grad(grad(lambda x: x**3))(torch.tensor(2.0))
    (tensor(1.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return wrapped


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return (value, vjp_fn), or (value, vjp_fn, aux): vjp_fn gives the products of vectors with the Jacobian.

    >>> import cltorch as torch
    >>> value, vjp_fn = torch.func.vjp(torch.sin, torch.tensor([0.0, 0.0]))
    >>> vjp_fn(torch.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    with _level(), autograd.enable_grad():
        made = _fresh_tensors(primals)
        out, aux = _split(func(*made), has_aux, "vjp(f, *primals)")
        outs, out_spec = tree_flatten(out)
        _need_tensors(outs, "vjp(f, *primals)")
        flat, spec = tree_flatten(made)
        keep = _kept(outs, flat)

    def vjp_fn(*cotangents: Any) -> Any:
        vs, given = tree_flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if given != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {given}, primal output: {out_spec}"
            )
        create = keep or (_depth > 0 and autograd.is_grad_enabled()) or any(v.requires_grad for v in vs)
        found: tuple[Any, ...] = tree_unflatten(_gradients(outs, flat, vs, create, retain=True), spec)
        return found

    value = out if keep else _detached(out)
    return (value, vjp_fn, aux if keep else _detached(aux)) if has_aux else (value, vjp_fn)


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """Return a function that gives the Jacobian, one backward pass for each element of the value.

    For a tree of outputs it is a tree of Jacobians, each of them a tree like the arguments asked for. ``chunk_size`` of
    the passes are run at once.

    >>> import cltorch as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    if chunk_size is not None and chunk_size < 1:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _level(), autograd.enable_grad():
            made, places = _chosen(args, argnums)
            out, aux = _split(func(*made, **kwargs), has_aux, "vjp(f, *primals)")
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            outs, out_spec = tree_flatten(out)
            _need_tensors(outs, "vjp(f, *primals)")
            keep = _kept(outs, flat)
            result = tree_unflatten([_jacobian(o, flat, spec, keep, chunk_size) for o in outs], out_spec)
        if not has_aux:
            return result
        return result, aux if keep else _detached(aux)

    return wrapped


def _jacobian(out: Tensor, flat: Sequence[Any], spec: TreeSpec, keep: bool, chunk: int | None) -> Any:
    """Return the derivatives of a tensor's elements, as a tree like the inputs; ``chunk`` of them at once."""
    n = out.numel()
    units = functions.reshape(functions.eye(n, dtype=out.dtype, device=out.device), (n, *out.shape))
    rows = vmap(lambda v: tuple(_gradients([out], flat, [v], keep, retain=True)), chunk_size=chunk)(units)
    parts = [functions.reshape(row, (*out.shape, *x.shape)) for row, x in zip(rows, flat, strict=True)]
    return tree_unflatten(parts, spec)
