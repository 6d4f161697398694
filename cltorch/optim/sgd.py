"""Stochastic gradient descent, with momentum, Nesterov's momentum and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.optim.rule import Rule, RuleOptimizer, check_one_element, check_scaled, scalar
from cltorch.tensor import Tensor

__all__ = ["SGD", "sgd"]


def _sgd(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    if on.decay:
        g = g + n.weight_decay * x.param
    if on.momentum:
        x.momentum_buffer = n.keep * x.momentum_buffer + n.take * g
        if on.detached:
            x.momentum_buffer = m.detach(x.momentum_buffer)
        g = g + n.momentum * x.momentum_buffer if on.nesterov else x.momentum_buffer
    x.param = x.param - n.lr * g


class SGD(RuleOptimizer):
    r"""Descend along the gradient, or along its running sum.

    .. math::
        g \leftarrow g + \lambda\theta \qquad b \leftarrow \mu b + (1 - \tau) g \qquad
        \theta \leftarrow \theta - \gamma\, (g + \mu b \text{ if nesterov, else } b)

    with :math:`\gamma` = ``lr`` (a number or a tensor), :math:`\mu` = ``momentum``, :math:`\tau` = ``dampening`` and
    :math:`\lambda` = ``weight_decay``; the first :math:`b` is :math:`g`. ``maximize`` ascends. ``foreach`` and
    ``fused`` are accepted: every step is fused. With ``differentiable`` autograd records the steps, but for the first
    :math:`b`, which counts as a constant. Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the state ``momentum_buffer``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.SGD.html; Sutskever et al., "On the importance of
    initialization and momentum in deep learning", ICML 2013.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8000, -1.6000])
    """

    rule = Rule("sgd", "lr momentum keep take weight_decay", _sgd)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(
            params,
            {
                "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                "nesterov": nesterov, "maximize": maximize, "foreach": foreach, "differentiable": differentiable,
                "fused": fused,
            },
        )  # fmt: skip
        self._choose_way(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for group in state["param_groups"]:
            group.setdefault("fused", False)
        super().__setstate__(state)

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "maximize": bool(group["maximize"]), "decay": bool(group["weight_decay"] != 0),
            "momentum": bool(group["momentum"] != 0), "nesterov": bool(group["nesterov"]), "detached": False,
        }  # fmt: skip

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        lr, decay = (scalar(group[name], group["differentiable"]) for name in ("lr", "weight_decay"))
        momentum = group["momentum"]
        # the first buffer is the gradient itself, whatever the dampening
        keep, take = (0.0, 1.0) if t == 1 else (momentum, 1 - group["dampening"])
        return lr, momentum, keep, take, decay

    _begins_blank = True
    _first_differentiable = {"detached": True}

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        """Leave the state empty: without momentum it stays so, and the first buffer is begun by ``_count``."""

    def _fill_states(self, group: dict[str, Any], states: Sequence[dict[str, Any]]) -> None:
        """Do nothing: no buffer is there yet."""

    @classmethod
    def _count(cls, group: dict[str, Any], p: Tensor, g: Tensor, state: dict[str, Any]) -> int:
        if group["momentum"] == 0 or state.get("momentum_buffer") is not None:
            return 2
        state["momentum_buffer"] = functions.empty_like(g)
        return 1


def sgd(
    params: list[Tensor],
    d_p_list: list[Tensor],
    momentum_buffer_list: list[Tensor | None],
    has_sparse_grad: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    *,
    weight_decay: float,
    momentum: float,
    lr: Any,
    dampening: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """Make a step of ``SGD`` over lists of parameters, gradients and buffers, of which None ones are begun.

    The formula is that of ``SGD``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.SGD.html

    >>> import cltorch as torch
    >>> p = torch.tensor([1.0, -2.0])
    >>> torch.optim.sgd.sgd([p], [2 * p], [None], weight_decay=0.0, momentum=0.0, lr=0.1, dampening=0.0,
    ...                     nesterov=False, maximize=False)
    >>> p
    tensor([ 0.8000, -1.6000])
    """
    check_scaled(fused, grad_scale, found_inf)
    group = {
        "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
        "maximize": maximize, "differentiable": False,
    }  # fmt: skip
    states = [{"momentum_buffer": b} for b in momentum_buffer_list] if momentum else [{} for _ in params]
    if SGD._unscale(d_p_list, grad_scale, found_inf):
        SGD._apply(group, params, d_p_list, states, differentiable=False)
        for i, state in enumerate(states):
            if state:
                momentum_buffer_list[i] = state["momentum_buffer"]
