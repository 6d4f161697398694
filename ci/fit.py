"""Fit the polynomials of the special functions and write cltorch/ops/fits.py. Needs mpmath.

    python ci/fit.py

Every fit is the Chebyshev interpolant of a smooth function on [-1, 1], in 60 digits, cut where its terms fall below
2**-56 of the function, and rewritten in powers of t. ``sum |c| / min |f|``, which bounds what Horner's scheme loses, is
printed for each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpmath import mp, mpf

mp.dps = 60
ROOT = Path(__file__).resolve().parent.parent


def chebyshev(f: Callable[[Any], Any], points: int = 64) -> list[Any]:
    """Return the coefficients of the interpolant through Chebyshev points."""
    angles = [mp.pi * (j + mpf(1) / 2) / points for j in range(points)]
    values = [f(mp.cos(a)) for a in angles]
    found = [
        2 * mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles, strict=True)) / points for k in range(points)
    ]
    found[0] /= 2
    return found


def powers(c: list[Any]) -> list[Any]:
    """Rewrite a Chebyshev sum in powers of t, the highest first."""
    before, now = [mpf(1)], [mpf(0), mpf(1)]
    total = [mpf(0)] * len(c)
    for k, factor in enumerate(c):
        for i, v in enumerate(before):
            total[i] += factor * v
        nxt = [mpf(0), *(2 * v for v in now)]
        for i, v in enumerate(before):
            nxt[i] -= v
        before, now = now, nxt
        if k == len(c) - 1:
            break
    return total[::-1]


def fit(name: str, f: Callable[[Any], Any], scale: float | None = None) -> list[float]:
    """Return the powers of t for a function on [-1, 1]; ``scale`` stands for its size where it has zeros."""
    c = chebyshev(f)
    sizes = [abs(f(mpf(t) / 20)) for t in range(-19, 20)]
    size = mpf(scale) if scale else min(sizes)
    count = max(k for k, v in enumerate(c) if abs(v) > size * mpf(2) ** -57) + 1
    poly = powers(c[:count])
    print(f"{name:12} degree {count - 1:3}  loss {float(sum(map(abs, poly)) / size):.2f}")
    return [float(v) for v in poly]


def on(low: Any, high: Any) -> Callable[[Any], Any]:
    """Return the map from t to an interval."""
    low, high = mpf(low), mpf(high)
    return lambda t: low + (high - low) * (t + 1) / 2


def away_from_zero(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Evaluate at a point beside zero what has a limit there."""
    return lambda u: f(u if abs(u) > mpf(10) ** -18 else mpf(10) ** -18)


FAR = (5, 8)  # from where on Bessel functions of orders 0 and 1 are taken by their amplitudes


def hankel(order: int, part: str) -> Callable[[Any], Any]:
    """Return P or Q x of the Bessel functions' amplitude beyond ``FAR``, as functions of (FAR / x)²."""

    def f(u: Any) -> Any:
        x = FAR[order] / mp.sqrt(u)
        mp.dps = 60 + int(mp.log10(x)) * 2
        angle = x - (2 * order + 1) * mp.pi / 4
        j, y = mp.besselj(order, x), mp.bessely(order, x)
        size = mp.sqrt(mp.pi * x / 2)
        p, q = size * (j * mp.cos(angle) + y * mp.sin(angle)), size * (y * mp.cos(angle) - j * mp.sin(angle))
        mp.dps = 60
        return p if part == "p" else q * x

    return away_from_zero(f)


def airy(part: str) -> Callable[[Any], Any]:
    """Return P or Q ζ of the Airy function's amplitude below -4, as functions of (ζ(4) / ζ)²."""

    def f(u: Any) -> Any:
        zeta = mpf(16) / 3 / mp.sqrt(u)
        x = (3 * zeta / 2) ** (mpf(2) / 3)
        angle, size = zeta - mp.pi / 4, mp.sqrt(mp.pi) * x ** (mpf(1) / 4)
        a, b = mp.airyai(-x), mp.airybi(-x)
        p = size * (a * mp.cos(angle) - b * mp.sin(angle))
        return p if part == "p" else zeta * size * (a * mp.sin(angle) + b * mp.cos(angle))

    return away_from_zero(f)


