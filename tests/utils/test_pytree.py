"""Nested containers come apart and together again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
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
    with pytest.raises(ValueError, match="differ in shape"):
        pytree.tree_map(max, [1], [1, 2])


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
