"""Functions over batches: vmap.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.vmap.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from cltorch import functions
from cltorch.ops import generator as generators
from cltorch.tensor import Tensor
from cltorch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

__all__ = ["vmap"]

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
