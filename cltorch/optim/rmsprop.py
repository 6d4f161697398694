"""RMSprop: the gradient divided by the root of the running mean of its square."""

from __future__ import annotations

from typing import Any

from cltorch.optim.adam import lerp
from cltorch.optim.rule import Rule, RuleOptimizer, check_one_element, scalar
from cltorch.tensor import Tensor

__all__ = ["RMSprop", "rmsprop"]


def _rmsprop(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    x.square_avg = n.alpha * x.square_avg + n.weight * g * g
    second = x.square_avg
    if on.centered:
        x.grad_avg = lerp(x.grad_avg, g, n.weight, on.far)
        second = second - x.grad_avg * x.grad_avg
    root = m.sqrt(second) + n.eps
    if on.momentum:
        x.momentum_buffer = n.momentum * x.momentum_buffer + g / root
        x.param = x.param - n.lr * x.momentum_buffer
    else:
        x.param = x.param - n.lr * g / root


class RMSprop(RuleOptimizer):
    r"""Divide the gradient by the root of the running mean of its square.

    .. math::
        v \leftarrow \alpha v + (1 - \alpha) g^2 \qquad b \leftarrow \mu b + \frac{g}{\sqrt{v} + \epsilon} \qquad
        \theta \leftarrow \theta - \gamma b

    with :math:`\gamma` = ``lr`` (a number or a tensor), :math:`\mu` = ``momentum``. ``centered`` subtracts the square
    of the gradient's running mean from :math:`v`, ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to the
    gradient, ``maximize`` ascends. ``foreach`` and ``capturable`` are accepted: every step is fused, and the count
    ``step`` always lies on the host. With ``differentiable`` autograd records the steps. Raises ValueError for values
    out of range.
    Shape: parameters and gradients (*), and so the states ``square_avg``, with ``momentum`` ``momentum_buffer``, and
    with ``centered`` ``grad_avg``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.RMSprop.html; Tieleman and Hinton, Lecture 6.5 of
    "Neural Networks for Machine Learning"; the centered form: Graves, https://arxiv.org/abs/1308.0850.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.RMSprop([w], lr=0.01)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    rule = Rule("rmsprop", "lr alpha weight eps momentum weight_decay", _rmsprop)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        if not 0.0 <= momentum:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not 0.0 <= alpha:
            raise ValueError(f"Invalid alpha value: {alpha}")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
                "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable,
            },
        )  # fmt: skip

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return (
            "square_avg",
            *(("momentum_buffer",) if group["momentum"] > 0 else ()),
            *(("grad_avg",) if group["centered"] else ()),
        )

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0),
            "momentum": bool(group["momentum"] > 0), "centered": bool(group["centered"]),
            "far": bool(group["alpha"] <= 0.5),
        }  # fmt: skip

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        lr = scalar(group["lr"], group["differentiable"])
        alpha = group["alpha"]
        return lr, alpha, 1 - alpha, group["eps"], group["momentum"], group["weight_decay"]


def rmsprop(
    params: list[Tensor],
    grads: list[Tensor],
    square_avgs: list[Tensor],
    grad_avgs: list[Tensor],
    momentum_buffer_list: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """Make a step of ``RMSprop`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``RMSprop``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.RMSprop.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> torch.optim.rmsprop.rmsprop([p], [2 * p], [torch.zeros(2)], [], [], [step], lr=0.01, alpha=0.99, eps=1e-8,
    ...                             weight_decay=0.0, momentum=0.0, centered=False)
    >>> p, step
    (tensor([ 0.9000, -1.9000]), tensor(1.))
    """
    group = {
        "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
        "weight_decay": weight_decay, "maximize": maximize, "capturable": capturable,
        "differentiable": differentiable,
    }  # fmt: skip
    lists = {
        "square_avg": square_avgs,
        "grad_avg": grad_avgs,
        "momentum_buffer": momentum_buffer_list,
        "step": state_steps,
    }
    RMSprop._apply_lists(group, params, grads, lists, differentiable)
