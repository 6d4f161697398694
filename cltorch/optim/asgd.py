"""ASGD: stochastic gradient descent that also averages the parameters."""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.optim.rule import (
    Rule,
    RuleOptimizer,
    check_one_element,
    host_number,
    scalar,
    set_host_number,
    step_tensor,
)
from cltorch.tensor import Tensor

__all__ = ["ASGD", "asgd"]


def _asgd(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    x.param = n.shrink * x.param - n.eta * g
    # in this form an average of weight 1 is the parameter itself
    x.ax = x.param - (x.param - x.ax) * n.keep


class ASGD(RuleOptimizer):
    r"""Descend with a falling rate, and keep the average of the parameters from step ``t0`` on as state ``ax``.

    .. math::
        \eta_t = \frac{\gamma}{(1 + \lambda\gamma t)^\alpha} \qquad
        \theta \leftarrow (1 - \lambda\eta_{t-1})\theta - \eta_{t-1} g \qquad
        a \leftarrow a + \mu_{t-1} (\theta - a) \qquad \mu_t = \frac{1}{\max(1, t - t_0)}

    with :math:`\gamma` = ``lr`` (a number or a tensor), :math:`\lambda` = ``lambd``. ``weight_decay`` adds its multiple
    of :math:`\theta` to the gradient, ``maximize`` ascends. ``foreach`` and ``capturable`` are accepted: every step is
    fused, and ``step``, ``eta`` and ``mu`` always lie on the host. With ``differentiable`` autograd records the steps.
    Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the state ``ax``; ``step``, ``eta`` and ``mu`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.ASGD.html; Polyak and Juditsky, "Acceleration of
    Stochastic Approximation by Averaging", 1992.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -1.6000])
    """

    rule = Rule("asgd", "shrink eta weight_decay keep", _asgd)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
                "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        state["step"], state["eta"], state["mu"] = step_tensor(), step_tensor(scalar(group["lr"])), step_tensor(1.0)
        state["ax"] = functions.empty_like(p)

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0)}

    @classmethod
    def _count(cls, group: dict[str, Any], p: Tensor, g: Tensor, state: dict[str, Any]) -> Any:
        t = super()._count(group, p, g, state)
        eta, mu = host_number(state, "eta"), host_number(state, "mu")
        set_host_number(state, "eta", _rate(group, scalar(group["lr"]), t))
        set_host_number(state, "mu", 1 / max(1.0, t - group["t0"]))
        return t, eta, mu

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: Any) -> tuple[Any, ...]:
        t, eta, mu = t
        if group["differentiable"] and isinstance(group["lr"], Tensor):
            eta = _rate(group, scalar(group["lr"], True), t - 1)
        return 1 - group["lambd"] * eta, eta, group["weight_decay"], 1 - mu


def _rate(group: dict[str, Any], lr: Any, t: float) -> Any:
    return lr / (1 + group["lambd"] * lr * t) ** group["alpha"]


def asgd(
    params: list[Tensor],
    grads: list[Tensor],
    axs: list[Tensor],
    mus: list[Tensor],
    etas: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
    has_complex: bool = False,
    *,
    lambd: float,
    lr: Any,
    t0: float,
    alpha: float,
    weight_decay: float,
) -> None:
    """Make a step of ``ASGD`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``ASGD``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.ASGD.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> ax, mu, eta = torch.zeros(2), torch.tensor(1.0), torch.tensor(0.1)
    >>> torch.optim.asgd.asgd([p], [2 * p], [ax], [mu], [eta], [step], lambd=0.0, lr=0.1, t0=1e6, alpha=0.75,
    ...                       weight_decay=0.0)
    >>> p, step
    (tensor([ 0.8000, -1.6000]), tensor(1.))
    """
    group = {
        "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize,
        "capturable": capturable, "differentiable": differentiable,
    }  # fmt: skip
    lists = {"ax": axs, "mu": mus, "eta": etas, "step": state_steps}
    ASGD._apply_lists(group, params, grads, lists, differentiable)
