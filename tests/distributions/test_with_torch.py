"""Names, signatures, values and messages beside PyTorch's, where it is installed."""

from __future__ import annotations

import importlib
import inspect
import itertools
import warnings

import numpy as np
import pytest

import cltorch
from cltorch import distributions as ours

torch = pytest.importorskip("torch", reason="PyTorch is not installed: CLTORCH_PARITY=1 bash ci/test.sh installs it")
theirs = importlib.import_module("torch.distributions")


def signature(f) -> list:
    return [
        (p.name, p.kind.name, repr(p.default).replace("cltorch", "torch"))
        for p in inspect.signature(f).parameters.values()
    ]


@pytest.mark.parametrize("name", theirs.__all__)
def test_names_and_signatures(name):
    a, b = getattr(theirs, name), getattr(ours, name)
    assert name in ours.__all__
    if inspect.isclass(a):
        assert getattr(importlib.import_module(a.__module__.replace("torch", "cltorch")), name) is b
        assert signature(a.__init__) == signature(b.__init__)
        for member, value in vars(a).items():
            if not member.startswith("_"):
                mine = inspect.getattr_static(b, member)
                if inspect.isfunction(value):
                    assert signature(value) == signature(mine), member
    elif inspect.isfunction(a):
        assert signature(a) == signature(b)


@pytest.mark.parametrize("name", ["constraints", "constraint_registry", "kl", "transforms", "utils"])
def test_modules(name):
    a, b = (importlib.import_module(f"{package}.distributions.{name}") for package in ("torch", "cltorch"))
    for public in a.__all__:
        assert public in b.__all__
        if inspect.isclass(getattr(a, public)):
            assert signature(getattr(a, public).__init__) == signature(getattr(b, public).__init__)


def test_table_of_divergences():
    tables = [importlib.import_module(f"{package}.distributions.kl")._KL_REGISTRY for package in ("torch", "cltorch")]
    pairs = [{(p.__name__, q.__name__) for p, q in table} for table in tables]
    assert pairs[0] <= pairs[1]


def build(t) -> dict:
    """Return distributions of one library, each with a value, and beside it another of its family."""
    D, f = t.distributions, t.float64

    def v(*x):
        return t.tensor(x, dtype=f)

    a, b, p, loc = v(0.5, 2.0, 3.5), v(1.2, 0.7, 4.0), v(0.1, 0.5, 0.8), v(-1.0, 0.0, 2.0)
    unit, count, one, two = v(0.2, 0.5, 0.9), v(0.0, 1.0, 3.0), v(0.0, 1.0, 1.0), t.tensor([0, 2])
    probs, simplex = t.tensor([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]], dtype=f), v(0.2, 0.3, 0.5)
    vectors = t.tensor([[0.3, -1.0, 0.2], [1.0, 2.0, -0.5]], dtype=f)
    matrix = t.tensor([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.7]], dtype=f)
    factor = t.tensor([[1.0, 0.2], [-0.5, 0.3], [0.1, 0.8]], dtype=f)
    hot, counts = v(0.0, 1.0, 0.0), v(1.0, 3.0, 1.0)
    corr = t.linalg.cholesky(t.tensor([[1.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 1.0]], dtype=f))
    return {
        "Bernoulli": (D.Bernoulli(p), D.Bernoulli(logits=loc), one),
        "Beta": (D.Beta(a, b), D.Beta(b, a), unit),
        "Binomial": (D.Binomial(4, p), D.Binomial(4, logits=loc), count),
        "Categorical": (D.Categorical(probs), D.Categorical(logits=vectors), two),
        "Cauchy": (D.Cauchy(loc, b), D.Cauchy(b, a), a),
        "Chi2": (D.Chi2(b), D.Chi2(a), a),
        "ContinuousBernoulli": (D.ContinuousBernoulli(p), D.ContinuousBernoulli(v(0.4995, 0.5005, 0.4)), unit),
        "Dirichlet": (D.Dirichlet(a), D.Dirichlet(b), simplex),
        "Exponential": (D.Exponential(b), D.Exponential(a), a),
        "FisherSnedecor": (D.FisherSnedecor(v(5.0, 7.0, 1.0), v(3.0, 5.0, 9.0)), D.FisherSnedecor(a, b), a),
        "Gamma": (D.Gamma(a, b), D.Gamma(b, a), unit),
        "Geometric": (D.Geometric(p), D.Geometric(logits=loc), count),
        "Gumbel": (D.Gumbel(loc, b), D.Gumbel(b, a), a),
        "HalfCauchy": (D.HalfCauchy(b), D.HalfCauchy(a), a),
        "HalfNormal": (D.HalfNormal(b), D.HalfNormal(a), a),
        "Independent": (D.Independent(D.Normal(vectors, 1.0), 1), D.Independent(D.Normal(vectors, 2.0), 1), vectors),
        "InverseGamma": (D.InverseGamma(a, b), D.InverseGamma(b, a), a),
        "Kumaraswamy": (D.Kumaraswamy(a, b), D.Kumaraswamy(b, a), unit),
        "LKJCholesky": (D.LKJCholesky(3, a), D.LKJCholesky(3, b), corr),
        "Laplace": (D.Laplace(loc, b), D.Laplace(b, a), a),
        "LogNormal": (D.LogNormal(loc, b), D.LogNormal(b, a), a),
        "LogisticNormal": (D.LogisticNormal(vectors[:, :2], b[:2]), D.LogisticNormal(vectors[:, 1:], a[:2]), simplex),
        "LowRank": (D.LowRankMultivariateNormal(vectors, factor, a), D.LowRankMultivariateNormal(vectors, factor, b),
                    vectors),
        "MultivariateNormal": (D.MultivariateNormal(vectors, matrix),
                               D.MultivariateNormal(loc, precision_matrix=matrix), vectors),
        "Mixture": (D.MixtureSameFamily(D.Categorical(probs), D.Normal(vectors, b)),
                    D.MixtureSameFamily(D.Categorical(probs[:1]), D.Normal(vectors, a)), v(0.3, 0.7)),
        "Multinomial": (D.Multinomial(5, probs), D.Multinomial(5, logits=vectors), counts),
        "NegativeBinomial": (D.NegativeBinomial(a, p), D.NegativeBinomial(3, logits=loc), count),
        "Normal": (D.Normal(loc, b), D.Normal(b, a), a),
        "OneHotCategorical": (D.OneHotCategorical(probs), D.OneHotCategorical(logits=vectors), hot),
        "Pareto": (D.Pareto(b, a), D.Pareto(a, b), a + b),
        "Poisson": (D.Poisson(b), D.Poisson(a), count),
        "RelaxedBernoulli": (D.RelaxedBernoulli(v(0.5), p), D.RelaxedBernoulli(v(2.0), logits=loc), unit),
        "RelaxedOneHot": (D.RelaxedOneHotCategorical(v(0.7), probs), D.RelaxedOneHotCategorical(v(2.0), probs),
                          simplex),
        "StudentT": (D.StudentT(a, loc, b), D.StudentT(b), a),
        "Transformed": (D.TransformedDistribution(D.Normal(loc, b), [D.TanhTransform(), D.AffineTransform(0.5, -2.0)]),
                        D.TransformedDistribution(D.Normal(b, a), [D.TanhTransform(), D.AffineTransform(0.5, -2.0)]),
                        unit),
        "Uniform": (D.Uniform(loc - 1, loc + 2), D.Uniform(loc - 2, loc + 3), loc),
        "VonMises": (D.VonMises(loc, b), D.VonMises(b, a), unit),
        "Weibull": (D.Weibull(b, v(1.0, 2.0, 3.0)), D.Weibull(a, v(1.0, 2.0, 3.0)), a),
        "Wishart": (D.Wishart(v(4.0, 5.0), matrix), D.Wishart(4.5, precision_matrix=matrix), matrix),
    }  # fmt: skip


