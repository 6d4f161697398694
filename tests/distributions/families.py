"""One distribution of each family of numbers, with SciPy's counterpart; values are chosen inside the support."""

from __future__ import annotations

import numpy as np
import scipy.stats as st

import cltorch
from cltorch import distributions as D

LOC, SCALE, A, B, P = (
    np.array(v) for v in ((-1.0, 0.0, 2.0), (0.5, 1.0, 3.0), (0.7, 2.0, 5.5), (1.3, 0.6, 4.0), (0.15, 0.5, 0.8))
)


def tensor(v: np.ndarray) -> cltorch.Tensor:
    return cltorch.tensor(v, dtype=cltorch.float64)


# name: (class, parameters as arrays, SciPy's distribution of these parameters); all take float64 tensors
CONTINUOUS = {
    "Beta": (D.Beta, (A, B), st.beta),
    "Cauchy": (D.Cauchy, (LOC, SCALE), st.cauchy),
    "Chi2": (D.Chi2, (A,), st.chi2),
    "Exponential": (D.Exponential, (A,), lambda r: st.expon(scale=1 / r)),
    "FisherSnedecor": (D.FisherSnedecor, (A, 2 * B + 4), st.f),
    "Gamma": (D.Gamma, (A, B), lambda a, r: st.gamma(a, scale=1 / r)),
    "GeneralizedPareto": (D.GeneralizedPareto, (LOC, SCALE, np.array([-0.3, 0.0, 0.2])),
                          lambda m, s, k: st.genpareto(k, m, s)),
    "Gumbel": (D.Gumbel, (LOC, SCALE), st.gumbel_r),
    "HalfCauchy": (D.HalfCauchy, (SCALE,), lambda s: st.halfcauchy(scale=s)),
    "HalfNormal": (D.HalfNormal, (SCALE,), lambda s: st.halfnorm(scale=s)),
    "InverseGamma": (D.InverseGamma, (A + 2, B), lambda a, r: st.invgamma(a, scale=r)),
    "Laplace": (D.Laplace, (LOC, SCALE), st.laplace),
    "LogNormal": (D.LogNormal, (LOC, SCALE), lambda m, s: st.lognorm(s, scale=np.exp(m))),
    "Normal": (D.Normal, (LOC, SCALE), st.norm),
    "Pareto": (D.Pareto, (SCALE, A + 2), lambda s, a: st.pareto(a, scale=s)),
    "StudentT": (D.StudentT, (A + 2, LOC, SCALE), st.t),
    "Uniform": (D.Uniform, (LOC, LOC + SCALE), lambda low, high: st.uniform(low, high - low)),
    "VonMises": (D.VonMises, (LOC / 2, A), lambda m, k: st.vonmises(k, m)),
    "Weibull": (D.Weibull, (SCALE, A), lambda s, k: st.weibull_min(k, scale=s)),
}  # fmt: skip
DISCRETE = {
    "Bernoulli": (D.Bernoulli, (P,), st.bernoulli),
    "Binomial": (D.Binomial, (np.full(3, 6.0), P), st.binom),
    "Geometric": (D.Geometric, (P,), lambda p: st.geom(p, -1)),
    "NegativeBinomial": (D.NegativeBinomial, (A, P), lambda n, p: st.nbinom(n, 1 - p)),
    "Poisson": (D.Poisson, (B * 3,), st.poisson),
}
ALL = {**CONTINUOUS, **DISCRETE}


def pair(name: str) -> tuple[D.Distribution, object]:
    """Return our distribution and SciPy's."""
    kind, parameters, scipy = ALL[name]
    return kind(*(tensor(v) for v in parameters)), scipy(*parameters)
