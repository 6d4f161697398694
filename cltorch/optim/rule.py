"""An optimiser as one formula: the rule, and the step that applies it to all parameters in a few launches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import enable_grad, set_grad_enabled
from cltorch.device import CPU
from cltorch.ops.multi_tensor import update
from cltorch.ops.pointwise import Formula
from cltorch.optim.optimizer import Optimizer
from cltorch.tensor import Tensor

__all__ = [
    "Rule", "RuleOptimizer", "advance", "check_adaptive", "check_one_element", "check_ways", "host_number",
    "scalar", "set_host_number", "step_tensor",
]  # fmt: skip


class Rule:
    """Declare an update: ``body(m, x, n, on)`` sets ``x.param`` and the state in ``x`` to their new values.

    ``x`` has ``param``, ``grad`` and the state by name, ``n`` the numbers of ``numbers`` by name, ``on`` the options
    that change the formula. ``m`` is its mathematics: traced it makes the kernel, on NumPy arrays the host's path, on
    Tensors what autograd differentiates. Numbers are arguments of the kernel, so a new learning rate compiles nothing.
    """

    def __init__(self, name: str, numbers: str, body: Callable[[Any, Any, Any, Any], None]) -> None:
        self.name, self.numbers, self.body = name, tuple(numbers.split()), body
        self._formulas: dict[Any, Formula] = {}

    def formula(self, states: Sequence[str], options: Mapping[str, Any]) -> Formula:
        """Return the formula of (param, grad, *states, *numbers) for one choice of options."""
        key = (tuple(states), tuple(options.items()))
        found = self._formulas.get(key)
        if found is None:
            operands = ("param", "grad", *states)
            on = SimpleNamespace(**options)

            def fn(m: Any, *values: Any) -> tuple[Any, ...]:
                x = SimpleNamespace(**dict(zip(operands, values[: len(operands)], strict=True)))
                n = SimpleNamespace(**dict(zip(self.numbers, values[len(operands) :], strict=True)))
                self.body(m, x, n, on)
                return tuple(getattr(x, name) for name in operands if name != "grad")

            found = self._formulas[key] = Formula(self.name, fn, params=len(self.numbers))
        return found


class RuleOptimizer(Optimizer):
    """Step by a rule. A subclass names it and says which state, options and numbers a group has."""

    rule: Rule

    def _states(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Return the names of the state tensors."""
        raise NotImplementedError

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        """Return what chooses between forms of the formula."""
        raise NotImplementedError

    def _numbers(self, group: dict[str, Any], t: Any) -> tuple[Any, ...]:
        """Return the rule's numbers for the ``t``-th update of a parameter, ``t`` being what ``_state_of`` says."""
        raise NotImplementedError

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        """Fill the empty state of a parameter at its first update."""
        state["step"] = step_tensor()
        for name in self._states(group):
            state[name] = functions.zeros_like(p)

    def _state_of(self, group: dict[str, Any], p: Tensor, names: Sequence[str]) -> tuple[Any, list[Tensor]]:
        """Return which update this is and the parameter's state tensors.

        Parameters of one group for which the first is equal are updated with the same numbers.
        """
        state = self.state[p]
        if not state:
            self._init_state(group, p, state)
        step = state["step"]
        if step.storage.array is None or step.dtype not in _COUNTS:
            # a count on a device would be waited for in every step
            step = state["step"] = step.to(CPU, dtypes.float32)
        return advance(step), [state[name] for name in names]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                # options that checkpoints of older versions lack
                if name in _OPTIONS_SINCE:
                    group.setdefault(name, _OPTIONS_SINCE[name] if name != "fused" else value)
        for kept in self.state.values():
            for name in ("step", "mu_product", "eta", "mu") if isinstance(kept, dict) else ():
                if name in kept and not isinstance(kept[name], Tensor):
                    kept[name] = step_tensor(float(kept[name]))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what ``closure``, which computes the loss, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with set_grad_enabled(bool(self.defaults["differentiable"])):
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        names = self._states(group)
        by_count: dict[Any, list[list[Any]]] = {}
        capturable = group.get("capturable")
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            if capturable and p.storage.array is not None:
                raise AssertionError("If capturable=True, params and state_steps must be on supported devices: ['cl'].")
            t, states = self._state_of(group, p, names)
            by_count.setdefault(t, []).append([p, g, *states])
        formula = self.rule.formula(names, self._options(group))
        written = (0, *range(2, 2 + len(names)))
        for t, rows in by_count.items():
            numbers = self._numbers(group, t)
            if self.defaults["differentiable"]:
                for row in rows:
                    _differentiable(formula, written, row, numbers)
            else:
                update(formula, written, rows, numbers)