def airy_right(u: Any) -> Any:
    zeta = mp.sqrt(mpf(2)) * 4 / 3 / u
    x = (3 * zeta / 2) ** (mpf(2) / 3)
    return mp.airyai(x) * mp.exp(zeta) * x ** (mpf(1) / 4)


def ndtri_tail(y: Any) -> Any:
    """Return y (y - ln(y) / y - |z|) for the quantile z of p = exp(-y² / 2)."""
    z = y - mp.log(y) / y - 1 / y
    for _ in range(12):  # Newton's steps on the logarithm of the tail
        tail = mp.erfc(z / mp.sqrt(2)) / 2
        z += (mp.log(tail) + y * y / 2) * tail * mp.sqrt(2 * mp.pi) * mp.exp(z * z / 2)
    return y * (y - mp.log(y) / y - z)


def temme(terms: int, count: int) -> list[list[Any]]:
    """Return the Taylor coefficients in η of the functions C_k of Temme's expansion, the lowest power first.

    Source: DLMF 8.12.9 to 8.12.12, https://dlmf.nist.gov/8.12
    """
    n = count + 2 * terms + 4
    # λ - 1 = η (1 + η / 3 + …) from η²/2 = λ - 1 - ln λ, that is λ' = η λ / (λ - 1)
    mu = [mpf(0)] * (n + 2)
    mu[1] = mpf(1)
    for k in range(2, n + 1):  # (λ - 1) λ' = η λ, compared at η**k
        rest = mp.fsum(mu[i] * (k + 1 - i) * mu[k + 1 - i] for i in range(2, k))
        mu[k] = (mu[k - 1] - rest) / (k + 1)
    shifted = mu[1 : n + 1]
    inverse = [mpf(1)]  # η / (λ - 1)
    for k in range(1, n):
        inverse.append(-mp.fsum(shifted[i] * inverse[k - i] for i in range(1, k + 1)))
    stirling = gamma_series(terms)
    found = [inverse[1:]]
    for k in range(1, terms):
        before = found[-1]
        slope = [(i + 1) * before[i + 1] for i in range(len(before) - 1)]
        # η C_k = C_{k-1}' + g_k η / (λ - 1), with g_k such that the constant term vanishes
        g = -slope[0]
        assert abs(g - stirling[k]) < mpf(10) ** -30, (k, g, stirling[k])
        total = [s + g * w for s, w in zip(slope, inverse, strict=False)]
        found.append(total[1:])
    return [row[:count] for row in found]


def gamma_series(terms: int) -> list[Any]:
    """Return the coefficients g_k of 1 / Γ*(a) in 1 / a, with their sign of DLMF 8.12: (-1)^k of Stirling's."""
    logs = [mpf(0)] * (terms + 1)
    for j in range(1, terms):
        if 2 * j - 1 <= terms:
            logs[2 * j - 1] = mp.bernoulli(2 * j) / (2 * j * (2 * j - 1))
    series = [mpf(1)] + [mpf(0)] * terms
    for k in range(1, terms + 1):
        series[k] = mp.fsum(i * -logs[i] * series[k - i] for i in range(1, k + 1)) / k
    return series


