"""Several schedules at once."""

from __future__ import annotations

from collections.abc import Sequence

from cltorch.optim.lr_scheduler.base import LRScheduler, values_of
from cltorch.optim.lr_scheduler.composite import CompositeScheduler
from cltorch.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler"]


class ChainedScheduler(CompositeScheduler):
    """Step several schedules of one optimiser in order, each from the rate that the one before has set.

    Raises ValueError where there is none, where optimisers differ, and for ``ReduceLROnPlateau``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.lr_scheduler.ChainedScheduler.html

    >>> import cltorch as torch
    >>> from cltorch.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> scheduler = ChainedScheduler([ConstantLR(optimizer, 0.5, total_iters=9), ExponentialLR(optimizer, gamma=0.5)])
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name} expects at least one scheduler to be chained, but got no scheduler.")
        optimizer = optimizer or schedulers[0].optimizer
        self._check(schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = optimizer
        self._last_lr = values_of(optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]
        """Step all schedules."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = values_of(self.optimizer, "lr")
