"""Averages of weights over time: torch.optim.swa_utils.

Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema; Izmailov et al., "Averaging Weights
Leads to Wider Optima and Better Generalization", https://arxiv.org/abs/1803.05407.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.nn.modules.batchnorm import _BatchNorm
from cltorch.nn.modules.module import Module
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import copy_each
from cltorch.optim.lr_scheduler.base import LRScheduler, per_group
from cltorch.optim.optimizer import Optimizer
from cltorch.tensor import Tensor

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip


def _lerp(m: Any, start: Any, end: Any, weight: Any) -> tuple[Any]:
    # in this form a weight of 1 gives the end itself
    return (end - (end - start) * (1 - weight),)


_LERP = Formula("average", _lerp, params=1)


def _lerp_all(averages: Sequence[Any], now: Sequence[Any], weight: float) -> None:
    update(_LERP, [0], [[a, b] for a, b in zip(averages, now, strict=True)], [weight])


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """Return a function that moves a list of averages towards the present values by 1 - ``decay``, in place.

    a ← d a + (1 - d) θ for each of them, d being ``decay``.
    Shape: lists of as many averages and values, (*) each.
    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 1)
    >>> mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    >>> mean.update_parameters(net)
    >>> int(mean.n_averaged)
    1
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: Sequence[Any], current_param_list: Sequence[Any], _: Any) -> None:
        if ema_param_list[0].is_floating_point():
            _lerp_all(ema_param_list, current_param_list, 1 - decay)
            return
        for average, now in zip(ema_param_list, current_param_list, strict=True):
            average.copy_(average * decay + now * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """Return a function that takes present values into a list of plain averages of ``num_averaged`` ones, in place.

    a ← a + (θ - a) / (n + 1) for each of them, n being ``num_averaged``.
    Shape: lists of as many averages and values, (*) each.
    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 1)
    >>> mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_swa_multi_avg_fn())
    >>> mean.update_parameters(net)
    >>> int(mean.n_averaged)
    1
    """

    @no_grad()
    def swa_update(averaged_param_list: Sequence[Any], current_param_list: Sequence[Any], num_averaged: Any) -> None:
        weight = 1 / (float(num_averaged) + 1)
        if averaged_param_list[0].is_floating_point():
            _lerp_all(averaged_param_list, current_param_list, weight)
            return
        for average, now in zip(averaged_param_list, current_param_list, strict=True):
            average.copy_(average + (now - average) * weight)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Any]:
    r"""Return a function of (average, present value, count) that gives the exponential moving average.

    .. math:: a \leftarrow d \, a + (1 - d) \, \theta
    Shape: average and present value (*) to the same, count ().

    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(torch.tensor(4.0), torch.tensor(8.0), 1)
    tensor(5.)
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[..., Any]:
    r"""Return a function of (average, present value, count) that gives the plain average.

    .. math:: a \leftarrow a + (\theta - a) / (n + 1)
    Shape: average and present value (*) to the same, count ().

    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> torch.optim.swa_utils.get_swa_avg_fn()(torch.tensor(4.0), torch.tensor(8.0), 3)
    tensor(5.)
    """

    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    r"""Hold a copy of a model whose parameters are averages of the model's over time.

    .. math:: a \leftarrow a + (\theta - a) / (n + 1)

    ``avg_fn(average, value, count)`` returns a new average, ``multi_avg_fn(averages, values, count)`` changes lists of
    them in place; without either it is the plain average. ``use_buffers`` averages the buffers too, which else are
    those of the model at the last update. ``count`` is the buffer ``n_averaged``, which lies on the host unless
    ``device`` is given. Raises AssertionError where both functions are given.
    Shape: the model's arguments, and what it returns; ``n_averaged`` ().
    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> averaged = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = model.weight.data.fill_(value)
    ...     averaged.update_parameters(model)
    >>> round(averaged(torch.ones(1, 1)).item(), 4)
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Any] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", functions.tensor(0, dtype=dtypes.int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the copy."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of ``model`` into the averages."""
        pairs = [
            (mine.detach(), functions.to(theirs.detach(), device=mine.device))
            for mine, theirs in zip(self._averaged(self.module), self._averaged(model), strict=False)
        ]
        if int(self.n_averaged) == 0:
            copy_each([mine for mine, _ in pairs], [now for _, now in pairs])
        elif self.avg_fn is not None:
            for mine, now in pairs:
                mine.copy_(self.avg_fn(mine, now, self.n_averaged.to(mine.device)))
        else:
            average = get_swa_multi_avg_fn() if self.multi_avg_fn is None else self.multi_avg_fn
            groups: dict[Any, tuple[list[Any], list[Any]]] = {}
            for mine, now in pairs:
                lists = groups.setdefault((mine.device, mine.dtype), ([], []))
                lists[0].append(mine)
                lists[1].append(now)
            for (device, _), (mines, nows) in groups.items():
                average(mines, nows, self.n_averaged if self.multi_avg_fn is None else self.n_averaged.to(device))
        if not self.use_buffers:
            mines = [b.detach() for b in self.module.buffers()]
            copy_each(mines, [b.detach().to(a.device) for a, b in zip(mines, model.buffers(), strict=True)])
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Any]:
        return itertools.chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of a model's batch normalisations anew, from all batches of a loader.

    running_mean = Σ mean_b / B and running_var = Σ var_b / B over the B batches.
    Of a batch that is a list or tuple the first part is the model's input; it is moved to ``device`` where given.
    Shape: batches are what the model takes.
    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> net = torch.nn.BatchNorm1d(1)
    >>> torch.optim.swa_utils.update_bn([torch.tensor([[1.0], [3.0]])], net)
    >>> net.running_mean
    tensor([2.])
    """
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    for m in momenta:
        m.reset_running_stats()
    was_training = model.training
    model.train()
    for m in momenta:
        m.momentum = None  # a plain average over the batches
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for m, momentum in momenta.items():
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    r"""Bring the rate to ``swa_lr`` in ``anneal_epochs`` epochs, and keep it there.

    .. math:: \eta_t = (1 - \alpha) \, \eta_0 + \alpha \, \eta_{swa}

    with :math:`\alpha = (1 - \cos \pi p) / 2`, or p for a line, and :math:`p = \min(1, t / \text{anneal\_epochs})`.
    The way is half a cosine ("cos") or a line ("linear"). Raises ValueError for another ``anneal_strategy`` and a
    negative number of epochs.
    Source: https://docs.pytorch.org/docs/2.13/optim.html#weight-averaging-swa-and-ema

    >>> import cltorch as torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        return self.anneal_func(max(0.0, min(1.0, step / max(1, self.anneal_epochs))))

    def anneal_func(self, t: float) -> float:
        """Return which part of the way is behind after a part ``t`` of the epochs."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """Return the rates of the step, from the present ones."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = group["lr"], group["swa_lr"]
            first = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + first * (1 - now))
        return rates
