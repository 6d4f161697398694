"""Multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import _standard_normal, lazy_property
from cltorch.functions import public as fn
from cltorch.linalg import cholesky, solve_triangular
from cltorch.shapes import Size, broadcast_shapes
from cltorch.tensor import Tensor

__all__ = ["MultivariateNormal"]


def _batch_mv(bmat: Any, bvec: Any) -> Tensor:
    """Return the products of matrices and vectors, whose batch shapes are broadcast."""
    return (bmat @ bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Any, bx: Any) -> Tensor:
    """Return the squared length of L^-1 x, for lower triangular matrices and vectors of any batch shapes."""
    shape = broadcast_shapes(bL.shape[:-2], bx.shape[:-1])
    n = bL.shape[-1]
    if bL.dim() == 2:  # one matrix: all vectors are columns of one system
        columns = bx.reshape(-1, n).mT
        return solve_triangular(bL, columns, upper=False).pow(2).sum(0).reshape(bx.shape[:-1])
    solved = solve_triangular(bL.expand((*shape, n, n)), bx.expand((*shape, n)).unsqueeze(-1), upper=False)
    return solved.pow(2).sum((-2, -1))


def _half_log_det(factor: Any) -> Tensor:
    """Return half the logarithm of the determinant of L L'."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale_tril(precision: Any) -> Tensor:
    """Return the Cholesky factor of the inverse of a matrix.

    With both axes reversed, a matrix has an upper triangular factor U U'; the inverse of its transpose is the factor.
    """
    upper = fn.flip(cholesky(fn.flip(precision, (-2, -1))), (-2, -1)).mT
    return solve_triangular(upper, fn.eye(precision.shape[-1], dtype=upper.dtype, device=upper.device), upper=False)


def one_matrix(error: type[Exception], **matrices: Any) -> tuple[str, Any]:
    """Return the name and the value of the one matrix that is given; raise ``error`` for none and for several."""
    given = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
    if len(given) != 1:
        raise error("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
    return given[0]


class CovarianceParams:
    """Give the forms of a covariance that were not given by its Cholesky factor."""

    _batch_shape: Size
    _unbroadcasted_scale_tril: Any

    def _keep_factor(self, name: str, matrix: Any) -> None:
        """Set the Cholesky factor of the covariance that ``matrix`` is, has as its inverse, or is the factor of."""
        if name == "covariance_matrix":
            matrix = cholesky(matrix)
        elif name == "precision_matrix":
            matrix = _precision_to_scale_tril(matrix)
        self._unbroadcasted_scale_tril = matrix

    def _whole(self, matrix: Any) -> Tensor:
        return matrix.expand((*self._batch_shape, *matrix.shape[-2:]))

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._whole(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._whole(fn.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(CovarianceParams, Distribution):
    """Describe normal vectors of mean ``loc`` with a covariance matrix, its inverse, or its Cholesky factor.

    p(x) = exp(-(x - loc)ᵀ Σ⁻¹ (x - loc) / 2) / √((2 π)ⁿ det Σ).
    Only the Cholesky factor is computed with; the matrices given otherwise cost a decomposition.
    Shape: ``loc`` (*, n), matrices (*, n, n), the batch being (*); values (*sample_shape, *, n).

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#multivariatenormal

    >>> import cltorch as torch
    >>> normal = torch.distributions.MultivariateNormal(torch.zeros(2), scale_tril=torch.eye(2))
    >>> normal.log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = one_matrix(
            ValueError, scale_tril=scale_tril, covariance_matrix=covariance_matrix, precision_matrix=precision_matrix
        )
        if matrix.dim() < 2:
            raise ValueError(f"{name}{' matrix' if name == 'scale_tril' else ''} must be at least two-dimensional, "
                             "with optional leading batch dimensions")  # fmt: skip
        shape = broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.__dict__[name] = matrix.expand((*shape, -1, -1))
        self.loc = loc.expand((*shape, -1))
        super().__init__(Size(shape), self.loc.shape[-1:], validate_args=validate_args)
        self._keep_factor(name, matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        dims = {"loc": 1, "covariance_matrix": 2, "scale_tril": 2, "precision_matrix": 2}
        new = self._expanded(MultivariateNormal, batch_shape, _instance, " ".join(dims), dims)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        return new

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        square = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return square.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        square = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + square) - _half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self) -> Tensor:
        constant = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (_half_log_det(self._unbroadcasted_scale_tril) + constant).expand(self._batch_shape)
