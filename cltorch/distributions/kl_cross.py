"""Divergences between distributions of two families: the mean of ln q under p, and the entropy of p.

Where p gives a probability to what q excludes, the divergence is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cltorch.distributions.bernoulli import Bernoulli
from cltorch.distributions.beta import Beta
from cltorch.distributions.binomial import Binomial
from cltorch.distributions.continuous_bernoulli import ContinuousBernoulli
from cltorch.distributions.exponential import Exponential
from cltorch.distributions.gamma import Gamma
from cltorch.distributions.gumbel import Gumbel
from cltorch.distributions.kl import register_kl
from cltorch.distributions.laplace import Laplace
from cltorch.distributions.normal import Normal
from cltorch.distributions.pareto import Pareto
from cltorch.distributions.poisson import Poisson
from cltorch.distributions.uniform import Uniform
from cltorch.distributions.utils import euler_constant
from cltorch.functions import public as fn

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _size(p: Any) -> Any:
    """Return a parameter of p, whose shape is that of the batch."""
    for name in ("concentration1", "probs", "rate", "concentration", "loc", "alpha"):
        if hasattr(p, name):
            return getattr(p, name)
    raise AttributeError(name)


def _infinite(p: Any, q: Any) -> Any:
    return fn.full_like(_size(p), math.inf)


# what p may be outside of the support of q
for _p, _others in {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}.items():
    for _q in _others:
        register_kl(_p, _q)(_infinite)


def _normal_moments(q: Any, mean: Any, variance: Any) -> Any:
    """Return the mean of -ln of a normal density under a distribution of these moments."""
    return 0.5 * (variance + (mean - q.loc).pow(2)) / q.scale.pow(2) + q.scale.log() + _HALF_LOG_2PI


def _to_normal(p: Any, q: Any) -> Any:
    return _normal_moments(q, p.mean, p.variance) - p.entropy()


for _p in (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Uniform):
    register_kl(_p, Normal)(_to_normal)


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Any:
    return fn.where(p.alpha <= 2, math.inf, _to_normal(p, q))


def _to_exponential(p: Any, q: Any) -> Any:
    return q.rate * p.mean - q.rate.log() - p.entropy()


for _p in (Beta, ContinuousBernoulli, Gamma):
    register_kl(_p, Exponential)(_to_exponential)


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Any:
    return fn.where(p.alpha <= 1, math.inf, _to_exponential(p, q))


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Any:
    return fn.where(p.low < 0, math.inf, _to_exponential(p, q))


def _to_gamma(p: Any, q: Any, log_mean: Any) -> Any:
    """Return the divergence from a gamma distribution of a p whose logarithm has this mean."""
    norm = q.concentration.lgamma() - q.concentration * q.rate.log()
    return norm + q.rate * p.mean - (q.concentration - 1) * log_mean - p.entropy()


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Any:
    return _to_gamma(p, q, p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma())


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Any:
    return _to_gamma(p, q, -euler_constant - p.rate.log())


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Any:
    return fn.where(p.alpha <= 1, math.inf, _to_gamma(p, q, p.scale.log() + p.alpha.reciprocal()))


def _mean_of(integral: Callable[[Any], Any], p: Any) -> Any:
    """Return the mean of a function over [low, high] from its integral."""
    return (integral(p.high) - integral(p.low)) / (p.high - p.low)


def _uniform_log(p: Any) -> Any:
    """Return the mean of ln x."""
    return _mean_of(lambda x: fn.xlogy(x, x) - x, p)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Any:
    return fn.where(p.low < 0, math.inf, _to_gamma(p, q, _uniform_log(p)))


def _to_gumbel(p: Any, q: Any, mean_exp: Any) -> Any:
    """Return the divergence from a Gumbel distribution of a p with this mean of exp(-(x - loc) / scale)."""
    return q.scale.log() + (p.mean - q.loc) / q.scale + mean_exp - p.entropy()


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Any, q: Any) -> Any:
    return _to_gumbel(p, q, fn.exp(q.loc / q.scale) * p.rate * q.scale / (p.rate * q.scale + 1))


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Any, q: Any) -> Any:
    share = (p.rate * q.scale).reciprocal().log1p()
    return _to_gumbel(p, q, fn.exp(q.loc / q.scale - p.concentration * share))


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Any:
    return _to_gumbel(p, q, fn.exp((q.loc - p.loc) / q.scale + 0.5 * (p.scale / q.scale).pow(2)))


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Any, q: Any) -> Any:
    return _to_gumbel(p, q, _mean_of(lambda x: -q.scale * fn.exp((q.loc - x) / q.scale), p))


def _inside_unit(p: Any, result: Any) -> Any:
    return fn.where((p.low < 0) | (p.high > 1), math.inf, result)


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    log_rest = _mean_of(lambda x: -(fn.xlogy(1 - x, 1 - x) - (1 - x)), p)
    norm = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return _inside_unit(p, norm - (a - 1) * _uniform_log(p) - (b - 1) * log_rest - p.entropy())


def _to_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - fn.log1p(-q.probs) - q._cont_bern_log_norm()


register_kl(Beta, ContinuousBernoulli)(_to_continuous_bernoulli)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Any:
    return _inside_unit(p, _to_continuous_bernoulli(p, q))


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Any:
    return _unit_uniform(p, q)


@register_kl(ContinuousBernoulli, Uniform)
def _unit_uniform(p: Any, q: Any) -> Any:
    """Return the divergence of what fills [0, 1]."""
    return fn.where((q.high < 1) | (q.low > 0), math.inf, (q.high - q.low).log() - p.entropy())


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    z = (p.loc - q.loc) / p.scale
    distance = math.sqrt(2 / math.pi) * fn.exp(-0.5 * z * z) + z * fn.erf(math.sqrt(0.5) * z)
    return (2 * q.scale).log() + p.scale / q.scale * distance - p.entropy()


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    norm = q.alpha.log() + q.alpha * q.scale.log()
    return fn.where(p.low < q.scale, math.inf, (q.alpha + 1) * _uniform_log(p) - norm - p.entropy())
