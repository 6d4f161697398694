"""Transforms: there and back, Jacobians by autograd, shapes, equality, caches, and what the registries give."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import cltorch
from cltorch import distributions as D
from cltorch.autograd.functional import jacobian
from cltorch.distributions import biject_to, constraints, transform_to, transforms

F64 = cltorch.float64


def t(*v):
    return cltorch.tensor(v, dtype=F64)


def bijections() -> list:
    """Return (transform, input): each with one or several numbers per event."""
    x = t(-1.3, 0.2, 0.9)
    made = [
        transforms.ExpTransform(), transforms.SigmoidTransform(), transforms.TanhTransform(),
        transforms.SoftplusTransform(), transforms.AffineTransform(0.5, -2.0),
        transforms.AffineTransform(t(0.0, 1.0, 2.0), t(1.0, -3.0, 0.5)), transforms.identity_transform,
        transforms.CumulativeDistributionTransform(D.Normal(t(0.2)[0], t(1.5)[0])),
        transforms.ComposeTransform([transforms.AffineTransform(1.0, 0.5), transforms.TanhTransform()]),
        transforms.StackTransform([transforms.ExpTransform(), transforms.TanhTransform(), transforms.ExpTransform()]),
        transforms.CatTransform([transforms.ExpTransform(), transforms.SigmoidTransform()], lengths=[1, 2]),
        transforms.StickBreakingTransform(), transforms.CorrCholeskyTransform(),
        transforms.AffineTransform(0.5, t(2.0, -1.0, 3.0), event_dim=1),
        transforms.IndependentTransform(transforms.ExpTransform(), 1), transforms.ReshapeTransform((3,), (1, 3)),
        transforms.ComposeTransform([transforms.ExpTransform(), transforms.ReshapeTransform((3,), (3, 1))]),
    ]  # fmt: skip
    positive = [transforms.PowerTransform(2.0), transforms.PowerTransform(t(-1.0, 0.5, 3.0))]
    pairs = [(f, x) for f in made] + [(f, x.abs() + 0.1) for f in positive]
    return pairs + [(f.inv, f(x)) for f, x in pairs]


CASES = bijections()
IDS = [f"{i}-{f!r}".replace("\n", "").replace(" ", "") for i, (f, _) in enumerate(CASES)]


def close(a, b, atol=1e-9):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=atol)


@pytest.mark.parametrize(("f", "x"), CASES, ids=IDS)
def test_there_and_back(f, x):
    y = f(x)
    close(f.inv(y), x)
    assert f.inv.inv is f
    assert f.inv.bijective and f.bijective
    assert f.forward_shape(x.shape) == y.shape and f.inverse_shape(y.shape) == x.shape
    assert f.domain.check(x).all() and f.codomain.check(y).all()
    close(f.with_cache()(x), y)


def lower_part(y, f):
    """Return what is free of a result: no last entry of a simplex, no diagonal of a correlation's factor."""
    if isinstance(f, transforms.StickBreakingTransform):
        return y[..., :-1]
    return D.utils.tril_matrix_to_vec(y, -1) if isinstance(f, transforms.CorrCholeskyTransform) else y


