"""Derivatives of functions, and functions over batches: torch.func.

Derivatives nest: inside another of these functions, or where outer tensors ask for gradients, results belong to the
graph; otherwise they come detached. All work by backward passes.
Source: https://docs.pytorch.org/docs/2.13/func.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from cltorch import autograd, functions, nn
from cltorch.nn.utils.stateless import _functional_call
from cltorch.ops import generator as generators
from cltorch.tensor import Tensor
from cltorch.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip

_depth = 0


@contextmanager
def _level() -> Iterator[None]:
    """Count how deep derivatives are nested."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def _fresh(tree: Any) -> Any:
    """Return the same values as tensors of this level, whose gradients can be asked for."""
    return tree_map(
        lambda x: (
            x
            if not isinstance(x, Tensor) or not x.is_floating_point()
            else x.view_as(x)
            if x.requires_grad
            else x.detach().requires_grad_()
        ),
        tree,
    )


def _reaches_others(outs: Sequence[Any], own: Sequence[Any]) -> bool:
    """Return whether the graph of some tensors ends in leaves other than the ones of this level."""
    mine = {id(x) for x in own if x.is_leaf}
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
    return tree_map(lambda x: x.detach() if isinstance(x, Tensor) and x.requires_grad else x, tree)


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
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in places:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    made = list(args)
    for i in places:
        made[i] = _fresh(args[i])
    return made, places


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
                raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a tensor, got {type(out)}")
            if out.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with "
                    f"{out.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            keep = _depth > 1 or _reaches_others([out], flat)
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
        made = _fresh(primals)
        out, aux = _split(func(*made), has_aux, "vjp(f, *primals)")
        outs, out_spec = tree_flatten(out)
        flat, spec = tree_flatten(made)
        keep = _depth > 1 or _reaches_others(outs, flat)

    def vjp_fn(*cotangents: Any) -> Any:
        vs, given = tree_flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if given != out_spec:
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {given}, primal output: {out_spec}"
            )
        create = keep or _depth > 0 or any(v.requires_grad for v in vs)
        found: tuple[Any, ...] = tree_unflatten(_gradients(outs, flat, vs, create, retain=True), spec)
        return found

    value = out if keep else _detached(out)
    return (value, vjp_fn, aux if keep else _detached(aux)) if has_aux else (value, vjp_fn)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """Return (value, J v), or (value, J v, aux): the product of the Jacobian with a vector, by two backward passes.

    >>> import cltorch as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor([0.0, 0.0]),), (torch.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(f"jvp(f, primals, tangents): Expected primals to be a tuple, got {type(primals)}")
    flat_tangents, given = tree_flatten(tangents)
    with _level(), autograd.enable_grad():
        made = _fresh(primals)
        flat, spec = tree_flatten(made)
        if given != spec:
            raise RuntimeError(
                "jvp(f, primals, tangents): Expected primals and tangents to have the same python structure"
            )
        out, aux = _split(func(*made), has_aux, "jvp(f, primals, tangents)")
        outs, out_spec = tree_flatten(out)
        keep = _depth > 1 or _reaches_others(outs, flat) or any(t.requires_grad for t in flat_tangents)
        # the gradients are linear in these vectors: their derivative with respect to them is the product asked for
        vs = [functions.zeros_like(o).requires_grad_() for o in outs]
        backward = _gradients(outs, flat, vs, True)
        pushed = _gradients(backward, vs, [t.to(g) for t, g in zip(flat_tangents, backward, strict=True)], keep)
    tangent = tree_unflatten(pushed, out_spec)
    if not keep:
        out, aux, tangent = _detached(out), _detached(aux), _detached(tangent)
    return (out, tangent, aux) if has_aux else (out, tangent)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the value and a function that gives the product of the Jacobian there with vectors."""

    def jvp_fn(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return func(*primals), jvp_fn


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None, _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """Return a function that gives the Jacobian, one backward pass for each element of the value.

    For a tree of outputs it is a tree of Jacobians, each of them a tree like the arguments asked for.

    >>> import cltorch as torch
    >>> torch.func.jacrev(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _level(), autograd.enable_grad():
            made, places = _chosen(args, argnums)
            out, aux = _split(func(*made, **kwargs), has_aux, "jacrev(f)(*args)")
            wanted = made[places[0]] if isinstance(argnums, int) else tuple(made[i] for i in places)
            flat, spec = tree_flatten(wanted)
            outs, out_spec = tree_flatten(out)
            keep = _depth > 1 or _reaches_others(outs, flat)
            result = tree_unflatten([_jacobian(o, flat, spec, keep) for o in outs], out_spec)
        if not has_aux:
            return result
        return result, aux if keep else _detached(aux)

    return wrapped


def _jacobian(out: Tensor, flat: Sequence[Any], spec: TreeSpec, keep: bool) -> Any:
    """Return the derivatives of a tensor's elements, as a tree like the inputs."""
    rows: list[list[Any]] = []
    for i in range(out.numel()):
        v = functions.zeros(out.numel(), dtype=out.dtype, device=out.device)
        v[i] = 1
        rows.append(_gradients([out], flat, [v.reshape(out.shape)], keep, retain=True))
    parts = [
        functions.stack([row[k] for row in rows]).reshape(*out.shape, *x.shape)
        if rows
        else x.new_zeros(*out.shape, *x.shape)
        for k, x in enumerate(flat)
    ]
    return tree_unflatten(parts, spec)


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian: that of ``jacrev``, for derivatives go backward here."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the second derivatives.

    >>> import cltorch as torch
    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


# ---- batches -----------------------------------------------------------------------------------------------------
_warned = False


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """Return a function that applies one to every slice of its arguments and stacks the results.

    ``in_dims`` is a dimension, or a tree like the arguments of dimensions and None for what every slice gets whole;
    ``out_dims`` are the dimensions in which results are stacked. The slices are computed one after another: a warning
    says so once. ``randomness="same"`` gives every slice the same random numbers, ``"different"`` its own.

    >>> import cltorch as torch
    >>> dot = torch.vmap(torch.dot, in_dims=(0, None))
    >>> dot(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        flat, spec = tree_flatten(args)
        dims = _dims(in_dims, args, flat, spec)
        size = _size(flat, dims)
        _warn_of_the_loop()
        results = []
        for i in range(size):
            part = [x if d is None else x.select(d, i) for x, d in zip(flat, dims, strict=True)]
            with _random(randomness, last=i == size - 1):
                results.append(func(*tree_unflatten(part, spec), **kwargs))
        return _stack(results, out_dims)

    return wrapped


def _warn_of_the_loop() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "vmap computes the slices of a batch one after another: a function of whole batches is faster",
            UserWarning,
            stacklevel=3,
        )


@contextmanager
def _random(randomness: str, last: bool) -> Iterator[None]:
    """Refuse random numbers ("error"), or give every slice the same ones; the last slice moves the generators on."""
    if randomness == "different":
        yield
        return
    before = generators.snapshot()
    yield
    if randomness == "error":
        for dev, generator in before.items():
            if generators.default_generator(dev).get_offset() != generator.get_offset():
                raise RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
                )
    elif not last:
        for dev in before:
            generators.restore(before, dev)


def _spread(dims: Any, tree: Any, name: str) -> list[Any]:
    """Return one dimension for each leaf of a tree, from a number or None for a whole branch, or a tree of them."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(tree_flatten(tree)[0])
    children, spec = tree_flatten(tree, is_leaf=lambda x: x is not tree)
    given, given_spec = tree_flatten(dims, is_leaf=lambda x: x is not dims)
    if len(children) != len(given) or spec.type not in (given_spec.type, tuple, list):
        raise ValueError(
            f"{name} is not compatible with the structure of inputs. {name} has structure {given_spec} but inputs has "
            f"structure {spec}."
        )
    return [d for part, child in zip(given, children, strict=True) for d in _spread(part, child, name)]


def _dims(in_dims: Any, args: tuple[Any, ...], flat: list[Any], spec: TreeSpec) -> list[Any]:
    """Return the dimension that each leaf of the arguments is cut along, or None."""
    if not args:
        raise ValueError(
            "vmap(func)(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            "function with no inputs."
        )
    dims = _spread(in_dims, args, "in_dims")
    for x, d in zip(flat, dims, strict=True):
        if d is None:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(
                f"vmap: Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.dim() <= d < x.dim():
            raise ValueError(
                f"vmap: Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.dim()} so "
                f"expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
    return dims


def _size(flat: list[Any], dims: list[Any]) -> int:
    """Return how many slices there are; raise ValueError where arguments disagree."""
    sizes = [x.shape[d] for x, d in zip(flat, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: at least one of the inputs must have a batch dimension: all in_dims are None")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    if sizes[0] == 0:
        raise NotImplementedError("vmap over a batch of size 0 is not available: there is no slice to try")
    return int(sizes[0])


def _stack(results: list[Any], out_dims: Any) -> Any:
    first, spec = tree_flatten(results[0])
    rows = [tree_flatten(result)[0] for result in results]
    dims = _spread(out_dims, results[0], "out_dims")
    stacked = []
    for k, d in enumerate(dims):
        if not isinstance(first[k], Tensor):
            raise ValueError(f"vmap: `func` must only return Tensors, got type {type(first[k])}")
        stacked.append(first[k] if d is None else functions.stack([row[k] for row in rows], dim=d))
    return tree_unflatten(stacked, spec)


# ---- modules -----------------------------------------------------------------------------------------------------
def functional_call(
    module: nn.Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with the given tensors, a dict or several, in place of its parameters and buffers.

    >>> import cltorch as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 1), "bias": torch.zeros(1)}, torch.ones(1))
    tensor([1.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        given = {}
        for part in parameter_and_buffer_dicts:
            if not isinstance(part, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            twice = sorted(given.keys() & part.keys())
            if twice:
                raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")
            given.update(part)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[nn.Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules of one kind, those of one name stacked in a new dimension 0.

    Raises RuntimeError for no module, or modules of different classes or modes.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {}
    for name, first in models[0].named_parameters():
        stacked = functions.stack([m.get_parameter(name).detach() for m in models])
        params[name] = stacked.requires_grad_(first.requires_grad)
    buffers = {name: functions.stack([m.get_buffer(name) for m in models]) for name, _ in models[0].named_buffers()}
    return params, buffers


def replace_all_batch_norm_modules_(root: nn.Module) -> nn.Module:
    """Let all batch normalisations of a module work without running statistics; return the module."""
    for module in root.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """Return the function itself: in-place changes and views are computed as they are written."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError("functionalize(f, remove=...): remove must be 'mutations' or 'mutations_and_views'")
    return func
