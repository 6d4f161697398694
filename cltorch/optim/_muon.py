"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cltorch import dtypes, functions
from cltorch.layout import Layout
from cltorch.ops.array import view
from cltorch.ops.evaluate import Formula
from cltorch.ops.gemm_grouped import products_into
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import zero_each
from cltorch.ops.multi_tensor_reduce import norms
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
_SCALED = Formula("muon_scaled", lambda m, to, x, eps, norm: (x / m.maximum(norm, eps),), params=2)
_MOVE = Formula("muon_move", lambda m, p, u, shrink, lr, adjusted: (shrink * p - lr * adjusted * u,), params=3)


class Muon(GroupOptimizer):
    r"""Descend along the momentum of matrices, each brought near the closest matrix with orthonormal rows or columns.

    .. math::
        b \leftarrow b + (1 - \mu)(g - b) \qquad
        \theta \leftarrow (1 - \gamma\lambda)\theta - \gamma' \mathrm{NS}(g + \mu(b - g) \text{ if nesterov, else } b)

    NS makes ``ns_steps`` Newton-Schulz iterations :math:`X \leftarrow aX + (bA + cA^2)X,\ A = XX^T` in bfloat16, with
    ``ns_coefficients`` a, b, c, from :math:`X` divided by its norm, which counts as ``eps`` at least.
    ``adjust_lr_fn`` chooses :math:`\gamma' = \gamma\sqrt{\max(1, A/B)}` (None, "original") or
    :math:`0.2\gamma\sqrt{\max(A, B)}` ("match_rms_adamw") for a parameter (A, B). Momenta, norms and
    the steps of all matrices take a few launches, and so do the three products of an iteration, whatever shapes the
    matrices have. Raises ValueError for parameters that are no matrices and for values out of range.
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
        params, buffers, begun = [], [], []
        for p in group["params"]:
            if p.grad is None:
                continue
            if p.dtype.is_complex:
                raise RuntimeError("Muon does not support complex parameters")
            state = self.state[p]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = functions.empty_like(p.grad)
                begun.append(state["momentum_buffer"])
            params.append(p)
            buffers.append(state["momentum_buffer"])
        zero_each(begun)
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

    The formula is that of ``Muon``; hyperparameters are as there.
    Shape: parameters (*), gradients and states the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.Muon.html

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
    """Update the matrices of one group, those on one device together."""
    by_device: dict[Any, list[int]] = {}
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        if g.ndim != 2:
            raise ValueError("Param gradient must be a 2D matrix")
        by_device.setdefault(p.device, []).append(i)
    for device, members in by_device.items():
        lists = [[xs[i] for i in members] for xs in (params, grads, buffers)]
        _apply_on(group, device, *lists)


def _apply_on(group: dict[str, Any], device: Any, params: list[Any], grads: list[Any], buffers: list[Any]) -> None:
    shapes = [tuple(p.shape) for p in params]
    classes = _classes(tuple(shapes))
    total = sum(math.prod(s) for s in shapes)
    flat, whole = (functions.empty((total,), dtype=dtypes.bfloat16, device=device) for _ in range(2))
    pieces, at = [], 0
    for shape in shapes:
        pieces.append(view(flat, Layout.make(shape, (shape[1], 1), at)))
        at += math.prod(shape)
    rows = [list(row) for row in zip(grads, buffers, pieces, strict=True)]
    update(_NESTEROV if group["nesterov"] else _MOMENTUM, [1, 2], rows, [group["momentum"]])
    turned = _parts(whole, classes, shapes)
    rows = [list(row) for row in zip(turned, pieces, strict=True)]
    # PyTorch's norms are rounded to bfloat16, as are the matrices
    lengths = functions.to(norms(pieces, dtypes.bfloat16), dtypes.float32)
    update(_SCALED, [0], rows, [group["eps"]], per_row=[lengths])
    made = orthogonal(whole, classes, group["ns_coefficients"], group["ns_steps"])
    moves = [list(row) for row in zip(params, _parts(made, classes, shapes), strict=True)]
    lr = float(scalar(group["lr"]))
    adjusted = _adjustments(group["adjust_lr_fn"], tuple(shapes), device)
    update(_MOVE, [0], moves, [1 - lr * group["weight_decay"], lr], per_row=[adjusted])


@lru_cache(maxsize=64)
def _classes(shapes: tuple[tuple[int, int], ...]) -> list[tuple[tuple[int, int], list[int]]]:
    """Return the sizes of broad matrices with the numbers of those parameters that have it, high ones turned."""
    same: dict[tuple[int, int], list[int]] = {}
    for i, shape in enumerate(shapes):
        same.setdefault((min(shape), max(shape)), []).append(i)
    return list(same.items())


def _parts(whole: Any, classes: Sequence[Any], shapes: Sequence[tuple[int, int]]) -> list[Any]:
    """Return the matrices of all classes in the shapes of the parameters, which are turned if they are high."""
    parts: list[Any] = [None] * len(shapes)
    at = 0
    for (low, high), members in classes:
        for i in members:
            strides = (high, 1) if shapes[i][0] <= shapes[i][1] else (1, high)
            parts[i] = view(whole, Layout.make(shapes[i], strides, at))
            at += low * high
    return parts


def _batches(whole: Any, sizes: Sequence[tuple[int, int, int]], turned: bool = False) -> list[Any]:
    """Return batches of matrices that lie one after the other, of (count, rows, columns); transposed if asked for."""
    found, at = [], 0
    for n, rows, columns in sizes:
        size = (n, columns, rows) if turned else (n, rows, columns)
        strides = (rows * columns, 1, columns) if turned else (rows * columns, columns, 1)
        found.append(view(whole, Layout.make(size, strides, at)))
        at += n * rows * columns
    return found


def orthogonal(
    whole: Any, classes: Sequence[tuple[tuple[int, int], Sequence[Any]]], coefficients: tuple[float, float, float],
    steps: int,
) -> Any:  # fmt: skip
    """Bring the singular values of broad matrices of norm 1 near 1 by Newton-Schulz iterations, in a few launches each.

    The matrices lie one after the other in ``whole``, those of one size together; the result lies so too.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    sizes = [(len(members), low, high) for (low, high), members in classes]
    squares = [(n, low, low) for n, low, _ in sizes]
    blank = [functions.empty_like(whole) for _ in range(min(steps, 2))]
    room = sum(n * low * low for n, low, _ in squares)
    grams, sums = (
        _batches(functions.empty((room,), dtype=whole.dtype, device=whole.device), squares) for _ in range(2)
    )
    for step in range(steps):
        x, new = _batches(whole, sizes), _batches(blank[step % 2], sizes)
        products_into(grams, x, _batches(whole, sizes, turned=True))
        products_into(sums, grams, grams, grams, alpha=c, beta=b)
        products_into(new, sums, x, x, beta=a)
        whole = blank[step % 2]
    return whole


