"""Gamma and Dirichlet variables with gradients: torch._standard_gamma and torch._sample_dirichlet."""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply, pointwise
from cltorch.functions.arguments import need_array
from cltorch.functions.random import need_float, read_generator
from cltorch.ops import gamma_sample as ops
from cltorch.ops.generator import Generator

__all__ = ["dirichlet_slope", "gamma_slope", "sample_dirichlet", "standard_gamma"]


def standard_gamma(self: Any, generator: Generator | None = None) -> Any:
    """Return gamma variables of rate 1 for every element of a tensor of shape parameters, with gradients.

    Raises NotImplementedError for dtypes that are not floating point. A shape parameter of 0 gives the least positive
    number, a negative one NaN. Source: see ``cltorch.ops.gamma_sample``.

    >>> import cltorch as torch
    >>> torch._standard_gamma(torch.ones(2)).shape
    torch.Size([2])
    """
    need_float("_standard_gamma", need_array("_standard_gamma", "self", 1, self).dtype)
    return apply(ops.StandardGamma, self, read_generator("_standard_gamma", generator, self.device))


def sample_dirichlet(self: Any, generator: Generator | None = None) -> Any:
    """Return Dirichlet variables for the concentrations along the last dimension, with gradients.

    >>> import cltorch as torch
    >>> torch._sample_dirichlet(torch.ones(4)).shape
    torch.Size([4])
    """
    need_float("_sample_dirichlet", need_array("_sample_dirichlet", "self", 1, self).dtype)
    return apply(ops.SampleDirichlet, self, read_generator("_sample_dirichlet", generator, self.device))


def gamma_slope(self: Any, output: Any) -> Any:
    """Return the derivative of gamma variables ``output`` by their shape parameters ``self``."""
    return pointwise(ops.GAMMA_SLOPE, (self, output), ())


def dirichlet_slope(x: Any, alpha: Any, total: Any) -> Any:
    """Return the derivative of beta variables ``x`` by ``alpha`` over 1 - x; the other parameter is total - alpha."""
    return pointwise(ops.DIRICHLET_SLOPE, (x, alpha, total), ())