def main() -> None:
    u01 = on(0, 1)
    fits = {
        "I0_FAR": fit("I0_FAR", away_from_x(lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(0, x), 8)),
        "I1_FAR": fit("I1_FAR", away_from_x(lambda x: mp.sqrt(x) * mp.exp(-x) * mp.besseli(1, x), 8)),
        "K0_MID": fit("K0_MID", lambda t: scaled_k(0, 1 / on("0.25", 1)(t))),
        "K1_MID": fit("K1_MID", lambda t: scaled_k(1, 1 / on("0.25", 1)(t))),
        "K0_FAR": fit("K0_FAR", away_from_x(lambda x: scaled_k(0, x), 4)),
        "K1_FAR": fit("K1_FAR", away_from_x(lambda x: scaled_k(1, x), 4)),
    }
    for order in (0, 1):
        square = on(0, FAR[order] ** 2)
        p, q = hankel(order, "p"), hankel(order, "q")
        both = away_from_zero(lambda s, order=order: bessel_near(order, s, False))
        second = away_from_zero(lambda s, order=order: bessel_near(order, s, True))
        sizes = (None, 0.1) if order == 0 else (0.04, 0.04)
        fits[f"J{order}_NEAR"] = fit(f"J{order}_NEAR", lambda t, f=both, s=square: f(s(t)), sizes[0])
        fits[f"Y{order}_NEAR"] = fit(f"Y{order}_NEAR", lambda t, f=second, s=square: f(s(t)), sizes[1])
        fits[f"P{order}"] = fit(f"P{order}", lambda t, f=p: f(u01(t)))
        fits[f"Q{order}"] = fit(f"Q{order}", lambda t, f=q: f(u01(t)))
    fits["AI_LEFT"] = fit("AI_LEFT", lambda t: mp.airyai(on(-4, -1)(t)), 0.3)
    fits["AI_MID"] = fit("AI_MID", lambda t: mp.airyai(on(-1, 2)(t)), 0.1)
    fits["AI_RIGHT"] = fit("AI_RIGHT", lambda t: away_from_zero(airy_right)(u01(t)))
    fits["AI_P"] = fit("AI_P", lambda t: airy("p")(u01(t)))
    fits["AI_Q"] = fit("AI_Q", lambda t: airy("q")(u01(t)))
    fits["ERFCX"] = fit("ERFCX", erfcx_over_all)
    fits["NDTRI_MID"] = fit("NDTRI_MID", lambda t: quantile_over_distance(on(0, "0.1225")(t)))
    fits["NDTRI_TAIL"] = fit("NDTRI_TAIL", lambda t: ndtri_tail(mp.exp(on("0.66", "3.7")(t))))
    fits["LOG1P_REST"] = fit("LOG1P_REST", lambda t: log1p_rest(on("-0.3", "0.3")(t)))
    fits["LGAMMA1P"] = fit("LGAMMA1P", lambda t: away_from_zero(lambda a: mp.loggamma(1 + a) / a)(on(0, "0.85")(t)))
    fits["LGAMMA_NEAR"] = fit("LGAMMA_NEAR", lambda t: lgamma_over_zeros(on(1, "2.5")(t)))
    fits["LGAMMA_MID"] = fit("LGAMMA_MID", lambda t: mp.loggamma(on("2.5", "4.5")(t)))
    fits["LGAMMA_FAR"] = fit("LGAMMA_FAR", lambda t: away_from_zero(stirling_rest)(on(0, mpf(1) / mpf("4.5"))(t)))
    fits["GAMMA_STAR"] = fit("GAMMA_STAR", lambda t: away_from_zero(gamma_star)(on(0, "1.25")(t)))
    fits["DIGAMMA_ROOT"] = fit("DIGAMMA_ROOT", lambda t: digamma_over_root(on(1, 2)(t)))
    fits["DIGAMMA_FAR"] = fit("DIGAMMA_FAR", lambda t: away_from_zero(digamma_rest)(on(0, mpf(1) / 9)(t)))
    fits["COTANGENT"] = fit("COTANGENT", lambda t: away_from_zero(cotangent)(on(0, "0.25")(t)))
    # the terms of Euler and Maclaurin's rest of zeta in their order
    fits["ZETA"] = [float(mp.bernoulli(2 * j) / mp.factorial(2 * j)) for j in range(1, 13)]
    lines = [
        '"""Polynomials of the special functions, written by ci/fit.py: powers of t in [-1, 1], the highest first."""\n'
    ]
    for name, values in fits.items():
        lines.append(table(name, values))
    rows = []
    for k, row in enumerate(temme(10, 26)):
        needed = [i for i, v in enumerate(row) if abs(v) * mpf("0.36") ** i / mpf(50) ** k > mpf(2) ** -56]
        rows.append([float(v) for v in row[: max(needed, default=-1) + 1]][::-1])
    print("temme", [len(r) for r in rows])
    lines.append("# Temme's functions C_k in powers of η, the highest first")
    lines.append("TEMME = (\n" + "".join(f"    {wrap(r, 8)}" for r in rows if r) + ")  # fmt: skip\n")
    (ROOT / "cltorch/ops/fits.py").write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")