def _zeropower_via_newtonschulz(
    grad: Any, ns_coefficients: tuple[float, float, float], ns_steps: int, eps: float
) -> Any:
    """Return a matrix brought near the closest one with orthonormal rows or columns, in bfloat16, by PyTorch's name."""
    if ns_steps < 100 and grad.ndim != 2:
        raise ValueError("Input tensor gradient must be a 2D matrix")
    rows, columns = grad.shape
    broad = functions.to(grad if rows <= columns else grad.t(), dtypes.bfloat16)
    x = functions.reshape(broad / broad.norm().clamp(min=eps), (-1,))
    size = min(rows, columns), max(rows, columns)
    made = functions.reshape(orthogonal(x, [(size, [0])], ns_coefficients, ns_steps), size)
    return made if rows <= columns else made.t()


@lru_cache(maxsize=16)
def _adjustments(name: str | None, shapes: tuple[tuple[int, int], ...], device: Any) -> Any:
    """Return what the rate is multiplied by for each matrix, on the device, where it is the same in every step."""
    return functions.tensor([_adjustment(name, *shape) for shape in shapes], device=device)


def _adjust_lr(lr: Any, adjust_lr_fn: str | None, param_shape: Any) -> Any:
    """Return the rate for a parameter of a shape, by PyTorch's name."""
    return lr * _adjustment(adjust_lr_fn, *param_shape[:2])


def _adjustment(name: str | None, rows: int, columns: int) -> float:
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns)) if name in (None, "original") else 1.0
