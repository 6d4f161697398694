"""Every row of the pointwise table against a reference that does not share its formula, on every device.

A row's ``ref`` computes in float64 (integers in their own type); the result is rounded to the dtype and compared in
units of its last place. One kernel costs a compile of about 100 ms on PoCL, so the cases share kernels: sizes, edges
and offsets go through one kernel per row in float32, and the other dtypes take many rows in one kernel.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import pytest
import scipy.special

import cltorch
from cltorch import dtypes
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.autograd.record import pointwise
from cltorch.dtypes import bfloat16_to_float, float_to_bfloat16
from cltorch.functions import pointwise as functions
from cltorch.ops import plan
from cltorch.ops.array import values
from cltorch.ops.evaluate import Formula, run
from cltorch.ops.formula import trace
from cltorch.ops.plan import _turned, specialise
from cltorch.ops.pointwise import BITWISE, COMPARE, FLOAT, FLOAT_ONLY, INTEGER, REAL, SIGNED, Pointwise
from cltorch.ops.table import ROWS

ROW = {row.name: row for row in ROWS}
NAMES = list(ROW)

# places of the last digit by which float32 and float64 may differ from the rounded true value
ULPS = 4
LOOSE = {
    # OpenCL C allows pow 16, hyperbolic functions 4 to 5
    "pow": 16, "sinh": 6, "cosh": 6, "tanh": 6, "tan": 6,
    # several functions one after the other
    "silu": 8, "mish": 16, "sigmoid": 6, "logsigmoid": 8, "celu": 8, "selu": 8, "elu": 8, "softsign": 6, "hardswish": 6,
    "rsqrt": 6, "lerp": 6, "addcmul": 6, "addcdiv": 6, "xlogy": 8,
}  # fmt: skip
# in float64, where OpenCL C allows erfc 16
LOOSE_IN_DOUBLE = {**LOOSE, "erfc": 16}
# differences of nearly equal numbers: an error of this share of the operands' size is left, whatever remains
CANCELS = {
    "gelu_erf": 1e-6, "gelu_tanh": 1e-6, "tanhshrink": 5e-7, "add": 1e-6, "sub": 1e-6, "lerp": 5e-7, "addcmul": 1e-6,
    "addcdiv": 1e-6, "logaddexp": 5e-7, "squared_error": 1e-6, "absolute_error": 3e-7, "smooth_l1_error": 1e-6,
    "huber_error": 1e-6, "binary_cross_entropy_error": 1e-6, "logits_error": 1e-6, "weighted_logits_error": 3e-6,
    "divergence": 2e-6, "log_divergence": 2e-6, "soft_margin_error": 1e-6, "celu": 0, "hardswish": 3e-7, "frac": 3e-7,
    "mish": 3e-7, "sinc": 1e-6, "logaddexp2": 1e-6,
}  # fmt: skip
EDGES = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, 2.0, -3.0, 7.0, 1e-3, -1e-3, 20.5, -20.5, 90.0, -90.0, 1e5,
    -1e5, 3e4, math.inf, -math.inf, math.nan,
]  # fmt: skip
# rows whose value at an edge depends on the order of their steps (overflow, infinity minus infinity): tame edges only
TAME = {
    "root_of_sum",
    "lerp",
    "trunc_divide",
    "gated",
    "sinc",
    "addcmul",
    "addcdiv",
    "weighted_logits_error",
    "logits_error",
    "log_divergence",
    "hardswish",
    "add",
    "sub",
}
# rows that are defined on a part of the line only
INSIDE = {"binary_cross_entropy_error", "divergence", "log_divergence"}
UNDERFLOW = {"sigmoid": 1e-38, "silu": 1e-36, "gated": 1e-33}  # exp(90) is infinite in float32 already
INTEGERS = ("bool", "uint8", "int8", "int32", "int64")
EXTREMES = {"float32": (3.4028235e38, 1.1754944e-38, 1e-45), "float64": (1.7976931348623157e308, 2.3e-308, 5e-324)}


def numpy_of(name: str) -> np.dtype:
    return np.dtype("float32" if name in ("bfloat16", "float16") else name)


def reference(row, operands, params, masks=()):
    """Return the true values: the row's reference in float64, or in the integer type of its operands."""
    ref = row.ref
    wide = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in operands]
    with np.errstate(all="ignore"):
        if not isinstance(ref, str):
            return np.asarray(ref(*wide, **params))
        ref = getattr(scipy.special, ref[6:]) if ref.startswith("scipy.") else getattr(np, ref)
        if row.name in ("add", "sub"):
            wide[1] = wide[1] * params["alpha"]
        return np.asarray(ref(*wide))


def rounded(x: np.ndarray, t: str) -> np.ndarray:
    """Return float64 values as a dtype holds them, in NumPy's widest type."""
    with np.errstate(all="ignore"):
        if t == "bfloat16":
            return bfloat16_to_float(float_to_bfloat16(x.astype(np.float32))).astype(np.float64)
        return x.astype(t).astype(np.float64)


def spacing(x: np.ndarray, t: str) -> np.ndarray:
    eps, tiny = {
        "float16": (2.0**-10, 2.0**-14), "bfloat16": (2.0**-7, 2.0**-126), "float32": (2.0**-23, 2.0**-126),
        "float64": (2.0**-52, 2.0**-1022),
    }[t]  # fmt: skip
    with np.errstate(all="ignore"):
        return np.maximum(2.0 ** np.floor(np.log2(np.abs(x))), tiny) * eps


@functools.cache
def flushed() -> float:
    """Return up to what magnitude float32 may be zero: OpenCL does not ask a device for subnormal numbers."""
    found = [cltorch.device(f"cl:{i}").resolve().context.cl_device for i in range(cltorch.cl.device_count())]
    return 0.0 if all(d.single_fp_config & 1 for d in found) else 2.0**-126  # CL_FP_DENORM


def check(row, got, operands, params, t: str) -> None:
    """Assert that results are within the row's tolerance of the reference."""
    want = reference(row, operands, params)
    assert got.shape == want.shape
    if want.dtype.kind != "f" or t in INTEGERS:
        np.testing.assert_array_equal(got, want.astype(got.dtype))
        return
    true, want = want, rounded(want, t)
    got = got.astype(np.float64)
    loose = {"float32": LOOSE, "float64": LOOSE_IN_DOUBLE}.get(t)
    ulps = 1.5 if loose is None else loose.get(row.name, ULPS)
    with np.errstate(all="ignore"):
        size = np.max([np.where(np.isfinite(x), np.abs(x), 0) for x in np.broadcast_arrays(*operands)], axis=0)
        share = CANCELS.get(row.name, 0) * (2.0**-29 if t == "float64" else 1)
        slack = ulps * spacing(want, t) + share * np.maximum(size, 1) + UNDERFLOW.get(row.name, 0)
        good = (got == want) | (np.isnan(got) & np.isnan(want)) | (np.abs(got - true) <= slack)
        good |= (got == 0) & (np.abs(want) <= flushed()) & (t == "float32")
    bad = np.nonzero(~good.reshape(-1))[0]
    shown = [
        ([float(x.reshape(-1)[i]) for x in np.broadcast_arrays(*operands)], got.flat[i], want.flat[i]) for i in bad
    ]
    assert not len(bad), f"{row.name} in {t}: (operands, result, reference) {shown[:5]} and {len(bad)} in all"


