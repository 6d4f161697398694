"""Adafactor: Adam's second mean of matrices, kept as one factor per row and one per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.optim.optimizer import GroupOptimizer
from cltorch.optim.rule import advance, check_one_element, host_number, numbers_to_tensors, scalar, step_tensor
from cltorch.tensor import Tensor

__all__ = ["Adafactor", "adafactor"]


class Adafactor(GroupOptimizer):
    r"""Divide the gradient by the root of its mean square, which rows and columns of matrices estimate.

    .. math::
        R \leftarrow R + t^{\tau}(\overline{G^2}_{rows} - R) \qquad C \leftarrow C + t^{\tau}(\overline{G^2}_{cols} - C)
        \qquad \hat V = \frac{R C}{\max(\overline R, \epsilon_1)} \qquad
        U = \frac{G}{\max(\sqrt{\hat V}, \epsilon_1)}
    .. math::
        \theta \leftarrow (1 - \gamma\lambda)\theta - \max(\epsilon_2, \mathrm{RMS}(\theta)) \min(\gamma, 1/\sqrt t)
        \frac{U}{\max(1, \mathrm{RMS}(U) / d)}

    with :math:`\tau` = ``beta2_decay``, :math:`\epsilon` = ``eps`` (the first one, where None, is the dtype's). What
    has less than two dimensions keeps its whole mean square. ``maximize`` ascends; ``foreach`` has no effect.
    Parameters of one shape are updated together, and no step waits for the device. Raises ValueError for values out of
    range.
    Shape: parameters and gradients (*, m, n), states ``row_var`` (*, m, 1) and ``col_var`` (*, 1, n); of fewer
    dimensions (*), and so ``variance``; ``step`` ().

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
        numbers_to_tensors(self.state)

    def _step_group(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        states = [self._begun(p, self.state[p]) for p in params]
        _apply(group, params, [p.grad for p in params], states)

    def _begun(self, p: Tensor, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter, filled if this is its first step."""
        if p.dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        if not state:
            g: Any = p.grad
            state["step"] = step_tensor()
            if g.ndim > 1:
                state["row_var"] = functions.zeros_like(g[..., :1])
                state["col_var"] = functions.zeros_like(g[..., :1, :])
            else:
                state["variance"] = functions.zeros_like(g)
        return state


def adafactor(
    params: list[Tensor],
    grads: list[Tensor],
    row_vars: list[Tensor | None],
    col_vars: list[Tensor | None],
    variances: list[Tensor | None],
    state_steps: list[Tensor],
    foreach: bool | None = None,
    grad_scale: Tensor | None = None,
    found_inf: Tensor | None = None,
    has_complex: bool = False,
    *,
    d: float,
    lr: Any,
    beta2_decay: float,
    weight_decay: float,
    eps1: float,
    eps2: float,
    maximize: bool,
) -> None:
    """Make a step of ``Adafactor`` over lists of parameters, gradients, states and counts, all changed in place.

    >>> import cltorch as torch
    >>> p, step = torch.tensor([1.0, -2.0]), torch.tensor(0.0)
    >>> torch.optim._adafactor.adafactor(
    ...     [p], [2 * p], [None], [None], [torch.zeros(2)], [step], d=1.0, lr=0.1, beta2_decay=-0.8, weight_decay=0.0,
    ...     eps1=1e-7, eps2=1e-3, maximize=False)
    >>> p, step
    (tensor([ 0.8419, -1.8419]), tensor(1.))
    """
    if not all(isinstance(step, Tensor) for step in state_steps):
        raise RuntimeError("`state_steps` argument must contain a list of singleton tensors")
    if grad_scale is not None or found_inf is not None:
        raise AssertionError("Grad scaling should occur outside of optimizer.step()")
    group = {
        "lr": lr, "beta2_decay": beta2_decay, "eps": (eps1, eps2), "d": d, "weight_decay": weight_decay,
        "maximize": maximize,
    }  # fmt: skip
    states = [
        {"step": step, "row_var": row, "col_var": column, "variance": whole}
        for step, row, column, whole in zip(state_steps, row_vars, col_vars, variances, strict=True)
    ]
    _apply(group, params, grads, states)
    for step, state in zip(state_steps, states, strict=True):
        if state["step"] is not step:
            functions.copy_(step, state["step"])


def _apply(
    group: dict[str, Any], params: Sequence[Tensor], grads: Sequence[Any], states: Sequence[dict[str, Any]]
) -> None:
    """Update the parameters of one group, those of one shape together."""
    same: dict[Any, list[Any]] = {}
    for p, g, state in zip(params, grads, states, strict=True):
        host_number(state, "step")  # brings the count to the host
        key = (advance(state["step"]), tuple(p.shape), p.dtype, g.dtype, p.device)
        same.setdefault(key, []).append((p, g, state))
    for (t, *_), rows in same.items():
        _apply_batch(group, rows, t)


def _apply_batch(group: dict[str, Any], rows: Sequence[tuple[Any, Any, dict[str, Any]]], t: float) -> None:
    params, grads, states = zip(*rows, strict=True)
    lr = float(scalar(group["lr"]))
    eps1, eps2 = group["eps"]
    eps1 = dtypes.finfo(params[0].dtype).eps if eps1 is None else eps1
    scale = functions.clamp(_rms(_batch(params)), min=eps2)
    g = _batch(grads)
    if group["maximize"]:
        g = functions.neg(g)
    square = functions.mul(g, g)
    weight = t ** group["beta2_decay"]
    if params[0].ndim > 1:
        row_means = _averaged(states, "row_var", functions.mean(square, -1, keepdim=True), weight)
        columns = _averaged(states, "col_var", functions.mean(square, -2, keepdim=True), weight)
        middle = functions.clamp(functions.mean(row_means, -2, keepdim=True), min=eps1)
        estimate = functions.mul(row_means, functions.div(columns, middle))
    else:
        estimate = _averaged(states, "variance", square, weight)
    change = functions.mul(functions.rsqrt(functions.clamp(estimate, min=eps1 * eps1)), g)
    shrink = functions.clamp(functions.div(_rms(change), group["d"]), min=1.0)
    change = functions.mul(change, functions.div(functions.mul(scale, min(lr, 1 / t**0.5)), shrink))
    moves = [[p, change[i]] for i, p in enumerate(params)]
    update(_MOVE, [0], moves, [1 - lr * group["weight_decay"]])


def _averaged(states: Sequence[dict[str, Any]], name: str, now: Tensor, weight: float) -> Tensor:
    """Bring running means towards the present ones, and return them as a batch."""
    means = [state[name] for state in states]
    update(_MEAN, [0], [[mean, now[i]] for i, mean in enumerate(means)], [weight])
    return _batch(means)


_COPY = Formula("adafactor_copy", lambda m, to, source: (source,))
_MEAN = Formula("adafactor_mean", lambda m, mean, now, weight: (now - (now - mean) * (1 - weight),), params=1)
_MOVE = Formula("adafactor_move", lambda m, p, change, keep: (keep * p - change,), params=1)


def _batch(tensors: Sequence[Any]) -> Tensor:
    """Return tensors of one shape as one, in a few launches."""
    if len(tensors) == 1:
        return functions.unsqueeze(tensors[0], 0)
    first = tensors[0]
    made: Tensor = functions.empty((len(tensors), *first.shape), dtype=first.dtype, device=first.device)
    update(_COPY, [0], [[made[i], x] for i, x in enumerate(tensors)], [])
    return made


def _rms(x: Tensor) -> Tensor:
    """Return the root of the mean square of every tensor of a batch, with as many dimensions."""
    dims = tuple(range(1, x.ndim))
    norms = functions.vector_norm(x, 2, dim=dims, keepdim=True) if dims else functions.abs(x)
    return functions.div(norms, (x.numel() / x.shape[0]) ** 0.5)
