"""Adadelta: the gradient in units of the steps made so far."""

from __future__ import annotations

from typing import Any

from cltorch.optim.rule import Rule, RuleOptimizer, check_one_element, scalar
from cltorch.tensor import Tensor

__all__ = ["Adadelta", "adadelta"]


def _adadelta(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    x.square_avg = n.rho * x.square_avg + n.weight * g * g
    delta = m.sqrt(x.acc_delta + n.eps) / m.sqrt(x.square_avg + n.eps) * g
    x.acc_delta = n.rho * x.acc_delta + n.weight * delta * delta
    x.param = x.param - n.lr * delta


class Adadelta(RuleOptimizer):
    r"""Scale the gradient by the ratio of the running sizes of steps and gradients.

    .. math::
        v \leftarrow \rho v + (1 - \rho) g^2 \qquad
        \Delta = \frac{\sqrt{u + \epsilon}}{\sqrt{v + \epsilon}} g \qquad
        u \leftarrow \rho u + (1 - \rho) \Delta^2 \qquad \theta \leftarrow \theta - \gamma \Delta

    with :math:`\gamma` = ``lr`` (a number or a tensor). ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to
    the gradient, ``maximize`` ascends. ``foreach`` and ``capturable`` are accepted: every step is fused, and the count
    ``step`` always lies on the host. With ``differentiable`` autograd records the steps. Raises ValueError for values
    out of range.
    Shape: parameters and gradients (*), and so the states ``square_avg`` and ``acc_delta``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adadelta.html; Zeiler, "ADADELTA: An Adaptive
    Learning Rate Method", https://arxiv.org/abs/1212.5701.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adadelta([w], eps=0.01)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.6877, -1.6848])
    """

    rule = Rule("adadelta", "lr rho weight eps weight_decay", _adadelta)

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
                "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
            },
        )  # fmt: skip

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0)}

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        lr = scalar(group["lr"], group["differentiable"])
        return lr, group["rho"], 1 - group["rho"], group["eps"], group["weight_decay"]


def adadelta(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    acc_deltas: list[Tensor],
    state_steps: list[Tensor],
    capturable: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """Make a step of ``Adadelta`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``Adadelta``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adadelta.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means = [torch.zeros(2)], [torch.zeros(2)]
    >>> torch.optim.adadelta.adadelta([p], [2 * p], *means, [step], lr=1.0, rho=0.9, eps=0.01, weight_decay=0.0,
    ...                               maximize=False)
    >>> p, step
    (tensor([ 0.6877, -1.6848]), tensor(1.))
    """
    group = {
        "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        "capturable": capturable, "differentiable": differentiable,
    }  # fmt: skip
    lists = {"square_avg": square_avgs, "acc_delta": acc_deltas, "step": state_steps}
    Adadelta._apply_lists(group, params, grads, lists, differentiable)
