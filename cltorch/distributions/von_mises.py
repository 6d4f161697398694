"""Von Mises distribution."""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd import no_grad
from cltorch.distributions import constraints
from cltorch.distributions.distribution import Distribution
from cltorch.distributions.utils import broadcast_all, lazy_property
from cltorch.dtypes import float64
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.special import i0e, i1e
from cltorch.tensor import Tensor

__all__ = ["VonMises"]

_LIMIT = 100  # draws that are refused so often do not happen: a third of all is at most


class VonMises(Distribution):
    """Describe angles with density proportional to exp(concentration cos(x - loc)), from -pi to pi.

    Samples are drawn by rejection from a wrapped Cauchy distribution; source: D. Best and N. Fisher, Efficient
    simulation of the von Mises distribution, Applied Statistics 28 (1979).
    Shape: parameters broadcast to the batch (*); values (*sample_shape, *).

    Source: https://docs.pytorch.org/docs/2.13/distributions.html#vonmises

    >>> import cltorch as torch
    >>> torch.distributions.VonMises(torch.tensor([0.0]), torch.tensor([4.0])).mean
    tensor([0.])
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, Size(), validate_args)

    def log_prob(self, value: Any) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        # exp(k (cos - 1)) / (2 pi exp(-k) I0(k)); 1 - cos through the half angle, which keeps its digits
        return -2 * k * fn.sin(0.5 * (value - self.loc)).square() - math.log(2 * math.pi) - i0e(k).log()

    @lazy_property
    def _loc(self) -> Tensor:
        return self.loc.to(self._wide)

    @lazy_property
    def _concentration(self) -> Tensor:
        return self.concentration.to(self._wide)

    @property
    def _wide(self) -> Any:
        """Return the dtype in which samples are drawn: float64 on the host, the parameters' own elsewhere."""
        return float64 if self.loc.device.type == "cpu" else self.loc.dtype

    @lazy_property
    def _proposal_r(self) -> Tensor:
        k = self._concentration
        tau = 1 + (1 + 4 * k.square()).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        # for a small concentration the quotients cancel, and the limit's next terms do
        return fn.where(k < 1e-2, 1 / k + k, (1 + rho.square()) / (2 * rho))

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        shape = self._extended_shape(sample_shape)
        with no_grad():
            r, k = self._proposal_r.expand(shape), self._concentration.expand(shape)
            x = fn.zeros(shape, dtype=r.dtype, device=r.device)
            left = fn.ones(shape, device=r.device) > 0
            for _ in range(_LIMIT):
                u1, u2, u3 = fn.rand((3, *shape), dtype=r.dtype, device=r.device).unbind()
                z = fn.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                angle = (u3 - 0.5).sign() * fn.acos(f.clamp(min=-1, max=1))
                x = fn.where(left & accept, angle, x)
                left = left & ~accept
                if not left.any():
                    break
            return ((x + math.pi + self._loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(VonMises, batch_shape, _instance, "loc concentration")

    @property
    def mean(self) -> Tensor:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """The circular variance."""
        return 1 - i1e(self.concentration) / i0e(self.concentration)
