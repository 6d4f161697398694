"""Adafactor: Adam's second mean of matrices, kept as one factor per row and one per column."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cltorch import dtypes, functions
from cltorch.layout import Layout
from cltorch.ops.array import view
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_factored import divide_by_factors
from cltorch.ops.multi_tensor_moves import arranged, copy_each, zero_each
from cltorch.ops.multi_tensor_reduce import norms
from cltorch.optim.optimizer import GroupOptimizer
from cltorch.optim.rule import advance, check_one_element, host_number, numbers_to_tensors, scalar, step_tensor
from cltorch.shapes import contiguous_strides
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
    A step takes a few launches, whatever shapes the parameters have, and does not wait for the device. Raises
    ValueError for values out of range.
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
        begun: list[Any] = []
        states = [self._begun(p, self.state[p], begun) for p in params]
        zero_each(begun)
        _apply(group, params, [p.grad for p in params], states)

    def _begun(self, p: Tensor, state: dict[str, Any], begun: list[Any]) -> dict[str, Any]:
        """Return the state of a parameter; if this is its first step, tensors to be set to zero are added to a list."""
        if p.dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        if not state:
            g: Any = p.grad
            state["step"] = step_tensor()
            if g.ndim > 1:
                state["row_var"] = functions.empty((*g.shape[:-1], 1), dtype=g.dtype, device=g.device)
                state["col_var"] = functions.empty((*g.shape[:-2], 1, g.shape[-1]), dtype=g.dtype, device=g.device)
            else:
                state["variance"] = functions.empty_like(g)
            begun += [x for name, x in state.items() if name != "step"]
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

    The formula is that of ``Adafactor``; hyperparameters are as there.
    Shape: parameters (*, n, m) with row_vars (*, n, 1) and col_vars (*, 1, m), others and their variances (*); counts
    ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Adafactor.html

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
    """Update the parameters of one group: those of equal counts, dtypes and devices together."""
    same: dict[Any, list[Any]] = {}
    for p, g, state in zip(params, grads, states, strict=True):
        host_number(state, "step")  # brings the count to the host
        t = advance(state["step"])
        if g.shape != p.shape:
            raise RuntimeError(f"a gradient {list(g.shape)} is not of its parameter's shape {list(p.shape)}")
        if p.numel():
            same.setdefault((t, p.dtype, g.dtype, p.device), []).append((p, g, state))
    for (t, *_), rows in same.items():
        _apply_list(group, rows, t)


def _apply_list(group: dict[str, Any], rows: Sequence[tuple[Any, Any, dict[str, Any]]], t: float) -> None:
    params, grads, states = zip(*rows, strict=True)
    lr = float(scalar(group["lr"]))
    eps1, eps2 = group["eps"]
    eps1 = dtypes.finfo(params[0].dtype).eps if eps1 is None else eps1
    weight = t ** group["beta2_decay"]
    places = [0, *itertools.accumulate(p.numel() for p in params)]
    wide = dtypes.float64 if dtypes.float64 in (params[0].dtype, grads[0].dtype) else dtypes.float32
    change = functions.empty((places.pop(),), dtype=wide, device=params[0].device)
    pieces = [
        view(change, Layout.make(p.shape, contiguous_strides(p.shape), at))
        for p, at in zip(params, places, strict=True)
    ]
    flat = [i for i, p in enumerate(params) if p.ndim < 2]
    if flat:
        whole = [[pieces[i], states[i]["variance"], grads[i]] for i in flat]
        update(_DIVIDED, [0, 1], whole, [weight, eps1 * eps1])
    high = [i for i, p in enumerate(params) if p.ndim > 1]
    if high:
        means = [[states[i][name] for i in high] for name in ("row_var", "col_var")]
        contiguous = [arranged(xs, contiguous=True) for xs in ([grads[i] for i in high], *means)]
        divide_by_factors(
            list(zip(*contiguous, strict=True)), change, [places[i] for i in high], weight, eps1
        )  # fmt: skip
        for kept, used in zip(means, contiguous[1:], strict=True):
            moved = [(a, b) for a, b in zip(kept, used, strict=True) if a is not b]
            copy_each([a for a, _ in moved], [b for _, b in moved])
    # of the parameters, then of the changes
    lengths = norms([*arranged(params), *pieces], wide)
    scales, roots = lengths[: len(params)], lengths[len(params) :]
    sizes = _inverse_roots(tuple(p.numel() for p in params), wide, change.device)
    rate = min(lr, 1 / t**0.5) * (-1 if group["maximize"] else 1)
    moves = [list(row) for row in zip(params, pieces, strict=True)]
    numbers = [1 - lr * group["weight_decay"], rate, eps2, 1 / group["d"]]
    update(_MOVE, [0], moves, numbers, per_row=[scales, roots, sizes])


@lru_cache(maxsize=16)
def _inverse_roots(sizes: tuple[int, ...], dtype: Any, device: Any) -> Any:
    """Return one by the root of each size, on the device, where it is the same in every step."""
    return functions.tensor([n**-0.5 for n in sizes], dtype=dtype, device=device)


def _divided(m: Any, out: Any, mean: Any, g: Any, weight: Any, least: Any) -> tuple[Any, Any]:
    square = g * g
    mean = square - (square - mean) * (1 - weight)
    return g / m.sqrt(m.maximum(mean, least)), mean


def _move(
    m: Any, p: Any, change: Any, keep: Any, rate: Any, eps: Any, d: Any, size: Any, length: Any, root: Any
) -> tuple[Any]:
    return (keep * p - m.maximum(size * root, eps) * rate / m.maximum(length * root * d, 1.0) * change,)


_DIVIDED = Formula("adafactor_divided", _divided, params=2)
_MOVE = Formula("adafactor_move", _move, params=7)