def wrap(values: list[float], indent: int) -> str:
    text, line = "(\n", " " * indent
    for v in values:
        word = f"{v!r}, "
        if len(line) + len(word) > 118:
            text += line.rstrip() + "\n"
            line = " " * indent
        line += word
    return text + line.rstrip() + "\n" + " " * (indent - 4) + "),\n"


def table(name: str, values: list[float]) -> str:
    return f"{name} = " + wrap(values, 4).rstrip(",\n") + "  # fmt: skip"


def away_from_x(f: Callable[[Any], Any], least: int) -> Callable[[Any], Any]:
    """Return a function of t in [-1, 1] that is f of x = 2 least / (t + 1)."""
    return lambda t: f(2 * least / (t + 1))


def scaled_k(order: int, x: Any) -> Any:
    return mp.sqrt(x) * mp.exp(x) * mp.besselk(order, x)


ZEROS = [mp.besseljzero(0, k) for k in (1, 2)]


def bessel_near(order: int, s: Any, second: bool) -> Any:
    x = mp.sqrt(s)
    j = mp.besselj(order, x)
    if not second and order == 0:  # over its first two zeros
        return j / mp.fprod(s - zero**2 for zero in ZEROS)
    if not second:
        return j / x
    y = mp.bessely(order, x) - 2 / mp.pi * mp.log(x) * j
    return y if order == 0 else (y + 2 / mp.pi / x) / x


def erfcx_over_all(t: Any) -> Any:
    """Return (1 + 2 x) erfcx(x) of t = (x - 3.75) / (x + 3.75)."""
    x = mpf("3.75") * (1 + t) / (1 - t) if t < 1 - mpf(10) ** -25 else mpf(10) ** 25
    value = mp.exp(x * x) * mp.erfc(x) if x < 50 else asymptotic_erfcx(x)
    return (1 + 2 * x) * value


def asymptotic_erfcx(x: Any) -> Any:
    total, term = mpf(0), mpf(1)
    for k in range(60):
        total += term
        term *= -(2 * k + 1) / (2 * x * x)
    return total / (x * mp.sqrt(mp.pi))


def quantile_over_distance(s: Any) -> Any:
    d = mp.sqrt(s) if s > mpf(10) ** -40 else mpf(10) ** -20
    return mp.sqrt(2) * mp.erfinv(2 * d) / d


def log1p_rest(mu: Any) -> Any:
    """Return (μ - ln(1 + μ)) / μ²."""
    mu = mu if abs(mu) > mpf(10) ** -15 else mpf(10) ** -15
    return (mu - mp.log1p(mu)) / (mu * mu)


def lgamma_over_zeros(x: Any) -> Any:
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def digamma_over_root(x: Any) -> Any:
    """Return ψ(x) / (x - r), where r is ψ's zero."""
    root = mp.findroot(mp.digamma, mpf("1.4616"))
    x = x if abs(x - root) > mpf(10) ** -18 else root + mpf(10) ** -18
    return mp.digamma(x) / (x - root)


def digamma_rest(w: Any) -> Any:
    """Return what ln(x) - 1 / (2 x) is more than ψ(x), in units of 1 / x², w = 1 / x²."""
    x = 1 / mp.sqrt(w)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) / w


def cotangent(s: Any) -> Any:
    """Return π f cot(π f) / (1 - 4 f²) of s = f², which has no zero up to f = 1/2."""
    f = mp.sqrt(s)
    if abs(1 - 4 * s) < mpf(10) ** -18:
        return mp.pi**2 / 8
    return mp.pi * f * mp.cot(mp.pi * f) / (1 - 4 * s)


def stirling_rest(u: Any) -> Any:
    """Return a times what Stirling's formula leaves of ln Γ(a), a = 1 / u."""
    return mp.log(gamma_star(u)) / u


def gamma_star(u: Any) -> Any:
    """Return Γ(a) / (sqrt(2 π / a) (a / e)**a) of a = 1 / u."""
    a = 1 / u
    return mp.exp(mp.loggamma(a) - (a - mpf(1) / 2) * mp.log(a) + a - mp.log(2 * mp.pi) / 2)


if __name__ == "__main__":
    main()
