"""Dirichlet distribution."""

from __future__ import annotations

from typing import Any

from cltorch import functions as fn
from cltorch.distributions import constraints
from cltorch.distributions.exp_family import ExponentialFamily
from cltorch.nn.functional import one_hot
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Describe probability vectors with density proportional to the product of x[i] ** (concentration[i] - 1).

    Shape: ``concentration`` (*, K), the batch being (*); values (*sample_shape, *, K).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#dirichlet

    >>> import cltorch as torch
    >>> torch.distributions.Dirichlet(torch.ones(3)).log_prob(torch.tensor([0.5, 0.25, 0.25]))
    tensor(0.6931)
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(Size(shape[:-1]), Size(shape[-1:]), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(Dirichlet, batch_shape, _instance, "concentration", {"concentration": 1})

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return fn.sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return fn.xlogy(a - 1.0, value).sum(-1) + fn.lgamma(a.sum(-1)) - fn.lgamma(a).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """The most likely vector; where all concentrations are below 1, the corner of the largest."""
        peak = (self.concentration - 1).clamp(min=0.0)
        mode = peak / peak.sum(-1, True)
        corner = one_hot(mode.argmax(dim=-1), self.concentration.shape[-1]).to(mode.dtype)
        return fn.where((self.concentration < 1).all(dim=-1).unsqueeze(-1), corner, mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self) -> Tensor:
        a, k = self.concentration, self.concentration.size(-1)
        total = a.sum(-1)
        return (
            fn.lgamma(a).sum(-1) - fn.lgamma(total) - (k - total) * fn.digamma(total)
            - ((a - 1.0) * fn.digamma(a)).sum(-1)
        )  # fmt: skip

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Tensor:
        return x.lgamma().sum(-1) - fn.lgamma(x.sum(-1))
