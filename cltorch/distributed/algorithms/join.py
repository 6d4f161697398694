"""Processes with unequal numbers of inputs joined: a context in which one that is done goes along with the others.

Of one process there are no others: the context ends with the hooks that come after all.
Source: https://docs.pytorch.org/docs/2.13/distributed.algorithms.join.html
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from cltorch import functions
from cltorch.distributed.collectives import all_reduce

__all__ = ["Join", "JoinHook", "Joinable"]


class JoinHook:
    """Say what a process does that is done: for each round of the others, and once at the end.

    Source: https://docs.pytorch.org/docs/2.13/distributed.algorithms.join.html#torch.distributed.algorithms.JoinHook
    """

    def main_hook(self) -> None:
        """Go along with a round of the others."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Do what is left when all are done."""


class _Config(NamedTuple):
    enable: bool = False
    throw_on_early_termination: bool = False
    is_first_joinable: bool = True


class Joinable(ABC):
    """Take part in a Join: have a hook, a device and a group of processes.

    Source: https://docs.pytorch.org/docs/2.13/distributed.algorithms.join.html#torch.distributed.algorithms.Joinable
    """

    @abstractmethod
    def __init__(self) -> None:
        self._join_config = _Config()

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """Return the hook."""

    @property
    @abstractmethod
    def join_device(self) -> Any:
        """The device on which to count processes."""

    @property
    @abstractmethod
    def join_process_group(self) -> Any:
        """The group whose processes are counted."""


class Join:
    """Let processes of a group end their inputs at different times.

    Raises ValueError for no joinables, and for those of several groups.
    Source: https://docs.pytorch.org/docs/2.13/distributed.algorithms.join.html#torch.distributed.algorithms.Join
    """

    def __init__(
        self,
        joinables: Sequence[Joinable],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if not joinables:
            raise ValueError("The join context manager requires at least one joinable")
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._enable = enable
        for i, joinable in enumerate(joinables):
            joinable._join_config = _Config(enable, throw_on_early_termination, i == 0)
        self._group, self._device = joinables[0].join_process_group, joinables[0].join_device
        if any(joinable.join_process_group is not self._group for joinable in joinables):
            raise ValueError("Using join context manager with multiple process groups")

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if not self._enable or kind:
            return
        is_last_joiner = True
        while self._others():
            for hook in self._hooks:
                hook.main_hook()
            is_last_joiner = False
        for hook in self._hooks:
            hook.post_hook(is_last_joiner)

    def _others(self) -> float:
        """Return how many processes still have inputs."""
        count = functions.zeros(1, device=self._device)
        all_reduce(count, group=self._group)
        return count.item()

    @staticmethod
    def notify_join_context(joinable: Joinable) -> Any:
        """Tell the others that this process still has inputs; returns a Work, or None where nothing is to be told."""
        config = joinable._join_config
        if not config.is_first_joinable or not config.enable:
            return None
        return all_reduce(
            functions.ones(1, device=joinable.join_device), group=joinable.join_process_group, async_op=True
        )