THEIRS, OURS = build(torch), build(cltorch)
# PyTorch computes these in float32 steps, or as NaN where there is a value
LOOSE = {("VonMises", "log_prob"), ("VonMises", "variance"), ("VonMises", "stddev"), ("Multinomial", "entropy")}
SKIP = {("Kumaraswamy", "mode")}


def outcome(call):
    try:
        return call()
    except (NotImplementedError, AttributeError, ValueError) as error:
        return type(error).__name__


def same(a, b, rtol=1e-9) -> None:
    if isinstance(a, torch.Tensor):
        assert isinstance(b, cltorch.Tensor) and a.shape == b.shape
        assert str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=rtol, atol=1e-9)
    else:
        assert repr(b) == repr(a)


@pytest.mark.parametrize("name", THEIRS)
def test_values(name):
    *pair_a, x = THEIRS[name]
    *pair_b, y = OURS[name]
    for a, b in zip(pair_a, pair_b, strict=True):
        assert repr(a) == repr(b)
        members = "mean mode variance stddev batch_shape event_shape has_rsample has_enumerate_support support"
        for member in members.split():
            if (name, member) not in SKIP:
                found = [outcome(lambda d=d, m=member: getattr(d, m)) for d in (a, b)]
                same(*found, rtol=1e-6 if (name, member) in LOOSE else 1e-9)
        for method, arguments in (
            ("log_prob", (x, y)),
            ("cdf", (x, y)),
            ("entropy", None),
            ("enumerate_support", None),
        ):
            found = [
                outcome(lambda d=d, m=method, v=v: getattr(d, m)(*v))
                for d, v in zip((a, b), ((), ()) if arguments is None else [(v,) for v in arguments], strict=True)
            ]
            same(*found, rtol=1e-6 if (name, method) in LOOSE else 1e-9)


def test_divergences():
    for i, j in itertools.product(THEIRS, THEIRS):
        if (i, j) == ("ContinuousBernoulli", "Uniform"):  # PyTorch's is infinite where the intervals share an end
            continue
        pairs = ((THEIRS[i][0], THEIRS[j][1]), (OURS[i][0], OURS[j][1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = [outcome(lambda m=m, p=p: m.kl_divergence(*p)) for m, p in zip((theirs, ours), pairs, strict=True)]
        try:
            same(*found)
        except AssertionError as error:
            raise AssertionError(f"{i} {j}") from error


def test_slopes_of_samples():
    # PyTorch approximates them to two or three digits
    a = np.array([0.05, 0.5, 1.0, 4.0, 30.0, 300.0])
    x = a * np.array([0.3, 0.5, 1.2, 0.8, 1.1, 0.95])
    found = cltorch._standard_gamma_grad(cltorch.tensor(a), cltorch.tensor(x)).numpy()
    np.testing.assert_allclose(found, torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy(), rtol=1e-2)
    x, b = np.array([0.01, 0.3, 0.7, 0.6, 0.2, 0.5]), a[::-1].copy()
    arguments = (x, a, a + b)
    found = cltorch._dirichlet_grad(*(cltorch.tensor(v) for v in arguments)).numpy()
    np.testing.assert_allclose(found, torch._dirichlet_grad(*(torch.tensor(v) for v in arguments)).numpy(), rtol=1e-2)
