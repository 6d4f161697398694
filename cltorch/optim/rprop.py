"""Rprop: steps whose length follows the signs of the gradient, not its size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.ops.multi_tensor_moves import fill_each, zero_each
from cltorch.optim.rule import Rule, RuleOptimizer, check_one_element, scalar, step_tensor
from cltorch.tensor import Tensor

__all__ = ["Rprop", "rprop"]


def _rprop(m: Any, x: Any, n: Any, on: Any) -> None:
    g = -x.grad if on.maximize else x.grad
    agree = g * x.prev
    step = m.where(agree > 0, n.grow * x.step_size, m.where(agree < 0, n.shrink * x.step_size, x.step_size))
    x.step_size = m.minimum(m.maximum(step, n.least), n.most)
    # after a step too far the gradient counts as zero, so that the next sign is not compared with it
    g = m.where(agree < 0, g * 0.0, g)
    x.param = x.param - m.sign(g) * x.step_size
    x.prev = g


class Rprop(RuleOptimizer):
    r"""Step against the gradient's sign, by a length of its own for every element.

    .. math:: \theta \leftarrow \theta - \delta \, \mathrm{sign}(g)

    The length grows by ``etas[1]`` where the gradient keeps its sign and shrinks by ``etas[0]`` where it changes,
    within ``step_sizes``; it begins with ``lr``. After a change of sign the element rests for one step. ``maximize``
    ascends. ``foreach`` and ``capturable`` are accepted: every step is fused, and the count ``step`` always lies on the
    host. With ``differentiable`` autograd records the steps. Raises ValueError for values out of range.
    Shape: parameters and gradients (*), and so the states ``prev`` and ``step_size``; ``step`` ().

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Rprop.html; Riedmiller and Braun, "A direct
    adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN 1993.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.9000, -1.9000])
    """

    rule = Rule("rprop", "shrink grow least most", _rprop)

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
                "differentiable": differentiable, "capturable": capturable,
            },
        )  # fmt: skip

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        state["step"] = step_tensor()
        state["prev"], state["step_size"] = functions.empty_like(p), functions.empty_like(p)

    def _fill_states(self, group: dict[str, Any], states: Sequence[dict[str, Any]]) -> None:
        zero_each([state["prev"] for state in states])
        fill_each([state["step_size"] for state in states], float(scalar(group["lr"])))

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        return {"maximize": bool(group["maximize"])}

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: float) -> tuple[Any, ...]:
        return (*group["etas"], *map(float, group["step_sizes"]))


def rprop(
    params: list[Tensor],
    grads: list[Tensor],
    prevs: list[Tensor],
    step_sizes: list[Tensor],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
    has_complex: bool = False,
    *,
    step_size_min: float,
    step_size_max: float,
    etaminus: float,
    etaplus: float,
) -> None:
    """Make a step of ``Rprop`` over lists of parameters, gradients, states and counts, all changed in place.

    The formula is that of ``Rprop``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same, counts ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Rprop.html

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> sizes = torch.full((2,), 0.1)
    >>> torch.optim.rprop.rprop([p], [2 * p], [torch.zeros(2)], [sizes], [step], step_size_min=1e-6, step_size_max=50,
    ...                         etaminus=0.5, etaplus=1.2)
    >>> p, step
    (tensor([ 0.9000, -1.9000]), tensor(1.))
    """
    group = {
        "etas": (etaminus, etaplus), "step_sizes": (step_size_min, step_size_max), "maximize": maximize,
        "capturable": capturable, "differentiable": differentiable,
    }  # fmt: skip
    lists = {"prev": prevs, "step_size": step_sizes, "step": state_steps}
    Rprop._apply_lists(group, params, grads, lists, differentiable)
