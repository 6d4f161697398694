"""The steps of whole lists that PyTorch's optimisers call under these names where they are fused: torch._fused_adam_ …

They are the formulas of the optimisers themselves. Counts of steps are read and not advanced: who calls has counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.autograd import no_grad
from cltorch.optim.adagrad import Adagrad
from cltorch.optim.adam import Adam
from cltorch.optim.rule import RuleOptimizer, step_tensor
from cltorch.optim.sgd import SGD

__all__ = ["FUNCTIONS"]


def _check(name: str, self: Sequence[Any], steps: Sequence[Any] | None, **lists: Sequence[Any]) -> None:
    """Raise RuntimeError for lists of another length, NotImplementedError for tensors of other dtypes."""
    for argument, found in {**lists, **({} if steps is None else {"state_steps": steps})}.items():
        if len(found) != len(self):
            raise RuntimeError(f"Expected {argument}.size() == n_tensors to be true, but got false.")
    for p in self:
        if not p.is_floating_point():
            raise NotImplementedError(f'"{name}_kernel" not implemented for {p.dtype}')


def _step(
    kind: type[RuleOptimizer], group: dict[str, Any], self: Sequence[Any], grads: Sequence[Any],
    steps: Sequence[Any], grad_scale: Any, found_inf: Any, **lists: Sequence[Any],
) -> None:  # fmt: skip
    if not kind._unscale(grads, grad_scale, found_inf):
        return
    states: list[dict[str, Any]] = [{name: list_[i] for name, list_ in lists.items()} for i in range(len(self))]
    for state, step in zip(states, steps, strict=True):
        state["step"] = step_tensor(float(step) - 1)
    kind._apply({**group, "differentiable": False}, self, grads, states, differentiable=False)


def _adam(
    decoupled: bool, self: Sequence[Any], grads: Sequence[Any], exp_avgs: Sequence[Any], exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any], state_steps: Sequence[Any], lr: Any, beta1: float, beta2: float,
    weight_decay: float, eps: float, amsgrad: bool, maximize: bool, grad_scale: Any, found_inf: Any,
) -> None:  # fmt: skip
    lists = {"exp_avg": exp_avgs, "exp_avg_sq": exp_avg_sqs, **({"max_exp_avg_sq": max_exp_avg_sqs} if amsgrad else {})}
    named = {f"{name}s": found for name, found in lists.items()}
    _check("fused_adamw" if decoupled else "fused_adam", self, state_steps, grads=grads, **named)
    group = {
        "lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay, "eps": eps, "amsgrad": amsgrad,
        "maximize": maximize, "decoupled_weight_decay": decoupled,
    }  # fmt: skip
    _step(Adam, group, self, grads, state_steps, grad_scale, found_inf, **lists)


@no_grad()
def _fused_adam_(
    self: Sequence[Any], grads: Sequence[Any], exp_avgs: Sequence[Any], exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any], state_steps: Sequence[Any], *, lr: Any, beta1: float, beta2: float,
    weight_decay: float, eps: float, amsgrad: bool, maximize: bool, grad_scale: Any = None, found_inf: Any = None,
) -> None:  # fmt: skip
    """Make a step of Adam over lists, in place."""
    _adam(
        False, self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps,
        amsgrad, maximize, grad_scale, found_inf,
    )  # fmt: skip


@no_grad()
def _fused_adamw_(
    self: Sequence[Any], grads: Sequence[Any], exp_avgs: Sequence[Any], exp_avg_sqs: Sequence[Any],
    max_exp_avg_sqs: Sequence[Any], state_steps: Sequence[Any], *, lr: Any, beta1: float, beta2: float,
    weight_decay: float, eps: float, amsgrad: bool, maximize: bool, grad_scale: Any = None, found_inf: Any = None,
) -> None:  # fmt: skip
    """Make a step of AdamW over lists, in place."""
    _adam(
        True, self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps,
        amsgrad, maximize, grad_scale, found_inf,
    )  # fmt: skip


@no_grad()
def _fused_sgd_(
    self: Sequence[Any], grads: Sequence[Any], momentum_buffer_list: Sequence[Any], *, weight_decay: float,
    momentum: float, lr: Any, dampening: float, nesterov: bool, maximize: bool, is_first_step: bool,
    grad_scale: Any = None, found_inf: Any = None,
) -> None:  # fmt: skip
    """Make a step of SGD over lists, in place; in the first one the buffers become the gradients."""
    buffers = momentum_buffer_list if momentum else []
    _check("fused_sgd", self, None, grads=grads, **({"momentum_buffer_list": buffers} if momentum else {}))
    group = {
        "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
        "maximize": maximize, "differentiable": False,
    }  # fmt: skip
    if not SGD._unscale(grads, grad_scale, found_inf):
        return
    states = [{"momentum_buffer": None if is_first_step else b} for b in buffers] or [{} for _ in self]
    SGD._apply(group, self, grads, states, differentiable=False)
    for b, state in zip(buffers, states, strict=False):
        if is_first_step:
            functions.copy_(b, state["momentum_buffer"])


@no_grad()
def _fused_adagrad_(
    self: Sequence[Any], grads: Sequence[Any], state_sums: Sequence[Any], state_steps: Sequence[Any], *, lr: Any,
    lr_decay: float, weight_decay: float, eps: float, maximize: bool, grad_scale: Any = None, found_inf: Any = None,
) -> None:  # fmt: skip
    """Make a step of Adagrad over lists, in place."""
    _check("fused_adagrad", self, state_steps, grads=grads, state_sums=state_sums)
    group = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
    _step(Adagrad, group, self, grads, state_steps, grad_scale, found_inf, sum=state_sums)


#: The functions by their names in ``torch``.
FUNCTIONS = {f.__name__: f for f in (_fused_adagrad_, _fused_adam_, _fused_adamw_, _fused_sgd_)}
