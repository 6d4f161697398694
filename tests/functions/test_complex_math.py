"""Functions of complex numbers: NumPy in double precision is the reference, finite differences that of derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.autograd import gradcheck, gradgradcheck

UNARY = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
    "log1p": np.log1p, "sqrt": np.sqrt, "rsqrt": lambda z: 1 / np.sqrt(z), "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}  # fmt: skip
_DRAW = np.random.default_rng(5)
POINTS = (_DRAW.normal(size=192) + 1j * _DRAW.normal(size=192)) * 10.0 ** _DRAW.integers(-4, 2, size=192)
# both sides of every branch cut, and zeros of either sign
CUTS = np.array([
    complex(a, b) for a in (-2.0, -0.5, 0.5, 2.0) for b in (0.0, -0.0)
] + [complex(a, b) for a in (0.0, -0.0) for b in (-2.0, -0.5, 0.5, 2.0)])  # fmt: skip
Z = np.array([[0.6 + 0.4j, -0.7 + 1.2j, 0.3 - 0.8j], [-1.1 - 0.5j, 1.4 - 0.3j, -0.2 + 0.1j]])
W = np.array([[0.5 - 1j, 0.2j, 1.2], [1 + 1j, -0.3 - 2j, 0.7 + 0.125j]])
X = np.array([[1.5, 0.8, 0.25], [0.3, 1.1, 2]])


@pytest.mark.parametrize("name", UNARY)
def test_values_and_branch_cuts(device, name):
    z = np.concatenate([POINTS, CUTS]).astype(np.complex64)
    got = getattr(cltorch, name)(cltorch.tensor(z, device=device)).cpu().numpy()
    with np.errstate(all="ignore"):
        want = UNARY[name](z.astype(np.complex128))
    held = np.isfinite(want.astype(np.complex64))
    assert got.dtype == np.complex64 and held.sum() > 160
    # NumPy's own complex64 loses digits near zeros of the results; those of kernels do not
    slack = 1e-5 if device == "cpu" else 0
    assert np.all(np.abs(got - want)[held] <= 2e-6 * np.abs(want)[held] + slack)


@pytest.mark.parametrize("name", [n for n in UNARY if n not in ("exp2", "expm1", "log1p", "rsqrt", "sigmoid")])
def test_infinities_and_nan_are_those_of_c99(device, name):
    parts = (0.0, -0.0, 1.0, -1.0, -3.0, np.inf, -np.inf, np.nan)
    z = np.array([complex(a, b) for a in parts for b in parts], np.complex64)
    got = getattr(cltorch, name)(cltorch.tensor(z, device=device)).cpu().numpy()
    with np.errstate(all="ignore"):
        want = UNARY[name](z)
    for one, other in ((got.real, want.real), (got.imag, want.imag)):
        wrong = ~np.isclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True)
        assert not wrong.any(), list(zip(z[wrong], got[wrong], want[wrong], strict=True))


def test_logs_of_sums_of_what_is_infinite(device):
    inf, nan = np.inf, np.nan
    for x, y, want in (
        (1 + 0j, complex(inf, inf), complex(inf, inf)), (complex(1, inf), complex(inf, 1), complex(inf, 1)),
        (1 + 1j, complex(-inf, inf), 1 + 1j), (complex(-inf, 2), complex(-inf, 1), complex(-inf, 1)),
        (complex(inf, 0), complex(inf, 1), complex(inf, np.pi / 4)), (complex(1, nan), 1 + 1j, complex(nan, nan)),
        (complex(inf, nan), 1 + 1j, complex(nan, nan)), (complex(-inf, nan), 1 + 1j, complex(nan, nan)),
    ):  # fmt: skip
        a, b = (cltorch.tensor([v], dtype=cltorch.complex64, device=device) for v in (x, y))
        for got in (cltorch.logaddexp(a, b), cltorch.cat([b, a]).logcumsumexp(0)[1:]):
            np.testing.assert_allclose(got.cpu().numpy().view(np.float32), np.array([want.real, want.imag]), rtol=1e-6)
    one_axis = cltorch.tensor([complex(1, inf)], dtype=cltorch.complex64, device=device).sgn().item()
    assert one_axis.real == 0 and one_axis.imag != one_axis.imag


def test_nothing_overflows_halfway(device):
    def of(name, z):
        return getattr(cltorch, name)(cltorch.tensor([z, z], dtype=cltorch.complex64, device=device)).tolist()[0]

    large = 2e38 + 2e38j
    for name, z in (("sqrt", large), ("log", large), ("tanh", 60 + 1j), ("asin", 1e15 + 1j)):
        want = complex(UNARY[name](np.complex128(z)))
        assert abs(of(name, z) - want) <= 1e-6 * abs(want), name
    assert of("sqrt", 0j) == 0 and of("exp", 0j) == 1
    assert of("log", 0j).real == -np.inf


def test_powers(device):
    z, w, x = (cltorch.tensor(a, dtype=t, device=device) for a, t in (
        (Z, cltorch.complex64), (W, cltorch.complex64), (X, cltorch.float32)))  # fmt: skip
    z[0, 0] = 0
    base = Z.copy()
    base[0, 0] = 0
    for got, want in (
        (z**w, base**W), (z**x, base**X), (x**w, X**W), (z**2, base**2), (z**0.5, base**0.5), (z**3, base**3),
        (z**(1 - 2j), base**(1 - 2j)), (z**0, base**0), (x**1j, X**1j),
    ):  # fmt: skip
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=3e-6, atol=1e-6)
        assert got.dtype is cltorch.complex64


def test_infinite_and_finite(device):
    inf, nan = np.inf, np.nan
    z = np.array([1, complex(inf, nan), complex(0, -inf), complex(nan, 0), complex(3e38, 3e38)], np.complex64)
    t = cltorch.tensor(z, device=device)
    assert t.isinf().tolist() == np.isinf(z).tolist() == [False, True, True, False, False]
    assert t.isfinite().tolist() == np.isfinite(z).tolist() == [True, False, False, False, True]


def test_sums_with_products(device):
    z, w = (cltorch.tensor(a, dtype=cltorch.complex64, device=device) for a in (Z, W))
    np.testing.assert_allclose(cltorch.addcmul(z, z, w, value=2 - 1j).cpu(), Z + (2 - 1j) * Z * W, rtol=3e-6)
    np.testing.assert_allclose(cltorch.addcdiv(z, z, w, value=0.5).cpu(), Z + 0.5 * Z / W, rtol=3e-6)
    np.testing.assert_allclose(cltorch.lerp(z, w, z).cpu(), Z + Z * (W - Z), rtol=3e-6)


DIFFERENTIABLE = {name: (lambda z, w, x, name=name: getattr(cltorch, name)(z)) for name in UNARY} | {
    "pow": lambda z, w, x: cltorch.pow(z, w),
    "pow of number": lambda z, w, x: cltorch.pow(0.5 + 1j, w) * cltorch.pow(z, 3),
    "pow of real": lambda z, w, x: cltorch.pow(x, w) + cltorch.pow(z, x),
    "addcmul": lambda z, w, x: cltorch.addcmul(z, w, x, value=1 - 2j),
    "addcdiv": lambda z, w, x: cltorch.addcdiv(z, x, w, value=2j),
    "lerp": lambda z, w, x: cltorch.lerp(z, w, z * w),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives(name):
    z, w = (cltorch.tensor(a, dtype=cltorch.complex128, requires_grad=True) for a in (Z, W))
    x = cltorch.tensor(X, dtype=cltorch.float64, requires_grad=True)
    f = DIFFERENTIABLE[name]
    assert gradcheck(f, (z, w, x), check_forward_ad=name in ("exp", "pow", "lerp"))
    assert gradgradcheck(f, (z, w, x))


@pytest.mark.parametrize("name", ["pow", "atanh"])
def test_derivatives_in_kernels(device, name):
    found = []
    for where, t in ((device, cltorch.complex64), ("cpu", cltorch.complex128)):
        z, w = (cltorch.tensor(a, dtype=t, device=where, requires_grad=True) for a in (Z, W))
        DIFFERENTIABLE[name](z, w, None).abs().sum().backward()
        found.append([g.cpu().numpy() for g in (z.grad, w.grad) if g is not None])
    for got, want in zip(*found, strict=True):
        np.testing.assert_allclose(got, want, rtol=3e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sign", "torch.sign is not intended to support complex numbers"),
        ("floor", "floor is not supported for complex inputs"),
        ("isposinf", "isposinf does not support complex inputs"),
        ("deg2rad", "deg2rad is not supported for complex tensors"),
    ],
)
def test_functions_without_a_complex_meaning_say_so(name, message):
    with pytest.raises(RuntimeError, match=message):
        getattr(cltorch, name)(cltorch.tensor([1 + 2j]))
