"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

import math
from typing import Any

from cltorch.optim.adam import means, means_options
from cltorch.optim.rule import (
    Rule,
    RuleOptimizer,
    check_adaptive,
    host_number,
    scalar,
    set_host_number,
    step_tensor,
)
from cltorch.tensor import Tensor

__all__ = ["NAdam", "nadam"]


def _nadam(m: Any, x: Any, n: Any, on: Any) -> None:
    g = means(x, n, on)
    x.param = x.param - (n.now * g + n.ahead * x.exp_avg) / (m.sqrt(x.exp_avg_sq) / n.root + n.eps)


class NAdam(RuleOptimizer):
    r"""Descend as Adam does, with a momentum that looks one step ahead.

    .. math::
        \mu_t = \beta_1 (1 - \tfrac12\, 0.96^{t\psi}) \qquad
        \hat m = \frac{\mu_{t+1} m}{1 - \prod_{i \le t+1} \mu_i} + \frac{(1 - \mu_t) g}{1 - \prod_{i \le t} \mu_i}
        \qquad \theta \leftarrow \theta - \frac{\gamma \hat m}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    with :math:`\psi` = ``momentum_decay``; :math:`m` and :math:`v` are Adam's means. ``weight_decay`` :math:`\lambda`
    adds :math:`\lambda\theta` to the gradient, or with ``decoupled_weight_decay`` multiplies :math:`\theta` by
    :math:`1 - \gamma\lambda` first. ``maximize`` ascends. ``foreach`` and ``capturable`` are accepted: every step is
    fused, and ``step`` and ``mu_product`` always lie on the host. With ``differentiable`` autograd records the steps.
    Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the states ``exp_avg`` and ``exp_avg_sq``; ``step`` and ``mu_product``
    ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.NAdam.html; Dozat, "Incorporating Nesterov
    Momentum into Adam", ICLR workshop 2016.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.NAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8944, -1.8944])
    """

    rule = Rule("nadam", "shrink weight_decay weight1 beta2 weight2 root eps now ahead", _nadam)

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_adaptive(lr, eps, betas, weight_decay)
        if not 0.0 <= momentum_decay:
            raise ValueError(f"Invalid momentum_decay value: {momentum_decay}")
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
                "capturable": capturable, "differentiable": differentiable,
            },
        )  # fmt: skip

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        state["step"], state["mu_product"] = step_tensor(), step_tensor(1.0)
        super()._init_state(group, p, state)

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return means_options(group)

    @classmethod
    def _count(cls, group: dict[str, Any], p: Tensor, g: Tensor, state: dict[str, Any]) -> Any:
        t = super()._count(group, p, g, state)
        return t, set_host_number(state, "mu_product", host_number(state, "mu_product") * _momentum(group, t))

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: Any) -> tuple[Any, ...]:
        t, product = t
        lr = scalar(group["lr"], group["differentiable"])
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        after = _momentum(group, t + 1)
        now, ahead = lr * (1 - _momentum(group, t)) / (1 - product), lr * after / (1 - product * after)
        return 1 - lr * decay, decay, 1 - beta1, beta2, 1 - beta2, math.sqrt(1 - beta2**t), group["eps"], now, ahead


def _momentum(group: dict[str, Any], t: float) -> float:
    return float(group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])))


def nadam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    mu_products: list[Tensor],
    state_steps: list[Tensor],
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    maximize: bool = False,
    *,
    beta1: float,
    beta2: float,
    lr: Any,
    weight_decay: float,
    momentum_decay: float,
    eps: float,
) -> None:
    """Make a step of ``NAdam`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``NAdam``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.NAdam.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means, product = ([torch.zeros(2)], [torch.zeros(2)]), torch.tensor(1.0)
    >>> torch.optim.nadam.nadam([p], [2 * p], *means, [product], [step], beta1=0.9, beta2=0.999, lr=0.1,
    ...                         weight_decay=0.0, momentum_decay=4e-3, eps=1e-8)
    >>> p, step
    (tensor([ 0.8944, -1.8944]), tensor(1.))
    """
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
        "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "capturable": capturable,
        "differentiable": differentiable,
    }  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "mu_product": mu_products, "step": state_steps}
    NAdam._apply_lists(group, params, grads, lists, differentiable)
