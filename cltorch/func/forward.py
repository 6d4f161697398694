"""Forward-mode derivatives of functions: jvp, linearize, and the Jacobian by columns.

Source: https://docs.pytorch.org/docs/2.13/func.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from cltorch import functions
from cltorch.autograd import dual_levels
from cltorch.autograd.batch_levels import room
from cltorch.func.backward import jacrev
from cltorch.func.batches import vmap
from cltorch.func.levels import (
    detached,
    fresh,
    gradients_at,
    need_real,
    need_tensors,
    new_level,
    reaches_others,
    read_argnums,
    split_aux,
    transformed,
)
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_flatten, tree_map, tree_unflatten

__all__ = ["hessian", "jacfwd", "jvp", "linearize"]


def _pairs(primals: Any, tangents: Any, name: str) -> tuple[list[Any], list[Any], Any]:
    """Return the leaves of the values and of their tangents, and the tree that both are."""
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    flat, spec = tree_flatten(primals)
    vs, given = tree_flatten(tangents)
    if given != spec:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure "
            f"{given}"
        )
    if not flat:
        raise RuntimeError(f"{name}: Expected primals to contain at least one Tensor.")
    for what, leaves in (("primals", flat), ("tangents", vs)):
        for x in leaves:
            if not isinstance(x, Tensor):
                raise RuntimeError(f"{name}: Expected {what} to only contain Tensors, got {type(x)}")
            if not x.dtype.differentiable:
                kind = what.removesuffix("s")
                raise ValueError(f"Expected {kind} to be floating point or complex, but got: {x.dtype}")
    return flat, vs, spec


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """Return (value, J v), or (value, J v, aux): the product of the Jacobian with a vector, in one pass forward.

    (J v)[i] = Σ_j ∂f[i] / ∂x[j] · v[j].
    Raises RuntimeError where tangents do not fit the primals or, with ``strict``, a result does not depend on them.
    Shape: primals and tangents (*n) to two of the value's (*m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.jvp.html

    >>> import cltorch as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor([0.0, 0.0]),), (torch.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    return _pushed(func, primals, tangents, strict, has_aux)


def _pushed(func: Callable[..., Any], primals: Any, tangents: Any, strict: bool, has_aux: bool, given: Any = ()) -> Any:
    """Return what ``jvp`` does; the function may change ``given`` in place as well."""
    flat, vs, spec = _pairs(primals, tangents, "jvp(f, primals, tangents)")
    level = dual_levels.enter()
    enabled, dual_levels.state.enabled = dual_levels.state.enabled, True
    try:
        made = [dual_levels.paired(x, v, level) for x, v in zip(flat, vs, strict=True)]
        with transformed((flat, given)):
            out, aux = split_aux(func(*tree_unflatten(made, spec)), has_aux, "jvp(f, primals, tangents)")
        outs, out_spec = tree_flatten(out)
        values, pushed = [], []
        need_tensors(outs, "jvp(f, primals, tangents)")
        for o in outs:
            value, t = dual_levels.unpaired(o, level)
            if t is None:
                if strict:
                    raise RuntimeError(
                        "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is "
                        "not allowed with strict=True."
                    )
                t = functions.zeros_like(value)
            values.append(value)
            pushed.append(t)
        if has_aux:
            aux = tree_map(lambda x: dual_levels.unpaired(x, level)[0] if isinstance(x, Tensor) else x, aux)
    finally:
        dual_levels.state.enabled = enabled
        dual_levels.leave(level)
    found = tree_unflatten(values, out_spec), tree_unflatten(pushed, out_spec)
    return (*found, aux) if has_aux else found


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the value and a function that gives the product of the Jacobian there with vectors.

    f(x), and v ↦ J v with (J v)[i] = Σ_j ∂f[i] / ∂x[j] · v[j].
    The function is evaluated once: the product is the derivative of its gradient, which is linear in the vector handed
    back. Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.linearize.html
    Shape: primals (*n) to the value (*m) and a function of (*n) to (*m).

    >>> import cltorch as torch
    >>> value, push = torch.func.linearize(torch.sin, torch.zeros(2))
    >>> push(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    with new_level(primals):
        made = fresh(primals)
        flat, spec = tree_flatten(made)
        out = func(*made)
        outs, out_spec = tree_flatten(out)
        keep = reaches_others(outs, flat)
        us = [room(functions.zeros_like(o), [o])._detached()._asking() for o in outs]
        pulled = gradients_at(outs, flat, us, True)

    def jvp_fn(*tangents: Any) -> Any:
        vs, given = tree_flatten(tangents)
        if given != spec:
            raise RuntimeError(f"Expected the tangents {given} to have the same argspec as the primals {spec}")
        for i, (v, x) in enumerate(zip(vs, flat, strict=True)):
            for what, a, b in (
                ("shape", v.shape, x.shape),
                ("device", v.device, x.device),
                ("dtype", v.dtype, x.dtype),
            ):
                if a != b:
                    raise RuntimeError(
                        f"tangent:{i} with {what} {a} in flattened pytree doesn't match the {what} {b} of the "
                        "corresponding primal."
                    )
        pushed = gradients_at(pulled, us, vs, keep or any(v.requires_grad for v in vs), retain=True)
        return tree_unflatten(pushed, out_spec)

    return (out if keep else detached(out)), jvp_fn


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian, one column for each element of the arguments asked for.

    J[i, j] = ∂f[i] / ∂x[j].
    Shape: argument (*n) and value (*m) to (*m, *n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.jacfwd.html

    >>> import cltorch as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = read_argnums(args, argnums)
        need_real([args[i] for i in places], "jacfwd")
        wanted = args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in places)
        flat, spec = tree_flatten(wanted)
        found: dict[str, Any] = {}

        def chosen(*xs: Any) -> Any:
            given = list(args)
            tree = tree_unflatten(list(xs), spec)
            for i, x in zip(places, (tree,) if isinstance(argnums, int) else tree, strict=True):
                given[i] = x
            out, found["aux"] = split_aux(func(*given, **kwargs), has_aux, "jvp(f, primals, tangents)")
            outs, found["spec"] = tree_flatten(out)
            need_tensors(outs, "jvp(f, primals, tangents)")
            need_real(outs, "jacfwd", "output")
            return (tuple(outs), found["aux"]) if has_aux else tuple(outs)

        def push(*vs: Any) -> Any:
            pushed = _pushed(chosen, tuple(flat), vs, False, has_aux, (args, kwargs))
            if has_aux:
                found["aux"] = pushed[2]
            return pushed[1]

        columns = [_columns(push, flat, k, randomness) for k in range(len(flat))]
        parts = [
            tree_unflatten([_placed(column[n], x) for column, x in zip(columns, flat, strict=True)], spec)
            for n in range(len(columns[0]))
        ]
        result = tree_unflatten(parts, found["spec"])
        return (result, found["aux"]) if has_aux else result

    return wrapped


def _columns(push: Callable[..., Any], flat: Sequence[Any], k: int, randomness: str) -> list[Any]:
    """Return the products with each unit vector of one argument, stacked in front."""
    x = flat[k]
    n = x.numel()
    units = functions.reshape(functions.eye(n, dtype=x.dtype, device=x.device), (n, *x.shape))
    rest = [functions.zeros_like(y) for y in flat]
    pushed = vmap(lambda unit: push(*rest[:k], unit, *rest[k + 1 :]), randomness=randomness)(units)
    return list(pushed)


def _placed(column: Any, x: Any) -> Any:
    """Return the columns of one argument behind the output's dimensions, in the argument's shape."""
    return functions.reshape(functions.movedim(column, 0, -1), (*column.shape[1:], *x.shape))


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the second derivatives: forward over backward.

    H[i, j] = ∂²f / ∂x[i] ∂x[j].
    Shape: argument (*n) and value (*m) to (*m, *n, *n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.hessian.html

    >>> import cltorch as torch
    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
