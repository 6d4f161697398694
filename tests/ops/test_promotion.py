"""Which dtype a mixed operation has, against PyTorch's documented rules and, where it is installed, PyTorch itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cltorch
from cltorch.dtypes import ALL, can_cast, promote_types

NAMES = [t.name for t in ALL]
SCALARS = (True, 2, 2.5)


def make(lib, name, ndim, device=None):
    value = True if name == "bool" else 1
    kw = {} if device is None else {"device": device}
    return lib.tensor(value if ndim == 0 else [value, value], dtype=getattr(lib, name), **kw)


@pytest.fixture
def default_dtype():
    """Restore the default dtype after a test that changes it."""
    before = cltorch.get_default_dtype()
    yield cltorch.set_default_dtype
    cltorch.set_default_dtype(before)


# the table of https://docs.pytorch.org/docs/2.13/tensor_attributes.html, for what is not obvious
@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ("uint8", "int8", "int16"),
        ("uint8", "int16", "int16"),
        ("int64", "float16", "float16"),
        ("float16", "bfloat16", "float32"),
        ("bfloat16", "int64", "bfloat16"),
        ("float32", "float64", "float64"),
        ("bool", "uint8", "uint8"),
        ("bool", "float16", "float16"),
    ],
)
def test_promoted_types(a, b, want):
    assert promote_types(getattr(cltorch, a), getattr(cltorch, b)).name == want
    assert promote_types(getattr(cltorch, b), getattr(cltorch, a)).name == want
    assert cltorch.promote_types(getattr(cltorch, a), getattr(cltorch, a)).name == a


def test_categories_of_operands(device):
    """A tensor with dimensions decides unless a 0-d tensor or a number is of a higher category."""
    ints = cltorch.tensor([1, 2], dtype=cltorch.int8, device=device)
    halves = cltorch.tensor([1.0], dtype=cltorch.float16, device=device)
    assert (ints + 5).dtype is cltorch.int8
    assert (ints + cltorch.tensor(5, device=device)).dtype is cltorch.int8
    assert (ints + 5.0).dtype is cltorch.float32
    assert (ints + cltorch.tensor(5.0, dtype=cltorch.float16, device=device)).dtype is cltorch.float16
    assert (halves + cltorch.tensor(5.0, dtype=cltorch.float32, device=device)).dtype is cltorch.float16
    assert (halves + 5).dtype is cltorch.float16
    assert (ints > 2.5).dtype is cltorch.bool
    assert (ints / ints).dtype is cltorch.float32
    assert (ints == 1).tolist() == [True, False]
    assert cltorch.result_type(ints, 1.0) is cltorch.float32
    assert cltorch.result_type(1, 2.0) is cltorch.float32
    assert cltorch.result_type(True, 1) is cltorch.int64


def test_a_number_takes_the_dtype_of_the_tensor(device):
    assert (cltorch.tensor([1, 200], dtype=cltorch.uint8, device=device) + 300).tolist() == [45, 244]
    assert (cltorch.tensor([44], dtype=cltorch.uint8, device=device) == 300).tolist() == [True]
    assert (cltorch.tensor([1], dtype=cltorch.int8, device=device) * 1000).tolist() == [-24]
    assert (cltorch.tensor([1], dtype=cltorch.int32, device=device) + 2**40).tolist() == [1]
    assert (cltorch.tensor([1], device=device) + 2**63).tolist() == [1 - 2**63]
    assert (cltorch.tensor([1.0], device=device) + 2**63).tolist() == [2.0**63]
    for t in (cltorch.int64, cltorch.float32):
        with pytest.raises(OverflowError, match="int too big to convert"):
            cltorch.tensor([1], dtype=t, device=device) + 2**64
    assert (cltorch.tensor([1.0], dtype=cltorch.float16, device=device) * 1e6).tolist() == [float("inf")]
    assert (cltorch.tensor([2**53 + 1], device=device) == 2**53 + 1).tolist() == [True]


def test_arithmetic_wraps(device):
    byte = cltorch.tensor([3, 255], dtype=cltorch.uint8, device=device)
    assert (byte - 5).tolist() == [254, 250] and (byte + byte).tolist() == [6, 254]
    assert (byte * byte).tolist() == [9, 1]
    least = cltorch.tensor([-128], dtype=cltorch.int8, device=device)
    assert abs(least).tolist() == [-128] and (-least).tolist() == [-128] and (least - 1).tolist() == [127]
    assert (cltorch.tensor([2**63 - 1], device=device) + 1).tolist() == [-(2**63)]


def test_alpha(device):
    a, b = cltorch.tensor([1, 2], device=device), cltorch.tensor([10, 20], device=device)
    assert cltorch.add(a, b, alpha=3).tolist() == [31, 62]
    assert cltorch.sub(a.float(), b, alpha=0.5).tolist() == [-4.0, -8.0]
    with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
        cltorch.add(a, b, alpha=0.5)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported for Boolean results"):
        cltorch.add(a, b, alpha=True)
    t = cltorch.tensor([True, False], device=device)
    assert cltorch.add(t, t, alpha=True).dtype is cltorch.bool


def test_a_changed_default_dtype_counts_at_once(device, fp64, default_dtype):
    """Also for operations that have run before, whose launches are remembered."""
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.tensor([1, 2], device=device)

    def results():
        return [x / 2, x * 1.5, x / x, cltorch.exp(x), cltorch.where(x > 1, 1.5, 2), x > 1.5, cltorch.sqrt(x.bool())]

    for dtype in (cltorch.float32, cltorch.float64, cltorch.float16, cltorch.float32):
        default_dtype(dtype)
        for _ in range(2):
            *floats, mask, root = results()
            assert [r.dtype for r in (*floats, root)] == [dtype] * 6 and mask.dtype is cltorch.bool
        assert (x / 2).tolist() == [0.5, 1.0]
    assert (cltorch.ones(1, dtype=cltorch.float16, device=device) / 2).dtype is cltorch.float16


def test_in_place_results_must_fit(device):
    ints = cltorch.tensor([1, 2], device=device)
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        ints += 1.5
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        ints.div_(2)
    with pytest.raises(RuntimeError, match="result type Long can't be cast to the desired output type Bool"):
        cltorch.tensor([True], device=device).add_(1)
    halves = cltorch.ones(2, dtype=cltorch.float16, device=device)
    halves *= cltorch.tensor([2.0, 3.0], device=device)
    assert halves.dtype is cltorch.float16 and halves.tolist() == [2.0, 3.0]
    assert cltorch.tensor([1.0, 3.0], device=device).eq_(3).tolist() == [0.0, 1.0]


def test_what_out_can_hold(device):
    a, b = cltorch.tensor([1, 2], device=device), cltorch.tensor([3, 4], device=device)
    out = cltorch.empty(0, device=device)
    assert cltorch.add(a, b, out=out) is out and out.dtype is cltorch.float32 and out.tolist() == [4.0, 6.0]
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        cltorch.div(a, b, out=cltorch.empty(2, dtype=cltorch.int64, device=device))
    assert cltorch.eq(a, b, out=cltorch.empty(2, dtype=cltorch.uint8, device=device)).tolist() == [0, 0]
    x = cltorch.ones(2, device=device, requires_grad=True)
    with pytest.raises(RuntimeError, match="functions with out=... arguments don't support automatic differentiation"):
        cltorch.exp(x, out=cltorch.empty(2, device=device))


def test_operands_lie_on_one_device(cl_device):
    here, there = cltorch.ones(2), cltorch.ones(2, device=cl_device)
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        here + there
    assert (there + cltorch.tensor(2.0)).tolist() == [3.0, 3.0]  # a 0-d host tensor counts as a number
    assert (cltorch.tensor(2, dtype=cltorch.bfloat16) * there).tolist() == [2.0, 2.0]
    assert (cltorch.tensor(2.0) - there).device == there.device
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        here + cltorch.tensor(2.0, device=cl_device)
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        here.add_(there)


def test_casts_follow_categories():
    assert can_cast(cltorch.float64, cltorch.float16) and can_cast(cltorch.int64, cltorch.int8)
    assert not can_cast(cltorch.float32, cltorch.int64) and not can_cast(cltorch.int64, cltorch.bool)
    assert cltorch.can_cast(cltorch.bool, cltorch.uint8)


# ---- PyTorch itself --------------------------------------------------------------------------------------------------
OPERATIONS = {
    "add": lambda lib, a, b: a + b,
    "div": lambda lib, a, b: a / b,
    "floor_divide": lambda lib, a, b: a // b,
    "pow": lambda lib, a, b: a**b,
    "lt": lambda lib, a, b: a < b,
    "and": lambda lib, a, b: a & b,
    "atan2": lambda lib, a, b: lib.atan2(a, b),
    "where": lambda lib, a, b: lib.where(a == a, a, b),
    "maximum": lambda lib, a, b: lib.maximum(a, b),
    "shift": lambda lib, a, b: a << b,
    "sub": lambda lib, a, b: a - b,
}


def outcome(f, lib, a, b):
    try:
        r = f(lib, a, b)
    except (RuntimeError, TypeError) as error:
        return type(error).__name__ if isinstance(error, TypeError) else "RuntimeError"
    with np.errstate(all="ignore"):
        return str(r.dtype), np.asarray(r.tolist(), np.float32).round(5).tolist()


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_every_pair_has_pytorchs_dtype_and_value(name):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    f = OPERATIONS[name]
    kinds = [(n, d) for n in NAMES for d in (0, 1)]
    pairs = [((a, da), (b, db)) for (a, da), (b, db) in itertools.product(kinds, kinds)]
    for (a, da), (b, db) in pairs:
        ours = outcome(f, cltorch, make(cltorch, a, da), make(cltorch, b, db))
        theirs = outcome(f, torch, make(torch, a, da), make(torch, b, db))
        assert ours == theirs, f"{a} ({da}-d) {name} {b} ({db}-d): {ours}, PyTorch {theirs}"
    if name in ("maximum", "atan2"):
        return  # PyTorch takes no numbers here
    for (a, da), number in itertools.product(kinds, SCALARS):
        for swap in (False, True):
            ours, theirs = (
                outcome(f, lib, *((number, make(lib, a, da)) if swap else (make(lib, a, da), number)))
                for lib in (cltorch, torch)
            )
            assert ours == theirs, f"{a} ({da}-d) {name} {number}, swapped: {swap}: {ours}, PyTorch {theirs}"


def test_result_type_and_can_cast_are_pytorchs():
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    for a, b in itertools.product(NAMES, NAMES):
        assert str(cltorch.promote_types(getattr(cltorch, a), getattr(cltorch, b))) == str(
            torch.promote_types(getattr(torch, a), getattr(torch, b))
        )
        assert cltorch.can_cast(getattr(cltorch, a), getattr(cltorch, b)) == torch.can_cast(
            getattr(torch, a), getattr(torch, b)
        )
        for da, db in itertools.product((0, 1), (0, 1)):
            ours = cltorch.result_type(make(cltorch, a, da), make(cltorch, b, db))
            assert str(ours) == str(torch.result_type(make(torch, a, da), make(torch, b, db)))
