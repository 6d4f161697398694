"""Nested containers as flat lists of leaves, and back: what torch.utils._pytree offers to libraries.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, NamedTuple

Context, PyTree = Any, Any  # what a kind of container keeps besides its parts, and containers within one another
FlattenFunc = Callable[[Any], tuple[list[Any], Any]]
UnflattenFunc = Callable[[Iterable[Any], Any], Any]


class NodeDef(NamedTuple):
    """How a kind of container is taken apart and put together."""

    type: type
    flatten_fn: FlattenFunc
    unflatten_fn: UnflattenFunc
    keys_fn: Callable[[Any], list[Any]] | None = None  # how the parts of a container are reached from it


@dataclass(frozen=True)
class SequenceKey:
    """The place of an element in a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """Return the element."""
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """The key of a value in a dictionary."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """Return the value."""
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """The name of an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """Return the attribute."""
        return getattr(obj, self.name)


KeyEntry = Any
KeyPath = tuple[KeyEntry, ...]


def _mapping(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Any]:
    """Return a dictionary's values and its keys."""
    return _mapping(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    """Return the dictionary of values and keys."""
    return dict(zip(context, values, strict=True))


SUPPORTED_NODES: dict[type, NodeDef] = {}


def register_pytree_node(
    cls: type,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    *,
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[KeyEntry, Any]], Any]] | None = None,
    **options: Any,
) -> None:
    """Make a class a container: ``flatten_fn(x)`` gives (children, context), ``unflatten_fn(children, context)`` x.

    ``flatten_with_keys_fn(x)`` gives the children as pairs of a key and a child, for paths. Raises ValueError for a
    class that is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    keys_fn = None
    if flatten_with_keys_fn is not None:

        def keys_fn(x: Any) -> list[Any]:
            return [key for key, _ in flatten_with_keys_fn(x)[0]]

    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, keys_fn)


_register_pytree_node = register_pytree_node


def _places(sequence: Any) -> list[Any]:
    return [SequenceKey(i) for i in range(len(sequence))]


def _keys(mapping: Any) -> list[Any]:
    return [MappingKey(key) for key in mapping]


for _node_def in (
    NodeDef(tuple, lambda x: (list(x), None), lambda xs, c: tuple(xs), _places),
    NodeDef(list, lambda x: (list(x), None), lambda xs, c: list(xs), _places),
    NodeDef(dict, _dict_flatten, _dict_unflatten, _keys),
    NodeDef(OrderedDict, _mapping, lambda xs, keys: OrderedDict(zip(keys, xs, strict=True)), _keys),
    NodeDef(
        defaultdict,
        lambda d: (list(d.values()), [d.default_factory, list(d)]),
        lambda xs, c: defaultdict(c[0], zip(c[1], xs, strict=True)),
        _keys,
    ),
    NodeDef(deque, lambda d: (list(d), d.maxlen), lambda xs, n: deque(xs, maxlen=n), _places),
    # all classes of named tuples are one kind, and the class is its context
    NodeDef(
        namedtuple,  # type: ignore[arg-type]
        lambda x: (list(x), type(x)),
        lambda xs, cls: cls(*xs),
        lambda x: [GetAttrKey(name) for name in type(x)._fields],
    ),
):
    SUPPORTED_NODES[_node_def.type] = _node_def

_DICTS = (dict, OrderedDict, defaultdict)


def register_dataclass(
    cls: type, *, field_names: list[str] | None = None, drop_field_names: list[str] | None = None, **options: Any
) -> None:
    """Make a dataclass a container of its fields; those of ``drop_field_names`` take their defaults when it is made.

    Raises ValueError for another class whose ``field_names`` are not given.
    """
    if field_names is None:
        if not is_dataclass(cls):
            raise ValueError(
                f"field_names must be specified with a list of all fields used to initialize {cls}, as it is not a "
                "dataclass."
            )
        field_names = [field.name for field in fields(cls) if field.init]
    names = [name for name in field_names if name not in (drop_field_names or ())]

    def taken(x: Any) -> tuple[list[Any], Any]:
        there = [name for name in names if getattr(x, name) is not None]
        return [getattr(x, name) for name in there], [there, [name for name in names if name not in there]]

    def made(values: Iterable[Any], context: Any) -> Any:
        return cls(**dict(zip(context[0], values, strict=True)), **dict.fromkeys(context[1]))

    register_pytree_node(
        cls,
        taken,
        made,
        flatten_with_keys_fn=lambda x: ([(GetAttrKey(n), getattr(x, n)) for n in taken(x)[1][0]], taken(x)[1]),
        **options,
    )


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
        if self.type in _DICTS and type(tree) in _DICTS:
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


def tree_is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Return whether something is a leaf: no container, or one that ``is_leaf`` takes for a leaf."""
    return (is_leaf is not None and is_leaf(tree)) or _node(tree) is None


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
    node = None if is_leaf is not None and is_leaf(tree) else _node(tree)
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
