"""Cholesky factors of random correlation matrices.

Source: D. Lewandowski, D. Kurowicka and H. Joe, Generating random correlation matrices based on vines and extended
onion method, Journal of Multivariate Analysis 100 (2009), section 3.2.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions.beta import Beta
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all
from cltorch.dtypes import finfo
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Describe Cholesky factors of correlation matrices with density proportional to det ** (concentration - 1).

    Shape: ``concentration`` (*), the batch; values (*sample_shape, *, dim, dim).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html#lkjcholesky

    >>> import cltorch as torch
    >>> torch.distributions.LKJCholesky(3, 0.5).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        shape = self.concentration.size()
        # the squared length of row i, before the diagonal, is a beta variable of i / 2 and this
        last = self.concentration + 0.5 * (dim - 2)
        steps = fn.arange(dim - 1, device=self.concentration.device).to(self.concentration.dtype)
        less = 0.5 * fn.cat([steps.new_zeros((1,)), steps])
        self._beta = Beta(less + 0.5, last.unsqueeze(-1) - less)
        super().__init__(shape, Size((dim, dim)), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._expanded(LKJCholesky, batch_shape, _instance, "concentration")
        new.dim, new._beta = self.dim, self._beta.expand((*batch_shape, self.dim))
        return new

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        with no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            direction = fn.randn(shape, dtype=y.dtype, device=y.device).tril(-1)
            direction = direction / direction.norm(dim=-1, keepdim=True)
            direction[..., 0, :] = 0.0
            w = fn.sqrt(y) * direction
            rest = fn.clamp(1 - w.pow(2).sum(dim=-1), min=finfo(w.dtype).tiny).sqrt()
            return w + fn.diag_embed(rest)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.dim - 1
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        # each diagonal element is raised to 2 (concentration - 1) + dim - i, i = 2 … dim
        order = fn.arange(2, self.dim + 1, device=self.concentration.device).to(self.concentration.dtype)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalized = (order * diagonal.log()).sum(-1)
        alpha = self.concentration + 0.5 * n
        norm = 0.5 * n * math.log(math.pi) + fn.mvlgamma(alpha - 0.5, n) - fn.lgamma(alpha) * n
        return unnormalized - norm
