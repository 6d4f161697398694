"""Gradients of functions by backward passes: grad, vjp, and the Jacobian by rows.

Derivatives nest: inside another of these functions, or where outer tensors ask for gradients, results belong to the
graph; otherwise they come detached.
Source: https://docs.pytorch.org/docs/2.13/func.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from cltorch import autograd, functions
from cltorch.func.batches import vmap
from cltorch.func.levels import (
    chosen,
    detached,
    fresh_tensors,
    gradients_at,
    inside,
    need_real,
    need_tensors,
    new_level,
    reaches_others,
    recorded_around,
    split_aux,
)
from cltorch.tensor import Tensor
from cltorch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

__all__ = ["grad", "grad_and_value", "jacrev", "vjp"]


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives (gradient, value), or (gradient, (value, aux)), of one that gives a single number.

    ∂f/∂x[i] for each element x[i], and f(x).
    Shape: arguments (*) to gradients of the same shapes and ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.grad_and_value.html

    >>> import cltorch as torch
    >>> torch.func.grad_and_value(lambda x: x * x)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with new_level(args, kwargs):
            made, places = chosen(args, argnums)
            out, aux = split_aux(func(*made, **kwargs), has_aux, "grad_and_value(f)(*args)")
            if not isinstance(out, Tensor):
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(out)}")
            if out.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{out.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            keep = recorded_around([out], flat)
            result = tree_unflatten(gradients_at([out], flat, None, keep), spec)
        value = (out, aux) if has_aux else out
        return (result, value) if keep else (result, detached(value))

    return wrapped


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of one that gives a single number; with ``has_aux`` (gradient, aux).

    ∂f/∂x[i] for each element x[i].
    Shape: arguments (*) to gradients of the same shapes, the function's value being ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.grad.html

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

    (vᵀ J)[j] = Σ_i v[i] · ∂f[i] / ∂x[j].
    Shape: primals (*n) to the value (*m) and a function of (*m) to (*n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.vjp.html

    >>> import cltorch as torch
    >>> value, vjp_fn = torch.func.vjp(torch.sin, torch.tensor([0.0, 0.0]))
    >>> vjp_fn(torch.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    with new_level(primals):
        made = fresh_tensors(primals)
        out, aux = split_aux(func(*made), has_aux, "vjp(f, *primals)")
        outs, out_spec = tree_flatten(out)
        need_tensors(outs, "vjp(f, *primals)")
        flat, spec = tree_flatten(made)
        keep = recorded_around(outs, flat)
        linked = keep or reaches_others(outs, flat)

    def vjp_fn(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        vs, given = tree_flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if given != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {given}, primal output: {out_spec}"
            )
        asking = linked or inside() or any(isinstance(v, Tensor) and v.requires_grad for v in vs)
        create = asking and autograd.is_grad_enabled() if create_graph is None else create_graph
        found: tuple[Any, ...] = tree_unflatten(gradients_at(outs, flat, vs, create, retain=retain_graph), spec)
        return found

    value = out if keep else detached(out)
    return (value, vjp_fn, aux if keep else detached(aux)) if has_aux else (value, vjp_fn)


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """Return a function that gives the Jacobian, one backward pass for each element of the value.

    J[i, j] = ∂f[i] / ∂x[j].
    For a tree of outputs it is a tree of Jacobians, each of them a tree like the arguments asked for. ``chunk_size`` of
    the passes are run at once.
    Shape: argument (*n) and value (*m) to (*m, *n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.jacrev.html

    >>> import cltorch as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    if chunk_size is not None and chunk_size < 1:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        need_real(args, "jacrev")
        with new_level(args, kwargs):
            made, places = chosen(args, argnums)
            out, aux = split_aux(func(*made, **kwargs), has_aux, "vjp(f, *primals)")
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            outs, out_spec = tree_flatten(out)
            need_tensors(outs, "vjp(f, *primals)")
            need_real(outs, "jacrev", "output")
            keep = recorded_around(outs, flat)
            result = tree_unflatten([_jacobian(o, flat, spec, keep, chunk_size) for o in outs], out_spec)
        if not has_aux:
            return result
        return result, aux if keep else detached(aux)

    return wrapped


def _jacobian(out: Tensor, flat: Sequence[Any], spec: TreeSpec, keep: bool, chunk: int | None) -> Any:
    """Return the derivatives of a tensor's elements, as a tree like the inputs; ``chunk`` of them at once."""
    n = out.numel()
    units = functions.reshape(functions.eye(n, dtype=out.dtype, device=out.device), (n, *out.shape))

    def pulled(v: Tensor) -> tuple[Any, ...]:
        return tuple(gradients_at([out], flat, [v], keep, retain=True))

    if chunk == 1 and n:  # what vmap cannot do is no hindrance
        rows = [functions.stack(parts) for parts in zip(*(pulled(unit) for unit in units), strict=True)]
    else:
        rows = vmap(pulled, chunk_size=chunk)(units)
    parts = [functions.reshape(row, (*out.shape, *x.shape)) for row, x in zip(rows, flat, strict=True)]
    return tree_unflatten(parts, spec)
