"""Sizes, dimensions and shapes that go together, as PyTorch has them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cltorch
from cltorch.shapes import Size, broadcast_shapes, infer_shape, wrap_dims


def test_broadcast_shapes():
    assert broadcast_shapes((2, 1), (3,)) == (2, 3) and broadcast_shapes() == ()
    assert [type(n) for n in broadcast_shapes((np.int64(2), 1), (np.int32(3),))] == [int, int]
    assert broadcast_shapes((0, 1), (1, 3)) == (0, 3) and broadcast_shapes((2,), 1) == (2,)
    with pytest.raises(
        RuntimeError, match=r"size of tensor a \(2\) must match the size of tensor b \(3\) at non-singl"
    ):
        broadcast_shapes((4, 2), (3,))


def test_of_several_sizes_that_do_not_agree_the_last_is_named():
    with pytest.raises(RuntimeError, match=r"tensor a \(32\) must match .* b \(16\) at non-singleton dimension 2"):
        broadcast_shapes((2, 16, 32), (17, 16))
    with pytest.raises(RuntimeError, match=r"tensor a \(4\) must match .* b \(5\) at non-singleton dimension 1"):
        broadcast_shapes((1, 4, 1), (3, 1, 1), (7, 5, 9))


def test_shapes_with_a_hole():
    assert infer_shape((2, -1), 6) == (2, 3) and infer_shape((-1, 3), 0) == (0, 3)
    for shape, numel, words in (
        ((-1, -1), 4, "only one dimension can be inferred"),
        ((3, -1), 4, r"shape '\[3, -1\]' is invalid for input of size 4"),
        ((2, 3), 4, r"shape '\[2, 3\]' is invalid for input of size 4"),
        ((-2, 3), 6, "invalid shape dimension -2"),
        ((0, -1), 0, "unspecified dimension size -1 can be any value and is ambiguous"),
    ):
        with pytest.raises(RuntimeError, match=words):
            infer_shape(shape, numel)


def test_lists_of_dimensions():
    assert wrap_dims(None, 2) == (0, 1) and wrap_dims([-1], 2) == (1,) and wrap_dims((), 2) == (0, 1)
    with pytest.raises(RuntimeError, match="dim 1 appears multiple times in the list of dims"):
        wrap_dims([1, -1], 2)
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 2"):
        wrap_dims(2, 2)
    assert wrap_dims(0, 0) == (0,)


def test_sizes_behave_as_tuples_that_say_what_they_are():
    s = Size((2, 3))
    assert s == (2, 3) and s.numel() == 6 and repr(s) == "torch.Size([2, 3])" and hash(s) == hash((2, 3))
    for made in (s[:1], s + (4,), (1,) + s, s * 2, s[1:]):
        assert isinstance(made, Size)
    assert s[0] == 2 and not isinstance(s[0], Size)
    assert s + (4,) == (2, 3, 4) and (1,) + s == (1, 2, 3)


def test_sizes_are_whole_numbers():
    one = cltorch.tensor(1)
    whole = [Size(x) for x in ((True, 2), range(1, 3), np.array([1, 2]), cltorch.tensor([1, 2]), [one, 2])]
    assert whole == [(1, 2)] * 5 and all(type(n) is int for size in whole for n in size)
    assert Size() == () and type(pickle.loads(pickle.dumps(Size((1, 2))))) is Size
    for wrong, at in (([1, 1.5], "item 1 is 'float'"), (["a"], "item 0 is 'str'")):
        with pytest.raises(TypeError, match=at):
            Size(wrong)


def test_pickles_of_versions_that_had_sizes_with_layouts_are_read():
    found = pickle.loads(b"ccltorch.layout\nSize\n((I1\nI2\nttR.")
    assert type(found) is Size and found == (1, 2)