_COUNTS = (dtypes.float32, dtypes.float64)
_OPTIONS_SINCE: dict[str, Any] = {
    "nesterov": False, "maximize": False, "foreach": None, "capturable": False, "differentiable": False,
    "fused": None, "amsgrad": False, "decoupled_weight_decay": False, "momentum": 0, "centered": False,
}  # fmt: skip


def _differentiable(formula: Formula, written: Sequence[int], row: Sequence[Any], numbers: Sequence[Any]) -> None:
    # the derivative keeps old values, which the writing below would change
    old = [functions.clone(x) if k in written else x for k, x in enumerate(row)]
    for k, value in zip(written, formula.fn(functions, *old, *numbers), strict=True):
        functions.copy_(row[k], value)


def step_tensor(value: float = 0.0) -> Tensor:
    """Return a count of updates as PyTorch keeps it: 0-d, floating-point, on the host."""
    wide = dtypes.get_default_dtype() is dtypes.float64
    return functions.full((), value, dtype=dtypes.float64 if wide else dtypes.float32, device=CPU)


def advance(step: Tensor) -> float:
    """Add one to a count on the host and return it."""
    # a memoryview, for NumPy's way to one number takes longer than the rest of a parameter's share in a step
    values = step.storage.array.data.cast(step.dtype.np.char)
    at = step.layout.offset
    t = values[at] + 1.0
    values[at] = t
    step.storage.version += 1
    return float(t)


def host_number(state: dict[str, Any], name: str) -> float:
    """Return a number that a state keeps as a 0-d tensor on the host, where it is brought if it lies elsewhere."""
    x = state[name]
    if x.storage.array is None or x.dtype not in _COUNTS:
        x = state[name] = x.to(CPU, dtypes.float32)
    return float(x.storage.array.data.cast(x.dtype.np.char)[x.layout.offset])


def set_host_number(state: dict[str, Any], name: str, value: float) -> float:
    """Change a number that a state keeps on the host, and return it as it was stored."""
    x = state[name]
    x.storage.array.data.cast(x.dtype.np.char)[x.layout.offset] = value
    x.storage.version += 1
    return host_number(state, name)


def scalar(x: Any, differentiable: bool = False) -> Any:
    """Return a hyperparameter as a number (waiting for a device it lies on), or as 0-d for a derivative."""
    if isinstance(x, Tensor):
        return x.reshape(()) if differentiable else x.item()
    return x


def check_one_element(name: str, x: Any) -> None:
    """Raise ValueError for a hyperparameter that is a tensor of more than one element."""
    if isinstance(x, Tensor) and x.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")


def check_adaptive(lr: Any, eps: float, betas: Sequence[float], weight_decay: float) -> None:
    """Raise ValueError for hyperparameters that Adam's relatives do not take."""
    check_one_element("lr", lr)
    if not 0.0 <= lr:
        raise ValueError(f"Invalid learning rate: {lr}")
    if not 0.0 <= eps:
        raise ValueError(f"Invalid epsilon value: {eps}")
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
    if not 0.0 <= weight_decay:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")


def check_ways(foreach: Any, fused: Any, differentiable: bool) -> None:
    """Raise RuntimeError for ways to compute a step that PyTorch does not combine."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
