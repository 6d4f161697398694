"""Kinds of containers of ``torch.utils._pytree``: how each comes apart, is put together, and how its parts are reached.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/utils/_pytree.py
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

Context = Any  # what a kind of container keeps besides its parts
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

DICTS = (dict, OrderedDict, defaultdict)


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


def node_of(tree: Any) -> NodeDef | None:
    """Return how a container is taken apart, None for a leaf."""
    return SUPPORTED_NODES.get(type(tree)) or SUPPORTED_NODES.get(_get_node_type(tree))
