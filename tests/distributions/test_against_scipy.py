"""Densities, cumulative distributions, quantiles, moments and entropies against SciPy's; samples by their quantiles."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats as st

import cltorch
from cltorch import distributions as D

_spec = importlib.util.spec_from_file_location("distribution_families", Path(__file__).with_name("families.py"))
families = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = families
_spec.loader.exec_module(families)
pair, tensor = families.pair, families.tensor
QUANTILES = np.array([0.03, 0.3, 0.62, 0.95])[:, None]


def close(found, expected, rtol=1e-9, atol=1e-11):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", families.CONTINUOUS)
def test_continuous_families(name):
    ours, scipys = pair(name)
    x = scipys.ppf(QUANTILES)
    close(ours.log_prob(tensor(x)), scipys.logpdf(x))
    if name not in ("Beta", "FisherSnedecor", "StudentT", "VonMises"):
        close(ours.cdf(tensor(x)), scipys.cdf(x))
    if name not in ("Beta", "Chi2", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT", "VonMises"):
        close(ours.icdf(tensor(np.broadcast_to(QUANTILES, x.shape))), x)
    if name == "VonMises":  # its moments are those of a point on the circle
        k = families.A
        close(ours.variance, 1 - scipy.special.ive(1, k) / scipy.special.ive(0, k))
        return
    if "Cauchy" not in name:
        close(ours.mean, scipys.mean())
        close(ours.variance, scipys.var())
        close(ours.stddev, scipys.std())
    if name != "FisherSnedecor":
        close(ours.entropy(), scipys.entropy(), rtol=1e-7)


@pytest.mark.parametrize("name", families.DISCRETE)
def test_discrete_families(name):
    ours, scipys = pair(name)
    k = np.array([0.0, 1.0])[:, None] if name == "Bernoulli" else np.array([0.0, 1.0, 4.0])[:, None]
    close(ours.log_prob(tensor(np.broadcast_to(k, (len(k), 3)))), scipys.logpmf(k))
    close(ours.mean, scipys.mean())
    close(ours.variance, scipys.var())
    if name not in ("NegativeBinomial", "Poisson"):
        close(ours.entropy(), scipys.entropy())


@pytest.mark.parametrize("name", families.CONTINUOUS)
def test_samples_have_the_distribution(name):
    ours, scipys = pair(name)
    drawn = ours.sample((3000,)).numpy()
    assert drawn.shape == (3000, 3)
    for i in range(3):
        one = families.ALL[name][2](*(v[i] for v in families.ALL[name][1]))
        x = drawn[:, i]
        if name == "VonMises":  # from -pi to pi, where SciPy's cdf begins at the location - pi
            x = (x - families.LOC[i] / 2 + np.pi) % (2 * np.pi) - np.pi + families.LOC[i] / 2
        assert st.kstest(x, one.cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", families.DISCRETE)
def test_counts_have_the_distribution(name):
    ours, scipys = pair(name)
    drawn = ours.sample((4000,)).numpy()
    error = scipys.std() / np.sqrt(4000)
    assert (np.abs(drawn.mean(0) - scipys.mean()) < 5 * error).all()
    zero = scipys.pmf(0)
    assert (np.abs((drawn == 0).mean(0) - zero) < 5 * np.sqrt(zero * (1 - zero) / 4000) + 1e-9).all()


@pytest.mark.parametrize(
    "name", [n for n in families.CONTINUOUS if n not in ("FisherSnedecor", "StudentT", "VonMises")]
)
def test_samples_move_with_the_parameters(name):
    """A sample stays at its quantile: dx/dp is -(dF/dp) / f(x), here with differences of SciPy's F."""
    kind, values, scipys = families.ALL[name]
    parameters = [tensor(v).requires_grad_() for v in values]
    x = kind(*parameters).rsample()
    found = cltorch.autograd.grad(x.sum(), parameters, allow_unused=True)
    at = x.detach().numpy()
    for i, slope in enumerate(found):
        step = 1e-6
        high, low = (scipys(*(v + s if j == i else v for j, v in enumerate(values))) for s in (step, -step))
        expected = -(high.cdf(at) - low.cdf(at)) / (2 * step) / scipys(*values).pdf(at)
        close(slope, expected, rtol=2e-4, atol=1e-6)


def test_multivariate_normal():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 3))
    covariance, mean = a @ a.T + np.eye(3), rng.standard_normal(3)
    x = rng.standard_normal((5, 3))
    reference = st.multivariate_normal(mean, covariance)
    made = [
        D.MultivariateNormal(tensor(mean), tensor(covariance)),
        D.MultivariateNormal(tensor(mean), precision_matrix=tensor(np.linalg.inv(covariance))),
        D.MultivariateNormal(tensor(mean), scale_tril=tensor(np.linalg.cholesky(covariance))),
        D.LowRankMultivariateNormal(tensor(mean), tensor(a), cltorch.ones(3, dtype=cltorch.float64)),
    ]
    for normal in made:
        close(normal.log_prob(tensor(x)), reference.logpdf(x))
        close(normal.entropy(), reference.entropy())
        close(normal.covariance_matrix, covariance)
        close(normal.precision_matrix, np.linalg.inv(covariance))
        close(normal.scale_tril, np.linalg.cholesky(covariance))
        close(normal.variance, np.diag(covariance))
        drawn = normal.expand((2,)).rsample((4000,)).reshape(-1, 3).numpy()
        np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.4)
        np.testing.assert_allclose(drawn.mean(0), mean, atol=0.12)


