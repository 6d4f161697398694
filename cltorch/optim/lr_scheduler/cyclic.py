"""Schedules that go up and down, and let the momentum go the other way."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

from cltorch.optim.lr_scheduler.base import LRScheduler, check_optimizer, per_group, set_option
from cltorch.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


def _uses_betas(optimizer: Optimizer) -> bool:
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def _set_momentum(group: dict[str, Any], momentum: Any, betas: bool) -> None:
    if betas:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def _begin_momentum(optimizer: Optimizer, base: list[Any], most: list[Any], betas: bool) -> None:
    for low, high, group in zip(base, most, optimizer.param_groups, strict=True):
        _set_momentum(group, high, betas)
        group["max_momentum"], group["base_momentum"] = high, low


class CyclicLR(LRScheduler):
    r"""Let the rate rise from ``base_lr`` to ``max_lr`` in ``step_size_up`` steps, fall back, and so on.

    .. math:: \eta = \eta_{base} + (\eta_{max} - \eta_{base}) \, h \, s

    where h goes along lines from 0 to 1 and back in every cycle, and s = 1, :math:`2^{1 - cycle}` or :math:`\gamma^t`.
    ``step_size_down`` is ``step_size_up`` where None. ``mode`` says how high later cycles reach: "triangular" as high,
    "triangular2" half as high each time, "exp_range" by a factor of ``gamma`` per step; or ``scale_fn``, a function of
    the cycle or of the step ("iterations") as ``scale_mode`` says. With ``cycle_momentum`` the momentum (or the first
    beta) falls from ``max_momentum`` to ``base_momentum`` while the rate rises. Rates and momenta may be lists of one
    value per group. Raises ValueError for an unknown mode, lists of another length, and an optimiser without momentum.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.lr_scheduler.CyclicLR.html; Smith, "Cyclical
    Learning Rates for Training Neural Networks", https://arxiv.org/abs/1506.01186.

    >>> import cltorch as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)
    >>> scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_option(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom: Any = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _uses_betas(optimizer)
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                _begin_momentum(optimizer, self.base_momentums, self.max_momentums, self.use_beta1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Return how much of its height a cycle, or a step, has."""
        if self._scale_fn_custom is not None:
            return float(self._scale_fn_custom(x))
        if self.mode == "triangular":
            return 1.0
        return float(1 / 2.0 ** (x - 1)) if self.mode == "triangular2" else float(self.gamma**x)

    def get_lr(self) -> list[Any]:
        """Return the rates of the step, and set its momenta."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for low, high, group in zip(
                self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True
            ):
                _set_momentum(group, high - (high - low) * height * scale, self.use_beta1)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the schedule holds but the optimiser and a plain function."""
        made = super().state_dict()
        fn = made.pop("_scale_fn_custom")
        keep = fn is not None and not isinstance(fn, types.FunctionType)
        made["_scale_fn_custom"] = fn.__dict__.copy() if keep else None
        return made

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        attributes = state_dict["_scale_fn_custom"]
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)


class OneCycleLR(LRScheduler):
    r"""Let the rate rise to ``max_lr`` and then fall far below where it began, in ``total_steps`` steps in all.

    .. math:: \eta = b + \tfrac12 (a - b)(1 + \cos \pi p) \text{ or } a + (b - a) \, p

    in a phase from rate a to rate b, of which the part p is over.
    The steps may be given as ``epochs`` times ``steps_per_epoch``. The rate begins with ``max_lr / div_factor`` and
    ends with that divided by ``final_div_factor``; ``pct_start`` is the part of the steps in which it rises, by
    ``anneal_strategy`` along half a cosine ("cos") or a line ("linear"). With ``three_phase`` it falls as it has risen,
    and then on. With ``cycle_momentum`` the momentum (or the first beta) goes from ``max_momentum`` to
    ``base_momentum`` and back meanwhile. Raises ValueError for values out of range, and for a step too many.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.lr_scheduler.OneCycleLR.html; Smith and Topin,
    "Super-Convergence", https://arxiv.org/abs/1708.07120.

    >>> import cltorch as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)
    >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, div_factor=4.0)
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(pct_start, self.total_steps, three_phase)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for high, group in zip(max_lrs, optimizer.param_groups, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _uses_betas(optimizer)
            most = per_group("max_momentum", optimizer, max_momentum)
            base = per_group("base_momentum", optimizer, base_momentum)
            if last_epoch == -1:
                _begin_momentum(optimizer, base, most, self.use_beta1)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start

    def get_lr(self) -> list[Any]:
        """Return the rates of the step, and set its momenta."""
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        part = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                momentum = self._anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
                _set_momentum(group, momentum, self.use_beta1)
        return rates


def _total(steps: Any, epochs: Any, per_epoch: Any) -> int:
    if steps is not None:
        if steps <= 0 or not isinstance(steps, int):
            raise ValueError(f"Expected positive integer total_steps, but got {steps}")
        return steps
    if epochs is None or per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for name, value in (("epochs", epochs), ("steps_per_epoch", per_epoch)):
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return int(epochs * per_epoch)


def _phase(end: float, lr: str, to: str, momentum: str, momentum_to: str) -> dict[str, Any]:
    return {
        "end_step": end, "start_lr": lr, "end_lr": to, "start_momentum": f"{momentum}_momentum",
        "end_momentum": f"{momentum_to}_momentum",
    }  # fmt: skip


def _phases(start: float, total: int, three: bool) -> list[dict[str, Any]]:
    rise = _phase(float(start * total) - 1, "initial_lr", "max_lr", "max", "base")
    if not three:
        return [rise, _phase(total - 1, "max_lr", "min_lr", "base", "max")]
    fall = _phase(float(2 * start * total) - 2, "max_lr", "initial_lr", "base", "max")
    return [rise, fall, _phase(total - 1, "initial_lr", "min_lr", "max", "max")]
