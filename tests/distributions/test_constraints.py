"""Constraints: what lies inside and what does not, one truth value per event, and how they are printed."""

from __future__ import annotations

import pytest

import cltorch
from cltorch.distributions import constraints as C

nan, inf = float("nan"), float("inf")
CASES = [
    (C.boolean, [0.0, 1.0, 0.5, nan], [1, 1, 0, 0]),
    (C.nonnegative_integer, [0.0, 3.0, -1.0, 0.5], [1, 1, 0, 0]),
    (C.positive_integer, [0.0, 3.0, 1.5], [0, 1, 0]),
    (C.integer_interval(1, 3), [0.0, 1.0, 3.0, 4.0, 1.5], [0, 1, 1, 0, 0]),
    (C._IntegerLessThan(2), [2.0, 3.0, -5.0, 0.5], [1, 0, 1, 0]),
    (C.real, [0.0, inf, nan], [1, 1, 0]),
    (C.positive, [0.0, 0.1, nan], [0, 1, 0]),
    (C.nonnegative, [0.0, -0.1, nan], [1, 0, 0]),
    (C.less_than(2.0), [2.0, 1.9], [0, 1]),
    (C.unit_interval, [0.0, 1.0, 1.1, -0.1, nan], [1, 1, 0, 0, 0]),
    (C.half_open_interval(0.0, 1.0), [0.0, 1.0, 0.5], [1, 0, 1]),
    (C.one_hot, [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.5, 0.5]], [1, 0, 0, 0]),
    (C.simplex, [[0.5, 0.5], [0.5, 0.6], [-0.5, 1.5]], [1, 0, 0]),
    (C.multinomial(3), [[1.0, 2.0], [2.0, 2.0], [-1.0, 2.0]], [1, 0, 0]),
    (C.real_vector, [[0.0, 1.0], [0.0, nan]], [1, 0]),
    (C.lower_triangular, [[[1.0, 0.0], [2.0, -3.0]], [[1.0, 1.0], [0.0, 1.0]]], [1, 0]),
    (C.lower_cholesky, [[[1.0, 0.0], [2.0, -3.0]], [[1.0, 0.0], [5.0, 1.0]]], [0, 1]),
    (C.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.6, 0.7]]], [1, 0]),
    (C.square, [[[1.0, 0.0], [0.6, 0.8]]], [1]),
    (C.symmetric, [[[1.0, 2.0], [2.0, 0.0]]], [1]),
    (C.symmetric, [[[1.0, 2.0], [2.1, 0.0]]], [0]),
    (C.positive_semidefinite, [[[1.0, 1.0], [1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]], [1, 0]),
    (C.positive_definite, [[[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]], [1, 0]),
    (C.independent(C.positive, 1), [[1.0, 2.0], [1.0, -2.0]], [1, 0]),
    (C.stack([C.positive, C.real], 0), [1.0, -1.0], [1, 1]),
    (C.stack([C.positive, C.real], 0), [-1.0, -1.0], [0, 1]),
    (C.stack([C.positive, C.real, C.real], 0), [-1.0, -1.0], [0, 1]),
    (C.cat([C.positive, C.real], 0, [1, 2]), [-1.0, -1.0, nan], [0, 1, 0]),
    (C.MixtureSameFamilyConstraint(C.simplex), [[0.5, 0.5], [0.5, 0.6]], [1, 0]),
]


@pytest.mark.parametrize(("constraint", "values", "expected"), CASES, ids=lambda v: repr(v)[:40])
def test_check(constraint, values, expected):
    found = constraint.check(cltorch.tensor(values))
    assert found.dtype is cltorch.bool
    assert found.tolist() == [bool(v) for v in expected]
    shape = cltorch.tensor(values).shape
    assert found.shape == shape[: len(shape) - constraint.event_dim]


def test_on_a_device(cl_device):
    for constraint, values, expected in (CASES[0], CASES[12]):
        assert constraint.check(cltorch.tensor(values, device=cl_device)).tolist() == [bool(v) for v in expected]


def test_discrete_ones_say_so():
    assert [c.is_discrete for c in (C.boolean, C.one_hot, C.multinomial(2), C.real, C.simplex)] == [
        True, True, True, False, False
    ]  # fmt: skip
    assert C.independent(C.boolean, 1).is_discrete and C.stack([C.real, C.boolean]).is_discrete
    assert C.independent(C.simplex, 2).event_dim == 3


def test_dependent_ones_say_what_they_know():
    assert C.is_dependent(C.dependent) and not C.is_dependent(C.real)
    assert C.dependent(event_dim=1).event_dim == 1
    with pytest.raises(NotImplementedError, match=r"\.is_discrete cannot be determined statically"):
        C.dependent(event_dim=1).is_discrete  # noqa: B018
    with pytest.raises(ValueError, match="Cannot determine validity of dependent constraint"):
        C.dependent.check(cltorch.ones(1))

    class Owner:
        @C.dependent_property(is_discrete=True, event_dim=1)
        def support(self):
            return C.one_hot

        @C.dependent_property
        def plain(self):
            return C.real

    assert Owner.support.is_discrete and Owner.support.event_dim == 1 and C.is_dependent(Owner.support)
    assert Owner().support is C.one_hot and Owner().plain is C.real


def test_errors_and_repr():
    with pytest.raises(ValueError, match=r"Expected value.dim\(\) >= 2 but got 0"):
        C.independent(C.real, 2).check(cltorch.tensor(1.0))
    with pytest.raises(AssertionError):
        C.stack([3])
    printed = {
        C.interval(0, 1): "Interval(lower_bound=0, upper_bound=1)", C.real: "Real()",
        C.independent(C.real, 2): "IndependentConstraint(Real(), 2)", C.multinomial(3): "Multinomial()",
        C.integer_interval(0, 3): "IntegerInterval(lower_bound=0, upper_bound=3)", C.dependent: "Dependent()",
        C.MixtureSameFamilyConstraint(C.real): "MixtureSameFamilyConstraint(Real())",
    }  # fmt: skip
    for constraint, text in printed.items():
        assert repr(constraint) == text
