"""Divergences between two distributions of one family.

Each function's name tells the families. The integrals are those of textbooks; where a family is exponential, they
follow from its log-normaliser F: KL(p, q) = F(q) - F(p) - <q - p, dF/dp> in natural parameters.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd import grad
from cltorch.distributions.bernoulli import Bernoulli
from cltorch.distributions.beta import Beta
from cltorch.distributions.binomial import Binomial
from cltorch.distributions.categorical import Categorical
from cltorch.distributions.cauchy import Cauchy
from cltorch.distributions.continuous_bernoulli import ContinuousBernoulli
from cltorch.distributions.dirichlet import Dirichlet
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.distributions.exponential import Exponential
from cltorch.distributions.gamma import Gamma
from cltorch.distributions.geometric import Geometric
from cltorch.distributions.gumbel import Gumbel
from cltorch.distributions.half_normal import HalfNormal
from cltorch.distributions.independent import Independent
from cltorch.distributions.kl import kl_divergence, register_kl
from cltorch.distributions.laplace import Laplace
from cltorch.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_logdet,
    _batch_lowrank_mahalanobis,
)
from cltorch.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis, _half_log_det
from cltorch.distributions.normal import Normal
from cltorch.distributions.one_hot_categorical import OneHotCategorical
from cltorch.distributions.pareto import Pareto
from cltorch.distributions.poisson import Poisson
from cltorch.distributions.transformed_distribution import TransformedDistribution
from cltorch.distributions.uniform import Uniform
from cltorch.distributions.utils import _sum_rightmost, euler_constant
from cltorch.functions import public as fn
from cltorch.linalg import solve_triangular
from cltorch.nn.functional import softplus
from cltorch.shapes import broadcast_shapes


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    t1 = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    t1 = fn.where(q.probs == 0, math.inf, t1)
    t1 = fn.where(p.probs == 0, 0.0, t1)
    t2 = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    t2 = fn.where(q.probs == 1, math.inf, t2)
    t2 = fn.where(p.probs == 1, 0.0, t2)
    return t1 + t2


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    p1, p0, q1, q0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    norms = q1.lgamma() + q0.lgamma() + (p1 + p0).lgamma() - p1.lgamma() - p0.lgamma() - (q1 + q0).lgamma()
    means = (p1 - q1) * fn.digamma(p1) + (p0 - q0) * fn.digamma(p0)
    return norms + means + (q1 + q0 - p1 - p0) * fn.digamma(p1 + p0)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    p_more, q_wide = broadcast_shapes(p.total_count.shape, q.total_count.shape), q.total_count
    more = p.total_count.expand(p_more) > q_wide.expand(p_more)
    return fn.where(more, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    t = p.probs * (p.logits - q.logits)
    t = fn.where(q.probs == 0, math.inf, t)
    t = fn.where(p.probs == 0, 0.0, t)
    return t.sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    odds = p.mean * (p.logits - q.logits)
    norms = p._cont_bern_log_norm() + fn.log1p(-p.probs)
    return odds + norms - q._cont_bern_log_norm() - fn.log1p(-q.probs)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norms = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Any:
    if type(p) is not type(q):
        raise NotImplementedError("The cross KL-divergence between different exponential families cannot be computed "
                                  "using Bregman divergences")  # fmt: skip
    p_params = [x.detach().requires_grad_() for x in p._natural_params]
    q_params = q._natural_params
    normalizer = p._log_normalizer(*p_params)
    slopes = grad(normalizer.sum(), p_params, create_graph=True)
    result = q._log_normalizer(*q_params) - normalizer
    for a, b, slope in zip(p_params, q_params, slopes, strict=True):
        result = result - _sum_rightmost((b - a) * slope, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    rates = q.concentration * (p.rate / q.rate).log()
    norms = fn.lgamma(q.concentration) - fn.lgamma(p.concentration)
    logs = (p.concentration - q.concentration) * fn.digamma(p.concentration)
    return rates + norms + logs + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, move = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return -ratio.log() + move + ratio * euler_constant + fn.exp((1 + ratio).lgamma() - move) - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - fn.log1p(-q.probs) / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * fn.exp(-distance / p.scale) - 1


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Any:
    scales, alphas = p.scale / q.scale, q.alpha / p.alpha
    result = q.alpha * scales.log() - alphas.log() + alphas - 1
    return fn.where(p.support.lower_bound < q.support.lower_bound, math.inf, result)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return fn.where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    # F. Chyzak and F. Nielsen, A closed-form formula for the Kullback-Leibler divergence between Cauchy distributions
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


# ---- multivariate normal ---------------------------------------------------------------------------------------------
def _need_same_size(p: Any, q: Any, names: str) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(f"KL-divergence between two {names} with different event shapes cannot be computed")


def _square(matrix: Any) -> Any:
    """Return the sum of squares of each matrix, the trace of its product with its transpose."""
    return matrix.pow(2).sum((-2, -1))


def _solved_square(factor: Any, matrix: Any) -> Any:
    """Return the sum of squares of L^-1 A."""
    shape = broadcast_shapes(factor.shape[:-2], matrix.shape[:-2])
    wide = factor.expand((*shape, *factor.shape[-2:])), matrix.expand((*shape, *matrix.shape[-2:]))
    return _square(solve_triangular(*wide, upper=False))


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: Any, q: Any) -> Any:
    _need_same_size(p, q, "Multivariate Normals")
    a, b = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    square = _solved_square(b, a) + _batch_mahalanobis(b, q.loc - p.loc)
    return _half_log_det(b) - _half_log_det(a) + 0.5 * (square - p.event_shape[0])


def _lowrank_parts(p: Any) -> tuple[Any, Any, Any]:
    return p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag, p._capacitance_tril


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank(p: Any, q: Any) -> Any:
    _need_same_size(p, q, "Low Rank Multivariate Normals")
    (v, e, _), (w, d, factor) = _lowrank_parts(p), _lowrank_parts(q)
    # the trace of (W W' + D)^-1 (V V' + E), by Woodbury's identity
    scaled = w.mT / d.unsqueeze(-2)
    trace = (
        (e / d).sum(-1) + _square(v * d.rsqrt().unsqueeze(-1))
        - _solved_square(factor, scaled * e.sqrt().unsqueeze(-2)) - _solved_square(factor, scaled @ v)
    )  # fmt: skip
    distance = _batch_lowrank_mahalanobis(w, d, q.loc - p.loc, factor)
    return 0.5 * (
        _batch_lowrank_logdet(w, d, factor)
        - _batch_lowrank_logdet(*_lowrank_parts(p))
        + trace
        + distance
        - p.event_shape[0]
    )


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _multivariate_lowrank(p: Any, q: Any) -> Any:
    _need_same_size(p, q, "(Low Rank) Multivariate Normals")
    a, (w, d, factor) = p._unbroadcasted_scale_tril, _lowrank_parts(q)
    scaled = w.mT / d.unsqueeze(-2)
    trace = _square(a * d.rsqrt().unsqueeze(-1)) - _solved_square(factor, scaled @ a)
    distance = _batch_lowrank_mahalanobis(w, d, q.loc - p.loc, factor)
    return 0.5 * (_batch_lowrank_logdet(w, d, factor) - 2 * _half_log_det(a) + trace + distance - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_multivariate(p: Any, q: Any) -> Any:
    _need_same_size(p, q, "(Low Rank) Multivariate Normals")
    (v, e, factor), b = _lowrank_parts(p), q._unbroadcasted_scale_tril
    square = _solved_square(b, v) + _solved_square(b, fn.diag_embed(e.sqrt())) + _batch_mahalanobis(b, q.loc - p.loc)
    return 0.5 * (2 * _half_log_det(b) - _batch_lowrank_logdet(v, e, factor) + square - p.event_shape[0])
