"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from cltorch.optim.adam import Adam, adam
from cltorch.tensor import Tensor

__all__ = ["AdamW", "adamw"]


class AdamW(Adam):
    r"""Descend as Adam does after every parameter was multiplied by :math:`1 - \gamma\lambda`.

    .. math::
        \theta \leftarrow (1 - \gamma\lambda)\theta - \frac{\gamma}{1 - \beta_1^t}
        \frac{m}{\sqrt{v} / \sqrt{1 - \beta_2^t} + \epsilon}

    with Adam's means m and v.
    The decay ``weight_decay`` :math:`\lambda` enters neither mean. Arguments and state are those of ``Adam``.
    Shape: parameters and gradients (*), and so the states ``exp_avg``, ``exp_avg_sq`` and, with ``amsgrad``,
    ``max_exp_avg_sq``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.AdamW.html; Loshchilov and Hutter, "Decoupled
    Weight Decay Regularization", https://arxiv.org/abs/1711.05101.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8500, -1.8000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # even where Adam's state was loaded


def adamw(
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
    *,
    amsgrad: bool,
    beta1: Any,
    beta2: Any,
    lr: Any,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """Make a step of ``AdamW`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``AdamW``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.AdamW.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> means = [torch.zeros(2)], [torch.zeros(2)]
    >>> torch.optim.adamw.adamw([p], [2 * p], *means, [], [step], amsgrad=False, beta1=0.9, beta2=0.999, lr=0.1,
    ...                         weight_decay=0.5, eps=1e-8, maximize=False)
    >>> p, step
    (tensor([ 0.8500, -1.8000]), tensor(1.))
    """
    adam(
        params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, foreach, capturable, differentiable, fused,
        grad_scale, found_inf, has_complex, True, amsgrad=amsgrad, beta1=beta1, beta2=beta2, lr=lr,
        weight_decay=weight_decay, eps=eps, maximize=maximize,
    )  # fmt: skip
