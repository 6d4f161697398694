"""What schedules that are made of schedules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.optim.lr_scheduler.base import LRScheduler
from cltorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cltorch.optim.optimizer import Optimizer


class CompositeScheduler(LRScheduler):
    """Hold the schedules of one optimiser, and their states as their own dicts."""

    _schedulers: Sequence[LRScheduler]

    def _check(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
        """Raise TypeError for what is no schedule, ValueError for another optimiser and for ReduceLROnPlateau."""
        name = type(self).__name__
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be "
                    f"specified when calling `step`, but got one at index {i} in the given schedulers sequence."
                )
            if optimizer is not scheduler.optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {i} has {scheduler.optimizer}, which is different from "
                    f"{type(optimizer).__name__}."
                )

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the schedule holds but the optimiser; the parts as their own dicts."""
        made = super().state_dict()
        del made["_schedulers"]  # they come last
        made["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return made

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)
