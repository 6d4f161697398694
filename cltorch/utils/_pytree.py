"""Nested containers as flat lists of leaves, and back: what torch.utils._pytree offers to libraries.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

Context, PyTree = Any, Any  # what a kind of container keeps besides its parts, and containers within one another
FlattenFunc = Callable[[Any], tuple[list[Any], Any]]
UnflattenFunc = Callable[[Iterable[Any], Any], Any]


class NodeDef(NamedTuple):
    """How a kind of container is taken apart and put together."""

    type: type
    flatten_fn: FlattenFunc
    unflatten_fn: UnflattenFunc


def _mapping(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Any]:
    """Return a dictionary's values and its keys."""
    return _mapping(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    """Return the dictionary of values and keys."""
    return dict(zip(context, values, strict=True))


SUPPORTED_NODES: dict[type, NodeDef] = {}


def register_pytree_node(cls: type, flatten_fn: FlattenFunc, unflatten_fn: UnflattenFunc, **options: Any) -> None:
    """Make a class a container: ``flatten_fn(x)`` gives (children, context), ``unflatten_fn(children, context)`` x.

    Raises ValueError for a class that is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node

register_pytree_node(tuple, lambda x: (list(x), None), lambda xs, c: tuple(xs))
register_pytree_node(list, lambda x: (list(x), None), lambda xs, c: list(xs))
register_pytree_node(dict, _dict_flatten, _dict_unflatten)
register_pytree_node(OrderedDict, _mapping, lambda xs, keys: OrderedDict(zip(keys, xs, strict=True)))
register_pytree_node(
    defaultdict,
    lambda d: (list(d.values()), (d.default_factory, list(d))),
    lambda xs, c: defaultdict(c[0], zip(c[1], xs, strict=True)),
)
register_pytree_node(deque, lambda d: (list(d), d.maxlen), lambda xs, n: deque(xs, maxlen=n))


# all classes of named tuples are one kind, and the class is its context
SUPPORTED_NODES[namedtuple] = NodeDef(namedtuple, lambda x: (list(x), type(x)), lambda xs, cls: cls(*xs))  # type: ignore[index, arg-type]


def _get_node_type(tree: Any) -> Any:
    cls = type(tree)
    return namedtuple if issubclass(cls, tuple) and hasattr(cls, "_fields") else cls


def _node(tree: Any) -> NodeDef | None:
    return SUPPORTED_NODES.get(type(tree)) or SUPPORTED_NODES.get(_get_node_type(tree))


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

    def is_leaf(self) -> bool:
        return self.node is None

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
    node = None if is_leaf is not None and is_leaf(tree) else _node(tree)
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


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Apply a function to the leaves; further trees of the same shape give it further arguments.

    >>> tree_map(lambda x, y: x + y, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf) for rest in rests]
    for _, other in others:
        if other != spec:
            raise ValueError(f"the trees differ in shape: {spec} and {other}")
    return tree_unflatten(map(func, leaves, *[more for more, _ in others]), spec)


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """Call a function with the leaves, for what it does; return the tree."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(types: Any, func: Callable[[Any], Any], tree: Any, is_leaf: Any = None) -> Any:
    """Apply a function to the leaves of some types (a class, several, or a predicate); others stay."""
    chosen = (lambda x: isinstance(x, types)) if isinstance(types, (type, tuple)) else types
    return tree_map(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Return whether all leaves fulfil a condition."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Return whether a leaf fulfils a condition."""
    return any(map(pred, tree_leaves(tree)))
