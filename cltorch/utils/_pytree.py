"""Nested containers as flat lists of leaves, and back: what torch.utils._pytree offers to libraries.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any

from cltorch.utils._pytree_nodes import (
    DICTS,
    SUPPORTED_NODES,
    NodeDef,
    node_of,
)
from cltorch.utils._pytree_nodes import Context as Context
from cltorch.utils._pytree_nodes import FlattenFunc as FlattenFunc
from cltorch.utils._pytree_nodes import GetAttrKey as GetAttrKey
from cltorch.utils._pytree_nodes import KeyEntry as KeyEntry
from cltorch.utils._pytree_nodes import KeyPath as KeyPath
from cltorch.utils._pytree_nodes import MappingKey as MappingKey
from cltorch.utils._pytree_nodes import SequenceKey as SequenceKey
from cltorch.utils._pytree_nodes import UnflattenFunc as UnflattenFunc
from cltorch.utils._pytree_nodes import _dict_flatten as _dict_flatten
from cltorch.utils._pytree_nodes import _dict_unflatten as _dict_unflatten
from cltorch.utils._pytree_nodes import _get_node_type as _get_node_type
from cltorch.utils._pytree_nodes import _register_pytree_node as _register_pytree_node
from cltorch.utils._pytree_nodes import register_dataclass as register_dataclass
from cltorch.utils._pytree_nodes import register_pytree_node as register_pytree_node

PyTree = Any  # containers within one another


@dataclass(frozen=True, repr=False)
class TreeSpec:
    """The shape of a tree: its container's kind and context, and the shapes of its children; a leaf has no kind."""

    node: NodeDef | None = None
    context: Any = None
    children_specs: tuple[TreeSpec, ...] = ()

    def __post_init__(self) -> None:
        if self.node is not None and not isinstance(self.node, NodeDef):  # PyTorch names the kind by its type
            object.__setattr__(self, "node", SUPPORTED_NODES[self.node])
            object.__setattr__(self, "children_specs", tuple(self.children_specs))

    @property
    def type(self) -> Any:
        return None if self.node is None else self.node.type

    @property
    def num_leaves(self) -> int:
        return 1 if self.node is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_nodes(self) -> int:
        return 1 + sum(child.num_nodes for child in self.children_specs)

    @property
    def num_children(self) -> int:
        return len(self.children_specs)

    def children(self) -> list[TreeSpec]:
        """Return the shapes of the children."""
        return list(self.children_specs)

    def child(self, index: int) -> TreeSpec:
        """Return the shape of one child."""
        return self.children_specs[index]

    def is_leaf(self) -> bool:
        return self.node is None

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Return the tree of this shape with these leaves."""
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Return what a tree has where this shape has leaves; raise ValueError where it differs above them.

        Dictionaries of all kinds are taken for one another, whatever the order of their keys.
        """
        if self.node is None:
            return [tree]
        if self.type in DICTS and type(tree) in DICTS:
            keys = self.context[1] if self.type is defaultdict else self.context
            missing, extra = [k for k in keys if k not in tree], [k for k in tree if k not in keys]
            if missing or extra:
                told = [f"{what} key(s): {which}" for what, which in (("missing", missing), ("extra", extra)) if which]
                raise ValueError(f"Node keys mismatch; {'; '.join(told)}.")
            parts = [tree[key] for key in keys]
        else:
            kind = _get_node_type(tree)
            if kind is not self.type:
                raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {kind!r}.")
            parts, context = self.node.flatten_fn(tree)
            if len(parts) != self.num_children:
                raise ValueError(f"Node arity mismatch; expected {self.num_children}, but got {len(parts)}.")
            if context != self.context and kind is not deque:  # whose longest length does not matter
                raise ValueError(
                    f"Node context mismatch for node type {kind!r}; expected {self.context!r}, but got {context!r}."
                )
        return [x for part, child in zip(parts, self.children_specs, strict=True) for x in child.flatten_up_to(part)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and (self.type, self.context, self.children_specs) == (
            other.type,
            other.context,
            other.children_specs,
        )

    def __hash__(self) -> int:
        return hash((self.type, self.children_specs))

    def __repr__(self) -> str:
        if self.node is None:
            return "*"
        name = getattr(self.type, "__name__", self.type)
        return f"TreeSpec({name}, {self.context}, [{', '.join(map(repr, self.children_specs))}])"


LeafSpec = TreeSpec


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of nested containers, and the shape that puts them together again.

    >>> leaves, spec = tree_flatten({"a": [1, 2], "b": (3,)})
    >>> leaves, tree_unflatten([x * 10 for x in leaves], spec)
    ([1, 2, 3], {'a': [10, 20], 'b': (30,)})
    """
    node = None if is_leaf is not None and is_leaf(tree) else node_of(tree)
    if node is None:
        return [tree], TreeSpec(None, None, ())
    children, context = node.flatten_fn(tree)
    parts = [tree_flatten(child, is_leaf) for child in children]
    return [leaf for leaves, _ in parts for leaf in leaves], TreeSpec(node, context, tuple(spec for _, spec in parts))


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """Return the tree of a shape with these leaves; raise ValueError for another number of leaves."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree that "
            f"holds {treespec.num_leaves} items ({treespec})."
        )
    return _build(iter(leaves), treespec)


