"""Adagrad: the gradient divided by the root of the sum of all its squares."""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.optim.rule import (
    Rule,
    RuleOptimizer,
    check_fused,
    check_one_element,
    check_scaled,
    for_parts,
    scalar,
    step_tensor,
)
from cltorch.tensor import Tensor

__all__ = ["Adagrad", "adagrad"]


def _adagrad(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    x.sum = x.sum + g * g
    x.param = x.param - n.lr * g / (m.sqrt(x.sum) + n.eps)


class Adagrad(RuleOptimizer):
    r"""Divide the gradient by the root of the sum of all its squares so far.

    .. math::
        s \leftarrow s + g^2 \qquad
        \theta \leftarrow \theta - \frac{\gamma}{1 + (t - 1)\eta} \frac{g}{\sqrt{s} + \epsilon}

    with :math:`\gamma` = ``lr`` (a number or a tensor), :math:`\eta` = ``lr_decay``; :math:`s` starts at
    ``initial_accumulator_value``. ``weight_decay`` :math:`\lambda` adds :math:`\lambda\theta` to the gradient,
    ``maximize`` ascends. ``foreach`` and ``fused`` are accepted: every step is fused. With ``differentiable`` autograd
    records the steps. Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the state ``sum``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adagrad.html; Duchi, Hazan and Singer, "Adaptive
    Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 2011.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    rule = Rule("adagrad", "lr eps weight_decay", _adagrad)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= lr_decay:
            raise ValueError(f"Invalid lr_decay value: {lr_decay}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if not 0.0 <= initial_accumulator_value:
            raise ValueError(f"Invalid initial_accumulator_value value: {initial_accumulator_value}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        super().__init__(
            params,
            {
                "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "fused": fused,
            },
        )  # fmt: skip
        self._choose_way(foreach, fused, differentiable)
        for group in self.param_groups:
            for p in group["params"]:
                if group["fused"]:
                    check_fused(p)
                self._init_state(group, p, self.state[p])

    def share_memory(self) -> None:
        """Move the sums into memory that processes share, on the host."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        state["step"] = step_tensor()
        state["sum"] = functions.full_like(p, for_parts(p, self.defaults["initial_accumulator_value"]))

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0)}

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        lr = scalar(group["lr"], group["differentiable"])
        return lr / (1 + (t - 1) * group["lr_decay"]), group["eps"], group["weight_decay"]


def adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    state_sums: list[Tensor],
    state_steps: list[Tensor],
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    lr: Any,
    weight_decay: float,
    lr_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """Make a step of ``Adagrad`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``Adagrad``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adagrad.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> torch.optim.adagrad.adagrad([p], [2 * p], [torch.zeros(2)], [step], lr=0.1, weight_decay=0.0, lr_decay=0.0,
    ...                             eps=1e-10, maximize=False)
    >>> p, step
    (tensor([ 0.9000, -1.9000]), tensor(1.))
    """
    check_scaled(fused, grad_scale, found_inf)
    group = {
        "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        "differentiable": differentiable,
    }  # fmt: skip
    lists = {"sum": state_sums, "step": state_steps}
    Adagrad._apply_lists(group, params, grads, lists, differentiable, grad_scale, found_inf)
