"""The dtypes for which PyTorch has few operators: what there is against NumPy and PyTorch, and what there is not."""

from __future__ import annotations

import copy
import io
import itertools
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.dtypes import UNSIGNED, promote_types

NAMES = [t.name for t in UNSIGNED]


def bits(name: str, shape: tuple[int, ...] = (6, 20)) -> np.ndarray:
    """Return numbers of all sizes, the largest one and zero among them."""
    t = np.dtype(name)
    a = np.random.default_rng(1).integers(0, np.iinfo(t).max, shape, dtype=t, endpoint=True)
    a.reshape(-1)[:4] = 0, 1, np.iinfo(t).max, np.iinfo(t).max // 2 + 1
    return a


def outcome(f, *args):
    """Return a result as NumPy has it, or the exception's class."""
    try:
        found = f(*args)
    except Exception as error:  # which one it is is what is compared
        return type(error)
    found = found[0] if isinstance(found, tuple) else found
    return found.cpu().numpy() if hasattr(found, "numpy") else np.asarray(found)


def alike(got, want, what):
    if isinstance(want, type) or isinstance(got, type):
        assert got is want, what
        return
    assert got.dtype == want.dtype and got.shape == want.shape, (what, got.dtype, want.dtype)
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, 3e-6, err_msg=what)
    else:
        np.testing.assert_array_equal(got, want, what)


# what there is: with PyTorch's functions, and with NumPy's
PRESENT = {
    "sort": (lambda m, x: m.sort(x, 1)[0], lambda a: np.sort(a, 1)),
    "sort down": (lambda m, x: m.sort(x, 0, True)[0], lambda a: np.sort(a, 0)[::-1]),
    "unique": (lambda m, x: m.unique(x), np.unique),
    "sum": (lambda m, x: x.sum(1), lambda a: a.astype("int64").sum(1)),
    "prod": (lambda m, x: x.prod(0), lambda a: a.astype("int64").prod(0)),
    "cumsum": (lambda m, x: x.cumsum(1), lambda a: a.astype("int64").cumsum(1)),
    "any": (lambda m, x: x.any(0), lambda a: a.any(0)),
    "cat": (lambda m, x: m.cat([x, x.t().contiguous().t()], 1), lambda a: np.concatenate([a, a], 1)),
    "isin": (lambda m, x: m.isin(x, x[0]), lambda a: np.isin(a, a[0])),
    "stack": (lambda m, x: m.stack([x, x], 2), lambda a: np.stack([a, a], 2)),
    "roll": (lambda m, x: x.roll(3, 1), lambda a: np.roll(a, 3, 1)),
    "flip": (lambda m, x: x.flip(0), lambda a: a[::-1]),
    "repeat": (lambda m, x: x.repeat(2, 3), lambda a: np.tile(a, (2, 3))),
    "index": (lambda m, x: x[:, m.tensor([3, 1, 1], device=x.device)], lambda a: a[:, [3, 1, 1]]),
    "index_select": (lambda m, x: x.index_select(0, m.tensor([3, 1], device=x.device)), lambda a: a[[3, 1]]),
    "mask": (lambda m, x: x[x == x], lambda a: a.reshape(-1)),
    "pad": (
        lambda m, x: m.nn.functional.pad(x, (1, 2), value=7),
        lambda a: np.pad(a, [(0, 0), (1, 2)], constant_values=7),
    ),
    "where": (lambda m, x: m.where(x != x[0, 1], x, x.roll(1, 0)), lambda a: np.where(a != 1, a, np.roll(a, 1, 0))),
    "equal to a number": (lambda m, x: x == 1, lambda a: a == 1),
    "mul": (lambda m, x: x * x, lambda a: a * a),
    "mul by a number": (lambda m, x: x * 3, lambda a: a * np.asarray(3, a.dtype)),
    "and": (lambda m, x: x & x.roll(1, 0), lambda a: a & np.roll(a, 1, 0)),
    "or": (lambda m, x: x | 4, lambda a: a | np.asarray(4, a.dtype)),
    "xor": (lambda m, x: x ^ x.roll(1, 1), lambda a: a ^ np.roll(a, 1, 1)),
    "floor": (lambda m, x: x.floor(), lambda a: a),
    "isfinite": (lambda m, x: x.isfinite(), np.isfinite),
    "signbit": (lambda m, x: x.signbit(), lambda a: np.zeros(a.shape, bool)),
    "log": (lambda m, x: m.log(x[1:]), lambda a: np.log(a[1:].astype("float32"))),
    "divided": (lambda m, x: x / 2, lambda a: a.astype("float32") / 2),
    "strided": (lambda m, x: x[:, ::3].contiguous(), lambda a: a[:, ::3]),
    "filled": (lambda m, x: x.clone().fill_(-3), lambda a: np.full_like(a, np.iinfo(a.dtype).max - 2)),
    "filled in part": (
        lambda m, x: _part_filled(x),
        lambda a: np.where(np.arange(a.shape[1]) % 2 == 0, np.iinfo(a.dtype).max - 2, a).astype(a.dtype),
    ),
    "an item": (lambda m, x: x[0, 2].item(), lambda a: int(a[0, 2])),
    "bytes": (lambda m, x: x.contiguous().view(m.uint8), lambda a: a.view("uint8")),
}  # fmt: skip


