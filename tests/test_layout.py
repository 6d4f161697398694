"""Layouts against NumPy: a layout of ``arange`` must name the elements that NumPy's view of it holds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.layout import Layout, coalesce
from cltorch.shapes import Size


def elements(lay: Layout, storage: np.ndarray) -> np.ndarray:
    """Return what a layout means, computed index by index."""
    out = np.empty(tuple(lay.shape), storage.dtype)
    for index in np.ndindex(*lay.shape):
        out[index] = storage[lay.offset + sum(i * s for i, s in zip(index, lay.strides, strict=True))]
    return out


def random_step(rng, lay: Layout, array: np.ndarray) -> tuple[Layout, np.ndarray]:
    """Apply one random view to both."""
    n = lay.ndim
    kind = rng.integers(0, 9)
    d = int(rng.integers(-n, n)) if n else 0
    if kind == 0 and n > 1:
        e = int(rng.integers(-n, n))
        return lay.transpose(d, e), np.swapaxes(array, d, e)
    if kind == 1 and n:
        order = [int(i) for i in rng.permutation(n)]
        return lay.permute(order), np.transpose(array, order)
    if kind == 2 and n and array.shape[d]:
        i = int(rng.integers(-array.shape[d], array.shape[d]))
        return lay.select(d, i), np.take(array, i, d)
    if kind == 3 and n:
        start, stop, step = (int(x) for x in (rng.integers(-4, 4), rng.integers(-4, 6), rng.integers(1, 3)))
        key = [slice(None)] * n
        key[d] = slice(start, stop, step)
        return lay.slice(d, start, stop, step), array[tuple(key)]
    if kind == 4 and n < 5:
        e = int(rng.integers(-n - 1, n + 1))
        return lay.unsqueeze(e), np.expand_dims(array, e)
    if kind == 5:
        return lay.squeeze(), np.squeeze(array)
    if kind == 6 and n < 4:
        sizes = [int(rng.integers(1, 4)), *(int(rng.integers(1, 4)) if k == 1 else k for k in array.shape)]
        return lay.expand(sizes), np.broadcast_to(array, sizes)
    if kind == 7 and n > 1:
        e = int(rng.integers(-n, n))
        offset = int(rng.integers(-3, 4))
        if d % n != e % n:
            return lay.diagonal(offset, d, e), np.diagonal(array, offset, d, e)
    if kind == 8 and n and array.shape[d] > 1:
        size, step = int(rng.integers(1, array.shape[d] + 1)), int(rng.integers(1, 3))
        windows = np.lib.stride_tricks.sliding_window_view(array, size, d)
        key = [slice(None)] * windows.ndim
        key[d % n] = slice(None, None, step)
        return lay.unfold(d, size, step), windows[tuple(key)]
    return lay, array


@pytest.mark.parametrize("seed", range(60))
def test_chains_of_views_name_the_elements_that_numpys_do(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(0, 4)))
    lay = Layout.of(shape)
    storage = np.arange(lay.numel)
    array = storage.reshape(shape)
    for _ in range(6):
        lay, array = random_step(rng, lay, array)
        assert tuple(lay.shape) == array.shape and lay.numel == array.size
        np.testing.assert_array_equal(elements(lay, storage), array)
        assert lay.extent() <= max(storage.size, lay.offset)
        flat = elements(lay, storage).reshape(-1)
        if lay.numel:
            assert lay.contiguous == bool(np.array_equal(flat, np.arange(flat.size) + lay.offset))
            one_stretch = np.array_equal(np.sort(flat), np.arange(flat.size) + flat.min())
            assert lay.packed() == bool(one_stretch)
            if lay.overlaps():
                assert len(set(flat.tolist())) < flat.size


@pytest.mark.parametrize("seed", range(40))
def test_reshaping_without_a_copy_is_possible_exactly_where_numpy_can(seed):
    rng = np.random.default_rng(seed)
    shape = [int(n) for n in rng.choice([1, 2, 3, 4, 6], rng.integers(1, 4))]
    order = [int(i) for i in rng.permutation(len(shape))]
    step = int(rng.integers(1, 3))
    lay = Layout.of(shape).permute(order).slice(0, None, None, step)
    storage = np.arange(int(np.prod(shape)))
    array = np.transpose(storage.reshape(shape), order)[::step]
    numbers = [array.size]
    while numbers[-1] > 1:  # a random way to write the size as a product
        divisors = [d for d in range(2, numbers[-1] + 1) if numbers[-1] % d == 0]
        d = int(rng.choice(divisors))
        numbers[-1:] = [d, numbers[-1] // d]
    for target in (numbers, numbers[::-1], [array.size], [1, *numbers, 1]):
        found = lay.view(target)
        try:
            view = array.view()
            view.shape = target
        except AttributeError:
            assert found is None, f"{lay.words()} to {target}"
        else:
            assert found is not None, f"{lay.words()} to {target}"
            np.testing.assert_array_equal(elements(found, storage), view)


def test_dense_layouts_are_one_object():
    assert Layout.of((2, 3)) is Layout.of(Size((2, 3))) is Layout.make((2, 3), (3, 1), 0)
    assert Layout.of((2, 3)).transpose(0, 1).transpose(0, 1) is Layout.of((2, 3))
    a, b = Layout.make((2, 3), (3, 1), 6), Layout.make((2, 3), (3, 1), 0)
    assert a.key == b.key and not a.same(b) and not a.dense and b.dense
    assert Layout.make((2, 3), (1, 2), 0).key != b.key
    assert Layout.make((2, 3), (1, 2), 0).same(Layout.make((2, 3), (1, 2), 0))


def test_dimensions_of_size_one_do_not_break_contiguity():
    assert Layout((2, 1, 3), (3, 77, 1)).contiguous
    assert Layout((0, 3), (1, 9)).contiguous
    assert not Layout((2, 3), (3, 2)).contiguous
    assert Layout.of((2, 0, 3)).strides == (3, 3, 1)


def test_coalescing_merges_what_all_operands_walk_as_one():
    assert coalesce((2, 3, 4), (12, 4, 1), (12, 4, 1)) == ([24], [[1], [1]])
    assert coalesce((2, 3, 4), (12, 4, 1), (0, 4, 1)) == ([2, 12], [[12, 1], [0, 1]])
    assert coalesce((2, 3), (0, 0)) == ([6], [[0]])
    assert coalesce((1, 1), (5, 7)) == ([1], [[0]])
    assert coalesce((2, 1, 3), (3, 9, 1)) == ([6], [[1]])
    assert coalesce((3, 2), (1, 3)) == ([3, 2], [[1, 3]])


def test_of_several_sizes_that_do_not_fit_the_last_is_told():
    with pytest.raises(RuntimeError, match=r"\(9\) must match the existing size \(3\) at non-singleton dimension 2"):
        Layout.of((2, 3)).expand((7, 8, 9))


def test_to_programs_it_is_strided(device):
    x = cltorch.ones(2, 3, device=device)
    for name in (x.layout, x.t().layout, x[1:].layout, cltorch.nn.Parameter(x).layout, cltorch.empty(0).layout):
        assert name is cltorch.strided and repr(name) == str(name) == "torch.strided"
        assert isinstance(name, cltorch.layout) and {name: 1}[cltorch.strided] == 1
        assert pickle.loads(pickle.dumps(name)) is cltorch.strided and copy.deepcopy(name) is cltorch.strided
    assert x.layout != "torch.strided" and cltorch.strided != cltorch.contiguous_format
    with pytest.raises(AttributeError):
        x.layout = cltorch.strided
