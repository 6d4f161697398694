"""Chi-squared distribution."""

from __future__ import annotations

from typing import Any

from cltorch.distributions import constraints
from cltorch.distributions.gamma import Gamma
from cltorch.tensor import Tensor

__all__ = ["Chi2"]


class Chi2(Gamma):
    """Describe sums of ``df`` squares of standard normal variables.

    p(x) = x^(df / 2 - 1) exp(-x / 2) / (2^(df / 2) Γ(df / 2)).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#chi2

    >>> import cltorch as torch
    >>> torch.distributions.Chi2(2.0).log_prob(torch.tensor(2.0))
    tensor(-1.6931)
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(Chi2, _instance))

    @property
    def df(self) -> Tensor:
        """The number of degrees of freedom."""
        return self.concentration * 2