@pytest.mark.parametrize(("f", "x"), CASES[: len(CASES) // 2], ids=IDS[: len(CASES) // 2])
def test_jacobians(f, x):
    slopes = jacobian(lambda v: lower_part(f(v), f), x).reshape(3, 3)
    found = f.log_abs_det_jacobian(x, f(x))
    if f.domain.event_dim == 0:
        close(found, slopes.diagonal().abs().log())
    else:
        close(found, cltorch.linalg.slogdet(slopes)[1])
    close(f.inv.log_abs_det_jacobian(f(x), x), -found)


def test_maps_that_are_no_bijections():
    x = t(-1.0, 2.0)
    assert not transforms.AbsTransform().bijective
    assert transforms.AbsTransform()(x).tolist() == [1, 2] and transforms.AbsTransform().inv(x).tolist() == [-1, 2]
    soft = transforms.SoftmaxTransform()
    close(soft(soft.inv(soft(x))), soft(x))
    m = cltorch.tensor([[0.3, 5.0], [1.0, -0.2]], dtype=F64)
    for f in (transforms.LowerCholeskyTransform(), transforms.PositiveDefiniteTransform()):
        y = f(m)
        assert f.codomain.check(y).all()
        close(f(f.inv(y)), y)
        with pytest.raises(NotImplementedError):
            f.log_abs_det_jacobian(m, y)


def test_signs_and_equality():
    assert transforms.AffineTransform(0.0, -1.0).sign == -1
    assert transforms.AffineTransform(0.0, t(2.0, -1.0)).sign.tolist() == [1, -1]
    assert transforms.ComposeTransform([transforms.AffineTransform(0.0, -1.0), transforms.ExpTransform()]).sign == -1
    assert transforms.ExpTransform() == transforms.ExpTransform() != transforms.TanhTransform()
    assert transforms.ExpTransform().inv == transforms.ExpTransform().inv
    assert transforms.AffineTransform(t(1.0), 2.0) == transforms.AffineTransform(t(1.0), 2.0)
    assert transforms.AffineTransform(1.0, 2.0) != transforms.AffineTransform(1.0, 3.0)
    assert transforms.PowerTransform(2.0) != transforms.PowerTransform(3.0)
    assert transforms.Transform() != transforms.Transform()


def test_cache_keeps_the_last_pair():
    f = transforms.TanhTransform(cache_size=1)
    x = t(30.0, -40.0)  # where tanh rounds to 1
    y = f(x)
    assert f.inv(y) is x and f(x) is y
    assert transforms.TanhTransform().inv(y).isinf().all()
    again = pickle.loads(pickle.dumps(transforms.ExpTransform()))
    assert again == transforms.ExpTransform()
    for wrong in (2, -1):
        with pytest.raises(ValueError, match="cache_size must be 0 or 1"):
            transforms.ExpTransform(cache_size=wrong)


def test_errors():
    with pytest.raises(ValueError, match="different numbers of elements"):
        transforms.ReshapeTransform((2,), (3,))
    with pytest.raises(ValueError, match="Too few dimensions"):
        transforms.IndependentTransform(transforms.ExpTransform(), 1)(t(1.0)[0])
    with pytest.raises(ValueError, match="Shape mismatch"):
        transforms.ReshapeTransform((2,), (1, 2)).forward_shape((3,))
    with pytest.raises(ValueError, match="flattened lower-diagonal"):
        transforms.CorrCholeskyTransform().forward_shape((4,))
    with pytest.raises(ValueError, match="Please use either .domain.event_dim or .codomain.event_dim"):
        transforms.ReshapeTransform((2,), (1, 2)).event_dim  # noqa: B018
    with pytest.raises(AssertionError, match="must equal length 3"):
        transforms.CatTransform([transforms.ExpTransform()] * 2, lengths=[1, 2])(cltorch.zeros(2))
    with pytest.raises(ValueError, match="Too few|at least 1"):
        D.TransformedDistribution(D.Normal(0.0, 1.0), transforms.StickBreakingTransform())


def test_transformed_distributions():
    base = D.Normal(cltorch.zeros(2, 3, dtype=F64), 1.0)
    broken = D.TransformedDistribution(base, [transforms.StickBreakingTransform()])
    assert broken.batch_shape == (2,) and broken.event_shape == (4,)
    assert broken.rsample((5,)).shape == (5, 2, 4)
    assert broken.expand((7, 2)).log_prob(broken.sample()).shape == (7, 2)
    wide = D.TransformedDistribution(D.Normal(t(0.0)[0], 1.0), transforms.AffineTransform(t(0.0, 1.0), 2.0))
    assert wide.batch_shape == (2,)
    close(wide.log_prob(t(1.0, 1.0)), D.Normal(t(0.0, 1.0), 2.0).log_prob(t(1.0, 1.0)))
    turned = D.TransformedDistribution(D.Exponential(t(1.0)), transforms.AffineTransform(0.0, -1.0))
    close(turned.cdf(t(-1.0)), cltorch.exp(t(-1.0)))
    close(turned.icdf(turned.cdf(t(-0.3))), t(-0.3))


@pytest.mark.parametrize(
    "constraint",
    [
        constraints.real, constraints.real_vector, constraints.positive, constraints.nonnegative,
        constraints.greater_than(2.0), constraints.greater_than_eq(-1.0), constraints.less_than(3.0),
        constraints.unit_interval, constraints.interval(1.0, 4.0), constraints.half_open_interval(0.0, 2.0),
        constraints.simplex, constraints.corr_cholesky, constraints.independent(constraints.positive, 1),
        constraints.stack([constraints.real, constraints.positive, constraints.unit_interval]),
        constraints.cat([constraints.real, constraints.positive], lengths=[1, 2]),
    ],
    ids=repr,
)  # fmt: skip
def test_registered_transforms(constraint):
    x = t(-1.0, 0.3, 2.0)
    for registry in (biject_to, transform_to):
        f = registry(constraint)
        y = f(x)
        assert constraint.check(y).all() and f.codomain.check(y).all()
        if f.bijective:
            close(f.inv(y), x)
    assert biject_to(constraint).bijective


def test_the_registry():
    matrix = cltorch.tensor([[1.0, 2.0], [3.0, -1.0]])
    for constraint in (constraints.lower_cholesky, constraints.positive_definite, constraints.positive_semidefinite):
        assert constraint.check(transform_to(constraint)(matrix)).all()
        with pytest.raises(NotImplementedError, match="Cannot transform"):
            biject_to(constraint)
    with pytest.raises(TypeError, match="Expected constraint to be either a Constraint subclass or instance"):
        biject_to.register(3, lambda c: c)

    class Even(constraints.Constraint):
        pass

    @transform_to.register(Even)
    def even(constraint):
        return "even"

    assert transform_to(Even()) == "even"
