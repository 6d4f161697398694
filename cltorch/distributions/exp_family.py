"""ExponentialFamily: distributions whose density is exp(<t(x), θ> - F(θ) + k(x)), with F the log-normaliser."""

from __future__ import annotations

from typing import Any

from cltorch.autograd import enable_grad, grad
from cltorch.distributions.distribution import Distribution
from cltorch.tensor import Tensor

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Be the base of exponential families: the entropy comes from the derivative of the log-normaliser.

    p(x) = exp(θᵀ t(x) - F(θ) + k(x)).
    Shape: as of ``Distribution``.
    Source: F. Nielsen and R. Nock, Entropies and cross-entropies of exponential families, ICIP 2010;
    https://docs.pytorch.org/docs/2.13/distributions.html#exponentialfamily

    >>> import cltorch as torch
    >>> isinstance(torch.distributions.Normal(0.0, 1.0), torch.distributions.ExponentialFamily)
    True
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        """The expected value of k(x)."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """Return F(θ) - <θ, dF/dθ> less the expected carrier measure."""
        carrier = self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        with enable_grad():
            normalizer = self._log_normalizer(*params)
            slopes = grad(normalizer.sum(), params, create_graph=True)
        result = normalizer - carrier
        for p, slope in zip(params, slopes, strict=True):
            part = p * slope
            result = result - part.reshape(normalizer.shape + (-1,)).sum(-1)
        return result
