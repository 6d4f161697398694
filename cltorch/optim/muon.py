"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import enable_grad, no_grad
from cltorch.ops.multi_tensor import update
from cltorch.ops.pointwise import Formula
from cltorch.optim.optimizer import Optimizer
from cltorch.optim.rule import check_one_element, scalar

__all__ = ["Muon"]


def _average(m: Any, g: Any, buf: Any, out: Any, momentum: Any) -> tuple[Any, Any]:
    new = buf + (1 - momentum) * (g - buf)
    return new, new


def _average_nesterov(m: Any, g: Any, buf: Any, out: Any, momentum: Any) -> tuple[Any, Any]:
    new = buf + (1 - momentum) * (g - buf)
    return new, g + momentum * (new - g)


_MOMENTUM = Formula("muon_momentum", _average, params=1)
_NESTEROV = Formula("muon_nesterov", _average_nesterov, params=1)
_MOVE = Formula("muon_move", lambda m, p, u, shrink, lr: (shrink * p - lr * u,), params=2)


class Muon(Optimizer):
    r"""Descend along the momentum of matrices, each brought near the closest matrix with orthonormal rows or columns.

    .. math::
        b \leftarrow b + (1 - \mu)(g - b) \qquad
        \theta \leftarrow (1 - \gamma\lambda)\theta - \gamma' \mathrm{NS}(g + \mu(b - g) \text{ if nesterov, else } b)

    NS makes ``ns_steps`` Newton-Schulz iterations :math:`X \leftarrow aX + (bA + cA^2)X,\ A = XX^T` in bfloat16, with
    ``ns_coefficients`` a, b, c, from :math:`X` divided by its norm, which counts as ``eps`` at least.
    ``adjust_lr_fn`` chooses :math:`\gamma' = \gamma\sqrt{\max(1, A/B)}` (None, "original") or
    :math:`0.2\gamma\sqrt{\max(A, B)}` ("match_rms_adamw") for a parameter (A, B). Matrices of one shape are iterated
    together. Raises ValueError for parameters that are no matrices and for values out of range.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Muon.html; Jordan et al., "Muon: An optimizer for
    hidden layers in neural networks", 2024; Liu et al., "Muon is Scalable for LLM Training",
    https://arxiv.org/abs/2502.16982.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.eye(2))
    >>> optimizer = torch.optim.Muon([w], lr=0.1, weight_decay=0.0)
    >>> w.grad = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> optimizer.step()
    >>> bool((w.diagonal() < 0.95).all()), w[0, 1].item()
    (True, 0.0)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 <= momentum:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn is not None and adjust_lr_fn not in ("original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            {
                "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
                "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
            },
        )  # fmt: skip
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what ``closure``, which computes the loss, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        same: dict[Any, list[Any]] = {}
        for p in group["params"]:
            if p.grad is None:
                continue
            if p.grad.ndim != 2:
                raise ValueError("Param gradient must be a 2D matrix")
            state = self.state[p]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = functions.zeros_like(p.grad)
            same.setdefault((tuple(p.shape), p.device), []).append(p)
        if not same:
            return
        batches = {
            key: functions.empty((len(params), *key[0]), dtype=dtypes.bfloat16, device=key[1])
            for key, params in same.items()
        }
        rows = [
            [p.grad, self.state[p]["momentum_buffer"], batches[key][i]]
            for key, params in same.items()
            for i, p in enumerate(params)
        ]
        update(_NESTEROV if group["nesterov"] else _MOMENTUM, [1, 2], rows, [group["momentum"]])
        lr = float(scalar(group["lr"]))
        for key, params in same.items():
            made = orthogonalised(batches[key], group["ns_coefficients"], group["ns_steps"], group["eps"])
            adjusted = lr * _adjustment(group["adjust_lr_fn"], *key[0])
            moves = [[p, made[i]] for i, p in enumerate(params)]
            update(_MOVE, [0], moves, [1 - lr * group["weight_decay"], adjusted])


def orthogonalised(x: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """Return a batch of matrices with their singular values brought near 1 by Newton-Schulz iterations."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.transpose(-2, -1)
    norms = functions.vector_norm(x, 2, dim=(-2, -1), keepdim=True)
    x = functions.div(x, functions.clamp(norms, min=eps))
    for _ in range(steps):
        gram = functions.bmm(x, x.transpose(-2, -1))
        x = functions.baddbmm(x, functions.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(-2, -1) if tall else x


def _adjustment(name: str | None, rows: int, columns: int) -> float:
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
