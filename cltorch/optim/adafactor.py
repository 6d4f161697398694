"""Adafactor: Adam's second mean of matrices, kept as one factor per row and one per column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import enable_grad, no_grad
from cltorch.optim.optimizer import Optimizer
from cltorch.optim.rule import advance, check_one_element, host_number, scalar, step_tensor
from cltorch.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    r"""Divide the gradient by the root of its mean square, which rows and columns of matrices estimate.

    .. math::
        R \leftarrow R + t^{\tau}(\overline{G^2}_{rows} - R) \qquad C \leftarrow C + t^{\tau}(\overline{G^2}_{cols} - C)
        \qquad \hat V = \frac{R C}{\max(\overline R, \epsilon_1)} \qquad
        U = \frac{G}{\max(\sqrt{\hat V}, \epsilon_1)}
    .. math::
        \theta \leftarrow (1 - \gamma\lambda)\theta - \max(\epsilon_2, \mathrm{RMS}(\theta)) \min(\gamma, 1/\sqrt t)
        \frac{U}{\max(1, \mathrm{RMS}(U) / d)}

    with :math:`\tau` = ``beta2_decay``, :math:`\epsilon` = ``eps`` (the first one, where None, is the dtype's). What
    has less than two dimensions keeps its whole mean square. ``maximize`` ascends; ``foreach`` has no effect. Norms
    stay on the device: no step waits for it. Raises ValueError for values out of range.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adafactor.html; Shazeer and Stern, "Adafactor:
    Adaptive Learning Rates with Sublinear Memory Cost", https://arxiv.org/abs/1804.04235.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adafactor([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([ 0.8419, -1.8419])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not 0.0 <= eps[0]:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not 0.0 <= eps[1]:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
                "foreach": foreach, "maximize": maximize,
            },
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
        for kept in self.state.values():
            if isinstance(kept, dict) and "step" in kept and not isinstance(kept["step"], Tensor):
                kept["step"] = step_tensor(float(kept["step"]))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what ``closure``, which computes the loss, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._step_one(group, p, p.grad)
        return loss

    def _init_state(self, g: Tensor, state: dict[str, Any]) -> None:
        state["step"] = step_tensor()
        if g.ndim > 1:
            state["row_var"] = functions.zeros_like(g[..., :1])
            state["col_var"] = functions.zeros_like(g[..., :1, :])
        else:
            state["variance"] = functions.zeros_like(g)

    def _step_one(self, group: dict[str, Any], p: Tensor, g: Tensor) -> None:
        state = self.state[p]
        if not state:
            self._init_state(g, state)
        host_number(state, "step")  # brings the count to the host
        t = advance(state["step"])
        lr = float(scalar(group["lr"]))
        eps1, eps2 = group["eps"]
        eps1 = dtypes.finfo(p.dtype).eps if eps1 is None else eps1
        if group["maximize"]:
            g = functions.neg(g)
        scale = functions.clamp(_rms(p), min=eps2)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        square = functions.mul(g, g)
        weight = t ** group["beta2_decay"]
        if g.ndim > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_(functions.mean(square, -1, keepdim=True), weight)
            columns.lerp_(functions.mean(square, -2, keepdim=True), weight)
            middle = functions.clamp(functions.mean(rows, -2, keepdim=True), min=eps1)
            estimate = functions.mul(rows, functions.div(columns, middle))
        else:
            estimate = state["variance"].lerp_(square, weight)
        change = functions.mul(functions.rsqrt(functions.clamp(estimate, min=eps1 * eps1)), g)
        shrink = functions.clamp(functions.div(_rms(change), group["d"]), min=1.0)
        p.sub_(functions.mul(change, functions.div(functions.mul(scale, min(lr, 1 / t**0.5)), shrink)))


def _rms(x: Tensor) -> Tensor:
    return functions.div(functions.vector_norm(x, 2), x.numel() ** 0.5)
