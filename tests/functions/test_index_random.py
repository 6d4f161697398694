"""Indices made up at random: reading, writing and adding up by them as NumPy does."""

import numpy as np
import pytest

import cltorch
from tests.functions.test_index import plain


def random_index(rng, shape, advanced):
    """Return a random index of a NumPy array: a tuple of ints, slices, None, Ellipsis, arrays of ints and of bools."""
    items, d = [], 0
    common = tuple(rng.integers(1, 4, rng.integers(0, 3)))
    arrays = 0
    while d < len(shape) and (any(i is Ellipsis for i in items) or rng.random() < 0.85):
        if not any(i is Ellipsis for i in items) and rng.random() < 0.15:
            items.append(Ellipsis)
            d += int(rng.integers(1, len(shape) - d + 1))  # for NumPy, but not for PyTorch, even no dimension separates
            continue
        n = shape[d]
        kind = rng.choice(["int", "slice", "array", "mask"] if advanced and n else ["int", "slice"])
        if kind == "int" and n:
            items.append(int(rng.integers(-n, n)))
        elif kind == "array":
            drop = rng.random(len(common)) < 0.2
            dims = tuple(1 if k else c for c, k in zip(common, drop, strict=True))
            items.append(rng.integers(-n, n, dims[int(rng.integers(0, len(dims))) :] if dims else (1,)))
            arrays += 1
        elif kind == "mask" and not arrays and rng.random() < 0.7:
            # a mask has a count of its own: nothing else may have a shape to broadcast with
            wide = int(rng.integers(1, 3))
            covered = shape[d : d + wide]
            items.append(rng.random(covered) < 0.5)
            d += len(covered) - 1
            common = ()
            arrays += 1
        else:
            ends = [None if rng.random() < 0.3 else int(e) for e in rng.integers(-n - 1, n + 2, 2)]
            items.append(slice(ends[0], ends[1], None if rng.random() < 0.5 else int(rng.integers(1, 4))))
        d += 1
    for _ in range(int(rng.integers(0, 3))):
        items.insert(int(rng.integers(0, len(items) + 1)), None)
    return tuple(items)


def numpy_like_torch(a, index):
    """NumPy counts an int among index arrays as one of them; PyTorch takes it out first."""
    flat, d = [], 0
    used = sum(1 if not isinstance(i, np.ndarray) or i.dtype != bool else i.ndim for i in index if i is not None)
    used -= sum(i is Ellipsis for i in index)
    for i in index:
        if i is Ellipsis:
            flat += [slice(None)] * (a.ndim - used)
        else:
            flat.append(i)
    for i in flat:
        if isinstance(i, int):
            a = np.take(a, i, d)
        elif i is not None:
            d += i.ndim if isinstance(i, np.ndarray) and i.dtype == bool else 1
    return a, tuple(i for i in flat if not isinstance(i, int))


def as_ours(index, device):
    return tuple(cltorch.tensor(i, device=device) if isinstance(i, np.ndarray) else i for i in index)


@pytest.mark.parametrize("seed", range(4))
def test_random_indices_read_as_numpy(seed, device):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        shape = tuple(rng.integers(1, 5, rng.integers(0, 5)))
        a = rng.integers(0, 1000, shape).astype(np.float32)
        order = rng.permutation(len(shape))
        x = cltorch.tensor(a.transpose(np.argsort(order)).copy(), device=device).permute(order.tolist())
        index = random_index(rng, shape, True)
        base, rest = numpy_like_torch(a, index)
        try:
            expected = base[rest]
        except IndexError:
            with pytest.raises(IndexError):
                x[as_ours(index, device)]
            continue
        got = x[as_ours(index, device)]
        assert tuple(got.shape) == expected.shape, index
        np.testing.assert_array_equal(plain(got), expected, err_msg=str(index))


@pytest.mark.parametrize("seed", range(4))
def test_random_indices_write_as_numpy(seed, device):
    rng = np.random.default_rng(100 + seed)
    for _ in range(60):
        shape = tuple(rng.integers(1, 5, rng.integers(1, 5)))
        a = rng.integers(0, 1000, shape).astype(np.float32)
        order = rng.permutation(len(shape))
        x = cltorch.tensor(a.transpose(np.argsort(order)).copy(), device=device).permute(order.tolist())
        index = random_index(rng, shape, True)
        if any(isinstance(i, int) for i in index) and any(isinstance(i, np.ndarray) for i in index):
            index = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in index)
        try:
            expected = a[index].shape
        except IndexError:
            continue
        value = rng.integers(0, 1000, [n if rng.random() < 0.7 else 1 for n in expected]).astype(np.float32)
        if rng.random() < 0.3:
            value = value * 0 + 5  # equal places: any order is right
            value = value[(0,) * value.ndim] if value.size else value
        elif any(isinstance(i, np.ndarray) and i.dtype != bool for i in index):
            value = value * 0 + float(rng.integers(0, 9))
        a[index] = value
        x[as_ours(index, device)] = cltorch.tensor(value, device=device) if np.ndim(value) else float(value)
        np.testing.assert_array_equal(plain(x), a, err_msg=str(index))


@pytest.mark.parametrize("seed", range(3))
def test_random_accumulation_is_numpys_add_at(seed, device):
    rng = np.random.default_rng(200 + seed)
    for _ in range(40):
        shape = tuple(rng.integers(1, 5, rng.integers(1, 4)))
        a = rng.integers(0, 100, shape).astype(np.float32)
        k = int(rng.integers(1, len(shape) + 1))
        common = tuple(rng.integers(1, 6, rng.integers(1, 3)))
        at = tuple(rng.integers(-n, n, common) for n in shape[:k])
        value = rng.integers(0, 100, (*common, *shape[k:])).astype(np.float32)
        x = cltorch.tensor(a, device=device)
        x.index_put_(as_ours(at, device), cltorch.tensor(value, device=device), accumulate=True)
        np.add.at(a, at, value)
        np.testing.assert_array_equal(plain(x), a)
