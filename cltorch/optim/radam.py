"""RAdam: Adam that adapts only once its second mean can be trusted."""

from __future__ import annotations

import math
from typing import Any

from cltorch.optim.adam import means, means_options
from cltorch.optim.rule import Rule, RuleOptimizer, check_adaptive, scalar
from cltorch.tensor import Tensor

__all__ = ["RAdam", "radam"]


def _radam(m: Any, x: Any, n: Any, on: Any) -> None:
    means(x, n, on)
    # the divisor is 1 while the mean square says too little
    x.param = x.param - n.step_size * x.exp_avg / (n.adapt * (m.sqrt(x.exp_avg_sq) + n.eps) + n.plain)


class RAdam(RuleOptimizer):
    r"""Descend as Adam does, with a rate that is rectified for the variance of the first steps.

    .. math::
        \rho_\infty = \frac{2}{1 - \beta_2} - 1 \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t} \qquad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\rho_t}}

    Where :math:`\rho_t > 5` the step is Adam's times :math:`r_t`, else :math:`\gamma m / (1 - \beta_1^t)`.
    ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to the gradient, or with ``decoupled_weight_decay``
    multiplies :math:`\theta` by :math:`1 - \gamma\lambda` first. ``maximize`` ascends. ``foreach`` and ``capturable``
    are accepted: every step is fused, and the count ``step`` always lies on the host. With ``differentiable`` autograd
    records the steps. Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the states ``exp_avg`` and ``exp_avg_sq``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.RAdam.html; Liu et al., "On the Variance of the
    Adaptive Learning Rate and Beyond", https://arxiv.org/abs/1908.03265.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -1.6000])
    """

    rule = Rule("radam", "shrink weight_decay weight1 beta2 weight2 eps step_size adapt plain", _radam)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_adaptive(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return means_options(group)

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        lr = scalar(group["lr"], group["differentiable"])
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        step_size = lr / (1 - beta1**t)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        adapt = length > 5.0
        if adapt:
            rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            step_size = step_size * math.sqrt(rectified * (1 - beta2**t))
        return (
            1 - lr * decay, decay, 1 - beta1, beta2, 1 - beta2, group["eps"], step_size, float(adapt),
            float(not adapt),
        )  # fmt: skip


def radam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: Any,
    weight_decay: float,
    eps: float,
) -> None:
    """Make a step of ``RAdam`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``RAdam``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.RAdam.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means = [torch.zeros(2)], [torch.zeros(2)]
    >>> torch.optim.radam.radam([p], [2 * p], *means, [step], beta1=0.9, beta2=0.999, lr=0.1,
    ...                         weight_decay=0.0, eps=1e-8)
    >>> p, step
    (tensor([ 0.8000, -1.6000]), tensor(1.))
    """
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay,
        "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "capturable": capturable,
        "differentiable": differentiable,
    }  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "step": state_steps}
    RAdam._apply_lists(group, params, grads, lists, differentiable)
