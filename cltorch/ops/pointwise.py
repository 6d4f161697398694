"""Pointwise operators: a row declares the formula and its derivative, this file finds the kernel for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import dtypes
from cltorch.device import CPU
from cltorch.device.caps import Ready
from cltorch.dtypes import TYPE_NAMES, dtype
from cltorch.ops.array import Array
from cltorch.ops.complex_formula import complex_operands, handed_on
from cltorch.ops.complex_plan import ComplexPlan, planable
from cltorch.ops.evaluate import (
    Formula,
    compute_dtype,
    devices_agree,
    enqueue,
    host_planned,
    planned,
    run,
    run_into,
)
from cltorch.ops.formula import Symbol, Tracer, used_operands
from cltorch.ops.host_plan import READY as HOST_READY
from cltorch.ops.overlap import check_meeting, check_overlap
from cltorch.ops.plan import GradientPlan, Plan, gradient_key, specialise
from cltorch.ops.promotion import result_type
from cltorch.ops.row_types import (  # noqa: F401  # the words of a row
    ARITH,
    BITWISE,
    COMPARE,
    COMPLEX,
    FLOAT,
    FLOAT_ONLY,
    INTEGER,
    PARTS,
    REAL,
    SIGNED,
    RowTypes,
)
from cltorch.shapes import broadcast_shapes

# where PyTorch has the function
TORCH = "torch"  # torch.name, and a method of Tensor
FUNCTIONAL = "functional"  # torch.nn.functional.name only
SPECIAL = "special"  # torch.special.name only
INNER = "inner"  # a part of another function


class Pointwise(RowTypes):
    """Declare a pointwise operator.

    name      PyTorch's name
    rule      dtype rule (FLOAT, FLOAT_ONLY, ARITH, COMPARE, BITWISE, INTEGER, SIGNED, REAL)
    fwd       fwd(m, *operands, *params) -> value
    vjp       vjp(m, g, *operands, out, *params) -> gradient, or a tuple with one per operand; None: not differentiable
    args      names of the operands, as PyTorch's documentation has them
    params    {name: default} of further numbers
    masks     operands that are conditions
    ref       the independent reference for tests: a name in numpy or scipy.special, or a function of arrays
    domain    (low, high) from which tests draw operands
    doc       the docstring's sentence, where the formula itself does not read well
    sample    the first operand of the docstring's example, where the middle of the domain does not show what matters
    node      stem of the grad_fn's name where it is not the name in CamelCase
    forms     the number at the end of the grad_fn's name, or all of it, by the place of an operand where that is no
              tensor, by -1 where all are tensors, and by "_" in place, as PyTorch counts an operator's forms
    scope     where PyTorch has the function (TORCH, FUNCTIONAL, SPECIAL, INNER)
    accuracy  (ulps, share) of a special function in float32 and float64: it is off by at most ``ulps`` times one unit
              in the last place and what operands off by one unit make of it, and by ``share`` units of 1
    complex   what comes of complex operands (COMPLEX, PARTS), "" where PyTorch refuses them
    flat      the derivative changes with no operand, and is still part of their graph, as PyTorch has it
    opaque    operands by which the function has no derivative; None where results never require a gradient
    one_way   one_way(*params) -> why the in-place form has no derivative, as PyTorch has it, or ""
    twice     the in-place form may write one place of memory twice, as an expanded tensor's: the value is the same
    out       whether the function takes ``out=``
    """

    def __init__(
        self,
        name: str,
        rule: str,
        fwd: Callable[..., Any],
        vjp: Callable[..., Any] | None = None,
        *,
        args: str = "input",
        params: dict[str, Any] | None = None,
        masks: Sequence[int] = (),
        ref: Any = None,
        domain: tuple[float, float] = (-3.0, 3.0),
        node: str | None = None,
        doc: str = "",
        sample: Sequence[float] = (),
        inplace: bool = True,
        scope: str = TORCH,
        accuracy: tuple[float, float] = (4, 0),
        opaque: Sequence[int] | None = (),
        complex: str = "",
        flat: bool = False,
        one_way: Callable[..., str] | None = None,
        twice: bool = False,
        out: bool = True,
        forms: dict[int | str, int | str] | None = None,
    ) -> None:
        self.name, self.rule, self.fwd, self.vjp = name, rule, fwd, vjp
        self.args, self.params = tuple(args.split()), dict(params or {})
        self.masks, self.ref, self.domain, self.doc, self.inplace = tuple(masks), ref, domain, doc, inplace
        self.scope, self.accuracy, self.opaque, self.complex, self.flat = scope, accuracy, opaque, complex, flat
        self.sample, self.one_way, self.twice, self.out = tuple(sample), one_way, twice, out
        self.arity = len(self.args)
        self.defaults = tuple(self.params.values())
        stem = (node or "".join(part.capitalize() for part in name.split("_"))) + "Backward"
        names = {at: x if isinstance(x, str) else f"{stem}{x}" for at, x in (forms or {}).items()}
        self.node = names.pop(-1, f"{stem}0")
        self.node_in_place = names.pop("_", self.node)
        self.forms = [(int(i), called) for i, called in names.items()]
        self.formula = Formula(name, fwd, masks, len(self.params))
        self._vjps: dict[Any, tuple[Formula, frozenset[int]]] = {}
        self._tangents: dict[tuple[int, ...], tuple[Formula, frozenset[int]]] = {}
        self._ways: dict[Any, tuple[tuple[bool, ...], Formula | None, tuple[bool, ...]]] = {}
        self._dtypes: dict[Any, tuple[dtype, dtype]] = {}

    def node_of(self, operands: Sequence[Any], in_place: bool = False) -> str:
        """Return the grad_fn's name for operands, of which some may be numbers."""
        for i, name in self.forms:
            if not isinstance(operands[i], Array):
                return name
        return self.node_in_place if in_place else self.node

    # ---- forward ---------------------------------------------------------------------------------------------
    def __call__(self, *operands: Any, params: Sequence[Any] | None = None) -> Any:
        """Compute on Arrays and Python numbers (at least one Array), without autograd."""
        return self.compute(operands, self.defaults if params is None else params)

    def compute(self, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Do what calling the row does."""
        x = operands[0]
        key: Any
        if self.arity == 2 and isinstance(x, Array):
            dev, y = x._storage.device, operands[1]
            if not isinstance(y, Array):
                key = (self, x.lay.key, x.dtype, y.__class__)
            elif y._storage.device is dev:
                key = (self, x.lay.key, x.dtype, y.lay.key, y.dtype)
            else:
                key = None
        elif self.arity == 1:
            dev, key = x._storage.device, (self, x.lay.key, x.dtype)
        else:
            dev, key = self._key(operands)
        plan = (HOST_READY if dev is CPU else dev.context.ready).get(key)
        return self._slow(operands, params, key) if plan is None else plan.run(operands, params)

    def _key(self, operands: Sequence[Any]) -> Any:
        """Return the device and the key of a plan for any number of operands, None for a key where one is elsewhere."""
        key: list[Any] = [self]
        dev = None
        for x in operands:
            if isinstance(x, Array):
                here = x._storage.device
                if here is not dev and dev is not None:
                    return dev, None
                dev = here
                key += (x.lay.key, x.dtype)
            else:
                key.append(x.__class__)
        return dev, tuple(key)

    def _slow(self, operands: Sequence[Any], params: Sequence[Any], key: Any) -> Any:
        dev, operands = devices_agree(self.name, operands)
        compute, out_dtype = self.types(operands)
        shape = broadcast_shapes(*(x.shape for x in operands if isinstance(x, Array)))
        types = (out_dtype,)
        if dev is CPU:
            ready: Any = HOST_READY
            plan: Any = host_planned(self.formula, compute, operands, types, shape)
            out = plan.run(operands, params)
        else:
            ready = dev.context.ready
            (out,) = run(self.formula, compute, operands, params, types, shape)
            if key is None or not out.lay.numel:
                return out
            if compute.is_complex or out_dtype.is_complex:
                if not planable(operands, params):
                    return out
                otherwise = partial(self._parts, self.formula, compute, types)
                plan = ComplexPlan(self.formula, compute, operands, params, (out,), otherwise)
            else:
                if not _fits((*operands, *params), compute):
                    return out
                found = specialise(
                    dev.context, self.formula, compute, [(out.lay, out_dtype)],
                    [(x.lay, x.dtype) if isinstance(x, Array) else None for x in operands],
                )  # fmt: skip
                plan = Plan(dev.context, found, out.lay, out_dtype)
        if key is not None:
            ready[key] = plan
            if compute.family in "fc" and not any(isinstance(x, Array) and x.dtype.family in "fc" for x in operands):
                if not ready.by_default_dtype:
                    _by_default_dtype.append(ready)
                ready.by_default_dtype.add(key)
        return out

    @staticmethod
    def _parts(
        formula: Formula, compute: dtype, types: Sequence[dtype], operands: Sequence[Any], params: Sequence[Any]
    ) -> list[Any]:
        """Return what a formula of complex numbers gives, without a plan."""
        shape = broadcast_shapes(*[x.shape for x in operands if isinstance(x, Array)])
        return run(formula, compute, operands, params, types, shape)

    def into(self, out: Any, operands: Sequence[Any], params: Sequence[Any] | None = None) -> None:
        """Compute into an existing Array (in-place and ``out=`` forms), whose dtype must hold the result.

        Raises RuntimeError for a result dtype that cannot be cast to the Array's, and for overlapping memory.
        """
        params = self.defaults if params is None else params
        # what has been checked once for these layouts and dtypes need not be checked again, but for the memory
        dev, key = self._key(operands)
        if key is not None and dev is out._storage.device:
            key = ("into", out.lay.key, out.dtype, *key)
            ready = HOST_READY if dev is CPU else dev.context.ready
            write = ready.get(key)
            if write is not None:
                check_meeting(out, operands)
                write(operands, params, (out,))
                return
        else:
            key = None
        _, operands = devices_agree(self.name, [out, *operands])
        operands = operands[1:]
        compute, out_dtype = self.types(operands)
        if not dtypes.can_cast(out_dtype, out.dtype):
            raise RuntimeError(
                f"result type {TYPE_NAMES[out_dtype]} can't be cast to the desired output type {TYPE_NAMES[out.dtype]}"
            )
        shape = broadcast_shapes(out.shape, *(x.shape for x in operands if isinstance(x, Array)))
        if tuple(shape) != tuple(out.shape):
            raise RuntimeError(f"output with shape {list(out.shape)} doesn't match the broadcast shape {list(shape)}")
        if not self.twice:
            check_overlap(out, operands)
        run_into(self.formula, compute, operands, params, (out,))
        if key is None:
            return
        if dev is CPU:
            ready[key] = host_planned(self.formula, compute, operands, (out.dtype,), shape).into
        elif out.lay.numel and not (compute.is_complex or out.dtype.is_complex):
            ready[key] = partial(enqueue, planned(self.formula, compute, operands, (out,)), compute)

    # ---- backward --------------------------------------------------------------------------------------------
    def saves(self, needs: tuple[bool, ...], complex: bool = False) -> frozenset[int]:
        """Return which of (operands…, out) the derivative reads; the numbering is that of ``vjp`` after ``g``."""
        return (self._vjps.get((needs, complex)) or self._vjp(needs, complex))[1]

    def _vjp(self, needs: tuple[bool, ...], complex: bool = False) -> tuple[Formula, frozenset[int]]:
        found = self._vjps.get((needs, complex))
        if found is None:
            assert self.vjp is not None
            vjp, n = self.vjp, self.arity

            def kept(m: Any, g: Any, *rest: Any) -> Any:
                grads = vjp(m, g, *rest)
                grads = grads if isinstance(grads, tuple) else (grads,)
                chosen = tuple(x for x, need in zip(grads, needs, strict=True) if need)
                return chosen[0] if len(chosen) == 1 else chosen

            if complex:
                used = complex_operands(kept, n + 2, len(self.params), sum(needs))
            else:
                used = used_operands(kept, n + 2, len(self.params), dtypes.float32, [True] * sum(needs))
            name = f"{self.name}_vjp" + "".join("1" if k else "0" for k in needs)
            formula = Formula(name, kept, [i + 1 for i in self.masks], len(self.params))
            found = self._vjps[needs, complex] = (formula, frozenset(i - 1 for i in used if i > 0))
        return found

    def gradients(
        self,
        needs: tuple[bool, ...],
        g: Any,
        values: Sequence[Any],
        params: Sequence[Any],
        in_dtypes: Sequence[dtype | None],
    ) -> list[Any]:
        """Return one gradient per needed operand, of the broadcast shape, computed by one fused kernel.

        ``values`` are the operands and the result; those that ``saves`` does not name may be None. A gradient that is
        ``g`` itself, as both of a sum are, is ``g`` and not a copy.
        """
        complex = g.dtype.is_complex or not COMPLEX_TYPES.isdisjoint(in_dtypes)
        through, formula, rest = self._way(needs, params.count(1) == len(params), complex)
        if formula is None:
            return [g] * sum(needs)
        outs = tuple([t for t, need in zip(in_dtypes, rest, strict=True) if need and t is not None])
        found = self._computed(formula, complex, g, values, params, outs)
        if True not in through:
            return found
        computed = iter(found)
        return [g if t else next(computed) for need, t in zip(needs, through, strict=True) if need]

    def _computed(
        self, formula: Formula, complex: bool, g: Any, values: Sequence[Any], params: Sequence[Any],
        types: tuple[dtype, ...],
    ) -> list[Any]:  # fmt: skip
        """Return what a derivative's kernel computes, by the plan for such operands where there is one."""
        dev = g._storage.device
        key = arrays = numbers = None
        operands = [g, *[0 if v is None else v for v in values]]
        if dev is not CPU:
            key, arrays, numbers = gradient_key(formula, types, g, values)
            plan = None if key is None else dev.context.ready.get(key)
            if plan is not None:
                found: list[Any]
                if complex:
                    found = plan.run_all(operands, params)
                else:
                    found = plan.run(arrays, [*numbers, *map(float, params)] if params else numbers)
                return found
        compute = result_type([g, *(x for x in values if isinstance(x, Array))]) if complex else compute_dtype(g.dtype)
        _, operands = devices_agree(self.name, operands)
        shape = broadcast_shapes(*(x.shape for x in operands if isinstance(x, Array)))
        found = run(formula, compute, operands, params, types, shape)
        layout = found[0].lay
        if key is None or not layout.numel:
            return found
        if complex and planable(operands, params):
            otherwise = partial(self._parts, formula, compute, types)
            dev.context.ready[key] = ComplexPlan(formula, compute, operands, params, found, otherwise)
        elif compute.is_floating_point:
            launch = planned(formula, compute, operands, found, True)
            dev.context.ready[key] = GradientPlan(dev.context, launch, layout, types)
        return found

    def tangent(
        self, has: Sequence[bool], tangents: Sequence[Any], values: Sequence[Any], params: Sequence[Any], t: dtype
    ) -> Any:
        """Return the tangent, of dtype ``t``, in one fused kernel: the Jacobian is diagonal.

        ``tangents`` are those of the operands that ``has`` names, ``values`` the operands and the result.
        """
        places = tuple(i for i, here in enumerate(has) if here)
        found = self._tangents.get(places)
        if found is None:
            vjp, n = self.vjp, self.arity
            assert vjp is not None

            def pushed(m: Any, *rest: Any) -> Any:
                total = None
                for i, given in zip(places, rest, strict=False):
                    parts = vjp(m, given, *rest[len(places) :])
                    part = parts[i] if isinstance(parts, tuple) else parts
                    total = part if total is None else total + part
                return total

            used = used_operands(pushed, len(places) + n + 1, len(self.params), dtypes.float32, [True])
            formula = Formula(
                f"{self.name}_jvp" + "".join("1" if here else "0" for here in has), pushed,
                [i + len(places) for i in self.masks], len(self.params),
            )  # fmt: skip
            found = self._tangents[places] = (formula, frozenset(used))
        formula, read = found
        operands = [*(tangents[i] for i in places), *values]
        operands = [x if i in read or i < len(places) else 0 for i, x in enumerate(operands)]
        _, operands = devices_agree(self.name, operands)
        shape = broadcast_shapes(*(x.shape for x in values if isinstance(x, Array)))
        (out,) = run(formula, compute_dtype(t), operands, params, (t,), shape)
        return out

    def _way(
        self, needs: tuple[bool, ...], ones: bool, complex: bool
    ) -> tuple[tuple[bool, ...], Formula | None, tuple[bool, ...]]:
        """Return for which operands the gradient is the incoming one, what computes the others, and which these are.

        ``ones`` says whether all parameters are 1.
        """
        found = self._ways.get((needs, ones, complex))
        if found is None:
            through = self._handed_on(needs, ones, complex)
            rest = tuple([need and not t for need, t in zip(needs, through, strict=True)]) if True in through else needs
            formula = self._vjp(rest, complex)[0] if True in rest else None
            found = self._ways[needs, ones, complex] = through, formula, rest
        return found

    def _handed_on(self, needs: tuple[bool, ...], ones: bool, complex: bool) -> tuple[bool, ...]:
        """Tell for each operand whether its gradient is the incoming one, for parameters that are all 1 or not."""
        assert self.vjp is not None
        count = len(self.params)
        if complex:
            same: Sequence[bool] = handed_on(self.vjp, self.arity + 2, count, ones)
        else:
            tracer = Tracer(dtypes.float32)
            symbols = [Symbol(tracer, f"x{i}", i - 1 in self.masks) for i in range(self.arity + 2)]
            numbers = [1 if ones else Symbol(tracer, f"p{k}") for k in range(count)]
            grads = self.vjp(tracer, *symbols, *numbers)
            grads = grads if isinstance(grads, tuple) else (grads,)
            same = [isinstance(r, Symbol) and r.text == "x0" for r in grads]
        return tuple([need and s for need, s in zip(needs, same, strict=True)])


def _fits(operands: Sequence[Any], compute: dtype) -> bool:
    """Return whether a kernel takes the numbers among operands as they come, and any others of their types."""
    for x in operands:
        if x.__class__ is float:
            if not compute.is_floating_point:
                return False
        elif not isinstance(x, Array) and x.__class__ is not int:
            return False
    return True


COMPLEX_TYPES = frozenset(dtypes.COMPLEX)
_by_default_dtype: list[Ready] = []  # where there are plans of integers whose result has the default dtype


def _forget_default_dtype() -> None:
    while _by_default_dtype:
        ready = _by_default_dtype.pop()
        while ready.by_default_dtype:
            ready.pop(ready.by_default_dtype.pop(), None)


dtypes.on_default_change.append(_forget_default_dtype)
