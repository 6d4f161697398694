"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.optim.optimizer import GroupOptimizer
from cltorch.optim.rule import check_one_element, scalar
from cltorch.tensor import Tensor

__all__ = ["Muon", "muon"]


def _average(m: Any, g: Any, buf: Any, out: Any, momentum: Any) -> tuple[Any, Any]:
    new = buf + (1 - momentum) * (g - buf)
    return new, new


def _average_nesterov(m: Any, g: Any, buf: Any, out: Any, momentum: Any) -> tuple[Any, Any]:
    new = buf + (1 - momentum) * (g - buf)
    return new, g + momentum * (new - g)


_MOMENTUM = Formula("muon_momentum", _average, params=1)
_NESTEROV = Formula("muon_nesterov", _average_nesterov, params=1)
_MOVE = Formula("muon_move", lambda m, p, u, shrink, lr: (shrink * p - lr * u,), params=2)


class Muon(GroupOptimizer):
    r"""Descend along the momentum of matrices, each brought near the closest matrix with orthonormal rows or columns.

    .. math::
        b \leftarrow b + (1 - \mu)(g - b) \qquad
        \theta \leftarrow (1 - \gamma\lambda)\theta - \gamma' \mathrm{NS}(g + \mu(b - g) \text{ if nesterov, else } b)

    NS makes ``ns_steps`` Newton-Schulz iterations :math:`X \leftarrow aX + (bA + cA^2)X,\ A = XX^T` in bfloat16, with
    ``ns_coefficients`` a, b, c, from :math:`X` divided by its norm, which counts as ``eps`` at least.
    ``adjust_lr_fn`` chooses :math:`\gamma' = \gamma\sqrt{\max(1, A/B)}` (None, "original") or
    :math:`0.2\gamma\sqrt{\max(A, B)}` ("match_rms_adamw") for a parameter (A, B). Matrices of one shape are iterated
    together. Raises ValueError for parameters that are no matrices and for values out of range.
    Shape: parameters and gradients (A, B), and so the state ``momentum_buffer``.

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

    def _step_group(self, group: dict[str, Any]) -> None:
        params, buffers = [], []
        for p in group["params"]:
            if p.grad is None:
                continue
            if p.dtype.is_complex:
                raise RuntimeError("Muon does not support complex parameters")
            state = self.state[p]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = functions.zeros_like(p.grad)
            params.append(p)
            buffers.append(state["momentum_buffer"])
        _apply(group, params, [p.grad for p in params], buffers)


def muon(
    params: list[Tensor],
    grads: list[Tensor],
    muon_momentum_bufs: list[Tensor],
    *,
    foreach: bool | None = None,
    lr: Any,
    weight_decay: float,
    momentum: float,
    nesterov: bool,
    ns_coefficients: tuple[float, float, float],
    ns_steps: int,
    eps: float,
    adjust_lr_fn: str | None,
    has_complex: bool,
) -> None:
    """Make a step of ``Muon`` over lists of matrices, gradients and momenta, all changed in place.

    >>> import cltorch as torch
    >>> p = torch.eye(2)
    >>> torch.optim._muon.muon([p], [2 * p], [torch.zeros(2, 2)], lr=0.1, weight_decay=0.0, momentum=0.95,
    ...     nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315), ns_steps=5, eps=1e-7, adjust_lr_fn=None,
    ...     has_complex=False)
    >>> bool((p.diagonal() < 0.95).all()), p[0, 1].item()
    (True, 0.0)
    """
    if foreach:
        raise RuntimeError("Foreach is not supported for Muon yet")
    if has_complex:
        raise ValueError("Complex parameters are not supported")
    group = {
        "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "eps": eps,
        "ns_coefficients": ns_coefficients, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
    }  # fmt: skip
    _apply(group, params, grads, muon_momentum_bufs)


def _apply(group: dict[str, Any], params: Sequence[Tensor], grads: Sequence[Any], buffers: Sequence[Tensor]) -> None:
    """Update the matrices of one group, those of one shape together."""
    same: dict[Any, list[int]] = {}
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if g.ndim != 2:
            raise ValueError("Param gradient must be a 2D matrix")
        same.setdefault((tuple(p.shape), p.device), []).append(i)
    if not same:
        return
    batches = {
        key: functions.empty((len(members), *key[0]), dtype=dtypes.bfloat16, device=key[1])
        for key, members in same.items()
    }
    rows = [[grads[i], buffers[i], batches[key][at]] for key, members in same.items() for at, i in enumerate(members)]
    update(_NESTEROV if group["nesterov"] else _MOMENTUM, [1, 2], rows, [group["momentum"]])
    lr = float(scalar(group["lr"]))
    for key, members in same.items():
        made = orthogonalised(batches[key], group["ns_coefficients"], group["ns_steps"], group["eps"])
        adjusted = lr * _adjustment(group["adjust_lr_fn"], *key[0])
        moves = [[params[i], made[at]] for at, i in enumerate(members)]
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
