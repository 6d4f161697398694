"""Gamma-distributed random numbers, and how a sample moves with the parameter of its distribution.

The device's kernel is kernels/random_gamma.cl; the host follows the same steps on all elements that are left at once.
Sources: G. Marsaglia and W. Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000);
M. Figurnov, S. Mohamed and A. Mnih, Implicit reparameterization gradients, NeurIPS 2018, whose equation
dx/da = -(dF/da) / p(x) is computed here: dF/da is the integral of p(t) (d ln p(t) / da) up to x, or from x on,
whichever keeps to one sign. With t = x exp(±s) the density's ratio to p(x) is smooth, and an exponential substitution
lets the trapezoidal rule converge fast (M. Mori and M. Sugihara, The double-exponential transformation, 2001).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.dtypes import finfo, float64
from cltorch.ops.array import cast_host, empty, host, host_compute
from cltorch.ops.generator import Generator
from cltorch.ops.op import Call, Op
from cltorch.ops.philox import philox
from cltorch.ops.pointwise import FLOAT_ONLY, INNER, Pointwise
from cltorch.ops.random import dense
from cltorch.ops.series import epsilon, is_single
from cltorch.ops.softmax import Softmax
from cltorch.ops.table import TABLE

__all__ = ["DIRICHLET_SLOPE", "GAMMA_SLOPE", "SampleDirichlet", "StandardGamma"]

_ATTEMPTS = 1000


def standard_gamma(shape: Any, generator: Generator, logarithm: bool = False) -> Any:
    """Return gamma variables of rate 1, or their logarithms, for every element of a contiguous array of parameters."""
    out, n, t = empty(shape.shape, shape.dtype, shape.device), shape.lay.numel, shape.dtype
    seed, block = generator.reserve(4 * n)
    least = float(finfo(t).min if logarithm else finfo(t).tiny)
    if n and shape.device.type != "cpu":
        context = shape.device.context
        real = "d" if t is float64 else "f"
        kernel = context.kernel(
            "random_gamma", "ct_gamma", f"blbllIIL{real}", dtype=t.name, ctype=t.ctype, lanes=1, logarithm=logarithm
        )
        local = 1 if context.caps.kind == "cpu" else min(256, context.caps.max_work_group)
        places = (out._storage, 0, shape._storage, shape.lay.offset)
        kernel((-(-n // local) * local,), (local,), *places, n, seed & 0xFFFFFFFF, seed >> 32, block, least)
    elif n:
        real_type = np.float64 if t is float64 else np.float32
        given = host_compute(shape).reshape(-1).astype(real_type)
        with np.errstate(all="ignore"):
            drawn = _draw(given, seed, block, real_type, logarithm)
        host(out)[...] = cast_host(np.maximum(drawn, real_type(least)), t).reshape(shape.shape)
    return out


def _uniform(index: np.ndarray, attempt: int, seed: int, real: Any) -> np.ndarray:
    """Return four numbers in (0, 1) for each of some elements, as (4, n); float64 takes two blocks."""

    def words(part: int) -> np.ndarray:
        counter = np.zeros((4, index.size), np.uint64)
        counter[0], counter[1], counter[2] = index & np.uint64(0xFFFFFFFF), index >> np.uint64(32), part
        return philox(counter, seed)

    if real is np.float32:
        return ((words(attempt) >> np.uint32(8)).astype(real) + real(0.5)) * real(2.0**-24)
    high, low = words(2 * attempt) >> np.uint32(5), words(2 * attempt + 1) >> np.uint32(6)
    return (high * 67108864.0 + low + 0.5) * 2.0**-53


def _draw(a: np.ndarray, seed: int, block: int, real: Any, logarithm: bool) -> np.ndarray:
    out = np.full_like(a, np.nan)
    left = np.flatnonzero(a > 0)
    out[a == 0] = -np.inf if logarithm else 0
    for attempt in range(_ATTEMPTS):
        if not left.size:
            break
        u = _uniform(left.astype(np.uint64) + np.uint64(block), attempt, seed, real)
        mine = a[left]
        boosted = np.where(mine < 1, mine + real(1), mine)
        d = boosted - real(1 / 3)
        c = real(1) / np.sqrt(real(9) * d)
        z = np.sqrt(real(-2) * np.log(u[0])) * np.cos(real(2 * np.pi) * u[1])
        v = real(1) + c * z
        cube = v * v * v
        accepted = (v > 0) & (np.log(u[2]) < real(0.5) * z * z + d - d * cube + d * np.log(cube))
        if logarithm:
            value = np.log(d * cube) + np.where(mine < 1, np.log(u[3]) / mine, real(0))
        else:
            value = d * cube * np.where(mine < 1, np.power(u[3], real(1) / mine), real(1))
        out[left[accepted]] = value[accepted]
        left = left[~accepted]
    return out


def _dirichlet(concentration: Any, generator: Generator) -> Any:
    """Return gamma variables over their sum along the last dimension; none is 0, nor, among several, 1.

    The sum is that of softmax, so that small concentrations, whose variables are below all numbers, keep their ratios.
    """
    limits = finfo(concentration.dtype)
    share = Softmax.forward(Call(()), standard_gamma(concentration, generator, True), concentration.lay.ndim - 1)
    return TABLE["clamp_both"](share, limits.tiny, 1 - 0.5 * limits.eps)


# ---- derivatives of a sample ----------------------------------------------------------------------------------------
def _quadrature(m: Any, like: Any, scale: Any, integrand: Any) -> Any:
    """Return the integral of a function of s > 0 that falls within a few ``scale``, by s = scale * exp(y - exp(-y))."""
    first, last, count = (-3.0, 5.0, 56) if is_single(m, like) else (-4.0, 6.5, 210)
    step = (last - first) / count

    def add(y: Any, total: Any) -> tuple[Any, Any]:
        fall = m.exp(-y)
        s = scale * m.exp(y - fall)
        return y + step, total + integrand(s) * s * (1 + fall)

    return step * m.loop(count, (like * 0 + first, like * 0), lambda y, _: y < last - 0.5 * step, add)[1]


def _log_less_digamma(m: Any, x: Any, a: Any) -> Any:
    """Return ln x - digamma(a), for large a without the cancellation."""
    w = 1 / m.maximum(a, 8)
    rest = w * (0.5 + w * (1 / 12 - w * w * (1 / 120 - w * w * (1 / 252 - w * w * (1 / 240 - w * w / 132)))))
    ratio = (x - a) * w
    far = m.where(ratio > -0.5, m.log1p(m.maximum(ratio, -0.5)), m.log(x * w)) + rest
    return m.where(a > 8, far, m.log(x) - m.digamma(a))


def _expm1_rest(m: Any, s: Any) -> Any:
    """Return exp(s) - 1 - s."""
    small = m.maximum(m.minimum(s, 0.3), -0.3)
    total: Any = 1.0
    for k in range(12, 2, -1):
        total = 1 + small * total / k
    return m.where(m.abs(s) < 0.3, 0.5 * small * small * total, m.expm1(s) - s)


def gamma_slope(m: Any, a: Any, x: Any) -> Any:
    """Return dx/da of a gamma variable x with the shape parameter a."""
    eps = epsilon(m, x)
    excess = _log_less_digamma(m, x, a)
    upper = excess >= 0
    # ln of p(x exp(±s)) dt/ds against s = 0: -(slope s + x (exp(±s) - 1 ∓ s))
    slope = m.where(upper, x - a, a - x)
    steep = m.maximum(slope, 0)
    scale = 2 / (steep + m.sqrt(steep * steep + 2 * x))
    sign = m.where(upper, 1.0, -1.0)
    size = m.abs(excess)
    close = m.where(x > 0.5, scale, 1.0)

    def integrand(s: Any) -> Any:
        s_ = m.minimum(s, 80.0)
        return m.exp(-(slope * s_ + x * _expm1_rest(m, sign * s_))) * (s_ + size)

    far = x * _quadrature(m, x, close, integrand)

    # for small x the series of the incomplete gamma function, all of whose terms have one sign
    def further(n: Any, r: Any, gap: Any, total: Any) -> tuple[Any, ...]:
        return n + 1, r * x / (a + n), gap + 1 / (a + n), total + r * gap

    first_gap = 1 / a - excess
    _, r, gap, total = m.loop(
        60,
        (m.where(x <= 0.5, x * 0 + 1, -1), 1 / a, first_gap, x * 0),
        lambda n, r, gap, total: (n > 0) & (m.abs(r * gap) > 0.1 * eps * m.abs(total)),
        further,
    )
    return m.where(x > 0.5, far, x * (total + r * gap))


def dirichlet_slope(m: Any, x: Any, a: Any, total: Any) -> Any:
    """Return dx/da / (1 - x) of a beta variable x with the parameters a and total - a, of which the second is kept."""
    b = total - a
    # ln x less its mean, digamma(a) - digamma(total)
    excess = _log_less_digamma(m, x * total, a) - _log_less_digamma(m, total, total)
    upper = excess >= 0
    odds = x / (1 - x)
    p, q, r = m.where(upper, b, a), m.where(upper, (1 - x) / x, odds), m.where(upper, a, b)
    # ln of the density at x, or 1 - x, times exp(-s), against s = 0: -p s + (r - 1) ln(1 + q (1 - exp(-s)))
    steep = m.maximum(p - (r - 1) * q, 0)
    bend = m.maximum((r - 1) * q * (1 + q), 0)
    scale = m.maximum(2 / (steep + m.sqrt(steep * steep + 2 * bend)), 1 / p)
    scale = m.where(r > 1, m.minimum(scale, 4 / p + m.sqrt(2 / m.maximum(bend, 1e-30))), 1 / p)

    def integrand(s: Any) -> Any:
        rise = m.log1p(-q * m.expm1(-s))
        return m.exp((r - 1) * rise - p * s) * m.where(upper, rise + excess, s - excess)

    far = m.where(upper, 1, odds) * _quadrature(m, x, scale, integrand)

    # for small x the series of the incomplete beta function, all of whose terms have one sign
    small = x * m.maximum(total, 1) <= 0.5
    eps = epsilon(m, x)

    def further(n: Any, r: Any, gap: Any, value: Any) -> tuple[Any, ...]:
        rise = total + n - 1
        return n + 1, r * x * rise / (a + n), gap + 1 / (a + n) - 1 / rise, value + r * gap

    _, r_, gap, value = m.loop(
        60,
        (m.where(small, x * 0 + 1, -1), 1 / a, 1 / a - excess, x * 0),
        lambda n, r, gap, value: (n > 0) & (m.abs(r * gap) > 0.1 * eps * m.abs(value)),
        further,
    )
    return m.where(small, x * (value + r_ * gap), far)


class StandardGamma(Op):
    """Draw gamma variables that carry the derivative by their shape parameter."""

    name, node = "standard_gamma", "StandardGamma"

    @staticmethod
    def forward(c: Any, shape: Any, generator: Generator) -> Any:
        out = standard_gamma(dense(shape), generator)
        c.save(shape, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> tuple[Any, ...]:
        shape, out = c.saved
        return g * m.gamma_slope(shape, out), None


class SampleDirichlet(Op):
    """Draw from Dirichlet distributions along the last dimension, with the derivative by the concentrations."""

    name, node = "sample_dirichlet", "SampleDirichlet"

    @staticmethod
    def forward(c: Any, concentration: Any, generator: Generator) -> Any:
        out = _dirichlet(dense(concentration), generator)
        c.save(concentration, out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> tuple[Any, ...]:
        concentration, x = c.saved
        total = concentration.sum(-1, True).expand_as(concentration)
        return m.dirichlet_slope(x, concentration, total) * (g - (x * g).sum(-1, True)), None


GAMMA_SLOPE = Pointwise("_standard_gamma_grad", FLOAT_ONLY, gamma_slope, args="self output", scope=INNER)
DIRICHLET_SLOPE = Pointwise("_dirichlet_grad", FLOAT_ONLY, dirichlet_slope, args="x alpha total", scope=INNER)
