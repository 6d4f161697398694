"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from typing import Any

from cltorch.optim.adam import lerp
from cltorch.optim.rule import Rule, RuleOptimizer, check_adaptive, scalar
from cltorch.tensor import Tensor

__all__ = ["Adamax", "adamax"]


def _adamax(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    x.exp_avg = lerp(x.exp_avg, g, n.weight, on.far)
    x.exp_inf = m.maximum(n.beta2 * x.exp_inf, m.abs(g) + n.eps)
    x.param = x.param - n.step_size * x.exp_avg / x.exp_inf


class Adamax(RuleOptimizer):
    r"""Descend along the running mean of the gradient, divided by the largest gradient of late.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g \qquad u \leftarrow \max(\beta_2 u, |g| + \epsilon) \qquad
        \theta \leftarrow \theta - \frac{\gamma}{1 - \beta_1^t} \frac{m}{u}

    with :math:`\gamma` = ``lr`` (a number or a tensor). ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to
    the gradient, ``maximize`` ascends. ``foreach`` and ``capturable`` are accepted: every step is fused, and the count
    ``step`` always lies on the host. With ``differentiable`` autograd records the steps. Raises ValueError for values
    out of range.
    Shape: parameters and gradients (*), and so the states ``exp_avg`` and ``exp_inf``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adamax.html; Kingma and Ba, "Adam: A Method for
    Stochastic Optimization", https://arxiv.org/abs/1412.6980.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adamax([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    rule = Rule("adamax", "weight_decay weight beta2 eps step_size", _adamax)

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_adaptive(lr, eps, betas, weight_decay)
        super().__init__(
            params,
            {
                "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0),
            "far": bool(group["betas"][0] <= 0.5),
        }  # fmt: skip

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        beta1, beta2 = group["betas"]
        lr = scalar(group["lr"], group["differentiable"])
        return group["weight_decay"], 1 - beta1, beta2, group["eps"], lr / (1 - beta1**t)


def adamax(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_infs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    eps: float,
    beta1: float,
    beta2: float,
    lr: Any,
    weight_decay: float,
) -> None:
    """Make a step of ``Adamax`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``Adamax``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adamax.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means = [torch.zeros(2)], [torch.zeros(2)]
    >>> torch.optim.adamax.adamax([p], [2 * p], *means, [step], eps=1e-8, beta1=0.9, beta2=0.999, lr=0.1,
    ...                           weight_decay=0.0)
    >>> p, step
    (tensor([ 0.9000, -1.9000]), tensor(1.))
    """
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        "capturable": capturable, "differentiable": differentiable,
    }  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_inf": exp_infs, "step": state_steps}
    Adamax._apply_lists(group, params, grads, lists, differentiable)
