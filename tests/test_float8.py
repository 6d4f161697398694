"""The fractions of 8 bits: their numbers as the formats' specifications have them, rounding, operators, files."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

import cltorch
from cltorch.dtypes import FLOAT8

NAMES = [t.name for t in FLOAT8]
#: code: value, from the tables of OCP's 8-bit and microscaling specifications and of the forms without negative zero
PUBLISHED = {
    "float8_e4m3fn": {
        0x7E: 448.0, 0xFE: -448.0, 0x08: 2.0**-6, 0x07: 0.875 * 2.0**-6, 0x01: 2.0**-9, 0x00: 0.0, 0x80: -0.0,
        0x38: 1.0, 0x39: 1.125, 0x7F: np.nan, 0xFF: np.nan,
    },
    "float8_e5m2": {
        0x7B: 57344.0, 0xFB: -57344.0, 0x04: 2.0**-14, 0x03: 0.75 * 2.0**-14, 0x01: 2.0**-16, 0x80: -0.0, 0x3C: 1.0,
        0x7C: np.inf, 0xFC: -np.inf, 0x7D: np.nan, 0x7F: np.nan, 0xFE: np.nan,
    },
    "float8_e4m3fnuz": {0x7F: 240.0, 0xFF: -240.0, 0x08: 2.0**-7, 0x01: 2.0**-10, 0x00: 0.0, 0x80: np.nan, 0x40: 1.0},
    "float8_e5m2fnuz": {0x7F: 57344.0, 0x04: 2.0**-15, 0x01: 2.0**-17, 0x00: 0.0, 0x80: np.nan, 0x40: 1.0},
    "float8_e8m0fnu": {0x00: 2.0**-127, 0x01: 2.0**-126, 0x7F: 1.0, 0x80: 2.0, 0xFE: 2.0**127, 0xFF: np.nan},
}  # fmt: skip
#: what is larger than all, and infinity
BEYOND = {
    "float8_e4m3fn": 0x7E, "float8_e5m2": 0x7C, "float8_e4m3fnuz": 0x80, "float8_e5m2fnuz": 0x80,
    "float8_e8m0fnu": 0xFF,
}  # fmt: skip


def codes_of(x) -> np.ndarray:
    return x.contiguous().view(cltorch.uint8).cpu().numpy()


def given(name: str, device, shape=(16, 16)):
    """Return a tensor of all codes, and its values by a way that is tested against the tables."""
    x = cltorch.arange(256, dtype=cltorch.uint8, device=device).view(getattr(cltorch, name)).reshape(shape)
    return x, x.float().cpu().numpy()


@pytest.mark.parametrize("name", NAMES)
def test_values_of_the_specifications(device, name):
    t = getattr(cltorch, name)
    x, values = given(name, device, (256,))
    for code, value in PUBLISHED[name].items():
        np.testing.assert_equal(values[code], np.float32(value), f"{code:#x}")
    back = codes_of(cltorch.from_numpy(values).to(device).to(t))
    ordinary = ~np.isnan(values)
    np.testing.assert_array_equal(back[ordinary], np.arange(256)[ordinary])
    assert np.isnan(cltorch.from_numpy(values[~ordinary]).to(device).to(t).float().cpu().numpy()).all()
    half = x.to(cltorch.float16).float().cpu().numpy()
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(half, values.astype("float16").astype("float32"))
    assert t.itemsize == 1 and t.is_floating_point and t.is_signed == (name != "float8_e8m0fnu")


@pytest.mark.parametrize("name", NAMES)
def test_rounding_to_the_nearest_and_of_two_to_the_even_one(device, name):
    t = getattr(cltorch, name)
    _, values = given(name, "cpu", (256,))
    kept = np.isfinite(values) & (np.arange(256) < 128)
    if name == "float8_e8m0fnu":  # not the subnormal number, which a device may take for zero
        kept = np.isfinite(values) & (np.arange(256) > 0)
    codes = np.flatnonzero(kept)
    exact = values[kept].astype(np.float64)
    low, high = exact[:-1], exact[1:]
    middle = ((low + high) / 2).astype(np.float32)
    assert (middle == (low + high) / 2).all() and (np.diff(codes) == 1).all()
    below, above = np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf))
    even = np.where(codes[:-1] % 2 == 0, codes[:-1], codes[1:])
    if name == "float8_e8m0fnu":  # there is but the leading one, which is odd: up
        even = codes[1:]
    a = np.concatenate([below, middle, above])
    want = np.concatenate([codes[:-1], even, codes[1:]])
    np.testing.assert_array_equal(codes_of(cltorch.from_numpy(a).to(device).to(t)), want)
    if t.is_signed:
        sign = np.where((want == 0) & (BEYOND[name] == 0x80), 0, 0x80)
        np.testing.assert_array_equal(codes_of(cltorch.from_numpy(-a).to(device)[::1].to(t)), want | sign)
    large = cltorch.tensor([1e38, float("inf")], device=device).to(t)
    assert codes_of(large)[1] == BEYOND[name] and (name == "float8_e8m0fnu" or codes_of(large)[0] == BEYOND[name])
    strided = cltorch.from_numpy(np.repeat(a, 2)).to(device)[::2].to(t)  # one by one, not as vectors
    np.testing.assert_array_equal(codes_of(strided), want)


@pytest.mark.parametrize("name", NAMES)
def test_conversions_as_pytorchs(name):
    torch = pytest.importorskip("torch")
    top = np.arange(2**16, dtype=np.uint32) << 16
    a = np.concatenate([top | low for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)
    want = torch.from_numpy(a).to(getattr(torch, name)).view(torch.uint8).numpy()
    np.testing.assert_array_equal(codes_of(cltorch.from_numpy(a).to(getattr(cltorch, name))), want)
    ours, theirs = (lib.arange(256, dtype=lib.uint8).view(getattr(lib, name)) for lib in (cltorch, torch))
    for other in ("float32", "float64", "int32", "uint8", "bool", "complex64", *NAMES):
        got, true = ours.to(getattr(cltorch, other)), theirs.to(getattr(torch, other))
        if other in NAMES:
            got, true = got.float(), true.float()
        if other not in ("int32", "uint8"):
            np.testing.assert_array_equal(got.numpy(), true.numpy(), f"{name} to {other}")
        else:
            fits = ~np.isnan(ours.float().numpy()) & (abs(ours.float().numpy()) < 2.0**31)
            np.testing.assert_array_equal(got.numpy()[fits], true.numpy()[fits], f"{name} to {other}")
    assert repr(cltorch.finfo(getattr(cltorch, name))) == repr(torch.finfo(getattr(torch, name)))
    assert repr(ours[60:70]) == repr(theirs[60:70]) and ours.type() == theirs.type()


# with PyTorch's functions, and what becomes of the codes or the values
MOVES = {
    "clone": (lambda m, x: x.t().clone(), lambda c: c.T),
    "cat": (lambda m, x: m.cat([x, x], 1), lambda c: np.hstack([c, c])),
    "roll": (lambda m, x: x.roll(3, 1), lambda c: np.roll(c, 3, 1)),
    "repeat": (lambda m, x: x.repeat(2, 1), lambda c: np.tile(c, (2, 1))),
    "index": (lambda m, x: x[m.tensor([3, 1], device=x.device)], lambda c: c[[3, 1]]),
    "index_select": (lambda m, x: x.index_select(1, m.tensor([3, 1], device=x.device)), lambda c: c[:, [3, 1]]),
    "strided": (lambda m, x: x[:, ::3].contiguous(), lambda c: c[:, ::3]),
    "stack": (lambda m, x: m.stack([x, x]), lambda c: np.stack([c, c])),
}  # fmt: skip
ABSENT = {
    "add": lambda m, x: x + x, "sub": lambda m, x: x - 1, "div": lambda m, x: x / x, "neg": lambda m, x: -x,
    "lt": lambda m, x: x < x, "exp": lambda m, x: x.exp(), "sum": lambda m, x: x.sum(), "max": lambda m, x: x.max(),
    "sort": lambda m, x: x.sort(), "unique": lambda m, x: x.unique(), "cumsum": lambda m, x: x.cumsum(0),
    "softmax": lambda m, x: x.softmax(0), "relu": lambda m, x: x.relu(), "pow": lambda m, x: x**2,
    "gather": lambda m, x: x.gather(0, m.zeros(1, 2, dtype=m.int64, device=x.device)),
    "masked_fill": lambda m, x: x.masked_fill(x == x, 1), "nonzero": lambda m, x: x.nonzero(),
    "index_add": lambda m, x: x.index_add(0, m.tensor([0], device=x.device), x[:1]),
    "bmm": lambda m, x: m.bmm(x[None], x[None]), "arange": lambda m, x: m.arange(3, dtype=x.dtype),
    "rand": lambda m, x: m.rand(3, dtype=x.dtype), "randint": lambda m, x: m.randint(0, 2, (3,), dtype=x.dtype),
    "isposinf": lambda m, x: x.isposinf(), "clamp": lambda m, x: x.clamp(1, 2), "tril": lambda m, x: x.tril(),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_operators(device, name):
    t = getattr(cltorch, name)
    x, values = given(name, device)
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    # a device compiles each kernel for each dtype: all operators for some
    full = str(device) == "cpu" or name in ("float8_e4m3fn", "float8_e8m0fnu")
    for case, (f, reference) in MOVES.items():
        np.testing.assert_array_equal(codes_of(f(cltorch, x)), reference(codes), case)
    np.testing.assert_array_equal((x == x).cpu().numpy(), values == values)
    np.testing.assert_array_equal(x.isnan().cpu().numpy(), np.isnan(values))
    if full:
        y, other = x[4:8], x[7:11]
        product = cltorch.from_numpy(values[4:8]) * cltorch.from_numpy(values[7:11])
        np.testing.assert_array_equal(codes_of(y * other), codes_of(product.to(t)))
        chosen = cltorch.where(y == y, y, other)
        np.testing.assert_array_equal(
            chosen.float().cpu().numpy(), np.where(values[4:8] == values[4:8], values[4:8], values[7:11])
        )
        x2 = x.clone()
        x2[:, ::2].fill_(2)
        assert x2[3, 4].item() == 2 and x2[3, 5].item() == x[3, 5].item()
        assert cltorch.eye(3, dtype=t, device=device).float().tolist()[1][1] == 1
        assert cltorch.ones(3, dtype=t, device=device).tolist() == [1, 1, 1] and bool(x.any()) and x[7, 1:2].all()
    if name != "float8_e8m0fnu" and full:
        one = cltorch.tensor([[1.0, 2.0], [3.0, 0.5]], device=device).to(t)
        assert (one @ one).tolist() == cltorch.tensor([[7, 3], [4.5, 6.25]]).to(t).tolist()
        np.testing.assert_array_equal(x.abs().float().cpu().numpy(), abs(values))
        y = one.clone()
        y[cltorch.tensor([0], device=device)] = one[1:]
        assert y.tolist() == [[3, 0.5], [3, 0.5]]
        put = one.index_put((cltorch.tensor([0], device=device),), one[1:], accumulate=True)
        assert put.tolist() == [[4, 2.5], [3, 0.5]]


@pytest.mark.parametrize("name", NAMES)
def test_operators_that_there_are_not(device, name):
    x = cltorch.ones(2, 2, device=device).to(getattr(cltorch, name))
    for case, f in ABSENT.items():
        with pytest.raises(NotImplementedError, match=f"not implemented for 'F{name[1:]}'"):
            f(cltorch, x)
            raise AssertionError(case)
    for other in (cltorch.ones(2), cltorch.ones(2, dtype=cltorch.int64), cltorch.ones(2, dtype=cltorch.uint16)):
        with pytest.raises(RuntimeError, match="Promotion for Float8 Types is not supported, attempted to promote"):
            x * other.to(device)
    assert cltorch.result_type(x, 1.5) is x.dtype
    if str(device) == "cpu":
        with pytest.raises(TypeError, match="Got unsupported ScalarType F"):
            x.numpy()
        torch = pytest.importorskip("torch")
        theirs = torch.ones(2, 2).to(getattr(torch, name))
        for case, f in ABSENT.items():
            with pytest.raises(NotImplementedError):
                f(torch, theirs)
                raise AssertionError(case)


def test_numbers_that_do_not_fit():
    for name in NAMES:
        t = getattr(cltorch, name)
        assert codes_of(cltorch.tensor([float("inf")], dtype=t))[0] == BEYOND[name]
        assert np.isnan(cltorch.full((2,), float("nan"), dtype=t).tolist()).all()
        if name != "float8_e8m0fnu":
            assert cltorch.zeros(1, dtype=t).fill_(1e9) is not None  # one element overflows, several are refused
            with pytest.raises(RuntimeError, match=f"converted to type c10::F{name[1:]} without overflow"):
                cltorch.full((2,), 1e9, dtype=t)
    assert cltorch.full((2,), float("-inf"), dtype=cltorch.float8_e5m2).tolist() == [-np.inf] * 2
    with pytest.raises(RuntimeError, match="without overflow"):
        cltorch.full((2,), 0.0, dtype=cltorch.float8_e8m0fnu)
    with pytest.raises(TypeError, match="couldn't find storage object"):
        cltorch.set_default_dtype(cltorch.float8_e5m2)


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_files(device, name):
    t = getattr(cltorch, name)
    x, _ = given(name, device)
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    f = io.BytesIO()
    cltorch.save({"x": x.t(), "same": x}, f)
    f.seek(0)
    loaded = cltorch.load(f)
    assert loaded["x"].data_ptr() == loaded["same"].data_ptr() and loaded["x"].stride() == (1, 16)
    for y in (loaded["same"], copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.clone(), x.to("cpu").to(device)):
        assert y.dtype is t and np.array_equal(codes_of(y), codes)
    assert x.storage().dtype is t and x.untyped_storage().nbytes() == 256 and x.storage()[0x40] == x[4, 0].item()
    assert np.array_equal(codes_of(cltorch.utils.data.default_collate([x, x])), np.stack([codes, codes]))
    weight = cltorch.ones(2, 2, device=device, requires_grad=True)
    weight.to(t).float().sum().backward()
    assert weight.grad.tolist() == [[1, 1], [1, 1]]
    layer = cltorch.nn.Linear(2, 3).to(device).to(t)
    again = cltorch.nn.Linear(2, 3).to(device).to(t)
    again.load_state_dict(layer.state_dict())
    assert np.array_equal(codes_of(again.weight.detach()), codes_of(layer.weight.detach()))
    cltorch.testing.assert_close(x[2:3], x[2:3].clone())


@pytest.mark.parametrize("name", NAMES)
def test_files_with_pytorch(name):
    torch = pytest.importorskip("torch")
    for writes, reads in ((cltorch, torch), (torch, cltorch)):
        f = io.BytesIO()
        x = writes.arange(256, dtype=writes.uint8).view(getattr(writes, name)).reshape(16, 16)
        writes.save({"x": x.t()}, f)
        f.seek(0)
        y = reads.load(f)["x"]
        assert y.dtype is getattr(reads, name) and y.stride() == (1, 16)
        assert y.t().contiguous().view(reads.uint8).reshape(-1).tolist() == list(range(256))
    theirs = torch.arange(256, dtype=torch.uint8).view(getattr(torch, name))
    assert cltorch.from_dlpack(theirs).dtype is getattr(cltorch, name)
    assert torch.from_dlpack(cltorch.from_dlpack(theirs)).dtype is theirs.dtype