def _part_filled(x):
    y = x.clone()
    y[:, ::2].fill_(-3)
    return y


ABSENT = {
    "add": lambda m, x: x + x, "sub": lambda m, x: x - x, "neg": lambda m, x: -x, "abs": lambda m, x: x.abs(),
    "lt": lambda m, x: x < x, "max": lambda m, x: x.max(), "maximum": lambda m, x: m.maximum(x, x),
    "argmax": lambda m, x: x.argmax(), "pow": lambda m, x: x**2,
    "invert": lambda m, x: ~x, "shift": lambda m, x: x << 1, "floor_divide": lambda m, x: x // x,
    "matmul": lambda m, x: x @ x.t(), "tril": lambda m, x: x.tril(), "clamp": lambda m, x: x.clamp(1, 2),
    "gather": lambda m, x: x.gather(0, m.zeros(1, 20, dtype=m.int64, device=x.device)),
    "index_put": lambda m, x: x.clone().index_put_((m.tensor([0], device=x.device),), x[:1]),
    "masked_fill": lambda m, x: x.masked_fill(x == x, 1), "masked_select": lambda m, x: x.masked_select(x == x),
    "scatter": lambda m, x: x.scatter(0, m.zeros(1, 20, dtype=m.int64, device=x.device), x),
    "nonzero": lambda m, x: x.nonzero(), "count_nonzero": lambda m, x: m.count_nonzero(x),
    "cummax": lambda m, x: x.cummax(0), "median": lambda m, x: x.median(), "topk": lambda m, x: x.topk(1),
    "sum of its own dtype": lambda m, x: x.sum(dtype=x.dtype), "trace": lambda m, x: x.trace(),
    "searchsorted": lambda m, x: m.searchsorted(x, x),
    "arange": lambda m, x: m.arange(3, dtype=x.dtype), "eye": lambda m, x: m.eye(3, dtype=x.dtype),
    "linspace": lambda m, x: m.linspace(0, 1, 3, dtype=x.dtype), "rand": lambda m, x: m.rand(3, dtype=x.dtype),
    "randperm": lambda m, x: m.randperm(3, dtype=x.dtype), "lerp": lambda m, x: m.lerp(x, x, 0.5),
    "replicate": lambda m, x: m.nn.functional.pad(x[None], (1, 1), mode="replicate"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_operators_that_there_are(device, name):
    a = bits(name)
    x = cltorch.from_numpy(a.copy()).to(device)
    # a device compiles each kernel for each dtype: all operators for one of them
    chosen = PRESENT if device == "cpu" or name == "uint32" else ("sort", "mul", "filled in part", "or")
    for case in chosen:
        f, reference = PRESENT[case]
        alike(outcome(f, cltorch, x), np.asarray(reference(a)), f"{case} of {name}")


@pytest.mark.parametrize("name", NAMES)
def test_operators_that_there_are_not(device, name):
    x = cltorch.from_numpy(bits(name)).to(device)
    for case, f in ABSENT.items():
        with pytest.raises(NotImplementedError, match=f"not implemented for 'UInt{name[4:]}'"):
            f(cltorch, x)
            raise AssertionError(case)


@pytest.mark.parametrize("name", NAMES)
def test_operators_with_pytorchs(name):
    torch = pytest.importorskip("torch")
    a = bits(name)
    ours, theirs = cltorch.from_numpy(a.copy()), torch.from_numpy(a.copy())
    for case, f in {**{k: v[0] for k, v in PRESENT.items()}, **ABSENT}.items():
        alike(outcome(f, cltorch, ours), outcome(f, torch, theirs), f"{case} of {name}")


FRACTIONS = [
    -1.0,
    -1.5,
    -70000.0,
    0.75,
    65535.0,
    70000.0,
    2.0**31,
    2.0**33,
    2.0**63,
    2.0**63 + 2.0**45,
    2.0**64 - 2.0**40,
]
#: what becomes of them in uint64, the others being their last digits; PyTorch leaves it open above what a type holds
LONG = [2**64 - 1, 2**64 - 1, 2**64 - 70000, 0, 65535, 70000, 2**31, 2**33, 2**63, 2**63 + 2**45, 2**64 - 2**40]


@pytest.mark.parametrize("name", NAMES)
def test_conversions_wrap(device, fp64, name):
    t, top = getattr(cltorch, name), np.iinfo(name).max
    x = cltorch.tensor(FRACTIONS * 3, device=device).to(t)
    small = [v & top for v in LONG] if name == "uint64" else [v & top for v in LONG[:8]]
    assert x.tolist()[: len(small)] == small == x.tolist()[22 : 22 + len(small)]
    whole = [-1, -2, 2**40 + 3, 2**62, -(2**63), 5]
    x = cltorch.tensor(whole * 3, device=device).to(t)
    assert x.tolist() == [v & top for v in whole] * 3
    a = np.array([v & top for v in whole] * 3, name)
    for other in ("int8", "int64", "bool", "float32", "float64", "complex64", *NAMES):
        if other == "float64" and not fp64:
            continue
        got = x.to(getattr(cltorch, other)).cpu().numpy()
        np.testing.assert_array_equal(got, a.astype(other))
    assert x.bfloat16().tolist() == cltorch.tensor(a.astype("float32")).bfloat16().tolist()
    assert x.to(cltorch.uint8).to(t).tolist() == [v & 255 for v in whole] * 3


def test_numbers_become_unsigned_or_do_not():
    for name in NAMES:
        t, top = getattr(cltorch, name), np.iinfo(name).max
        assert cltorch.full((2,), -1, dtype=t).tolist() == [top] * 2 == (cltorch.zeros(2, dtype=t).fill_(-1)).tolist()
        assert cltorch.tensor([True, 3], dtype=t).tolist() == [1, 3] and cltorch.iinfo(t).max == top
        assert str(cltorch.tensor([1, top], dtype=t)) == f"tensor([{1:>{len(str(top))}}, {top}], dtype=torch.{name})"
        assert cltorch.randint(0, 50, (9,), dtype=t).dtype is t
        with pytest.raises(RuntimeError, match="overflow"):
            cltorch.full((2,), float("nan"), dtype=t)
    assert cltorch.tensor([2**64 - 1, 1], dtype=cltorch.uint64).tolist() == [2**64 - 1, 1]
    assert cltorch.tensor([-1], dtype=cltorch.uint16).item() == 65535
    for value, error in ((-1, OverflowError), (2**64, OverflowError), (1.5, TypeError)):
        with pytest.raises(error):
            cltorch.tensor([value], dtype=cltorch.uint64)
    with pytest.raises(RuntimeError, match="overflow"):
        cltorch.tensor([70000], dtype=cltorch.uint16)


def test_promotion_is_refused_but_with_fractions():
    names = ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "complex64", *NAMES]
    for a, b in itertools.product(NAMES, names):
        one, two = getattr(cltorch, a), getattr(cltorch, b)
        if a == b or two.is_floating_point:
            assert promote_types(one, two) is promote_types(two, one) is two
        else:
            with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types is not supported"):
                promote_types(two, one)
        assert cltorch.can_cast(one, two) == (b != "bool") and cltorch.can_cast(two, one) == (two.family in "bui")
    x = cltorch.ones(2, dtype=cltorch.uint16)
    kinds = [cltorch.result_type(x, other) for other in (1, 1.5, 1j, cltorch.tensor(1), cltorch.tensor(1j))]
    assert kinds == [x.dtype, cltorch.float32, cltorch.complex64, x.dtype, cltorch.complex64]
    assert (x + cltorch.ones(2)).dtype is cltorch.float32 and x.type() == "torch.UInt16Tensor"
    assert cltorch.ones(2).type("torch.UInt16Tensor").dtype is cltorch.uint16


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_files(device, name):
    a = bits(name)
    x = cltorch.from_numpy(a).to(device)
    f = io.BytesIO()
    cltorch.save({"x": x.t(), "same": x}, f)
    f.seek(0)
    loaded = cltorch.load(f)
    assert loaded["x"].data_ptr() == loaded["same"].data_ptr() and loaded["x"].stride() == x.t().stride()
    for y in (loaded["x"].t(), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone()):
        assert y.dtype is x.dtype and np.array_equal(y.cpu().numpy(), a)
    assert x.storage().dtype is x.dtype and x.storage()[2] == int(a[0, 2])
    assert x.untyped_storage().nbytes() == a.nbytes
    batch = cltorch.utils.data.default_collate([x, x])
    assert batch.dtype is x.dtype and batch.shape == (2, 6, 20)


@pytest.mark.parametrize("name", NAMES)
def test_files_with_pytorch(name):
    torch = pytest.importorskip("torch")
    a = bits(name)
    for writes, reads in ((cltorch, torch), (torch, cltorch)):
        f = io.BytesIO()
        writes.save({"x": writes.from_numpy(a).t()}, f)
        f.seek(0)
        x = reads.load(f)["x"]
        assert x.dtype is getattr(reads, name) and np.array_equal(x.numpy(), a.T) and x.stride() == (1, 20)
    assert cltorch.from_dlpack(torch.from_numpy(a)).dtype is getattr(cltorch, name)
    assert torch.from_dlpack(cltorch.from_numpy(a)).dtype is getattr(torch, name)
