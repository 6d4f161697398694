"""L-BFGS: a quasi-Newton method that remembers a few steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import enable_grad, no_grad
from cltorch.layout import Layout
from cltorch.ops.array import view
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import copy_each
from cltorch.optim.line_search import (  # noqa: F401 (libraries import two of them from here)
    Point,
    _cubic_interpolate,
    _strong_wolfe,
    strong_wolfe,
)
from cltorch.optim.optimizer import Optimizer
from cltorch.optim.rule import check_one_element, real, scalar
from cltorch.shapes import contiguous_strides
from cltorch.tensor import Tensor

__all__ = ["LBFGS"]

_KEPT = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")  # in PyTorch's order
_ADD = Formula("added_along", lambda m, p, direction, step: (p + step * direction,), params=1)


class LBFGS(Optimizer):
    """Minimise by Newton-like steps, whose curvature is estimated from the last ``history_size`` steps.

    θ ← θ + t d with d = -H g, t = ``lr`` (in the first iteration lr · min(1, 1 / ‖g‖₁)) or what the line search finds.
    H begins as (yᵀ s / yᵀ y) I and becomes (I - ρ s yᵀ) H (I - ρ y sᵀ) + ρ s sᵀ, ρ = 1 / (yᵀ s), for each kept pair of
    a step s and the change y of the gradient, the oldest first. It is never stored: d is computed from the pairs.
    One ``step(closure)`` makes up to ``max_iter`` iterations with up to ``max_eval`` evaluations (1.25 times as many if
    None) of the closure, which clears the gradients, computes the loss and its gradients and returns the loss. It ends
    early where no gradient exceeds ``tolerance_grad``, or step or loss change by less than ``tolerance_change``.
    ``line_search_fn`` is None, for steps of length ``lr``, or "strong_wolfe". There is one group of parameters only.
    Every iteration waits for the device, for values decide what comes next. All parameters are one vector, which takes
    few launches to gather and to add, however many there are.

    Raises ValueError for a negative rate and several groups, RuntimeError for another line search.
    Shape: parameters and gradients (*); all together are one vector.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.optim.LBFGS.html; Nocedal and Wright, "Numerical
    Optimization", algorithm 7.5.

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - torch.tensor([3.0, 0.5])) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> w.detach()
    tensor([3.0000, 0.5000])
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        super().__init__(
            params,
            {
                "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def _gather_flat_grad(self) -> Any:
        """Return all gradients, zeros for those that are missing, as one vector."""
        grads = [p.grad for p in self._params]
        types = [(p if g is None else g).dtype for p, g in zip(self._params, grads, strict=True)]
        flat = self._flat(functools.reduce(dtypes.promote_types, types).to_real())
        if any(g is None for g in grads):
            flat.zero_()
        found = [(to, real(g)) for to, g in zip(self._parts(flat), grads, strict=True) if g is not None]
        copy_each([to for to, _ in found], [g for _, g in found])
        return flat

    def _flat(self, dtype: Any) -> Any:
        first = self._params[0]
        return functions.empty((sum(real(p).numel() for p in self._params),), dtype=dtype, device=first.device)

    def _parts(self, flat: Any) -> list[Any]:
        """Return the parts of a vector that belong to the parameters, in their shapes."""
        parts, at = [], 0
        for p in map(real, self._params):
            layout = Layout.make(p.shape, contiguous_strides(p.shape), flat.lay.offset + at)
            parts.append(view(flat, layout))
            at += layout.numel
        return parts

    def _add_grad(self, step_size: float, direction: Any) -> None:
        rows = [[real(p), part] for p, part in zip(self._params, self._parts(direction), strict=True)]
        update(_ADD, [0], rows, [step_size])

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make up to ``max_iter`` iterations and return the loss before them."""
        assert len(self.param_groups) == 1, f"Expected exactly one param_group, but got {len(self.param_groups)}"
        with no_grad():
            return self._minimise(enable_grad()(closure))

    def _minimise(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr = scalar(group["lr"])
        # the state is that of all parameters, kept with the first so that it is loaded in its dtype
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, evaluations = float(first_loss), 1
        state["func_evals"] += 1
        grad = self._gather_flat_grad()
        if _largest(grad) <= group["tolerance_grad"]:
            return first_loss
        iteration = 0
        kept = {name: state.get(name) for name in _KEPT}
        while iteration < group["max_iter"]:
            iteration += 1
            state["n_iter"] += 1
            d = kept["d"] = self._direction(state, kept, grad, group["history_size"])
            kept["prev_flat_grad"], kept["prev_loss"] = functions.clone(grad), loss
            t = kept["t"] = min(1.0, _ratio(1.0, float(grad.abs().sum()))) * lr if state["n_iter"] == 1 else lr
            slope = float(grad.dot(d))
            if slope > -group["tolerance_change"]:
                break
            before, evaluated = loss, 0
            small = False
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                found, evaluated = self._search(closure, Point(0.0, loss, grad, slope), t, d, evaluations)
                t, loss, grad = found.t, found.value, found.grad
                kept["t"] = t
                self._add_grad(t, d)
                small = _largest(grad) <= group["tolerance_grad"]
            else:
                self._add_grad(t, d)
                if iteration != group["max_iter"]:
                    # what the last iteration leads to, the next step evaluates anyway
                    loss = float(closure())
                    grad = self._gather_flat_grad()
                    small = _largest(grad) <= group["tolerance_grad"]
                    evaluated = 1
            evaluations += evaluated
            state["func_evals"] += evaluated
            if (
                iteration == group["max_iter"]
                or evaluations >= group["max_eval"]
                or small
                or _largest(d) * t <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        state.update(kept)
        if isinstance(group["lr"], Tensor) and group["line_search_fn"] is None:
            state["t"] = group["lr"].new_tensor(state["t"])  # a tensor, as PyTorch saves the product with the rate
        return first_loss

    def _direction(self, state: dict[str, Any], kept: dict[str, Any], grad: Any, history: int) -> Any:
        """Note the last step in the history and return where the next one goes: the two-loop recursion."""
        if state["n_iter"] == 1:
            kept.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return grad.neg()
        dirs, steps, ro = kept["old_dirs"], kept["old_stps"], kept["ro"]
        y = grad.sub(kept["prev_flat_grad"])
        s = kept["d"].mul(kept["t"])
        ys = y.dot(s)
        if float(ys) > 1e-10:
            if len(dirs) == history:
                for old in (dirs, steps, ro):
                    old.pop(0)
            dirs.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            kept["H_diag"] = ys / y.dot(y)
        q = grad.neg()
        al: list[Any] = state.setdefault("al", [None] * history)  # kept as PyTorch keeps it
        # 0-d tensors, which need no waiting
        for i in range(len(dirs) - 1, -1, -1):
            al[i] = steps[i].dot(q) * ro[i]
            q.sub_(dirs[i] * al[i])
        d = q.mul(kept["H_diag"])
        for i in range(len(dirs)):
            d.add_(steps[i] * (al[i] - dirs[i].dot(d) * ro[i]))
        return d

    def _search(self, closure: Any, start: Point, t: float, d: Any, evaluations: int) -> tuple[Point, int]:
        params = [real(p) for p in self._params]
        kept = self._parts(self._flat(functools.reduce(dtypes.promote_types, [p.dtype for p in params])))
        copy_each(kept, params)

        def evaluate(t: float) -> Point:
            self._add_grad(t, d)
            loss = float(closure())
            grad = self._gather_flat_grad()
            copy_each(params, kept)
            return Point(t, loss, grad, float(grad.dot(d)))

        group = self.param_groups[0]
        return strong_wolfe(evaluate, start, t, _largest(d), 1e-9, group["max_eval"] - evaluations)


def _ratio(a: float, b: float) -> float:
    """Return a / b, infinite where b, a sum in half precision, has become 0."""
    return a / b if b else math.inf


def _largest(x: Any) -> float:
    return float(x.abs().max())
