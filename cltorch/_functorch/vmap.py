"""What libraries that give vmap containers of their own import of torch._functorch.vmap."""

from __future__ import annotations

from typing import Any

from cltorch._C import _functorch
from cltorch.func import vmap
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["Tensor", "tree_flatten", "tree_unflatten", "vmap"]

_add_batch_dim = _functorch._add_batch_dim
_remove_batch_dim = _functorch._remove_batch_dim


def _get_name(func: Any) -> str:
    """Return what a function is called in messages."""
    return getattr(func, "__name__", None) or repr(func)


def _broadcast_to_and_flatten(tree: Any, treespec: Any, is_leaf: Any = None) -> list[Any] | None:
    """Return the leaves of a tree, each repeated for all that stands at its place in a shape; None where none fits."""
    if not tree_flatten(tree, is_leaf)[1].children_specs or (is_leaf is not None and is_leaf(tree)):
        return [tree] * treespec.num_leaves
    kind = treespec.node
    parts, context = ([], None) if kind is None or type(tree) is not kind.type else kind.flatten_fn(tree)
    if len(parts) != len(treespec.children_specs) or context != treespec.context:
        return None
    found = [_broadcast_to_and_flatten(part, spec) for part, spec in zip(parts, treespec.children_specs, strict=True)]
    return None if None in found else [leaf for part in found if part is not None for leaf in part]


def _maybe_remove_batch_dim(name: str, batched_output: Any, vmap_level: int, batch_size: int, out_dim: Any) -> Any:
    """Return an output of a mapped function with its batch along ``out_dim``, or as it is where that is None.

    Raises ValueError for a batch where there is to be none, and for what is no tensor.
    """
    if out_dim is None:
        if isinstance(batched_output, Tensor) and _functorch.is_batchedtensor(batched_output):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return batched_output
    if not isinstance(batched_output, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(batched_output)}. "
            "Did you mean to set out_dims= to None for output?"
        )
    return _remove_batch_dim(batched_output, vmap_level, batch_size, out_dim)