def _build(leaves: Any, spec: TreeSpec) -> Any:
    if spec.node is None:
        return next(leaves)
    return spec.node.unflatten_fn([_build(leaves, child) for child in spec.children_specs], spec.context)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """Return the leaves of nested containers."""
    return tree_flatten(tree, is_leaf)[0]


tree_iter = tree_leaves


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """Return the shape of nested containers."""
    return tree_flatten(tree, is_leaf)[1]


def tree_is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Return whether something is a leaf: no container, or one that ``is_leaf`` takes for a leaf."""
    return (is_leaf is not None and is_leaf(tree)) or node_of(tree) is None


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list[Any]:
    """Return the leaves of arguments."""
    return tree_leaves((args, kwargs))


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Apply a function to the leaves; what further trees have there gives it further arguments.

    >>> tree_map(lambda x, y: x + y, [1, (2,)], [10, (20,)])
    [11, (22,)]
    >>> tree_map(lambda x, y: (x, y), {"a": 1, "b": 2}, {"b": [3, 4], "a": 5})
    {'a': (1, 5), 'b': (2, [3, 4])}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return tree_unflatten(map(func, leaves, *[spec.flatten_up_to(rest) for rest in rests]), spec)


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Call a function with the leaves, for what it does; return the tree."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _chooser(chosen: Any) -> Callable[[Any], bool]:
    if isinstance(chosen, (type, tuple, UnionType)):
        return lambda x: isinstance(x, chosen)
    if callable(chosen):
        return chosen
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(chosen: Any, /) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Return a decorator: the function is applied to what is of some types (or fulfils a predicate); others stay."""
    is_chosen = _chooser(chosen)
    return lambda func: lambda x: func(x) if is_chosen(x) else x


def tree_map_only(chosen: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: Any = None) -> Any:
    """Apply a function to the leaves of some types (a class, several, or a predicate); others stay."""
    return tree_map(map_only(chosen)(func), tree, is_leaf=is_leaf)


def tree_map_only_(chosen: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: Any = None) -> Any:
    """Call a function with the leaves of some types, for what it does; return the tree."""
    return tree_map_(map_only(chosen)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Return whether all leaves fulfil a condition."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Return whether a leaf fulfils a condition."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_all_only(chosen: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Return whether all leaves of some types fulfil a condition."""
    return all(map(pred, filter(_chooser(chosen), tree_leaves(tree, is_leaf))))


def tree_any_only(chosen: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Any = None) -> bool:
    """Return whether a leaf of some types fulfils a condition."""
    return any(map(pred, filter(_chooser(chosen), tree_leaves(tree, is_leaf))))


def _paths(path: KeyPath, tree: Any, is_leaf: Callable[[Any], bool] | None) -> Iterator[tuple[KeyPath, Any]]:
    node = None if is_leaf is not None and is_leaf(tree) else node_of(tree)
    if node is None:
        yield path, tree
        return
    if node.keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {type(tree)}. Please pass a flatten_with_keys_fn argument "
            "to register_pytree_node."
        )
    for key, part in zip(node.keys_fn(tree), node.flatten_fn(tree)[0], strict=True):
        yield from _paths((*path, key), part, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[tuple[KeyPath, Any]]:
    """Return pairs of a path and the leaf to which it leads.

    >>> [(keystr(path), leaf) for path, leaf in tree_leaves_with_path({"a": [1, 2], "b": (3,)})]
    [("['a'][0]", 1), ("['a'][1]", 2), ("['b'][0]", 3)]
    """
    return list(_paths((), tree, is_leaf))


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """Return pairs of a path and a leaf, and the shape of nested containers."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply a function to the path of each leaf, the leaf, and what further trees have there."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return spec.unflatten(func(*pair, *more) for pair, *more in zip(pairs, *others, strict=True))


def keystr(kp: KeyPath) -> str:
    """Return a path as Python writes it."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """Return what lies at the end of a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


def treespec_leaf() -> TreeSpec:
    """Return the shape of a leaf."""
    return LeafSpec()


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """Return the shape of a tuple."""
    return TreeSpec(SUPPORTED_NODES[tuple], None, tuple(iterable))


def treespec_dict(mapping: Any = (), /, **more: TreeSpec) -> TreeSpec:
    """Return the shape of a dictionary."""
    parts = dict(mapping, **more)
    return TreeSpec(SUPPORTED_NODES[dict], list(parts), tuple(parts.values()))
