"""The shapes that operands have together."""

from __future__ import annotations

import pytest

import cltorch


def test_a_shape_that_does_not_fit_the_ones_before_it_is_named():
    assert cltorch.broadcast_shapes((4, 1), 3, [5, 1, 1]) == (5, 4, 3)
    for shapes, index, length, place, common in (
        (((2,), (3,)), 1, 3, -1, [2]),
        (((2, 3), (4, 1, 3), (2, 2)), 2, 2, -1, [4, 2, 3]),
        (((5, 4), (1, 4), (3, 4)), 2, 3, -2, [5, 4]),
        (((0,), (2,)), 1, 2, -1, [0]),
    ):
        with pytest.raises(RuntimeError) as caught:
            cltorch.broadcast_shapes(*shapes)
        assert str(caught.value) == (
            f"Attempting to broadcast a dimension of length {length} at {place}! Mismatching argument at index {index} "
            f"had {shapes[index]}; but expected shape should be broadcastable to {common}"
        )


def test_what_is_no_shape():
    with pytest.raises(ValueError, match="negative length"):
        cltorch.broadcast_shapes((-1,), (2,))
    with pytest.raises(RuntimeError, match="Input shapes should be"):
        cltorch.broadcast_shapes("a")
