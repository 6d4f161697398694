"""Divergences against means over samples, infinities, and how the table is looked up."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import distributions as D
from cltorch.distributions import kl_divergence, register_kl
from cltorch.distributions.kl import _KL_REGISTRY


def t(*v):
    return cltorch.tensor(v, dtype=cltorch.float64)


MATRIX = cltorch.tensor([[2.0, 0.3], [0.3, 1.0]], dtype=cltorch.float64)
VECTOR, FACTOR = t(0.5, -1.0), cltorch.tensor([[1.0], [0.4]], dtype=cltorch.float64)


def members() -> dict:
    """Return two or three members of each family, the first of which have their values where the others' are."""
    unit_low = D.Uniform(t(0.2), t(0.9))
    return {
        D.Bernoulli: [D.Bernoulli(t(0.3)), D.Bernoulli(logits=t(1.0))],
        D.Beta: [D.Beta(t(2.0), t(3.0)), D.Beta(t(1.5), t(1.2))],
        D.Binomial: [D.Binomial(5, t(0.3)), D.Binomial(5, t(0.6))],
        D.Categorical: [D.Categorical(t(1.0, 2.0, 3.0)), D.Categorical(t(2.0, 1.0, 1.0))],
        D.Cauchy: [D.Cauchy(t(0.0), t(1.0)), D.Cauchy(t(1.0), t(2.0))],
        D.ContinuousBernoulli: [D.ContinuousBernoulli(t(0.3)), D.ContinuousBernoulli(t(0.8))],
        D.Dirichlet: [D.Dirichlet(t(1.0, 2.0, 3.0)), D.Dirichlet(t(2.0, 2.0, 1.0))],
        D.Exponential: [D.Exponential(t(1.5)), D.Exponential(t(0.7))],
        D.Gamma: [D.Gamma(t(2.5), t(2.0)), D.Gamma(t(1.5), t(1.0))],
        D.Geometric: [D.Geometric(t(0.3)), D.Geometric(t(0.5))],
        D.Gumbel: [D.Gumbel(t(0.3), t(0.8)), D.Gumbel(t(0.0), t(2.5))],
        D.HalfNormal: [D.HalfNormal(t(1.0)), D.HalfNormal(t(2.0))],
        D.Independent: [D.Independent(D.Normal(VECTOR, 1.0), 1), D.Independent(D.Normal(VECTOR * 2, 2.0), 1)],
        D.Laplace: [D.Laplace(t(0.0), t(1.0)), D.Laplace(t(0.5), t(2.0))],
        D.LogNormal: [D.LogNormal(t(0.0), t(1.0)), D.LogNormal(t(0.5), t(2.0))],
        D.LowRankMultivariateNormal: [D.LowRankMultivariateNormal(VECTOR, FACTOR, t(1.0, 2.0)),
                                      D.LowRankMultivariateNormal(VECTOR * 0, FACTOR * 2, t(2.0, 1.0))],
        D.MultivariateNormal: [D.MultivariateNormal(VECTOR, MATRIX),
                               D.MultivariateNormal(VECTOR * 2, precision_matrix=MATRIX)],
        D.Normal: [D.Normal(t(0.2), t(0.7)), D.Normal(t(1.0), t(2.0))],
        D.OneHotCategorical: [D.OneHotCategorical(t(1.0, 2.0)), D.OneHotCategorical(t(2.0, 1.0))],
        D.Pareto: [D.Pareto(t(1.5), t(4.0)), D.Pareto(t(0.1), t(3.0))],
        D.Poisson: [D.Poisson(t(3.0)), D.Poisson(t(2.0))],
        D.Uniform: [unit_low, D.Uniform(t(-0.5), t(1.5))],
        D.Wishart: [D.Wishart(t(4.0), MATRIX[None]), D.Wishart(t(5.0), MATRIX[None] * 0.7)],
    }  # fmt: skip


def mean_log_ratio(p, q) -> tuple[float, float]:
    """Return the mean of ln p(x) - ln q(x) over samples of p, and its error."""
    x = p.sample((20000,))
    for d in (p, q):
        d._validate_args = False
    ratio = (p.log_prob(x) - q.log_prob(x)).flatten().numpy()
    return float(ratio.mean()), float(ratio.std() / math.sqrt(ratio.size))