def test_vectors_and_matrices():
    a, x = np.array([0.7, 2.0, 3.0]), np.array([0.2, 0.3, 0.5])
    dirichlet = D.Dirichlet(tensor(a))
    close(dirichlet.log_prob(tensor(x)), st.dirichlet(a).logpdf(x))
    close(dirichlet.entropy(), st.dirichlet(a).entropy())
    close(dirichlet.variance, st.dirichlet(a).var())
    close(dirichlet.mean, st.dirichlet(a).mean())
    assert st.kstest(dirichlet.sample((3000,))[:, 0].numpy(), st.beta(0.7, 5).cdf).pvalue > 1e-4
    counts = D.Multinomial(5, tensor(x))
    close(counts.log_prob(tensor([1.0, 1.0, 3.0])), st.multinomial(5, x).logpmf([1, 1, 3]))
    close(counts.entropy(), st.multinomial(5, x).entropy())
    drawn = counts.sample((2000,))
    assert (drawn.sum(-1) == 5).all()
    np.testing.assert_allclose(drawn.mean(0).numpy(), 5 * x, atol=0.15)
    v, s = np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([[5.0, 1.0], [1.0, 3.0]])
    wishart = D.Wishart(tensor(np.array(4.5)), tensor(v))
    close(wishart.log_prob(tensor(s)), st.wishart(4.5, v).logpdf(s))
    close(wishart.entropy(), st.wishart(4.5, v).entropy())
    close(wishart.variance, st.wishart(4.5, v).var())
    np.testing.assert_allclose(wishart.sample((3000,)).mean(0).numpy(), 4.5 * v, atol=0.35)


@pytest.mark.parametrize("probs", [0.1, 0.4999, 0.5003, 0.9])
def test_continuous_bernoulli_by_integration(probs):
    ours = D.ContinuousBernoulli(tensor(np.array(probs)))
    x, w = (np.array(v) for v in zip(*[((1 + t) / 2, w / 2) for t, w in zip(*np.polynomial.legendre.leggauss(40),
                                                                            strict=True)], strict=True))  # fmt: skip
    p = ours.log_prob(tensor(x)).exp().numpy()
    mean = (w * p * x).sum()
    assert (w * p).sum() == pytest.approx(1, rel=1e-9)
    close(ours.mean, mean, rtol=1e-7)
    close(ours.variance, (w * p * (x - mean) ** 2).sum(), rtol=1e-6)
    close(ours.entropy(), -(w * p * np.log(p)).sum(), rtol=1e-7, atol=1e-7)
    close(ours.cdf(ours.icdf(tensor(np.array(0.3)))), 0.3)
    assert st.kstest(ours.rsample((2000,)).numpy(), lambda v: ours.cdf(tensor(v)).numpy()).pvalue > 1e-4


@pytest.mark.parametrize(("a", "b"), [(0.8, 1.5), (2.0, 3.0)])
def test_kumaraswamy_by_integration(a, b):
    ours = D.Kumaraswamy(tensor(np.array(a)), tensor(np.array(b)))

    def density(x):
        return a * b * x ** (a - 1) * (1 - x**a) ** (b - 1)

    x = np.array([0.1, 0.5, 0.9])
    close(ours.log_prob(tensor(x)), np.log(density(x)))
    mean = scipy.integrate.quad(lambda x: x * density(x), 0, 1)[0]
    close(ours.mean, mean, rtol=1e-7)
    close(ours.variance, scipy.integrate.quad(lambda x: (x - mean) ** 2 * density(x), 0, 1)[0], rtol=1e-6)
    close(ours.entropy(), -scipy.integrate.quad(lambda x: density(x) * np.log(density(x)), 0, 1)[0], rtol=1e-6)


def test_correlation_matrices():
    ours = D.LKJCholesky(3, tensor(np.array(1.7)))
    factors = ours.sample((4000,))
    np.testing.assert_allclose(factors.pow(2).sum(-1).numpy(), 1, atol=1e-12)
    # each correlation of a D x D matrix is, moved to (0, 1), a beta variable of parameters concentration - 1 + D / 2
    for i, j in ((1, 0), (2, 0), (2, 1)):
        r = (factors @ factors.mT)[:, i, j].numpy()
        assert st.kstest((r + 1) / 2, st.beta(2.2, 2.2).cdf).pvalue > 1e-4
    # in two dimensions the density of the correlation is that of the factor times its slope by it, 1
    two, r = D.LKJCholesky(2, tensor(np.array(1.7))), np.array([-0.9, 0.2, 0.6])
    factor = cltorch.zeros(3, 2, 2, dtype=cltorch.float64)
    factor[:, 0, 0], factor[:, 1, 0], factor[:, 1, 1] = 1, tensor(r), tensor(np.sqrt(1 - r**2))
    close(two.log_prob(factor), st.beta(1.7, 1.7).logpdf((r + 1) / 2) - np.log(2))


def test_small_concentrations_keep_their_ratios():
    # in float32 most of these gamma variables are below all numbers
    x = D.Beta(cltorch.full((5000,), 0.01), cltorch.full((5000,), 0.01)).sample().numpy()
    assert ((x > 1e-6) & (x < 1 - 1e-6)).mean() == pytest.approx(np.diff(st.beta(0.01, 0.01).cdf([1e-6, 1 - 1e-6]))[0],
                                                                  abs=0.03)  # fmt: skip
