"""Nested containers come apart and together again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

from cltorch.utils import _pytree as pytree

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "tree",
    [
        3,
        [],
        {"b": 1, "a": [2, (3, None)]},
        Point(1, [2, {"c": 3}]),
        OrderedDict([("z", 1), ("a", 2)]),
        defaultdict(list, {"k": [1, 2]}),
        deque([1, 2], maxlen=5),
    ],
)
def test_a_tree_comes_back(tree):
    leaves, spec = pytree.tree_flatten(tree)
    back = pytree.tree_unflatten(leaves, spec)
    assert back == tree and type(back) is type(tree) and spec == pytree.tree_structure(tree)
    assert spec.num_leaves == len(leaves)


def test_functions_meet_the_leaves():
    assert pytree.tree_map(lambda a, b: a * b, Point(2, [3]), Point(5, [7])) == Point(10, [21])
    assert pytree.tree_map_only(int, lambda x: x + 1, [1, "a", (2.0, 3)]) == [2, "a", (2.0, 4)]
    assert pytree.tree_leaves([1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple)) == [1, (2, 3)]
    assert pytree.tree_all(bool, [1, 1]) and not pytree.tree_any(bool, {"a": 0})


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="length 1 but the spec"):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))
    for tree, other, why in (
        ([1], [1, 2], "arity mismatch; expected 1, but got 2"),
        ([1, 2], (1, 2), "type mismatch; expected <class 'list'>, but got <class 'tuple'>"),
        ([1, 2], 5, "type mismatch; expected <class 'list'>, but got <class 'int'>"),
        ({"a": 1}, {"b": 1}, r"keys mismatch; missing key\(s\): \['a'\]; extra key\(s\): \['b'\]"),
        ((1, 2), Point(1, 2), "type mismatch"),
        (Point(1, 2), namedtuple("Other", "x y")(1, 2), "context mismatch"),
    ):
        with pytest.raises(ValueError, match=why):
            pytree.tree_map(max, tree, other)
    with pytest.raises(TypeError, match="a type, a tuple of types, or a callable"):
        pytree.map_only(3)


def test_a_class_becomes_a_container_once():
    class Box:
        def __init__(self, inside):
            self.inside = inside

    pytree.register_pytree_node(Box, lambda b: ([b.inside], None), lambda xs, c: Box(*xs))
    assert pytree.tree_map(str, Box((1, 2))).inside == ("1", "2")
    with pytest.raises(ValueError, match="already registered"):
        pytree.register_pytree_node(Box, None, None)


def test_a_shape_by_the_type_of_its_container():
    leaf = pytree.tree_flatten(1)[1]
    assert leaf == pytree.LeafSpec()
    for tree, context in (([1, 2], None), (Point(1, 2), Point)):
        kind = pytree._get_node_type(tree)
        spec = pytree.TreeSpec(kind, context, [leaf, leaf])
        assert spec == pytree.tree_flatten(tree)[1] and pytree.tree_unflatten([1, 2], spec) == tree
    assert kind is namedtuple


def test_names_that_annotations_of_libraries_have():
    assert pytree.PyTree is pytree.Context is Any  # they say nothing of a value


def test_a_shape_tells_its_children_and_nodes():
    _, spec = pytree.tree_flatten({"a": [1, 2], "b": (3, {})})
    assert (spec.num_nodes, spec.num_leaves, spec.num_children) == (7, 3, 2)
    assert spec.children() == [spec.child(0), spec.child(1)] == list(spec.children_specs)
    leaf = pytree.tree_structure(1)
    assert (leaf.num_nodes, leaf.num_children, leaf.children()) == (1, 0, [])


def test_further_trees_may_go_deeper():
    def pair(x, y):
        return (x, y)

    assert pytree.tree_map(pair, 1, (1, 2)) == (1, (1, 2))
    assert pytree.tree_map(pair, None, [1]) == (None, [1])
    assert pytree.tree_map(pair, [[1], 2], [[(7, 8)], {"a": 3}]) == [[(1, (7, 8))], (2, {"a": 3})]
    assert pytree.tree_map(pair, {"a": 1, "b": 2}, {"b": 3, "a": [4]}) == {"a": (1, [4]), "b": (2, 3)}
    ordered = pytree.tree_map(pair, OrderedDict(a=1, b=2), {"b": 3, "a": 4})
    assert type(ordered) is OrderedDict and list(ordered.items()) == [("a", (1, 4)), ("b", (2, 3))]
    assert pytree.tree_map(pair, defaultdict(int, a=1), {"a": 4}) == {"a": (1, 4)}
    assert pytree.tree_map(pair, deque([1, 2], 3), deque([1, 2])) == deque([(1, 1), (2, 2)], 3)
    assert pytree.tree_structure([1, {"a": 2}]).flatten_up_to([(1, 2), {"a": [3]}]) == [(1, 2), [3]]


def test_leaves_of_some_types():
    tree = [1, "a", {"b": 3}]
    assert pytree.tree_map_only(int, str, tree) == pytree.tree_map_only(lambda x: x != "a", str, tree)
    assert pytree.tree_map_only((int, str), lambda x: x * 2, tree) == [2, "aa", {"b": 6}]
    seen = []
    assert pytree.tree_map_only_(int, seen.append, tree) is tree and seen == [1, 3]
    assert pytree.tree_any_only(int, lambda x: x > 2, tree) and not pytree.tree_all_only(int, lambda x: x > 2, tree)
    assert pytree.arg_tree_leaves(1, [2], a={"b": 3}) == [1, 2, 3]
    assert pytree.tree_is_leaf(3) and not pytree.tree_is_leaf([]) and pytree.tree_is_leaf([], lambda x: True)


def test_paths_lead_to_leaves():
    tree = {"a": [1, (2,)], "b": Point(3, deque([4])), "c": OrderedDict(z=5), "d": defaultdict(int, q=6)}
    pairs, spec = pytree.tree_flatten_with_path(tree)
    words = ["['a'][0]", "['a'][1][0]", "['b'].x", "['b'].y[0]", "['c']['z']", "['d']['q']"]
    assert [pytree.keystr(path) for path, _ in pairs] == words
    assert [pytree.key_get(tree, path) for path, _ in pairs] == [leaf for _, leaf in pairs] == [1, 2, 3, 4, 5, 6]
    assert (
        pairs[2][0] == (pytree.MappingKey("b"), pytree.GetAttrKey("x"))
        and pytree.tree_unflatten(range(1, 7), spec) == tree
    )
    told = pytree.tree_map_with_path(lambda path, x, y: (pytree.keystr(path), x, y), {"a": [1, 2]}, {"a": [3, [4]]})
    assert told == {"a": [("['a'][0]", 1, 3), ("['a'][1]", 2, [4])]}


def test_a_dataclass_becomes_a_container():
    @dataclass
    class Pair:
        x: object
        y: object = None
        note: str = "none"

    pytree.register_dataclass(Pair, drop_field_names=["note"])
    assert pytree.tree_map(str, Pair(1, [2], "kept not")) == Pair("1", ["2"])
    assert [pytree.keystr(path) for path, _ in pytree.tree_leaves_with_path(Pair(1, [2]))] == [".x", ".y[0]"]
    with pytest.raises(ValueError, match="not a dataclass"):
        pytree.register_dataclass(int)

    class Box:
        pass

    pytree.register_pytree_node(Box, lambda b: ([1], None), lambda xs, c: Box())
    with pytest.raises(ValueError, match="flatten_with_keys_fn"):
        pytree.tree_leaves_with_path(Box())