KINDS = members()
SAME = list(KINDS)
CROSS = [
    (p, q) for p in KINDS for q in KINDS
    if p is not q and (p, q) in _KL_REGISTRY
]  # fmt: skip


def agree(p, q) -> None:
    found = kl_divergence(p, q)
    assert found.shape == p.batch_shape or found.numel() == 1
    found = float(found)
    if math.isinf(found):
        x = p.sample((5000,))
        q._validate_args = False
        assert not q.support.check(x).all()
        return
    mean, error = mean_log_ratio(p, q)
    assert abs(found - mean) < 5 * error + 1e-9, (found, mean, error)


@pytest.mark.parametrize("kind", SAME, ids=lambda k: k.__name__)
def test_within_a_family(kind):
    p, q = members()[kind]
    agree(p, q)
    assert kl_divergence(p, p).abs().max() < 1e-9


@pytest.mark.parametrize(("kind_p", "kind_q"), CROSS, ids=lambda k: k.__name__)
def test_across_families(kind_p, kind_q):
    made = members()
    agree(made[kind_p][0], made[kind_q][1])


def test_the_table_is_whole():
    assert len(CROSS) == 64


def test_infinities():
    assert kl_divergence(D.Bernoulli(0.5), D.Bernoulli(0.0)) == math.inf
    assert kl_divergence(D.Bernoulli(0.0), D.Bernoulli(0.0)) == 0
    assert kl_divergence(D.Categorical(t(0.5, 0.5)), D.Categorical(t(1.0, 0.0))) == math.inf
    assert kl_divergence(D.Uniform(0.0, 2.0), D.Uniform(0.0, 1.0)) == math.inf
    assert kl_divergence(D.Uniform(-1.0, 2.0), D.Gamma(1.0, 1.0)) == math.inf
    assert kl_divergence(D.Pareto(1.0, 1.0), D.Exponential(1.0)) == math.inf
    with pytest.raises(NotImplementedError, match="between Binomials"):
        kl_divergence(D.Binomial(3, t(0.5)), D.Binomial(4, t(0.5)))
    assert kl_divergence(D.Binomial(4, t(0.5)), D.Binomial(3, t(0.5))) == math.inf


def test_what_is_not_there():
    with pytest.raises(NotImplementedError, match="No KL.* p type Cauchy and q type Normal"):
        kl_divergence(D.Cauchy(0.0, 1.0), D.Normal(0.0, 1.0))
    with pytest.raises(NotImplementedError, match="different exponential families"):
        kl_divergence(D.Poisson(1.0), D.Gamma(1.0, 1.0))
    with pytest.raises(NotImplementedError):
        kl_divergence(D.LogNormal(0.0, 1.0), D.HalfNormal(1.0))
    with pytest.raises(ValueError, match="different event shapes"):
        kl_divergence(D.MultivariateNormal(t(0.0), MATRIX[:1, :1]), D.MultivariateNormal(VECTOR, MATRIX))
    with pytest.raises(TypeError):
        register_kl(3, D.Normal)


def test_the_closest_classes_are_taken():
    class Mine(D.Normal):
        pass

    class Other(D.Normal):
        pass

    assert kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0)) == 0.5

    @register_kl(Mine, D.Normal)
    def left(p, q):
        return "left"

    assert kl_divergence(Mine(0.0, 1.0), Other(1.0, 1.0)) == "left"

    @register_kl(D.Normal, Other)
    def right(p, q):
        return "right"

    with pytest.warns(RuntimeWarning, match="Ambiguous"):
        assert kl_divergence(Mine(0.0, 1.0), Other(1.0, 1.0)) == "left"

    @register_kl(Mine, Other)
    def both(p, q):
        return "both"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kl_divergence(Mine(0.0, 1.0), Other(1.0, 1.0)) == "both"


def test_gradients_reach_the_parameters():
    loc = cltorch.zeros(3, dtype=cltorch.float64, requires_grad=True)
    kl_divergence(D.Normal(loc + 2, 1.0), D.Normal(0.0, 1.0)).sum().backward()
    np.testing.assert_allclose(loc.grad.numpy(), 2)
    rate = t(1.0, 2.0).requires_grad_()  # by way of the log-normaliser
    from_table = D.kl.kl_divergence(D.Poisson(rate), D.Poisson(t(2.0, 1.0)))
    cltorch.autograd.grad(from_table.sum(), rate)