def draw(row, count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    low, high = row.domain
    operands = [rng.uniform(low, high, count) for _ in range(row.arity)]
    return [x > (low + high) / 2 if i in row.masks else x for i, x in enumerate(operands)]


def with_edges(row, t: str) -> list[np.ndarray]:
    """Return operands of the row's domain mixed with every edge (every pair of edges for two operands)."""
    special = np.array([*EDGES, *EXTREMES[t], *(-x for x in EXTREMES[t])])
    if row.name in TAME:
        special = np.array([x for x in EDGES if x == 0 or 0.5 <= abs(x) < 100])
    if row.name in INSIDE:
        special = np.linspace(*row.domain, 20)
    plain = draw(row, 257)
    if row.arity == 1:
        edges = [special]
    elif row.arity == 2:
        edges = [x.reshape(-1) for x in np.meshgrid(special, special)]
    else:
        rng = np.random.default_rng(1)
        edges = [rng.choice(special, 400) for _ in range(row.arity)]
    joined = [
        np.concatenate([p, e > 0 if i in row.masks else e]) for i, (p, e) in enumerate(zip(plain, edges, strict=True))
    ]
    order = np.random.default_rng(2).permutation(joined[0].size)
    return [x[order] if i in row.masks else x[order].astype(t) for i, x in enumerate(joined)]


def tensors(operands, t: str, device: str, masks=()):
    return [
        cltorch.tensor(x, dtype=cltorch.bool if i in masks else getattr(cltorch, t), device=device)
        for i, x in enumerate(operands)
    ]


def numbers(x) -> np.ndarray:
    return values(x.detach())


def public(name: str):
    return getattr(functions, name)


def arguments(row) -> dict[str, float]:
    """Return parameters other than the defaults, where there are any."""
    return {
        k: {"alpha": 1.5, "value": 0.5, "threshold": 0.25, "beta": 2.0, "lambd": 0.75}.get(k, v)
        for k, v in row.params.items()
    }  # fmt: skip


@pytest.mark.parametrize("name", [n for n in NAMES if ROW[n].rule not in (BITWISE, INTEGER)])
def test_row_agrees_with_its_reference_in_float32(device, name):
    row = ROW[name]
    params = arguments(row)
    operands = with_edges(row, "float32")
    f = public(name)
    for count in (operands[0].size, 0, 1, 15, 16, 17):
        part = [x[:count] for x in operands]
        check(row, numbers(f(*tensors(part, "float32", device, row.masks), **params)), part, params, "float32")
    # from a later place of the storage on, and into an existing tensor
    whole = tensors(operands, "float32", device, row.masks)
    part = [x[3:] for x in operands]
    out = cltorch.empty(0, dtype=cltorch.bool if row.rule is COMPARE else cltorch.float32, device=device)
    shifted = [x.narrow(0, 3, x.shape[0] - 3) for x in whole]
    if row.out:
        assert f(*shifted, **params, out=out) is out
        check(row, numbers(out), part, params, "float32")
    else:
        with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
            f(*shifted, **params, out=out)
        check(row, numbers(f(*shifted, **params)), part, params, "float32")
    if row.inplace and 0 not in row.masks:
        changed = whole[0].clone()
        in_place = public(name + "_")
        assert in_place(changed.narrow(0, 3, changed.shape[0] - 3), *shifted[1:], **params).shape == shifted[0].shape
        got = numbers(changed)
        np.testing.assert_array_equal(got[:3], operands[0][:3].astype(np.float32))
        if row.rule is not COMPARE:
            check(row, got[3:], part, params, "float32")
    # no dimensions
    single = [np.asarray(x[5]) for x in draw(row, 6, seed=3)]
    got = f(*tensors(single, "float32", device, row.masks), **params)
    assert got.shape == ()
    check(row, numbers(got), [a if a.dtype == bool else a.astype(np.float32) for a in single], params, "float32")


# ---- other dtypes: many rows in one kernel ---------------------------------------------------------------------------
def admitted(row, t: str) -> bool:
    """Return whether the row's arithmetic runs in a dtype (a row of floats turns integers into float32 first)."""
    if t in INTEGERS:
        refused = row.rule in (SIGNED, REAL, INTEGER) if t == "bool" else t == "uint8" and row.name == "hardtanh"
        return row.rule not in (FLOAT, FLOAT_ONLY) and not refused and row.scope != "inner"
    return row.rule not in (BITWISE, INTEGER)


def rows_of(t: str, arity: int) -> list:
    rows = [r for r in ROWS if r.arity == arity and admitted(r, t)]
    # halves are loaded and stored around the arithmetic of float32: some rows of each kind will do
    return rows[::5] if t in ("float16", "bfloat16") else rows


def groups(t: str) -> list[tuple[str, int, int]]:
    """Return (dtype, arity, part) for every kernel that the rows of a dtype are divided into."""
    found = []
    for arity in (1, 2, 3):
        rows = rows_of(t, arity)
        found += [(t, arity, part) for part in range(-(-len(rows) // 12))]
    return found


def integers(row, t: str, count: int = 257) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    if t == "bool":
        return [rng.random(count) > 0.5 for _ in range(row.arity)]
    limits = np.iinfo(t)
    operands = [rng.integers(max(limits.min, -100), min(limits.max, 100), count).astype(t) for _ in range(row.arity)]
    operands[0][:6] = [limits.min, limits.max, 0, 1, limits.max - 1, limits.min + 1]
    if row.name == "lcm":
        operands = [rng.integers(max(limits.min, -11), 12, count).astype(t) for _ in range(2)]
    if "shift" in row.name:
        operands[1] = rng.integers(0, limits.bits - 1, count).astype(t)
    if row.name == "pow":
        operands[1] = rng.integers(0, 120, count).astype(t)
    if row.name in ("floor_divide", "trunc_divide", "remainder", "fmod"):
        operands[1][operands[1] == 0] = 3
        operands[1][:6] = np.array([2, -1, 3, -3, -1, 7]).astype(t)  # not least / -1, which NumPy cannot either
    return [x > 0 if i in row.masks else x for i, x in enumerate(operands)]


def many(t: str, rows, compute, operands, params, masks=(), shape=None):
    """Run many rows in one kernel; ``operands`` stand in the order of the rows."""
    ends = np.cumsum([row.arity for row in rows])

    def all_rows(m, *xs):
        parts = zip(rows, ends, params, strict=True)
        return tuple(row.fwd(m, *xs[end - row.arity : end], *p.values()) for row, end, p in parts)

    outs = [dtypes.bool_ if row.rule is COMPARE else getattr(cltorch, t) for row in rows]
    return run(Formula("rows", all_rows, masks), compute, operands, (), outs, shape or operands[0].shape)


@pytest.mark.parametrize(
    ("t", "arity", "part"), [g for t in ("float64", "float16", "bfloat16", *INTEGERS) for g in groups(t)]
)
def test_rows_agree_with_their_references_in_other_dtypes(device, fp64, t, arity, part):
    if t == "float64" and not fp64:
        pytest.skip("the device has no float64")
    rows = rows_of(t, arity)[12 * part : 12 * part + 12]
    if device != "cpu" and t in ("bool", "int8", "int32"):
        rows = rows[part % 3 :: 3]  # in the text of a kernel they differ from uint8 and int64 by a word
    compute = dtypes.float32 if t in ("float16", "bfloat16") else getattr(cltorch, t)
    arrays, operands, masks = [], [], []
    for row in rows:
        if t in INTEGERS:
            given = integers(row, t)
        elif t == "float64":
            given = with_edges(row, t)
        else:
            given = [rounded(x, t).astype(np.float32) if x.dtype != bool else x for x in draw(row, 257)]
        masks += [len(operands) + i for i in row.masks]
        arrays.append(given)
        operands += tensors(given, t, device, row.masks)
    longest = max(x.shape[0] for x in operands)
    operands = [cltorch.tensor(np.resize(numbers(x), longest), dtype=x.dtype, device=device) for x in operands]
    params = [{k: int(v) for k, v in row.params.items()} if t in INTEGERS else arguments(row) for row in rows]
    results = many(t, rows, compute, operands, params, masks)
    for row, given, p, out in zip(rows, arrays, params, results, strict=True):
        check(row, values(out), [np.resize(x, longest) for x in given], p, t)


@pytest.mark.parametrize(("t", "arity", "part"), groups("float32")[::2])
def test_rows_agree_with_their_references_where_operands_are_not_packed(device, t, arity, part):
    """The first operand is transposed, the others are columns that are broadcast along rows."""
    rows = rows_of(t, arity)[12 * part : 12 * part + 12]
    arrays, operands, masks = [], [], []
    for row in rows:
        drawn = [x.astype(np.float32) if x.dtype != bool else x for x in draw(row, 102, seed=3)]
        given = [drawn[0].reshape(17, 6), *(x[:6].reshape(6, 1) for x in drawn[1:])]
        masks += [len(operands) + i for i in row.masks]
        arrays.append([np.broadcast_to(x, (6, 17)) for x in (given[0].T, *given[1:])])
        first, *rest = tensors(given, t, device, row.masks)
        operands += [first.transpose(0, 1), *rest]
    params = [arguments(row) for row in rows]
    results = many(t, rows, dtypes.float32, operands, params, masks, shape=(6, 17))
    for row, given, p, out in zip(rows, arrays, params, results, strict=True):
        check(row, values(out), given, p, t)


# ---- numbers as operands, other forms --------------------------------------------------------------------------------
def test_numbers_stand_in_each_place_of_every_row(device):
    t = "float32"
    rows = [r for r in ROWS if r.arity == 2 and not r.masks and admitted(r, t)]
    params = [arguments(row) for row in rows]
    for place in (0, 1):
        given = {row.name: draw(row, 40) for row in rows}
        single = {name: float(xs[place][7]) for name, xs in given.items()}

        def all_rows(m, *xs, number_first=place == 0):
            half = len(rows)
            pairs = zip(rows, xs[:half], xs[half:], params, strict=True)
            return tuple(r.fwd(m, *((n, x) if number_first else (x, n)), *p.values()) for r, x, n, p in pairs)

        operands = [*tensors([given[r.name][1 - place] for r in rows], t, device), *single.values()]
        outs = [dtypes.bool_ if r.rule is COMPARE else dtypes.float32 for r in rows]
        results = run(Formula(f"numbers{place}", all_rows), dtypes.float32, operands, (), outs, (40,))
        for row, p, out in zip(rows, params, results, strict=True):
            array = given[row.name][1 - place].astype(t)
            number = np.full(40, single[row.name]).astype(t)
            check(row, values(out), [number, array] if place == 0 else [array, number], p, t)


NUMBERS = ["add", "sub", "mul", "div", "pow", "maximum", "lt", "remainder"]


@pytest.mark.parametrize("name", NUMBERS)
def test_functions_take_numbers_on_either_side(device, name):
    row, f = ROW[name], public(name)
    x = np.linspace(0.5, 3, 20).astype(np.float32)
    tensor = cltorch.tensor(x, device=device)
    for number in (2, 1.25, np.float32(1.25), np.int64(3)):
        full = np.full(20, number, np.float32)
        check(row, numbers(f(tensor, number)), [x, full], row.params, "float32")
        check(row, numbers(f(number, tensor)), [full, x], row.params, "float32")
    with pytest.raises(TypeError, match="must be Tensor, not str"):
        f(tensor, "2")
    if name in ("add", "sub", "mul", "div"):  # PyTorch takes two numbers there only
        check(row, numbers(f(2.0, 3)), [np.float32(2), np.float32(3)], row.params, "float32")
    else:
        with pytest.raises(TypeError, match="must be Tensor"):
            f(2, 3)


@pytest.mark.parametrize("t", ["uint8", "int16", "int64", "bool", "float16", "bfloat16"])
def test_layouts_of_every_dtype(device, t):
    """Two operands and a mask, packed, transposed, broadcast along rows and columns, with gaps, at an offset."""
    dtype = getattr(cltorch, t)
    rng = np.random.default_rng(5)

    def make(*shape):
        a = rng.integers(0, 2 if t == "bool" else 50, shape)
        return a, cltorch.tensor(a, dtype=dtype, device=device)

    (a, x), (b, y), (row, r), (column, c) = make(6, 20), make(6, 20), make(20), make(6, 1)
    (flipped, f), (wide, w), (zero, z) = make(20, 6), make(6, 45), make()
    cases = [
        (a, x, b, y), (a, x, flipped.T, f.t()), (flipped.T, f.t(), a, x), (flipped.T, f.t(), flipped.T, f.t()),
        (a, x, row, r), (row, r, a, x), (a, x, column, c), (column, c, row, r), (a, x, zero, z), (zero, z, zero, z),
        (wide[:, 3:43:2], w[:, 3:43:2], a, x), (wide[:, 5:25], w[:, 5:25], column, c), (a[2:], x[2:], b[2:], y[2:]),
        (a[1:2], x[1:2], b, y), (a[:0, :1], x[:0, :1], b[:1, :7], y[:1, :7]),
    ]  # fmt: skip
    # how elements are walked and how they are loaded are independent: all ways to walk for some of the loads
    for p, q, s, u in cases if t == "float16" else cases[1::3] if t == "bool" else cases[1::5]:
        want = np.maximum(p, s)
        got = cltorch.maximum(q, u)
        assert got.dtype is dtype
        np.testing.assert_array_equal(numbers(got), want)
        mask = np.broadcast_to(want > 20 if t != "bool" else want > 0, want.shape)
        chosen = cltorch.where(cltorch.tensor(mask, device=device), q, u)
        np.testing.assert_array_equal(numbers(chosen), np.where(mask, p, s))
        np.testing.assert_array_equal(numbers(q == u), p == s)


@pytest.mark.parametrize("t", ["float32", "float16", "bool"])
def test_the_kernels_of_gpus_compute_the_same(cl_device, t):
    """What GPUs run, on this device: work-items that stride over vectors, or over single elements by their strides."""
    dtype, dev = getattr(cltorch, t), cltorch.device(cl_device)
    rng = np.random.default_rng(6)
    compute = dtypes.float32 if t == "float16" else dtype

    def both(m, x, y, c):
        return m.where(c, x, y), m.maximum(x, y)

    formula = Formula("gpu_form", both, masks=[2])
    a, b, c = (rng.integers(0, 2 if t == "bool" else 60, (37, 50)) for _ in range(3))
    arrays = {"x": a, "y": b, "c": c > 0}
    x, y = (cltorch.tensor(arrays[k], dtype=dtype, device=dev) for k in "xy")
    mask = cltorch.tensor(arrays["c"], device=dev)
    triples = [(x, y, mask), (x[:1], y, mask[:, :1]), (x.t(), y.t(), mask.t()), (x[:, :1], y[:1], mask)]
    triples += [(x[3:], y[3:], mask[3:]), (x[:, 1::2], y[:, 1::2], mask[:, 1::2]), (x[:1, :1], y[:, :3], mask[:1, :3])]
    for ins in triples:
        shape = cltorch.broadcast_shapes(*(i.shape for i in ins))
        outs = [cltorch.empty(shape, dtype=dtype, device=dev) for _ in range(2)]
        layouts = [(i.lay, i.dtype) for i in outs], [(i.lay, i.dtype) for i in ins]
        kernel, size, group, lead = specialise(dev.context, formula, compute, *layouts, kind="gpu")
        every = [*outs, *ins]
        kernel.launch(size, group, (*lead, *(i._storage.buf for i in every), *(i.lay.offset for i in every)))
        p, q, s = (numbers(i) for i in ins)
        np.testing.assert_array_equal(numbers(outs[0]), np.where(s, p, q))
        np.testing.assert_array_equal(numbers(outs[1]), np.maximum(p, q))


def test_places_are_counted_in_the_bits_that_their_number_needs(cl_device, monkeypatch):
    dev = cltorch.device(cl_device).resolve()
    x, y = cltorch.arange(105.0, device=dev).reshape(3, 5, 7), cltorch.arange(15.0, device=dev).reshape(5, 3)
    layouts = [(x.lay, x.dtype), (y.t().unsqueeze(-1).lay, y.dtype)]
    formula = Formula("counted", lambda m, a, b: (a + 200 * b,))
    for most, counter in ((1 << 31, "uint"), (104, "long")):
        monkeypatch.setattr(plan, "_NARROW", most)
        assert plan.counter(105) == counter
        out = cltorch.zeros(3, 5, 7, device=dev)
        launch = specialise(dev.context, formula, cltorch.float32, [(out.lay, out.dtype)], layouts, kind="gpu")
        kernel, size, group, lead = launch
        kernel.launch(size, group, (*lead, *(i._storage.buf for i in (out, x, y)), 0, 0, 0))
        np.testing.assert_array_equal(numbers(out), numbers(x) + 200 * numbers(y).T[..., None])


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("t", ["float32", "float16", "int64", "bool"])
def test_transposed_operands_are_turned_in_tiles(cl_device, t, kind):
    """What large operands run whose neighbours lie along another dimension, in the forms of CPUs and of GPUs."""
    dtype, dev = getattr(cltorch, t), cltorch.device(cl_device)
    rng = np.random.default_rng(7)
    compute = dtypes.float32 if t == "float16" else dtype
    formula = Formula("turned", lambda m, x, y, c: (m.where(c, x, y), m.maximum(x, y)), masks=[2])
    for high, wide in ((130, 129), (64, 256), (17, 1000)):
        a, b, c = (rng.integers(0, 2 if t == "bool" else 60, s) for s in ((3, wide, high), (3, high, wide), (high, 1)))
        x = cltorch.tensor(a, dtype=dtype, device=dev).transpose(1, 2)
        y, mask = cltorch.tensor(b, dtype=dtype, device=dev), cltorch.tensor(c > 0, device=dev)
        turned_mask = cltorch.tensor(np.ascontiguousarray((b > 30).swapaxes(1, 2)), device=dev).transpose(1, 2)
        for ins in ((x, y, mask), (y, x, turned_mask), (x, x[1:2], mask)):
            outs = [cltorch.full((3, high, wide + 2), 9, dtype=dtype, device=dev)[..., 1:-1] for _ in range(2)]
            layouts = [(i.lay, i.dtype) for i in outs], [(i.lay, i.dtype) for i in ins]
            kernel, size, group, lead = specialise(dev.context, formula, compute, *layouts, kind=kind)
            every = [*outs, *ins]
            kernel.launch(size, group, (*lead, *(i._storage.buf for i in every), *(i.lay.offset for i in every)))
            p, q, s = (numbers(i) for i in ins)
            np.testing.assert_array_equal(numbers(outs[0]), np.where(s, p, q))
            np.testing.assert_array_equal(numbers(outs[1]), np.maximum(p, q))


def test_large_results_are_written_past_the_caches(cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))  # everything counts as large
    monkeypatch.setattr(context, "ready", type(context.ready)())
    a, b = (np.random.default_rng(i).standard_normal((157, 211)).astype(np.float32) for i in (0, 1))
    x, y = (cltorch.tensor(v, device=cl_device) for v in (a, b))
    np.testing.assert_array_equal(numbers(x + y), a + b)
    np.testing.assert_array_equal(numbers(x + y[3]), a + b[3])
    np.testing.assert_array_equal(numbers(x + y[:, 3:4]), a + b[:, 3:4])
    np.testing.assert_array_equal(numbers(x[1:, 5:200] * y[1:, 5:200]), a[1:, 5:200] * b[1:, 5:200])
    np.testing.assert_array_equal(numbers(x.t().contiguous()), a.T)
    np.testing.assert_array_equal(numbers(cltorch.cat([x[:3, 7:], y[2:, 7:]])), np.concatenate([a[:3, 7:], b[2:, 7:]]))
    whole = cltorch.zeros(157 * 211 + 7, device=cl_device)
    whole[7:].view(157, 211).copy_(x.t().contiguous().t())  # off the beginning of a line
    np.testing.assert_array_equal(numbers(whole), np.concatenate([np.zeros(7), a.ravel()]))
    x += y
    np.testing.assert_array_equal(numbers(x), a + b)
    np.testing.assert_array_equal(numbers((x > y).int() + 1), (a + b > b) + 1)
    texts = [
        dict(key[1]).get("stream") for key in context._programs if isinstance(key, tuple) and key[0] == "pointwise"
    ]
    assert (True in texts) == (context.caps.kind == "cpu")


@pytest.mark.parametrize("t", ["float32", "float16", "bool", "uint8"])
def test_every_second_element_is_read_in_vectors(cl_device, t):
    """Rows of all lengths about those of one and of two vectors, up to the last element of the memory."""
    dtype = getattr(cltorch, t)
    a = np.random.default_rng(8).integers(0, 2 if t == "bool" else 50, 5 * 70)
    for n in (1, 15, 16, 17, 31, 32, 33, 35):
        for lead in (0, 1):
            b = a[: 5 * 2 * n].reshape(5, 2 * n)
            x = cltorch.tensor(b, dtype=dtype, device=cl_device)
            p, q = b[:, lead::2], x[:, lead::2]
            np.testing.assert_array_equal(numbers(q.contiguous()), p)
            np.testing.assert_array_equal(numbers(cltorch.where(q > 0, q, x[:, :1])), np.where(p > 0, p, b[:, :1]))


@pytest.mark.parametrize("t", ["float32", "float16", "bool"])
def test_dimensions_of_few_elements_are_walked_along_the_one_before(cl_device, t):
    """Innermost dimensions too short for vectors, over more than one stretch of the dimension before them."""
    dtype = getattr(cltorch, t)
    rng = np.random.default_rng(9)
    a, row, column = (rng.integers(0, 2 if t == "bool" else 50, s) for s in ((2, 2100, 5), (5,), (2100, 1)))
    x, r, c = (cltorch.tensor(v, dtype=dtype, device=cl_device) for v in (a, row, column))
    for few in (2, 3, 5):
        p, q = a[..., :few], x[..., :few]
        np.testing.assert_array_equal(numbers(q.contiguous()), p)
        np.testing.assert_array_equal(numbers(q[0].contiguous()), p[0])
        np.testing.assert_array_equal(numbers(cltorch.maximum(q, r[:few])), np.maximum(p, row[:few]))
        chosen = cltorch.where(q > 0, c, r[:few])
        np.testing.assert_array_equal(numbers(chosen), np.where(p > 0, column, row[:few]))
        into = cltorch.zeros(2, 2100, 7, dtype=dtype, device=cl_device)
        into[..., 1 : 1 + few] = q
        np.testing.assert_array_equal(numbers(into), np.pad(p, ((0, 0), (0, 0), (1, 6 - few))))
    halves = x[..., :4].reshape(2, 2100, 2, 2)
    turned = a[..., :4].reshape(2, 2100, 2, 2).transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(numbers(halves.transpose(1, 2).contiguous()), turned)


def test_only_large_operands_across_the_result_are_turned():
    across, along = [200, 1], [1, 200]
    assert _turned([200, 200], [across, along], 1, False, 16, 4) == 0
    assert _turned([3, 200, 200], [[40000, *across], [40000, *along]], 1, True, 4, 4) == 1
    assert _turned([20, 20], [[20, 1], [1, 20]], 1, False, 16, 4) is None  # not worth a compilation
    assert _turned([8, 9999], [[9999, 1], [1, 8]], 1, False, 16, 4) is None  # too few rows for a tile
    assert _turned([200, 200], [across, [2, 400]], 1, False, 16, 4) is None  # neighbours are apart everywhere
    assert _turned([200, 200], [across, across], 1, False, 16, 4) is None
    assert _turned([200, 200], [along, across], 1, False, 16, 4) is None  # the result lies across
    assert _turned([200, 200], [across, along, along, along], 1, True, 4, 8) is None  # too much local memory


def test_results_keep_the_order_of_dimensions(device):
    x = cltorch.zeros(2, 3, 4, device=device).permute(2, 0, 1)
    assert x.exp().stride() == (1, 12, 4)
    assert (x + x).stride() == (1, 12, 4)
    assert (x + cltorch.zeros(3, device=device)).stride() == (1, 12, 4)
    assert (cltorch.zeros(3, device=device) + x).stride() == (1, 12, 4)
    assert x[:, :, ::2].exp().stride() == (1, 8, 4)  # without the gap, in the same order
    assert x[:, :1].expand(4, 2, 3).exp().stride() == (1, 4, 8)
    rows = cltorch.zeros(4, 3, device=device)
    assert (rows + rows.t().contiguous().t()).stride() == (3, 1)
    assert cltorch.where(rows.t() > 0, rows.t(), 0).stride() == (1, 3)


def test_integer_division_by_zero(device):
    x, y = cltorch.tensor([5, -5, 0], device=device), cltorch.tensor([0, 2, 0], device=device)
    for f in (cltorch.floor_divide, cltorch.remainder, cltorch.fmod, functions.trunc_divide):
        if device == "cpu":
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                f(x, y)
        else:  # a device is never asked in between: the result is 0, as an operation's docs say undefined
            assert f(x, y).tolist()[0] == 0
        assert f(x[:0], 0).tolist() == []
    assert (x.float() // y.float()).tolist()[:2] == [math.inf, -3.0]
    assert math.isnan((x.float() % 0)[0].item())


@pytest.mark.parametrize("t", ["int32", "int64"])
def test_the_least_integer_is_divided_by_minus_one_without_a_trap(device, t):
    least = cltorch.iinfo(getattr(cltorch, t)).min
    x = cltorch.tensor([least] * 19, dtype=getattr(cltorch, t), device=device)
    assert (x // -1).tolist() == [least] * 19
    assert (x % -1).tolist() == [0] * 19
    assert cltorch.fmod(x, -1).tolist() == [0] * 19
    assert cltorch.div(x, -1, rounding_mode="trunc").tolist() == [least] * 19


def test_signs_of_quotients_and_remainders(device):
    a, b = [7, -7, 7, -7], [3, 3, -3, -3]
    for t in (cltorch.int32, cltorch.float32):
        x, y = cltorch.tensor(a, dtype=t, device=device), cltorch.tensor(b, dtype=t, device=device)
        assert (x // y).tolist() == [2, -3, -3, 2]
        assert (x % y).tolist() == [1, 2, -2, -1]
        assert cltorch.fmod(x, y).tolist() == [1, -1, 1, -1]
        assert cltorch.div(x, y, rounding_mode="trunc").tolist() == [2, -2, -2, 2]
    infinite = cltorch.tensor([3.0, -3.0], device=device) % math.inf
    assert infinite.tolist() == [3.0, math.inf]


def test_shifts_beyond_the_width(device):
    x = cltorch.tensor([1, -8, 5], device=device)
    count = cltorch.tensor([64, 70, -1], device=device)
    assert (x << count).tolist() == [0, 0, 0]
    assert (x >> count).tolist() == [0, -1, 0]
    byte = cltorch.tensor([200, 1], dtype=cltorch.uint8, device=device)
    assert (byte << 1).tolist() == [144, 2]
    assert (byte >> 9).tolist() == [0, 0]
    assert (byte << 8).tolist() == [0, 0]
    assert (2 << cltorch.tensor([3], device=device)).tolist() == [16]


def test_powers_of_integers(device):
    x = cltorch.tensor([3, -1, 1, 2, 0, -2], device=device)
    assert (x**100).tolist() == [
        int(np.int64(3**100 % 2**64 - (2**64 if 3**100 % 2**64 >= 2**63 else 0))),
        1,
        1,
        0,
        0,
        0,
    ]
    assert cltorch.pow(x, cltorch.tensor([-1, -3, -2, -1, 0, 3], device=device)).tolist() == [0, -1, 1, 0, 1, -8]
    assert (x.to(cltorch.uint8)[:1] ** cltorch.tensor([200], dtype=cltorch.uint8, device=device)).item() == 3**200 % 256
    with pytest.raises(RuntimeError, match="Integers to negative integer powers are not allowed"):
        x**-1
    assert (x**0.5).dtype is cltorch.float32


def test_a_formula_multiplies_small_powers_out(device):
    for t, x, cubes in (
        (dtypes.float32, [1.5, -2.0], [3.375, -8.0]),
        (dtypes.complex64, [1j, 2.0], [-1j, 8.0]),
    ):
        operand = cltorch.tensor(x, dtype=t, device=device)
        (got,) = run(Formula("cube", lambda m, x: x**3), t, [operand], (), (t,), (2,))
        assert values(got).tolist() == cubes
    with pytest.raises(TypeError, match=r"to 0\.5 by m\.pow"):
        trace(lambda m, x: x**0.5, dtypes.float32, [False], 0)


def test_halves_are_rounded_to_even(device):
    x = [0.5, 1.5, 2.5, -0.5, -1.5, 1e10, -math.inf]
    assert cltorch.tensor(x, device=device).round().tolist() == [0.0, 2.0, 2.0, -0.0, -2.0, 1e10, -math.inf]
    assert cltorch.tensor([7], device=device).round().tolist() == [7]
    big = 2**53 + 1
    for f in (cltorch.round, cltorch.floor, cltorch.ceil, cltorch.trunc):
        assert f(cltorch.tensor([big], device=device)).item() == big
    near = cltorch.round(cltorch.tensor([1.2349, 1250.0], device=device), decimals=3).tolist()
    assert near == pytest.approx([1.235, 1250.0])
    assert cltorch.round(cltorch.tensor([1249.0, 1251.0], device=device), decimals=-2).tolist() == [1200.0, 1300.0]


def test_nan_wins_in_extremes_and_bounds(device):
    nan = cltorch.tensor([math.nan, 1.0, math.nan], device=device)
    other = cltorch.tensor([0.0, math.nan, math.nan], device=device)
    for f in (cltorch.maximum, cltorch.minimum):
        assert all(map(math.isnan, f(nan, other).tolist()))
    assert cltorch.fmax(nan, other).tolist()[:2] == [0.0, 1.0]
    assert cltorch.fmin(nan, other).tolist()[:2] == [0.0, 1.0]
    assert math.isnan(cltorch.clamp(nan, 0, 2)[0].item()) and math.isnan(cltorch.relu(nan)[0].item())
    assert math.isnan(cltorch.clamp(nan, min=math.nan)[1].item())
    assert cltorch.clamp(cltorch.tensor([3.0], device=device), min=4, max=2).item() == 2.0
    assert cltorch.sign(nan).tolist() == [0.0, 1.0, 0.0]


def test_small_and_large_angles_beside_each_other(device):
    """A vector of lanes that mixes magnitudes must not lose the small ones."""
    x = np.array([1e-30, 1e30, 1e-3, 3.0, 0.0, -0.0, 5e-3, -1e-10, 1e6, 1e-40, 2.0, 7e-3, 8e-3, 1e20, 1e-2, -1e-38] * 3)
    x = x.astype(np.float32)
    for f, ref in ((cltorch.sin, np.sin), (cltorch.cos, np.cos), (cltorch.tan, np.tan)):
        got, want = numbers(f(cltorch.tensor(x, device=device))), ref(x.astype(np.float64))
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=flushed())
        whole = (np.abs(want) > flushed()) | (x == 0)
        np.testing.assert_array_equal(np.signbit(got[whole]), np.signbit(want[whole]))


def test_double_powers_and_remainders_beside_extreme_lanes(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = np.array([0.5457488790192866, 1e308, -3.7, math.inf, 3.0, 5e-309, 0.2582744000775369, 2.0] * 3)
    y = np.array([3.0, 1e-308, -1.1, 2.0, 0.0049, 0.28, -2.0, math.inf] * 3)
    a, b = cltorch.tensor(x, device=device), cltorch.tensor(y, device=device)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(numbers(a**b), x**y, rtol=1e-14)
        np.testing.assert_array_equal(numbers(cltorch.fmod(a, b)), np.fmod(x, y))


def test_truth_values_count_as_numbers_only_where_pytorch_lets_them(device):
    t = cltorch.tensor([True, False], device=device)
    assert (t + t).dtype is cltorch.bool and (t + 1).tolist() == [2, 1] and (t * 2.5).tolist() == [2.5, 0.0]
    with pytest.raises(RuntimeError, match="Subtraction, the `-` operator, with two bool tensors is not supported"):
        t - t
    with pytest.raises(RuntimeError, match="Subtraction, the `-` operator, with a bool tensor is not supported"):
        t - 1
    with pytest.raises(RuntimeError, match="Negation, the `-` operator, on a bool tensor is not supported"):
        t.neg()
    with pytest.raises(NotImplementedError, match="not implemented for 'Bool'"):
        t // t
    with pytest.raises(NotImplementedError, match="not implemented for 'Float'"):
        t.float() & t
    with pytest.raises(NotImplementedError, match="\"hypot\" not implemented for 'Long'"):
        cltorch.hypot(t.long(), t.long())
    assert cltorch.square(t).dtype is cltorch.int64


# ---- gradients -------------------------------------------------------------------------------------------------------
# operands must not sit where a derivative jumps
KINKED = {"floor", "ceil", "trunc", "round", "frac", "sign", "sgn", "round_places", "remainder", "fmod", "heaviside"}
DIFFERENTIABLE = [r.name for r in ROWS if r.vjp is not None]


def inputs_for_gradients(row) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    operands = [rng.uniform(*row.domain, (2, 2)) for _ in range(row.arity)]
    if row.name in KINKED:
        operands[0] = np.array([[0.3, 1.7], [2.2, -1.4]])
        operands[1:] = [np.array([[1.1, 0.9], [-0.8, 2.3]])] * (row.arity - 1)
    return [x > 0 if i in row.masks else x for i, x in enumerate(operands)]


def both_checks(f, operands, device) -> bool:
    given = [cltorch.tensor(x, device=device, requires_grad=x.dtype != bool) for x in operands]
    return gradcheck(f, given) and gradgradcheck(f, given)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_of_every_row(name):
    row, params = ROW[name], arguments(ROW[name])
    assert both_checks(lambda *xs: public(name)(*xs, **params), inputs_for_gradients(row), "cpu")


@pytest.mark.parametrize("name", ["mul", "div", "where", "sigmoid", "clamp_both", "add"])
def test_gradients_on_devices(cl_device, name):
    if not cltorch.device(cl_device).context.caps.fp64:
        pytest.skip("the device has no float64")
    row, params = ROW[name], arguments(ROW[name])
    operands = inputs_for_gradients(row)
    operands[-1] = operands[-1][:1] if row.arity > 1 else operands[-1]  # the gradient of what was broadcast is summed
    assert both_checks(lambda *xs: public(name)(*xs, **params), operands, cl_device)


@pytest.mark.parametrize("part", range(-(-len(DIFFERENTIABLE) // 9)))
def test_kernels_of_gradients(cl_device, part):
    """Nine rows as one, each with operands of its own, so that their gradients are one kernel."""
    if not cltorch.device(cl_device).context.caps.fp64:
        pytest.skip("the device has no float64")
    rows = [ROW[n] for n in DIFFERENTIABLE[part :: -(-len(DIFFERENTIABLE) // 9)]]
    ends = list(np.cumsum([row.arity for row in rows]))
    places = [range(end - row.arity, end) for row, end in zip(rows, ends, strict=True)]

    def value(m, row, xs, place):
        return row.fwd(m, *(xs[i] for i in place), *arguments(row).values())

    def fwd(m, *xs):
        total = value(m, rows[0], xs, places[0])
        for row, place in zip(rows[1:], places[1:], strict=True):
            total = total + value(m, row, xs, place)
        return total

    def vjp(m, g, *xs):
        found = []
        for row, place in zip(rows, places, strict=True):
            grads = row.vjp(m, g, *(xs[i] for i in place), value(m, row, xs, place), *arguments(row).values())
            found += grads if isinstance(grads, tuple) else [grads]
        return tuple(found)

    masks = [place[i] for row, place in zip(rows, places, strict=True) for i in row.masks]
    names = " ".join(f"x{i}" for i in range(ends[-1]))
    combined = Pointwise(f"part{part}", FLOAT, fwd, vjp, args=names, masks=masks)
    operands = [x for row in rows for x in inputs_for_gradients(row)]
    given = [cltorch.tensor(x, device=cl_device, requires_grad=x.dtype != bool) for x in operands]
    assert gradcheck(lambda *xs: pointwise(combined, xs, ()), given)


def test_rows_with_one_gradient_needed_of_several(device):
    x = cltorch.tensor([1.0, 2.0], device=device, requires_grad=True)
    y = cltorch.tensor([3.0, 4.0], device=device)
    for f, want in ((cltorch.mul, [3.0, 4.0]), (cltorch.div, [1 / 3, 0.25]), (cltorch.atan2, [0.3, 0.2])):
        (gx,) = cltorch.autograd.grad(f(x, y).sum(), x)
        assert gx.tolist() == pytest.approx(want)
    (gy,) = cltorch.autograd.grad(cltorch.div(y, x).sum(), x)
    assert gy.tolist() == pytest.approx([-3.0, -1.0])
    (g,) = cltorch.autograd.grad((x * x).sum(), x)
    assert g.tolist() == [2.0, 4.0]


def test_gradients_of_equal_operands_are_shared_and_bounds_take_theirs(device):
    x = cltorch.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    y = cltorch.tensor([1.0, 3.0, 2.0], device=device, requires_grad=True)
    gx, gy = cltorch.autograd.grad(cltorch.maximum(x, y).sum(), (x, y))
    assert gx.tolist() == [0.5, 0.0, 1.0] and gy.tolist() == [0.5, 1.0, 0.0]
    (g,) = cltorch.autograd.grad(cltorch.clamp(x, 1, 2).sum(), x)
    assert g.tolist() == [1.0, 1.0, 0.0]
    (g,) = cltorch.autograd.grad(cltorch.relu(x - 1).sum(), x)
    assert g.tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("t", ["float16", "bfloat16"])
def test_gradients_have_the_dtype_of_their_operand(device, t):
    dtype = getattr(cltorch, t)
    x = cltorch.tensor([1.0, 2.0, -3.0], dtype=dtype, device=device, requires_grad=True)
    w = cltorch.tensor([0.5, 0.25, 2.0], device=device, requires_grad=True)
    out = (x * w).sigmoid()
    assert out.dtype is cltorch.float32
    out.sum().backward()
    assert x.grad.dtype is dtype and w.grad.dtype is cltorch.float32
    s = 1 / (1 + np.exp(-np.array([0.5, 0.5, -6.0])))
    np.testing.assert_allclose(numbers(x.grad), s * (1 - s) * [0.5, 0.25, 2.0], rtol=1e-2)
    np.testing.assert_allclose(numbers(w.grad), s * (1 - s) * [1.0, 2.0, -3.0], rtol=1e-5)


INF, NAN = math.inf, math.nan
SLOPES = {  # operands, and the gradients of each that PyTorch gives
    "maximum": ([[1, NAN, 2, 2, 1], [NAN, 1, 2, 1, 3]], [[1, 1, 0.5, 1, 0], [1, 1, 0.5, 0, 1]]),
    "minimum": ([[1, NAN, 2, 2, 1], [NAN, 1, 2, 1, 3]], [[1, 1, 0.5, 0, 1], [1, 1, 0.5, 1, 0]]),
    "relu": ([[1, NAN, -1, 0]], [[1, 1, 0, 0]]),
    "atan2": ([[0, 0, 1, -0.0], [0, 1, 2, 0]], [[0, 1, 0.4, 0], [0, 0, -0.2, 0]]),
    "logaddexp": ([[0, INF, -INF, 1, INF], [INF, 0, 3, 1, INF]], [[0, 1, 0, 0.5, NAN], [1, 0, 1, 0.5, NAN]]),
    "logaddexp2": ([[0, INF, -INF, 1, INF], [INF, 0, 3, 1, INF]], [[0, 1, 0, 0.5, NAN], [1, 0, 1, 0.5, NAN]]),
    "mish": ([[0, 1e3, 1e10, -100]], [[0.6, 1, 1, 0]]),
}


@pytest.mark.parametrize("name", SLOPES)
def test_gradients_at_infinity_at_nan_and_of_large_numbers(device, name):
    operands, want = SLOPES[name]
    xs = [cltorch.tensor(a, dtype=cltorch.float32, device=device, requires_grad=True) for a in operands]
    y = getattr(functions, name)(*xs)
    for grad, w in zip(cltorch.autograd.grad(y.sum(), xs), want, strict=True):
        np.testing.assert_allclose(values(grad), w, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_of_all_sizes_in_one_vector(cl_device, name):
    """Large angles go another way, which keeps out of the others' lanes; PoCL's own would lose the smallest."""
    turns = np.arange(1, 60_000, 37) * (np.pi / 2)  # where results are next to zero, all digits of pi count
    a = np.concatenate([np.tile([1e-3, 1e9, -2e-5, 3.0, 7e-3, 1e6, 0.0, -1e-7], 8), turns, -turns]).astype(np.float32)
    found = getattr(cltorch, name)(cltorch.tensor(a, device=cl_device)).cpu().numpy()
    true = getattr(np, name)(a.astype(np.float64))
    assert (np.abs(found - true) <= 4 * np.spacing(np.abs(true).astype(np.float32))).all()


@pytest.mark.parametrize("name", ["tanh", "expm1"])
def test_both_sides_of_a_split(cl_device, name):
    a = np.concatenate([np.linspace(-1, 1, 4001), np.linspace(-12, 12, 4001), [0.0, -0.0, 1e-30]]).astype(np.float32)
    found = getattr(cltorch, name)(cltorch.tensor(a, device=cl_device)).cpu().numpy()
    true = getattr(np, name)(a.astype(np.float64))
    assert (np.abs(found - true) <= 2.5 * np.spacing(np.abs(true).astype(np.float32))).all()
    assert (np.signbit(found) == np.signbit(a)).all()


def units(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return errors in units of the last place of float32."""
    return np.abs(found - true) / np.spacing(np.abs(true).astype(np.float32))


def test_complements_of_the_error_function(cl_device):
    """Down to the least result: exp(-x²) of a rounded square would be off by a hundred units there."""
    a = np.concatenate([np.linspace(-5, 9.15, 40_001), 10.0 ** np.linspace(-40, 0, 999), [12, math.inf, -math.inf]])
    a = a.astype(np.float32)
    found = cltorch.erfc(cltorch.tensor(a, device=cl_device)).cpu().numpy()
    assert (units(found, scipy.special.erfc(a.astype(np.float64))) <= 3.5).all()
    assert np.isnan(cltorch.erfc(cltorch.tensor([math.nan], device=cl_device)).item())


def test_inverse_of_the_error_function_up_to_the_last_number_before_its_poles(device):
    a = np.concatenate([np.linspace(0, 1, 40_001), 1 - 2.0**-24 * np.arange(2000), 10.0 ** np.linspace(-37, 0, 999)])
    a = a.astype(np.float32)
    wide = a.astype(np.float64)
    true = np.where(wide < 0.5, scipy.special.erfinv(wide), scipy.special.erfcinv(1 - wide))
    found = cltorch.erfinv(cltorch.tensor(np.concatenate([a, -a]), device=device)).cpu().numpy()
    number = wide < 1
    assert (units(found[: a.size][number], true[number]) <= 3).all() and (found[: a.size][~number] == math.inf).all()
    np.testing.assert_array_equal(found[a.size :], -found[: a.size])
    ends = cltorch.erfinv(cltorch.tensor([-0.0, 1.5, -2.0, math.inf, math.nan], device=device)).cpu().numpy()
    assert ends[0] == 0 and np.signbit(ends[0]) and np.isnan(ends[1:]).all()


def test_powers_of_all_sizes(cl_device):
    """Exponents up to the largest that has a result, where an error of the logarithm shows a hundredfold."""
    rng = np.random.default_rng(0)
    near = 1 + rng.uniform(-1, 1, 5000) * 10.0 ** rng.uniform(-6, -1, 5000)
    x = np.concatenate([np.exp(rng.uniform(-87, 88, 5000)), rng.uniform(0.5, 2, 5000), near]).astype(np.float32)
    x[x == 1] = 2
    y = (rng.uniform(-125, 127, x.size) / np.log2(x.astype(np.float64))).astype(np.float32)
    found = cltorch.pow(cltorch.tensor(x, device=cl_device), cltorch.tensor(y, device=cl_device)).cpu().numpy()
    true = x.astype(np.float64) ** y
    assert (np.abs(found - true) <= 1.5 * np.spacing(true.astype(np.float32))).all()


def test_powers_at_the_ends_and_of_negative_numbers(cl_device):
    ends = [0.0, 1.0, math.inf, 2.0, 0.5, 3.0, 2.5, 1e30, 16777217, 2147483648, 1e-30]
    ends = np.float32([*ends, *(-v for v in ends), math.nan])
    x, y = (v.ravel() for v in np.meshgrid(ends, ends))
    found = cltorch.pow(cltorch.tensor(x, device=cl_device), cltorch.tensor(y, device=cl_device)).cpu().numpy()
    with np.errstate(all="ignore"):
        true = (x.astype(np.float64) ** y).astype(np.float32)
    np.testing.assert_allclose(found, true, rtol=2e-7)
    number = ~np.isnan(true)
    assert (np.signbit(found) == np.signbit(true))[number].all()


def test_binary_logarithms(cl_device):
    whole = np.arange(-126, 128)
    exact = cltorch.log2(cltorch.tensor(np.ldexp(np.float32(1), whole), device=cl_device)).cpu().numpy()
    np.testing.assert_array_equal(exact, whole)


@pytest.mark.parametrize("name", ["log", "log2"])
def test_logarithms(cl_device, name):
    f, reference = getattr(cltorch, name), getattr(np, name)
    rng = np.random.default_rng(0)
    x = np.concatenate([np.exp(rng.uniform(-87, 88, 4000)), 1 + rng.uniform(-0.3, 0.3, 4000)]).astype(np.float32)
    found = f(cltorch.tensor(x, device=cl_device)).cpu().numpy()
    assert (units(found, reference(x.astype(np.float64))) <= 1).all()
    ends = f(cltorch.tensor([0.0, -0.0, -1.0, math.inf, math.nan], device=cl_device)).cpu().numpy()
    np.testing.assert_array_equal(ends, np.float32([-math.inf, -math.inf, math.nan, math.inf, math.nan]))
