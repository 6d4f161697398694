"""The special functions against SciPy over the whole line, on every device.

A row's ``accuracy`` (ulps, share) is what is asserted: a result may be off by ``ulps`` times one unit in the last place
of the true value and what a change of its operands by one unit makes of it, and by ``share`` units of 1. Programs take
long to compile, so on OpenCL devices many rows share one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special

import cltorch
from cltorch import special
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops.array import values
from cltorch.ops.evaluate import Formula, run
from cltorch.ops.plan import specialise
from cltorch.ops.table_special import ROWS

ROW = {row.name: row for row in ROWS}
POLYNOMIALS = [row.name for row in ROWS if "polynomial" in row.name]
# SciPy's own errors in float64, in the same units: against 40 digits the rows keep to what they say, SciPy does not
OF_SCIPY = {"igamma": 40, "igammac": 40}
# functions of which SciPy knows no limit at infinity, and that it computes from a rounded phase
NO_LIMIT = {"i0", "i1", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "airy_ai"}
WAVES = {"bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "airy_ai"}


def truth(row, *x: np.ndarray) -> np.ndarray:
    """Return the reference in float64."""
    name = row.name
    with np.errstate(all="ignore"):
        if name == "airy_ai":
            return scipy.special.airy(x[0])[0]
        if name == "scaled_zeta":
            return -6 * scipy.special.zeta(4.0, x[0])
        if name in POLYNOMIALS:
            return polynomial(name, *x)
        if callable(row.ref):
            return row.ref(*x)
        return getattr(np if row.ref == "nextafter" else scipy.special, row.ref.removeprefix("scipy."))(*x)


def polynomial(name: str, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    if name.startswith("shifted"):
        x = 2 * x - 1
    n = np.trunc(n).astype(int)
    u = scipy.special.eval_chebyu
    kind = name.removeprefix("shifted_")
    if kind.endswith(("_v", "_w")):  # sums and differences of neighbours of the second kind
        value = u(n, x) + np.where(n > 0, u(n - 1, x), 0) * (1 if kind.endswith("_w") else -1)
    else:
        f = {
            "chebyshev_polynomial_t": scipy.special.eval_chebyt, "chebyshev_polynomial_u": u,
            "hermite_polynomial_h": scipy.special.eval_hermite,
            "hermite_polynomial_he": scipy.special.eval_hermitenorm,
            "laguerre_polynomial_l": scipy.special.eval_laguerre,
            "legendre_polynomial_p": scipy.special.eval_legendre,
        }[kind]  # fmt: skip
        value = f(n, x)
    return np.where(n < 0, 0, value)


def line(rng, count: int) -> np.ndarray:
    """Return numbers of every size and both signs, poles, infinities and NaN."""
    near, small = rng.uniform(-12, 12, count), np.exp(rng.uniform(-80, 9, count))
    edges = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 4.0, 8.0, -8.0, 50.0, 1e-30, -1e-30, math.inf, -math.inf, math.nan]
    return np.concatenate([near, small, -small[::3], edges])


def operands(row, t: str, count: int = 600) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    name = row.name
    if name == "ndtri":
        tails = np.exp(rng.uniform(-80, 0, count))
        x = [np.concatenate([rng.random(count), tails, [0, 1, -0.1, 1.1, math.nan, 0.15, 0.85, 0.5]])]
    elif name in POLYNOMIALS:
        x = [rng.uniform(-1.5, 1.5, count), rng.integers(-1, 14, count).astype(float)]
        x[0][:5] = [1, -1, 0, 1, -1]
    elif name == "zeta":
        s = [rng.uniform(1, 12, count), np.exp(rng.uniform(0, 5, count)), rng.integers(-1, 20, count), [2, 2, 2, 1, 3]]
        q = [rng.uniform(0, 12, count), np.exp(rng.uniform(-9, 50, count)), rng.uniform(-9, 3, count)]
        x = [np.concatenate(s), np.concatenate([*q, [math.inf, 0, -1, 2, math.nan]])]
    elif name in ("igamma", "igammac"):
        wide = np.exp(rng.uniform(3, 12, count))
        a = [rng.uniform(0, 3, count), rng.uniform(0, 300, count), np.exp(rng.uniform(-30, 20, count)), wide]
        b = [rng.uniform(0, 4, count), rng.uniform(0, 300, count), np.exp(rng.uniform(-30, 20, count))]
        inf = math.inf
        edges = [(0, 0), (0, 1), (1, 0), (-1, 1), (1, -1), (inf, 1), (1, inf), (inf, inf), (math.nan, 1), (1, math.nan)]
        more = np.array(edges, float).T
        a, b = [*a, more[0]], [*b, np.abs(wide + rng.normal(0, 2, count) * np.sqrt(wide)), more[1]]
        x = [np.concatenate(a), np.concatenate(b)]
    else:
        x = [line(rng, count) for _ in range(row.arity)]
        x = [rng.permutation(v) for v in x] if row.arity > 1 else x
    if name in WAVES:
        x = [np.where(np.abs(x[0]) > (100 if name == "airy_ai" else 1e4), 3.3, x[0])]
    if name == "scaled_zeta":
        x = [np.where(np.abs(x[0]) > 50, np.abs(x[0]), x[0])]
    return [v.astype(t) for v in x]


def check(row, t: str, x: list[np.ndarray], got: np.ndarray) -> None:
    """Assert that results are as accurate as the row says."""
    wide = [v.astype(np.float64) for v in x]
    info = np.finfo(t)
    eps, (ulps, share) = float(info.eps), row.accuracy
    if t == "float64":
        ulps = max(ulps, OF_SCIPY.get(row.name, 0))
    want, got = truth(row, *wide), got.astype(np.float64)
    back = np.zeros_like(want)
    with np.errstate(all="ignore"):
        for i in range(row.arity):
            # a degree is exact, and so is an order that must be an integer
            exact = row.name in POLYNOMIALS if i == 1 else row.name == "zeta" and wide[1] < 0
            size = np.maximum(np.abs(wide[i]), 1 if row.name.startswith("shifted") else 0)  # of 2 x - 1
            for step in (1024, -1024):  # in float64 the reference must feel it
                step = step if t == "float64" else np.sign(step)
                moved = [np.where(exact, v, v + size * step * eps) if j == i else v for j, v in enumerate(wide)]
                change = np.abs(truth(row, *moved) - want) / abs(step)
                back = np.maximum(back, np.where(np.isfinite(change), change, 0))
        unit = np.maximum(np.abs(want), float(info.tiny)) * eps
        good = (
            (got == want)
            | (np.isnan(got) & np.isnan(want))
            | (np.abs(got - want) <= ulps * (unit + back) + share * eps)
        )
        good |= (np.abs(want) >= float(info.max) * (1 - 1e-4)) & np.isinf(got) & (np.sign(got) == np.sign(want))
        good |= (np.abs(got) < float(info.tiny)) & (np.abs(want) < float(info.tiny))
        if row.name in NO_LIMIT:
            good |= np.isinf(wide[0])
    bad = np.nonzero(~good)[0]
    shown = [([float(v[i]) for v in wide], got[i], want[i]) for i in bad[:5]]
    assert not len(bad), f"{row.name} in {t}: (operands, result, reference) {shown} and {len(bad)} in all"


def parameters(row) -> tuple[float, ...]:
    return (4.0, -6.0) if row.name == "scaled_zeta" else ()


def tensors(x: list[np.ndarray], device: str) -> list:
    return [cltorch.tensor(v, device=device) for v in x]


@pytest.mark.parametrize("t", ["float32", "float64"])
@pytest.mark.parametrize("name", [n for n in ROW if n != "nextafter"])
def test_rows_are_as_accurate_as_they_say(name, t):
    row = ROW[name]
    x = operands(row, t)
    given = dict(zip(row.params, parameters(row), strict=True))
    check(row, t, x, values(getattr(cltorch.functions, name)(*tensors(x, "cpu"), **given)))


GROUPS = [
    ["entr", "xlog1py", "erfcx", "ndtr", "ndtri", "log_ndtr", "lgamma", "digamma"],
    ["i0", "i0e", "i1", "i1e", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
     "scaled_modified_bessel_k1"],
    ["bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "spherical_bessel_j0", "airy_ai"],
    ["zeta", "scaled_zeta", "igamma", "igammac"],
    POLYNOMIALS,
]  # fmt: skip


@pytest.mark.parametrize("t", ["float32", "float64"])
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_kernels_are_as_accurate_as_the_rows_say(cl_device, group, t):
    """Many rows in one kernel, each with operands of its own."""
    if t == "float64" and not cltorch.device(cl_device).context.caps.fp64:
        pytest.skip("the device has no float64")
    rows = [ROW[name] for name in GROUPS[group]]
    # llvmpipe's compiler takes more than its share of time for a large kernel
    apart = "loops_end_early" in cltorch.device(cl_device).context.caps.quirks
    for part in [[row] for row in rows] if apart else [rows]:
        check_in_one_kernel(part, t, cl_device, f"special{group}" + (part[0].name if apart else ""))


def check_in_one_kernel(rows, t, device, name):
    given = [operands(row, t) for row in rows]
    longest = max(len(x[0]) for x in given)
    given = [[np.resize(v, longest) for v in x] for x in given]
    ends = np.cumsum([row.arity for row in rows])

    def all_rows(m, *xs):
        parts = zip(rows, ends, strict=True)
        return tuple(row.fwd(m, *xs[end - row.arity : end], *parameters(row)) for row, end in parts)

    flat = tensors([v for x in given for v in x], device)
    dtype = getattr(cltorch, t)
    results = run(Formula(name, all_rows), dtype, flat, (), [dtype] * len(rows), (longest,))
    for row, x, out in zip(rows, given, results, strict=True):
        check(row, t, x, values(out))


def test_every_row_is_in_a_group():
    assert sorted(sum(GROUPS, ["nextafter"])) == sorted(ROW)


def test_waves_far_away_have_the_amplitude_and_phase_of_their_limit(device):
    x = np.array([1e5, 3e7, 1.5e12, 1e20, 1.2e25], np.float32)
    wide = x.astype(np.float64)
    s, c, size = np.sin(wide), np.cos(wide), np.sqrt(1 / (np.pi * wide))
    for name, want in (("bessel_j0", s + c), ("bessel_y0", s - c), ("bessel_j1", s - c), ("bessel_y1", -s - c)):
        got = values(getattr(special, name)(cltorch.tensor(x, device=device)))
        # the next term of the amplitude is of the size 1 / x
        np.testing.assert_allclose(got / size, want, atol=5e-6)


def test_zeta_is_right_for_large_exponents(device):
    # squares of squares carry what each lost, and bases what q + k lost: else the error grows with s
    random = np.random.default_rng(8)
    s = random.uniform(8, 100, 20000).astype(np.float32)
    q = random.uniform(0.3, 20, 20000).astype(np.float32)
    want = scipy.special.zeta(s.astype(np.float64), q.astype(np.float64))
    normal = (want > 1e-36) & (want < 1e36)
    got = special.zeta(*tensors([s, q], device)).cpu().numpy()
    off = np.abs(got[normal] - want[normal]) / np.spacing(want[normal].astype(np.float32))
    assert normal.sum() > 5000 and off.max() < 7


def test_zeta_is_right_down_to_the_least_numbers(device):
    s = np.array([19.05, 18.1, 21, 20, 32, 64, 9, 64.5, 127, 10, 33, 17], np.float32)
    q = np.array([107.25, 140.4, 67.6, 86.8, 24, 4.6, 8e4, 4.5, 2.1, 2e4, 20, 300], np.float32)
    want = scipy.special.zeta(s.astype(np.float64), q.astype(np.float64))
    assert (want < 3e-37).all() and (want > 5e-45).all() and (want < 2.0**-126).sum() > 4
    got = special.zeta(*tensors([s, q], device)).cpu().numpy().astype(np.float64)
    least = 2.0**-126  # below which a device may have nothing
    near = np.abs(got - want) <= 3e-5 * want + 16 * 2.0**-149
    assert (near | ((want < 12 * least) & (got >= 0) & (got < want) & (device != "cpu"))).all(), (got, want)
    assert near.all() or not cltorch.tensor(1e-40, device=device).add(0).item()


def test_limits_at_infinity(device):
    x = cltorch.tensor([math.inf, -math.inf], device=device)
    assert special.i0(x).tolist() == [math.inf, math.inf] and special.i1(x).tolist() == [math.inf, -math.inf]
    assert special.bessel_j0(x).tolist() == [0, 0]
    assert special.airy_ai(x).tolist() == [0, 0]
    assert special.spherical_bessel_j0(x).tolist() == [0, 0]
    assert special.zeta(2, x).tolist() == [0, math.inf]  # negative integers are poles
    assert special.zeta(math.inf, cltorch.tensor([0.5, 1, 2], device=device)).tolist() == [math.inf, 1, 0]


def test_high_degrees(device):
    x = np.linspace(-0.99, 0.99, 31).astype(np.float32)
    n = np.array([40, 300, 5000])[:, None]
    got = values(special.chebyshev_polynomial_t(cltorch.tensor(x, device=device), cltorch.tensor(n, device=device)))
    np.testing.assert_allclose(got, np.cos(n * np.arccos(x.astype(np.float64))), atol=2e-3)


def test_polynomials_that_overflow_have_the_sign_of_their_highest_power(device):
    x = cltorch.tensor([-math.inf, math.inf, -1e30, 1e30, math.nan], device=device)
    for name in POLYNOMIALS:
        falling = name.startswith("laguerre")
        for n in (3, 4, 9):
            got = getattr(special, name)(x, n).tolist()
            sign = -1 if n % 2 else 1
            pair = [math.inf, sign * math.inf] if falling else [sign * math.inf, math.inf]
            assert got[:4] == pair * 2, name
            assert math.isnan(got[4])
        assert getattr(special, name)(x, 0).tolist() == [1] * 5
        assert getattr(special, name)(x, -1).tolist() == [0] * 5


# ---- forms -----------------------------------------------------------------------------------------------------------
def test_integers_become_floats_and_results_go_where_they_are_told(device):
    x = cltorch.tensor([1, 2, 3], device=device)
    assert special.i0(x).dtype is cltorch.float32
    np.testing.assert_allclose(values(special.i0(x)), scipy.special.i0([1, 2, 3]), rtol=1e-6)
    out = cltorch.empty(0, device=device)
    assert special.zeta(x + 1, 1, out=out) is out
    np.testing.assert_allclose(values(out), scipy.special.zeta([2, 3, 4], 1), rtol=1e-6)
    y = x.float()
    assert y.i0_() is y
    np.testing.assert_allclose(values(y), scipy.special.i0([1, 2, 3]), rtol=1e-6)
    with pytest.raises(NotImplementedError, match="\"igamma\" not implemented for 'Long'"):
        cltorch.igamma(x, x)
    assert special.zeta(2, x.double() if device == "cpu" else x.float()).shape == (3,)


@pytest.mark.parametrize("t", ["float16", "bfloat16"])
def test_halves_are_computed_in_float32(device, t):
    x = np.array([0.5, 1.0, 2.0, 9.0], np.float32)
    got = special.i0e(cltorch.tensor(x, dtype=getattr(cltorch, t), device=device))
    assert got.dtype is getattr(cltorch, t)
    np.testing.assert_allclose(values(got.float()), scipy.special.i0e(x), rtol=1e-2)


def test_loops_walk_operands_that_are_not_packed(device):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.5, 9, (5, 7)).astype(np.float32), rng.uniform(0.5, 9, (7, 1)).astype(np.float32)
    x, y = cltorch.tensor(a, device=device).t(), cltorch.tensor(b, device=device)
    np.testing.assert_allclose(values(cltorch.igamma(x, y)), scipy.special.gammainc(a.T, b), rtol=2e-5)
    np.testing.assert_allclose(values(cltorch.igamma(x[:, ::2], y)), scipy.special.gammainc(a.T[:, ::2], b), rtol=2e-5)
    assert cltorch.igamma(x[:0], y[:0]).shape == (0, 5)
    assert values(cltorch.igamma(x[0, 0], y[0, 0])).shape == ()


@pytest.mark.parametrize("name", ["zeta", "frexp"])
def test_the_kernels_of_gpus_compute_the_same(cl_device, name):
    """What GPUs run, on this device: loops in vectors of four, and formulas that take one element at a time."""
    x = np.linspace(0.5, 9, 5000).astype(np.float32)
    given = cltorch.tensor(x, device=cl_device)
    out = cltorch.empty(5000, device=cl_device)
    context = cltorch.device(cl_device).context
    formula, want = {
        "zeta": (Formula("gpu_loop", lambda m, v: m.zeta(2.0, v)), scipy.special.zeta(2, x.astype(np.float64))),
        "frexp": (Formula("gpu_single", lambda m, v: m.frexp(v)[0]), np.frexp(x)[0]),
    }[name]
    layouts = [(out.lay, out.dtype)], [(given.lay, given.dtype)]
    kernel, size, group, lead = specialise(context, formula, cltorch.float32, *layouts, kind="gpu")
    kernel.launch(size, group, (*lead, out._storage.buf, given._storage.buf, 0, 0))
    np.testing.assert_allclose(values(out), want, rtol=1e-6)


# ---- polygamma, mvlgamma, frexp, nextafter ---------------------------------------------------------------------------
def test_polygamma(device):
    x = np.array([0.3, 1.0, 2.5, 40.0, -0.7, -3.2], np.float32)
    t = cltorch.tensor(x, device=device)
    for n in (0, 1, 2, 5):
        want = scipy.special.polygamma(n, x.astype(np.float64))
        np.testing.assert_allclose(values(cltorch.polygamma(n, t)), want, rtol=2e-5)
        np.testing.assert_allclose(values(t.polygamma(n)), want, rtol=2e-5)
    np.testing.assert_allclose(values(t.clone().polygamma_(2)), scipy.special.polygamma(2, x.astype(float)), rtol=2e-5)
    with pytest.raises(RuntimeError, match="does not support negative n"):
        cltorch.polygamma(-1, t)
    with pytest.raises(TypeError, match="must be int, not float"):
        cltorch.polygamma(1.5, t)


def test_mvlgamma(device):
    x = np.array([3.0, 2.75, 11.0], np.float32)
    t = cltorch.tensor(x, device=device)
    for p in (1, 3):
        want = [scipy.special.multigammaln(float(v), p) for v in x]
        np.testing.assert_allclose(values(special.multigammaln(t, p)), want, rtol=1e-5)
    assert t.mvlgamma_(2) is t
    np.testing.assert_allclose(values(t), [scipy.special.multigammaln(float(v), 2) for v in x], rtol=1e-5)
    with pytest.raises(RuntimeError, match="p has to be greater than or equal to 1"):
        cltorch.mvlgamma(t, 0)


@pytest.mark.parametrize("t", ["float32", "float64", "float16"])
def test_frexp_takes_numbers_apart(device, fp64, t):
    if t == "float64" and not fp64:
        pytest.skip("the device has no float64")
    x = np.array([0.0, -0.0, 1.0, -5.0, 6e-8, 60000.0, 0.1, math.inf, -math.inf, math.nan], t)
    mantissa, exponent = cltorch.frexp(cltorch.tensor(x, device=device))
    want, powers = np.frexp(x)
    assert mantissa.dtype is getattr(cltorch, t) and exponent.dtype is cltorch.int32
    np.testing.assert_array_equal(values(mantissa), want)
    np.testing.assert_array_equal(values(exponent), np.where(np.isfinite(x), powers, 0))
    with pytest.raises(RuntimeError, match="only supports floating-point dtypes"):
        cltorch.frexp(cltorch.tensor([1], device=device))


def test_gradient_of_frexp(device):
    x = cltorch.tensor([5.0, -0.3], device=device, requires_grad=True)
    result = cltorch.frexp(x)
    assert not result.exponent.requires_grad
    result.mantissa.sum().backward()
    assert x.grad.tolist() == [0.125, 2.0]


def test_lgamma_is_accurate_beside_its_zeros(device):
    x = np.float32(1) + np.float32(2**-24) * np.array([-1, -2, -100, 2, 64, -(2**20)], dtype=np.float32)
    for a in (x, x + np.float32(1)):
        got = values(cltorch.lgamma(cltorch.tensor(a, device=device)))
        np.testing.assert_allclose(got, scipy.special.gammaln(a.astype(np.float64)), rtol=4e-7, atol=1e-38)
    zeros = cltorch.lgamma(cltorch.tensor([1.0, 2.0, 1.0, 2.0], device=device))
    assert zeros.tolist() == [0] * 4 and not zeros.signbit().any()


@pytest.mark.parametrize("t", ["float32", "float64", "float16", "bfloat16"])
def test_nextafter_goes_one_number_on(device, fp64, t):
    if t == "float64" and not fp64:
        pytest.skip("the device has no float64")
    x = np.array([1.0, 1.0, 0.0, 0.0, -1.0, -1.0, 2.0, 2.0, 3.0, math.nan, 1.0, math.inf, -math.inf])
    y = np.array([2.0, 0.0, 1.0, -1.0, 0.0, -2.0, math.inf, 2.0, -math.inf, 1.0, math.nan, -math.inf, 5.0])
    got = cltorch.nextafter(*(cltorch.tensor(v, dtype=getattr(cltorch, t), device=device) for v in (x, y)))
    assert got.dtype is getattr(cltorch, t)
    if t == "bfloat16":  # the upper half of a float32
        bits = x.astype(np.float32).view(np.uint32).astype(np.int64) >> 16
        step = np.where(x == y, 0, np.where(x == 0, 1, np.where((x < y) == (x > 0), 1, -1)))
        bits = np.where((x == 0) & (y < 0), 0x8000, bits) + step
        want = (bits << 16).astype(np.uint32).view(np.float32).astype(np.float64)
        want[np.isnan(x) | np.isnan(y)] = math.nan
    else:
        want = np.nextafter(x.astype(t), y.astype(t)).astype(np.float64)
    # the number beside zero is the least normal one where a device has no others
    if t == "float32" and device != "cpu" and not cltorch.device(device).context.cl_device.single_fp_config & 1:
        want = np.where((x == 0) & (x != y), np.copysign(np.finfo(t).tiny, want), want)
    np.testing.assert_array_equal(values(got.float() if t in ("float16", "bfloat16") else got), want)
    operands = [
        cltorch.tensor(v, dtype=getattr(cltorch, t), device=device, requires_grad=True) for v in ([1, 2], [1, 3])
    ]
    seed = cltorch.tensor([3.0, 4.0], dtype=operands[0].dtype, device=device)
    found = cltorch.autograd.grad(cltorch.nextafter(*operands), operands, seed)
    assert [g.tolist() for g in found] == [[0, 4], [0, 0]]  # where it goes nowhere nothing changes with the first
    with pytest.raises(NotImplementedError, match="\"nextafter\" not implemented for 'Long'"):
        cltorch.nextafter(cltorch.tensor([1], device=device), cltorch.tensor([2], device=device))


def test_float_power_in_place_needs_doubles(device, fp64):
    if fp64 or device == "cpu":
        x = cltorch.tensor([2.0, 3.0], dtype=cltorch.float64, device=device)
        assert x.float_power_(2) is x and x.tolist() == [4.0, 9.0]
    with pytest.raises(RuntimeError, match="has dtype Float but the operation's result requires dtype Double"):
        cltorch.tensor([2.0], device=device).float_power_(2)


# ---- gradients -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [r.name for r in ROWS if r.vjp is not None])
def test_gradients(name):
    row = ROW[name]
    rng = np.random.default_rng(3)
    x = [cltorch.tensor(rng.uniform(*row.domain, 3), dtype=cltorch.float64) for _ in range(row.arity)]
    for i, v in enumerate(x):
        v.requires_grad_(i not in row.opaque)
    f = getattr(cltorch.functions, name)
    assert gradcheck(f, x) and gradgradcheck(f, x)


def test_gradients_of_polygamma_and_mvlgamma():
    x = cltorch.tensor([1.7, 2.6], dtype=cltorch.float64, requires_grad=True)
    assert gradcheck(lambda v: cltorch.polygamma(2, v), [x]) and gradgradcheck(lambda v: cltorch.polygamma(0, v), [x])
    assert gradcheck(lambda v: cltorch.mvlgamma(v, 3), [x])


def test_gradients_on_devices(cl_device):
    x = np.array([0.4, 1.5, 7.0, -2.5], np.float32)
    wide = x.astype(np.float64)
    t = cltorch.tensor(x, device=cl_device, requires_grad=True)
    (g,) = cltorch.autograd.grad(cltorch.lgamma(t).sum(), t)
    np.testing.assert_allclose(values(g), scipy.special.digamma(wide), rtol=1e-5)
    (g,) = cltorch.autograd.grad(special.digamma(t).sum(), t)
    np.testing.assert_allclose(values(g), scipy.special.polygamma(1, wide), rtol=1e-5)
    (g,) = cltorch.autograd.grad(special.i1(t).sum(), t)
    np.testing.assert_allclose(values(g), scipy.special.ivp(1, wide), rtol=1e-5)


def test_what_has_no_derivative_says_so(device):
    a = cltorch.tensor([1.5], device=device, requires_grad=True)
    for f in (cltorch.igamma, cltorch.igammac, special.zeta):
        out = f(a, cltorch.tensor([2.0], device=device))
        with pytest.raises(RuntimeError, match="is not implemented"):
            out.backward()
    assert not special.bessel_j0(a).requires_grad
    assert not special.hermite_polynomial_h(a, 3).requires_grad


# ---- PyTorch ---------------------------------------------------------------------------------------------------------
def test_the_namespace_is_that_of_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    names = {n for n in dir(torch.special) if callable(getattr(torch.special, n)) and n[0] != "_" and n != "Tensor"}
    assert names == set(special.__all__)
    rng = np.random.default_rng(4)
    x, n = rng.uniform(0.1, 0.9, 20), rng.integers(0, 9, 20)
    several = {"polygamma": (2, x), "multigammaln": (x + 2, 2), "logsumexp": (x, 0), "softmax": (x, 0)}
    several["log_softmax"] = (x, 0)
    for name in sorted(names):
        args = several.get(name, (x, n) if "polynomial" in name else (x,))
        if name in ("gammainc", "gammaincc", "xlog1py", "xlogy"):
            args = (x, x[::-1].copy())
        if name == "zeta":
            args = (x + 1.5, x)
        got = getattr(special, name)(*(cltorch.tensor(a) if isinstance(a, np.ndarray) else a for a in args))
        want = getattr(torch.special, name)(*(torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args))
        np.testing.assert_allclose(values(got), want.numpy(), rtol=1e-6, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("t", ["float32", "float64"])
def test_digamma_beside_its_zero(device, fp64, t):
    if t == "float64" and not fp64:
        pytest.skip("the device has no float64")
    root, rest = 1.4616321449683622, 9.549995429965697e-17  # the zero's double and what it is more
    slope = 0.96767224544762121
    x = np.array([1.0, 1.25, 1.4, 1.46, 1.4616, root, 1.46164, 1.47, 1.6, 1.9], t)
    step = (x.astype(np.float64) - root) - rest
    near = abs(step) < 1e-4
    want = np.where(near, step * (slope - 0.4427631 * step), scipy.special.digamma(x.astype(np.float64)))
    got = values(special.digamma(*tensors([x], device))).astype(np.float64)
    np.testing.assert_allclose(got, want, rtol=3e-7 if t == "float32" else 1e-8)


# operands and results of 34 digits, rounded
DIGITS = {
    "erfcx": ([-19.107100177342662, -22.484528243033083, -8.5],
              [7.141905907172875e158, 7.25014977023241e219, 4.7731635244483685e31]),
    "ndtr": ([-24.731613141814822, -9.3, -3.7],
             [2.4448753195488454e-135, 7.022284240441625e-21, 1.0779973347738826e-4]),
    "log_ndtr": ([31.81052386578531, 11.6, 5.3],
                 [-2.3151045033505248e-222, -2.0603912361587923e-31, -5.7901342075928616e-08]),
    "digamma": ([1.998, 2.25, 2.75], [0.4214936580779808, 0.5725464666237345, 0.8189010249754326]),
    "bessel_j0": ([0.003963317744931637, 0.5, 2.4], [0.9999960730319685, 0.9384698072408129, 2.507683297243859e-3]),
}  # fmt: skip


@pytest.mark.parametrize("t", ["float32", "float64"])
def test_digits_that_an_operand_of_one_unit_more_would_change(device, fp64, t):
    """Results are right in themselves, not only for some operand next to the given one."""
    if t == "float64" and not fp64:
        pytest.skip("the device has no float64")
    x = [np.array(given, t) for given, _ in DIGITS.values()]

    def all_rows(m, *xs):
        return tuple(ROW[name].fwd(m, v) for name, v in zip(DIGITS, xs, strict=True))

    dtype = getattr(cltorch, t)
    found = run(Formula("digits", all_rows), dtype, tensors(x, device), (), [dtype] * len(x), (3,))
    for (name, (_, want)), operand, got in zip(DIGITS.items(), x, found, strict=True):
        if t == "float32":  # of the rounded operand
            want = getattr(scipy.special, ROW[name].ref.removeprefix("scipy."))(operand.astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            want = np.array(want, t)
            good = (values(got) == want) | (np.abs(values(got) - want) <= 6 * np.abs(np.spacing(want)))
        assert good.all(), (name, values(got), want)


def test_the_least_numbers_have_logarithms_in_k0():
    x = np.array([1e-45, 1e-40], np.float32)
    for name in ("modified_bessel_k0", "scaled_modified_bessel_k0"):
        got = values(getattr(special, name)(cltorch.tensor(x)))
        np.testing.assert_allclose(got, scipy.special.k0(x.astype(np.float64)), rtol=5e-7)
