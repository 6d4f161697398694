"""Functions over batches: vmap.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.vmap.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from cltorch import functions
from cltorch.autograd import batch_levels
from cltorch.tensor import Tensor
from cltorch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

__all__ = ["debug_unwrap", "vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return a function that applies one to every slice of its arguments, all of them at once.

    out[i] = f(x[i]) for the slices x[i].
    ``in_dims`` is a dimension, or a tree like the arguments of dimensions and None for what every slice gets whole;
    ``out_dims`` are the dimensions in which results are stacked. Most operators take the whole batch; one that cannot
    runs slice after slice, and a warning says so once. ``randomness="same"`` gives every slice the same random numbers,
    ``"different"`` its own. ``chunk_size`` is the number of slices that are computed at once.
    Shape: arguments (*, B, *), B at ``in_dims``, to results (*, B, *), B at ``out_dims``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.vmap.html

    >>> import cltorch as torch
    >>> dot = torch.vmap(torch.dot, in_dims=(0, None))
    >>> dot(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    called = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): "

    @wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(in_dims, (int, tuple)):
            raise ValueError(
                f"{called}expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
                f"inputs, got: {type(in_dims)}."
            )
        if not all(d is None or isinstance(d, int) for d in tree_flatten(out_dims)[0]):
            raise ValueError(
                f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
                "collection of ints representing where in the outputs the vmapped dimension should appear."
            )
        if not args:
            raise ValueError(
                f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to "
                "vmap over a function with no inputs. The latter is unsupported."
            )
        flat, spec = tree_flatten(args)
        dims = _dims(in_dims, args, flat, called)
        size = _size(flat, dims)
        chunk = size if chunk_size is None else min(chunk_size, size)
        if chunk == size:
            return _run(func, flat, dims, spec, kwargs, out_dims, size, randomness)
        parts = []
        for start in range(0, size, chunk):
            n = min(chunk, size - start)
            taken = [x if d is None else x.narrow(d, start, n) for x, d in zip(flat, dims, strict=True)]
            parts.append(_run(func, taken, dims, spec, kwargs, out_dims, n, randomness))
        return _chained(parts, out_dims)

    return wrapped


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """Return the tensor that a tensor inside of vmap stands for, of which it shows one slice: to look at its values.

    ``recurse=False`` leaves only the innermost vmap. Tensors inside of grad, vjp and jvp are what they seem. Raises
    TypeError for what is no tensor.
    Shape: a slice (*) to the batch (B, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.debug_unwrap.html

    >>> import cltorch as torch
    >>> def f(x):
    ...     print(torch.func.debug_unwrap(x))
    ...     return x
    >>> _ = torch.vmap(f)(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"debug_unwrap(): argument 'tensor' must be Tensor, not {type(tensor).__name__}")
    if not tensor._batch:
        return tensor
    return batch_levels.bare(tensor) if recurse else tensor._inner


def _run(
    func: Callable[..., Any],
    flat: list[Any],
    dims: list[Any],
    spec: TreeSpec,
    kwargs: dict[str, Any],
    out_dims: Any,
    size: int,
    randomness: str,
) -> Any:
    with batch_levels.level(size, randomness) as number:
        given = [x if d is None else _cut(x, d, number) for x, d in zip(flat, dims, strict=True)]
        result = func(*tree_unflatten(given, spec), **kwargs)
        leaves, out_spec = tree_flatten(result)
        found = []
        name = _name(func)
        called = f"vmap({name}, ..., out_dims={out_dims})(<inputs>): "
        if isinstance(result, Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1:
            (out_dims,) = out_dims
        for x, d in zip(leaves, _spread(out_dims, result, "out_dims", "outputs", called), strict=True):
            if d is None:
                if isinstance(x, Tensor) and batch_levels.has_level(x, number):
                    raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
                found.append(x)
                continue
            if not isinstance(x, Tensor):
                raise ValueError(
                    f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set "
                    "out_dims= to None for output?"
                )
            if not -x.dim() - 1 <= d <= x.dim():
                raise IndexError(
                    f"Dimension out of range (expected to be in range of [{-x.dim() - 1}, {x.dim()}], but got {d})"
                )
            found.append(functions.movedim(batch_levels.expose(x, number, size), 0, d))
    return tree_unflatten(found, out_spec)


def _cut(x: Any, d: int, number: int) -> Any:
    """Return a tensor as one slice of the batch along a dimension."""
    out = batch_levels.wrap(functions.movedim(x, d, 0), number)
    out._dim = d % x.dim()
    return out


def _chained(parts: list[Any], out_dims: Any) -> Any:
    """Return the results of several chunks as one."""
    first, spec = tree_flatten(parts[0])
    rows = [tree_flatten(part)[0] for part in parts]
    dims = _spread(out_dims, parts[0], "out_dims")
    return tree_unflatten(
        [
            x if d is None else functions.cat([row[k] for row in rows], d)
            for k, (x, d) in enumerate(zip(first, dims, strict=True))
        ],
        spec,
    )


def _name(func: Any) -> str:
    return getattr(func, "__name__", None) or repr(func)


def _spread(dims: Any, tree: Any, name: str, whose: str = "inputs", called: str = "") -> list[Any]:
    """Return one dimension for each leaf of a tree, from a number or None for a whole branch, or a tree of them."""
    if tree_flatten(dims)[1].is_leaf():
        return [dims] * len(tree_flatten(tree)[0])
    children, spec = tree_flatten(tree, is_leaf=lambda x: x is not tree)
    given, given_spec = tree_flatten(dims, is_leaf=lambda x: x is not dims)
    alike = len(children) == len(given) and spec.type is given_spec.type and spec.context == given_spec.context
    if given_spec.is_leaf() or not alike:
        raise ValueError(
            f"{called}{name} is not compatible with the structure of `{whose}`. {name} has structure {given_spec} but "
            f"{whose} has structure {spec}."
        )
    return [d for part, child in zip(given, children, strict=True) for d in _spread(part, child, name, whose, called)]


def _dims(in_dims: Any, args: tuple[Any, ...], flat: list[Any], called: str) -> list[Any]:
    """Return the dimension that each leaf of the arguments is cut along, or None."""
    dims = _spread(in_dims, args, "in_dims", "inputs", called)
    for x, d in zip(flat, dims, strict=True):
        if d is None:
            continue
        if not isinstance(d, int):
            raise ValueError(
                f"{called}Got in_dim={d} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{called}Got in_dim={d} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.dim() <= d < x.dim():
            raise ValueError(
                f"{called}Got in_dim={d} for some input, but that input is a Tensor of dimensionality {x.dim()} so "
                f"expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
    return dims


def _size(flat: list[Any], dims: list[Any]) -> int:
    """Return how many slices there are; raise ValueError where arguments disagree."""
    sizes = [x.shape[d] for x, d in zip(flat, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return int(sizes[0])
