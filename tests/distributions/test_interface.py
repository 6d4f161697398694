"""What every distribution shares: shapes, expand, validation, printing; and programs as they are written with them."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import cltorch
from cltorch import distributions as D
from cltorch import nn, optim
from cltorch.distributions import constraints


def t(*v, **options):
    return cltorch.tensor(v, **options)


SIMPLE = {
    "Bernoulli(probs: 0.5)": lambda: D.Bernoulli(0.5),
    "Bernoulli(logits: torch.Size([2]))": lambda: D.Bernoulli(logits=t(0.5, 1.0)),
    "Beta()": lambda: D.Beta(1.0, 2.0),
    "Binomial(total_count: 10.0, probs: 0.5)": lambda: D.Binomial(10, cltorch.tensor(0.5)),
    "Categorical(probs: torch.Size([2, 3]))": lambda: D.Categorical(cltorch.ones(2, 3)),
    "Cauchy(loc: 0.0, scale: 1.0)": lambda: D.Cauchy(0.0, 1.0),
    "Chi2()": lambda: D.Chi2(1.0),
    "ContinuousBernoulli(probs: 0.5)": lambda: D.ContinuousBernoulli(0.5),
    "Dirichlet(concentration: torch.Size([3]))": lambda: D.Dirichlet(cltorch.ones(3)),
    "Exponential(rate: 1.0)": lambda: D.Exponential(1.0),
    "FisherSnedecor(df1: 1.0, df2: 2.0)": lambda: D.FisherSnedecor(1.0, 2.0),
    "Gamma(concentration: 1.0, rate: 1.0)": lambda: D.Gamma(1.0, 1.0),
    "GeneralizedPareto(loc: 0.0, scale: 1.0, concentration: 0.5)": lambda: D.GeneralizedPareto(0.0, 1.0, 0.5),
    "Geometric(probs: 0.5)": lambda: D.Geometric(0.5),
    "Gumbel(loc: 0.0, scale: 1.0)": lambda: D.Gumbel(0.0, 1.0),
    "HalfCauchy()": lambda: D.HalfCauchy(1.0),
    "HalfNormal()": lambda: D.HalfNormal(1.0),
    "Independent(Normal(loc: torch.Size([2, 3]), scale: torch.Size([2, 3])), 1)":
        lambda: D.Independent(D.Normal(cltorch.zeros(2, 3), 1.0), 1),
    "InverseGamma()": lambda: D.InverseGamma(1.0, 2.0),
    "Kumaraswamy(concentration1: 1.0, concentration0: 2.0)": lambda: D.Kumaraswamy(1.0, 2.0),
    "LKJCholesky(concentration: 1.0)": lambda: D.LKJCholesky(3),
    "Laplace(loc: 0.0, scale: 1.0)": lambda: D.Laplace(0.0, 1.0),
    "LogNormal()": lambda: D.LogNormal(0.0, 1.0),
    "LogisticNormal()": lambda: D.LogisticNormal(cltorch.zeros(2), cltorch.ones(2)),
    "LowRankMultivariateNormal(loc: torch.Size([2]), cov_factor: torch.Size([2, 1]), cov_diag: torch.Size([2]))":
        lambda: D.LowRankMultivariateNormal(cltorch.zeros(2), cltorch.ones(2, 1), cltorch.ones(2)),
    "MixtureSameFamily(\n  Categorical(probs: torch.Size([3]), logits: torch.Size([3])),\n"
    "  Normal(loc: torch.Size([3]), scale: torch.Size([3])))":
        lambda: D.MixtureSameFamily(D.Categorical(cltorch.ones(3)), D.Normal(cltorch.zeros(3), 1.0)),
    "Multinomial()": lambda: D.Multinomial(10, cltorch.ones(2, 3)),
    "MultivariateNormal(loc: torch.Size([3]), covariance_matrix: torch.Size([3, 3]))":
        lambda: D.MultivariateNormal(cltorch.zeros(3), cltorch.eye(3)),
    "NegativeBinomial(total_count: 10.0, probs: 0.5)": lambda: D.NegativeBinomial(10, cltorch.tensor(0.5)),
    "Normal(loc: torch.Size([2, 3]), scale: torch.Size([2, 3]))": lambda: D.Normal(cltorch.zeros(2, 3), 1.0),
    "OneHotCategorical()": lambda: D.OneHotCategorical(cltorch.ones(2, 3)),
    "OneHotCategoricalStraightThrough()": lambda: D.OneHotCategoricalStraightThrough(cltorch.ones(2, 3)),
    "Pareto(alpha: 2.0, scale: 1.0)": lambda: D.Pareto(1.0, 2.0),
    "Poisson(rate: 1.0)": lambda: D.Poisson(1.0),
    "RelaxedBernoulli()": lambda: D.RelaxedBernoulli(cltorch.tensor(1.0), 0.5),
    "RelaxedOneHotCategorical()": lambda: D.RelaxedOneHotCategorical(cltorch.tensor(1.0), cltorch.ones(3)),
    "StudentT(df: 3.0, loc: 0.0, scale: 1.0)": lambda: D.StudentT(3.0),
    "TransformedDistribution()": lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), [D.ExpTransform()]),
    "Uniform(low: 0.0, high: 1.0)": lambda: D.Uniform(0.0, 1.0),
    "VonMises(loc: 1.0, concentration: 1.0)": lambda: D.VonMises(cltorch.tensor(1.0), cltorch.tensor(1.0)),
    "Weibull(scale: 1.0, concentration: 1.0)": lambda: D.Weibull(1.0, 1.0),
    "Wishart(covariance_matrix: torch.Size([3, 3]), df: 4.0)": lambda: D.Wishart(cltorch.tensor(4.0), cltorch.eye(3)),
}  # fmt: skip


@pytest.mark.parametrize("text", SIMPLE, ids=lambda s: s.split("(")[0])
def test_shapes_expansion_and_printing(text):
    p = SIMPLE[text]()
    assert repr(p) == text
    x = p.sample((4,))
    assert x.shape == (4, *p.batch_shape, *p.event_shape)
    assert x.dtype is cltorch.float32 or (isinstance(p, D.Categorical) and x.dtype is cltorch.int64)
    assert p.support.check(x).all()
    assert not x.requires_grad
    logs = p.log_prob(x)
    assert logs.shape == (4, *p.batch_shape) and not logs.isnan().any()
    wide = p.expand((5, *p.batch_shape))
    assert type(wide) is type(p) and wide.batch_shape == (5, *p.batch_shape) and wide.event_shape == p.event_shape
    assert wide.sample((2,)).shape == (2, 5, *p.batch_shape, *p.event_shape)
    np.testing.assert_allclose(wide.log_prob(x.unsqueeze(1))[:, 2].numpy(), logs.numpy(), rtol=1e-5, atol=1e-5)
    if p.has_rsample:
        assert p.rsample((2,)).shape == (2, *p.batch_shape, *p.event_shape)
    else:
        with pytest.raises(NotImplementedError):
            p.rsample()
    if p.has_enumerate_support:
        values = p.enumerate_support()
        assert values.shape == (len(values), *p.batch_shape, *p.event_shape)
        np.testing.assert_allclose(p.log_prob(values).exp().sum(0).numpy(), 1, rtol=1e-5)
        assert p.enumerate_support(False).shape == (len(values), *(1 for _ in p.batch_shape), *p.event_shape)
    again = pickle.loads(pickle.dumps(p)) if "Transformed" not in text else copy.deepcopy(p)
    np.testing.assert_allclose(again.log_prob(x).numpy(), logs.numpy())


MESSAGES = [
    (lambda: D.Normal(0.0, -1.0),
     "Expected parameter scale (Tensor of shape ()) of distribution Normal(loc: 0.0, scale: -1.0) to satisfy the "
     "constraint GreaterThan(lower_bound=0.0), but found invalid values:\n-1.0"),
    (lambda: D.Uniform(1.0, 0.0), "to satisfy the constraint LessThan(upper_bound=0.0), but found invalid values:"),
    (lambda: D.Normal(0.0, 1.0).log_prob(t(float("nan"))), "to be within the support (Real()) of the distribution"),
    (lambda: D.Normal(0.0, 1.0).log_prob(1.0), "The value argument to log_prob must be a Tensor"),
    (lambda: D.Normal(cltorch.zeros(3), 1.0).log_prob(cltorch.zeros(2)),
     "Value is not broadcastable with batch_shape+event_shape: torch.Size([2]) vs torch.Size([3])."),
    (lambda: D.MultivariateNormal(cltorch.zeros(3), cltorch.eye(3)).log_prob(cltorch.zeros(2)),
     "The right-most size of value must match event_shape: torch.Size([2]) vs torch.Size([3])."),
    (lambda: D.MultivariateNormal(cltorch.zeros(3)),
     "Exactly one of covariance_matrix or precision_matrix or scale_tril"),
    (lambda: D.MultivariateNormal(cltorch.tensor(0.0), cltorch.eye(1)), "loc must be at least one-dimensional."),
    (lambda: D.MultivariateNormal(cltorch.zeros(2), -cltorch.eye(2)), "to satisfy the constraint PositiveDefinite()"),
    (lambda: D.Bernoulli(), "Either `probs` or `logits` must be specified, but not both."),
    (lambda: D.Bernoulli(0.5, 0.5), "Either `probs` or `logits` must be specified, but not both."),
    (lambda: D.Categorical(cltorch.tensor(0.5)), "`probs` parameter must be at least one-dimensional."),
    (lambda: D.Categorical(cltorch.ones(2, 3)).log_prob(t(1, 5)), "IntegerInterval(lower_bound=0, upper_bound=2)"),
    (lambda: D.Geometric(0.0), "to be positive but found invalid values:\ntensor([0.])"),
    (lambda: D.Independent(D.Normal(cltorch.zeros(2, 3), 1.0), 3),
     "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual 3 vs 2"),
    (lambda: D.LKJCholesky(1), "Expected dim to be an integer greater than or equal to 2. Found dim=1."),
    (lambda: D.Wishart(cltorch.tensor(1.0), cltorch.eye(3)),
     "Value of df=1.0 expected to be greater than ndim - 1 = 2."),
    (lambda: D.MixtureSameFamily(D.Categorical(cltorch.ones(3)), D.Normal(cltorch.zeros(2), 1.0)),
     "`mixture_distribution component` (3) does not equal `component_distribution.batch_shape[-1]` (2)"),
    (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), 3), "transforms must be a Transform or list, but was 3"),
    (lambda: D.Normal("a", 1.0), "Input arguments must all be instances of Number"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=range(len(MESSAGES)))
def test_arguments_are_checked(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_checks_can_be_left_out():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    assert D.Uniform(0.0, 1.0, validate_args=False).log_prob(t(2.0)) == -float("inf")
    D.Distribution.set_default_validate_args(False)
    try:
        D.Gamma(-1.0, 1.0)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError):
        D.Distribution.set_default_validate_args(3)


def test_what_a_distribution_lacks():
    for call in (D.Poisson(1.0).entropy, D.Normal(0.0, 1.0).enumerate_support, D.Poisson(1.0).rsample):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(NotImplementedError, match="does not implement mode"):
        D.LKJCholesky(3).mode  # noqa: B018
    with pytest.raises(NotImplementedError, match="inhomogeneous total_count"):
        D.Multinomial(t(1, 2), cltorch.ones(2, 3))
    with pytest.warns(FutureWarning, match="sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(2).shape == (2,)


def test_classes_of_ones_own():
    class Shifted(D.Normal):
        def __init__(self, loc):
            super().__init__(loc, 1.0)

    with pytest.raises(NotImplementedError, match="must also define a custom .expand"):
        Shifted(0.0).expand((2,))

    class Bare(D.Distribution):
        pass

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        bare = Bare()
    for name in ("mean", "variance", "support"):
        with pytest.raises(NotImplementedError):
            getattr(bare, name)

    class Zeros(D.Distribution):
        arg_constraints = {"scale": constraints.positive}
        support = constraints.real
        has_rsample = True

        def __init__(self, scale, validate_args=None):
            (self.scale,) = D.utils.broadcast_all(scale)
            super().__init__(self.scale.shape, validate_args=validate_args)

        def rsample(self, sample_shape=()):
            return cltorch.zeros(self._extended_shape(sample_shape)) * self.scale

    assert repr(Zeros(t(1.0, 2.0))) == "Zeros(scale: torch.Size([2]))" and Zeros(t(1.0, 2.0)).sample((3,)).shape == (
        3,
        2,
    )


def test_utils():
    a, b = D.utils.broadcast_all(t(1.0, 2.0, dtype=cltorch.float64), 3)
    assert b.dtype is cltorch.float64 and b.tolist() == [3, 3]
    p = t(0.0, 0.25, 1.0)
    logits = D.utils.probs_to_logits(p, is_binary=True)
    assert logits.isfinite().all()
    np.testing.assert_allclose(D.utils.logits_to_probs(logits, is_binary=True).numpy(), p.numpy(), atol=1e-6)
    m = cltorch.arange(9.0).reshape(3, 3)
    for diag in (-1, 0, 1):
        assert (D.utils.vec_to_tril_matrix(D.utils.tril_matrix_to_vec(m, diag), diag) == m.tril(diag)).all()
    with pytest.raises(ValueError, match="cannot be expressed as the lower triangular part"):
        D.utils.vec_to_tril_matrix(cltorch.zeros(2))


# ---- programs; programs of OpenCL take long to compile, so few run there --------------------------------------------
def test_policy_gradient():
    cltorch.manual_seed(1)
    policy = nn.Linear(3, 4)
    optimizer = optim.SGD(policy.parameters(), lr=0.5)
    for _ in range(40):
        chosen = D.Categorical(logits=policy(cltorch.ones(16, 3)))
        action = chosen.sample()
        reward = (action == 2).float()
        loss = -(chosen.log_prob(action) * (reward - 0.25)).mean() - 0.01 * chosen.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D.Categorical(logits=policy(cltorch.ones(1, 3))).probs[0, 2] > 0.8


def test_variational_steps(device):
    loc = cltorch.full((8,), 3.0, device=device, requires_grad=True)
    prior = D.Normal(cltorch.zeros(8, device=device), cltorch.ones(8, device=device), validate_args=False)
    for _ in range(20):
        q = D.Normal(loc, cltorch.ones_like(loc.detach()), validate_args=False)
        loss = (D.kl_divergence(q, prior) + 0.01 * q.rsample((16,)).mean(0)).sum()
        (slope,) = cltorch.autograd.grad(loss, loc)
        loc = (loc.detach() - 0.2 * slope).requires_grad_()
    assert loc.abs().max() < 0.1


def test_gradients_of_an_expectation():
    """Gradients of samples, on average, are those of the expected value, which for a beta variable is known."""
    a, b = (cltorch.tensor(v, requires_grad=True) for v in (1.5, 0.7))
    mean, total = a / (a + b), a + b
    exact = cltorch.autograd.grad((mean - 0.8) ** 2 + mean * (1 - mean) / (total + 1), (a, b))
    loss = (D.Beta(a, b).rsample((20000,)) - 0.8).square().mean()
    found = cltorch.autograd.grad(loss, (a, b))
    np.testing.assert_allclose([v.item() for v in found], [v.item() for v in exact], rtol=0.03)


def test_log_densities_on_a_device(cl_device):
    made = [
        (D.Gamma, (2.0, 3.0), 0.7), (D.Poisson, (2.5,), 3.0),
    ]  # fmt: skip
    for kind, parameters, x in made:
        results = []
        for where in ("cpu", cl_device):
            p = kind(*(t(v, device=where) for v in parameters))
            assert p.sample((3,)).device.type == cltorch.device(where).type
            results.append(p.log_prob(t(x, device=where)).cpu().numpy())
        np.testing.assert_allclose(*results, rtol=2e-5)


def test_import_as_torch(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\n"
        "from torch.distributions import Categorical, Normal, kl_divergence\n"
        "from torch.distributions.normal import Normal as Same\n"
        "from torch.distributions.transforms import TanhTransform\n"
        "from torch.distributions.utils import broadcast_all\n"
        "import torch.distributions.constraints as constraints\n"
        "assert Same is Normal and constraints.real is torch.distributions.constraints.real\n"
        "q = Normal(torch.zeros(2, requires_grad=True), torch.ones(2))\n"
        "kl_divergence(q, Normal(0.0, 1.0)).sum().backward()\n"
        "print(Categorical(logits=torch.zeros(2)).log_prob(torch.tensor(1)))\n"
    )
    ran = subprocess.run([sys.executable, "-m", "cltorch", "run", str(program)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "tensor(-0.6931)"


@pytest.mark.parametrize("name", ["HalfCauchy", "HalfNormal"])
def test_a_number_has_a_density_where_nothing_is_validated(name):
    d = getattr(D, name)(1.0, validate_args=False)
    assert d.log_prob(3.0).item() == d.log_prob(cltorch.tensor(3.0)).item()
    assert d.log_prob(cltorch.tensor(-1.0)).item() == -float("inf")


def test_shapes_at_the_edge():
    one = cltorch.ones(2)
    with pytest.raises(ValueError, match="cov_diag must be a batch of vectors"):
        D.LowRankMultivariateNormal(one, cltorch.ones(2, 1), cltorch.tensor(1.0))
    assert D.Wishart(cltorch.tensor([4.0]), cltorch.eye(2)).sample((0,)).shape == (0, 1, 2, 2)
