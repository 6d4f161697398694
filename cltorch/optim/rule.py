"""An optimiser as one formula: the rule, and the step that applies it to all parameters in a few launches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from cltorch import dtypes, functions
from cltorch.device import CPU
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import zero_each
from cltorch.optim.optimizer import ON_HOST, GroupOptimizer
from cltorch.tensor import Tensor

__all__ = [
    "Rule", "RuleOptimizer", "advance", "check_adaptive", "check_one_element", "check_scaled",
    "for_parts", "host_number", "numbers_to_tensors", "real", "scalar", "set_host_number", "step_tensor",
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


class RuleOptimizer(GroupOptimizer):
    """Step by a rule. A subclass names it and says which state, options and numbers a group has."""

    rule: Rule
    _begins_blank = False  # whether ``_count`` makes the state of a first update, and leaves it to be set to zero
    _first_differentiable: Mapping[str, Any] = {}  # options of the first update of a parameter that autograd records

    @classmethod
    def _states(cls, group: dict[str, Any]) -> tuple[str, ...]:
        """Return the names of the state tensors."""
        raise NotImplementedError

    @classmethod
    def _options(cls, group: dict[str, Any]) -> dict[str, Any]:
        """Return what chooses between forms of the formula."""
        raise NotImplementedError

    @classmethod
    def _numbers(cls, group: dict[str, Any], t: Any) -> tuple[Any, ...]:
        """Return the rule's numbers for the ``t``-th update of a parameter, ``t`` being what ``_count`` says."""
        raise NotImplementedError

    def _init_state(self, group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        """Make the state of a parameter at its first update, whose tensors ``_fill_states`` gives their values."""
        state["step"] = step_tensor()
        for name in self._states(group):
            state[name] = functions.empty_like(p)

    def _fill_states(self, group: dict[str, Any], states: Sequence[dict[str, Any]]) -> None:
        """Give the state tensors of many parameters that begin their first values."""
        zero_each([state[name] for state in states for name in self._states(group)])

    @classmethod
    def _count(cls, group: dict[str, Any], p: Tensor, g: Tensor, state: dict[str, Any]) -> Any:
        """Count an update of a parameter in its state, and return which one it is.

        Parameters of one group for which this is equal are updated with the same numbers.
        """
        step = state["step"]
        if step._storage.array is None or step.dtype not in _COUNTS:
            # a count on a device would be waited for in every step
            step = state["step"] = step.to(CPU, dtypes.float32)
        return advance(step)

    def _choose_way(self, foreach: Any, fused: Any, differentiable: bool) -> None:
        """Let a GradScaler leave unscaling to fused steps; raise RuntimeError for what PyTorch does not combine."""
        if not fused:
            return
        self._step_supports_amp_scaling = True
        if differentiable:
            raise RuntimeError("`fused` does not support `differentiable`")
        if foreach:
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                # options that checkpoints of older versions lack
                if name in _OPTIONS_SINCE:
                    group.setdefault(name, _OPTIONS_SINCE[name] if name != "fused" else value)
        numbers_to_tensors(self.state)

    def _step_group(self, group: dict[str, Any]) -> None:
        params, grads, states, begun = [], [], [], []
        stateless = not self._states(group)
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            state = {} if stateless else self.state[p]
            if not state:
                if group.get("fused"):
                    check_fused(p)
                self._init_state(group, p, state)
                begun.append(state)
            params.append(p)
            grads.append(g)
            states.append(state)
        if begun and not stateless:
            self._fill_states(group, begun)
        if group.get("fused"):
            # what a GradScaler has set for this step
            scale, found = (getattr(self, name, None) for name in ("grad_scale", "found_inf"))
            if not self._unscale(grads, scale, found):
                return
        self._apply(group, params, grads, states, self.defaults["differentiable"])

    @classmethod
    def _apply(
        cls, group: dict[str, Any], params: Sequence[Tensor], grads: Sequence[Tensor],
        states: Sequence[dict[str, Any]], differentiable: bool,
    ) -> None:  # fmt: skip
        """Update parameters of one group and their states in place."""
        names = cls._states(group)
        by_count: dict[Any, list[list[Any]]] = {}
        capturable = group.get("capturable") and not group.get("fused")  # fused steps count on any device
        for p, g, state in zip(params, grads, states, strict=True):
            if capturable and p._storage.array is not None:
                raise AssertionError("If capturable=True, params and state_steps must be on supported devices: ['cl'].")
            t = cls._count(group, p, g, state)
            row = [p, g, *[state[name] for name in names]]
            if p.dtype.is_complex:
                row = [real(x) for x in row]
            by_count.setdefault(t, []).append(row)
        options = cls._options(group)
        formula = cls.rule.formula(names, options)
        written = (0, *range(2, 2 + len(names)))
        for t, rows in by_count.items():
            if t == 1 and cls._begins_blank:
                zero_each([x for row in rows for x in row[2:]])
            numbers = cls._numbers(group, t)
            if differentiable:
                recorded = cls.rule.formula(names, {**options, **cls._first_differentiable}) if t == 1 else formula
                for row in rows:
                    _differentiable(recorded, written, row, numbers)
            else:
                update(formula, written, rows, numbers)

    @staticmethod
    def _unscale(grads: Sequence[Tensor], grad_scale: Tensor | None, found_inf: Tensor | None) -> bool:
        """Divide gradients by the scale that a GradScaler put on them, and return whether a step is to be made."""
        if found_inf is not None and found_inf.item():
            return False
        if grad_scale is not None:
            by_device: dict[Any, list[list[Any]]] = {}
            for g in grads:
                by_device.setdefault(g.device, []).append([real(g)])
            for device, rows in by_device.items():
                update(_UNSCALE, [0], rows, [], scalars=[grad_scale.to(device=device, dtype=dtypes.float32)])
        return True

    @classmethod
    def _apply_lists(
        cls, group: dict[str, Any], params: Sequence[Tensor], grads: Sequence[Tensor],
        lists: Mapping[str, Sequence[Any]],
        differentiable: bool = False, grad_scale: Tensor | None = None, found_inf: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Update parameters whose states are given as one list per name: the functional form of a step."""
        if not all(isinstance(step, Tensor) for step in lists["step"]):
            raise RuntimeError("API has changed, `state_steps` argument must contain a list of singleton tensors")
        if not cls._unscale(grads, grad_scale, found_inf):
            return
        names = (*cls._states(group), *(name for name in ON_HOST if name in lists))
        given = [{name: lists[name][i] for name in names} for i in range(len(params))]
        states = [dict(state) for state in given]
        cls._apply(group, params, grads, states, differentiable)
        for old, new in zip(given, states, strict=True):
            for name, value in new.items():
                if value is not old[name]:
                    # a count on a device, which was brought to the host
                    functions.copy_(old[name], value)


_UNSCALE = Formula("divided", lambda m, g, scale: (g / scale,), params=1)
_COUNTS = (dtypes.float32, dtypes.float64)
_OPTIONS_SINCE: dict[str, Any] = {
    "nesterov": False, "maximize": False, "foreach": None, "capturable": False, "differentiable": False,
    "fused": None, "amsgrad": False, "decoupled_weight_decay": False, "momentum": 0, "centered": False,
}  # fmt: skip


def _differentiable(formula: Formula, written: Sequence[int], row: Sequence[Any], numbers: Sequence[Any]) -> None:
    # the derivative keeps old values, which the writing below would change; halves are rounded once per step
    halves = any(x.dtype.itemsize == 2 for x in row)
    old = [functions.clone(x) if k in written else x for k, x in enumerate(row)]
    if halves:
        old = [x.to(dtypes.float32) if x.dtype.itemsize == 2 else x for x in old]
    for k, value in zip(written, formula.fn(functions, *old, *numbers), strict=True):
        functions.copy_(row[k], value)


def step_tensor(value: float = 0.0) -> Tensor:
    """Return a count of updates as PyTorch keeps it: 0-d, floating-point, on the host."""
    wide = dtypes.get_default_dtype() is dtypes.float64
    return functions.full((), value, dtype=dtypes.float64 if wide else dtypes.float32, device=CPU)


def numbers_to_tensors(states: Mapping[Any, Any]) -> None:
    """Replace the numbers that checkpoints of older versions have where newer ones keep 0-d tensors."""
    for state in states.values():
        for name in ON_HOST if isinstance(state, dict) else ():
            if name in state and not isinstance(state[name], Tensor):
                state[name] = step_tensor(float(state[name]))


def advance(step: Tensor) -> float:
    """Add one to a count on the host and return it."""
    # a memoryview, for NumPy's way to one number takes longer than the rest of a parameter's share in a step
    values = step._storage.array.data.cast(step.dtype.np.char)
    at = step.lay.offset
    t = values[at] + 1.0
    values[at] = t
    step._storage.version += 1
    return float(t)


def host_number(state: dict[str, Any], name: str) -> float:
    """Return a number that a state keeps as a 0-d tensor on the host, where it is brought if it lies elsewhere."""
    x = state[name]
    if x._storage.array is None or x.dtype not in _COUNTS:
        x = state[name] = x.to(CPU, dtypes.float32)
    return float(x._storage.array.data.cast(x.dtype.np.char)[x.lay.offset])


def set_host_number(state: dict[str, Any], name: str, value: float) -> float:
    """Change a number that a state keeps on the host, and return it as it was stored."""
    x = state[name]
    x._storage.array.data.cast(x.dtype.np.char)[x.lay.offset] = value
    x._storage.version += 1
    return host_number(state, name)


def scalar(x: Any, differentiable: bool = False) -> Any:
    """Return a hyperparameter as a number (waiting for a device it lies on), or as 0-d for a derivative."""
    if isinstance(x, Tensor):
        return x.reshape(()) if differentiable else x.item()
    return x


def for_parts(p: Tensor, value: float) -> complex:
    """Return what fills a state with a number; complex parameters are stepped part by part, so both parts get it."""
    return complex(value, value) if p.dtype.is_complex else value


def real(p: Tensor) -> Tensor:
    """Return a tensor, a complex one as its real and imaginary parts."""
    return functions.view_as_real(p) if p.dtype.is_complex else p


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


def check_fused(p: Tensor) -> None:
    """Raise RuntimeError for a parameter that no fused step of PyTorch takes."""
    if not p.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported devices: "
            f"['cl', 'cpu'] but {p.dtype} and {p.device.type}"
        )


def check_scaled(fused: Any, grad_scale: Any, found_inf: Any) -> None:
    """Raise AssertionError where a functional form that is not fused gets what a GradScaler knows."""
    if not fused and (grad_scale is not None or found_inf is not None):
        raise AssertionError("Expected grad_scale and found_inf to be None")
