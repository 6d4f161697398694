"""Adam, and its form with decoupled weight decay."""

from __future__ import annotations

import math
from typing import Any

from cltorch.optim.rule import Rule, RuleOptimizer, check_adaptive, check_one_element, check_scaled, scalar
from cltorch.tensor import Tensor

__all__ = ["Adam", "adam"]


def _adam(m: Any, x: Any, n: Any, on: Any) -> None:
    means(x, n, on)
    second = x.exp_avg_sq
    if on.amsgrad:
        second = x.max_exp_avg_sq = m.maximum(x.max_exp_avg_sq, second)
    x.param = x.param - n.step_size * x.exp_avg / (m.sqrt(second) / n.root + n.eps)


def lerp(start: Any, end: Any, weight: Any, far: bool) -> Any:
    """Return ``start + weight (end - start)``; ``far`` says that the weight is at least 1/2.

    The two forms differ in rounding only: a weight of 1 shall give ``end`` and not what cancellation leaves of it.
    """
    return end - (end - start) * (1 - weight) if far else start + weight * (end - start)


def means(x: Any, n: Any, on: Any) -> Any:
    """Decay the parameter, or the gradient by it, bring both running means up to date, and return the gradient."""
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        if on.decoupled:
            x.param = n.shrink * x.param
        else:
            g = g + n.weight_decay * x.param
    x.exp_avg = lerp(x.exp_avg, g, n.weight1, on.far)
    x.exp_avg_sq = n.beta2 * x.exp_avg_sq + n.weight2 * g * g
    return g


def means_options(group: dict[str, Any]) -> dict[str, Any]:
    """Return what ``means`` asks of a group of parameters."""
    return {
        "maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0),
        "decoupled": bool(group["decoupled_weight_decay"]), "far": bool(group["betas"][0] <= 0.5),
    }  # fmt: skip


class Adam(RuleOptimizer):
    r"""Descend along running means of the gradient and its square.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \qquad
        \theta \leftarrow \theta - \frac{\gamma}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} / \sqrt{1 - \beta_2^t} + \epsilon}

    with :math:`\gamma` = ``lr`` (a number or a tensor), :math:`\beta` = ``betas``, :math:`\epsilon` = ``eps``.
    ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to the gradient, or with ``decoupled_weight_decay``
    multiplies :math:`\theta` by :math:`1 - \gamma\lambda` first. ``amsgrad`` divides by the largest :math:`v` so far,
    ``maximize`` ascends. ``foreach``, ``fused`` and ``capturable`` are accepted: every step is fused, and the count
    ``step`` always lies on the host. With ``differentiable`` autograd records the steps. Raises ValueError for values
    out of range.
    Shape: parameters and gradients (*), and so the states ``exp_avg``, ``exp_avg_sq`` and, with ``amsgrad``,
    ``max_exp_avg_sq``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adam.html; Kingma and Ba, "Adam: A Method for
    Stochastic Optimization", https://arxiv.org/abs/1412.6980; Reddi et al., "On the Convergence of Adam and Beyond".

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    rule = Rule("adam", "shrink weight_decay weight1 beta2 weight2 root eps step_size", _adam)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        separate = foreach and not capturable
        if isinstance(lr, Tensor) and separate:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_adaptive(lr, eps, betas, weight_decay)
        if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Tensor)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i in (0, 1):
            if isinstance(betas[i], Tensor) and separate:
                raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            check_one_element(f"betas[{i}]", betas[i])
        super().__init__(
            params,
            {
                "lr": lr, "betas": tuple(b.squeeze() if isinstance(b, Tensor) else b for b in betas), "eps": eps,
                "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize, "foreach": foreach,
                "capturable": capturable, "differentiable": differentiable, "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )  # fmt: skip
        self._choose_way(foreach, fused, differentiable)

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {**means_options(group), "amsgrad": bool(group["amsgrad"])}

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        keep = group["differentiable"]
        lr, decay, eps = (scalar(group[name], keep) for name in ("lr", "weight_decay", "eps"))
        beta1, beta2 = (scalar(beta, keep) for beta in group["betas"])
        correction2 = 1 - beta2**t
        root = correction2.sqrt() if isinstance(correction2, Tensor) else math.sqrt(correction2)
        return 1 - lr * decay, decay, 1 - beta1, beta2, 1 - beta2, root, eps, lr / (1 - beta1**t)


def adam(
    params: list[Tensor],
    grads: list[Tensor],
    exp_avgs: list[Tensor],
    exp_avg_sqs: list[Tensor],
    max_exp_avg_sqs: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    decoupled_weight_decay: bool = False,
    *,
    amsgrad: bool,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """Make a step of ``Adam`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``Adam``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adam.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means = [torch.zeros(2)], [torch.zeros(2)]
    >>> torch.optim.adam.adam([p], [2 * p], *means, [], [step], amsgrad=False, beta1=0.9, beta2=0.999, lr=0.1,
    ...                       weight_decay=0.0, eps=1e-8, maximize=False)
    >>> p, step
    (tensor([ 0.9000, -1.9000]), tensor(1.))
    """
    check_scaled(fused, grad_scale, found_inf)
    group = {
        "lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
        "maximize": maximize, "capturable": capturable, "differentiable": differentiable,
        "decoupled_weight_decay": decoupled_weight_decay,
    }  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, "max_exp_avg_sq": max_exp_avg_sqs, "step": state_steps}
    Adam._apply_lists(group, params, grads, lists, differentiable, grad_scale, found_inf)
