"""torch.utils.flop_counter: the floating-point operations of products, convolutions, attention and recurrent layers.

A multiplication and the addition after it are two operations; what is added as a bias does not count, nor what is no
product, nor ``mv`` and ``dot``. Attention counts as one that is not causal. While a counter is entered the forward and
the derivative of the operators concerned are replaced; nothing is in their way otherwise.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.utils.flop_counter.FlopCounterMode.html
"""

from __future__ import annotations

import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from cltorch.ops import aten
from cltorch.ops.attention import Attention
from cltorch.ops.conv import Convolution, ConvolutionWeight, TransposedConvolution
from cltorch.ops.matmul import Addmm, Baddbmm, Bmm, Linear, LinearMatrix, LinearProduct, LinearRows, Matmul, Mm
from cltorch.ops.overloads import OpOverloadPacket
from cltorch.ops.recurrent import Recurrent
from cltorch.stand_ins import StandIns
from cltorch.tensor import Tensor
from cltorch.utils._python_dispatch import TorchDispatchMode
from cltorch.utils._pytree import tree_map
from cltorch.utils.module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

_formulas: dict[Any, Callable[..., int]] = {}  # which programs have registered, of whole operands


def _of_shapes(formula: Callable[..., int]) -> Callable[..., int]:
    """Return a formula of an operator's operands and result for one of their shapes."""
    if getattr(formula, "_get_raw", False):
        return formula

    def of_tensors(*args: Any, out_val: Any, **kwargs: Any) -> int:
        args, kwargs, shape = tree_map(lambda x: x.shape if isinstance(x, Tensor) else x, (args, kwargs, out_val))
        return formula(*args, out_shape=shape, **kwargs)

    return of_tensors


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator of a formula that says how many operations an operator, or each of several, counts as.

    It is called with the operands' shapes and ``out_shape=``, with ``get_raw`` with the operands and ``out_val=``. The
    operators are those that modes see (``torch.utils._python_dispatch``). Raises ValueError for what is no operator.

    Source: https://github.com/pytorch/pytorch/blob/main/torch/utils/flop_counter.py

    >>> import cltorch as torch
    >>> @register_flop_formula(torch.ops.aten.hypot)
    ... def hypot_flop(a, b, out_shape=None, **options):
    ...     return 4 * out_shape.numel()
    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = torch.ones(5).hypot(torch.ones(5))
    >>> counter.get_total_flops()
    20
    """

    given = targets if isinstance(targets, (list, tuple)) else (targets,)

    def register(formula: Callable[..., int]) -> Callable[..., int]:
        for target in given:
            if not isinstance(target, OpOverloadPacket):
                raise ValueError(
                    f"register_flop_formula(targets): expected each target to be OpOverloadPacket (i.e. "
                    f"torch.ops.mylib.foo), got {target} which is of type {type(target)}"
                )
            if target in _formulas:
                raise RuntimeError(f"duplicate registrations for {target}")
            _formulas[target] = formula if get_raw else _of_shapes(formula)
        return formula

    return register


Shape = Sequence[int]
Count = tuple[Any, ...]  # an operator of PyTorch's, its operations, and another one where there are two


def _product(a: Shape, b: Shape, transpose_a: bool, transpose_b: bool) -> int:
    m, k = a[-2:][::-1] if transpose_a else a[-2:]
    n = b[-2] if transpose_b else b[-1]
    lead = prod(max(x, y) if min(x, y) else 0 for x, y in _aligned(a[:-2], b[:-2]))
    return 2 * lead * m * n * k


def _aligned(a: Shape, b: Shape) -> list[tuple[int, int]]:
    longest = max(len(a), len(b))
    wide = [(*(1,) * (longest - len(x)), *x) for x in (a, b)]
    return list(zip(*wide, strict=True))


def _of_matmul(a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Count:
    a, b = a.lay.shape, b.lay.shape
    return "mm" if min(len(a), len(b)) == 2 else "bmm", _product(a, b, transpose_a, transpose_b)


def _of_linear(x: Any, weight: Any, bias: Any) -> Count:
    shape = x.lay.shape
    joined = bias is not None and (len(shape) == 2 or x.lay.contiguous)
    return "addmm" if joined else "mm", 2 * prod(shape) * weight.lay.shape[0]


def _of_addmm(input: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Count:
    a, b = a.lay.shape, b.lay.shape
    return "addmm" if len(a) == 2 else "baddbmm", _product(a, b, False, False)


def _windows(places: Shape, weight: Shape, batch: int) -> int:
    """Return the operations of a convolution whose window stands at so many places."""
    return 2 * batch * prod(places[2:]) * prod(weight)


def _weight_windows(x: Shape, y: Shape, weight: Shape) -> int:
    """Return the operations of a weight's gradient: all channels with all others, in groups too, as PyTorch has it."""
    return 2 * x[0] * x[1] * y[1] * prod(weight[2:]) * prod(y[2:])


def _of_convolution(x: Any, weight: Any, bias: Any, geometry: Any, shape: Any) -> Count:
    return "convolution", _windows(shape, weight.lay.shape, x.lay.shape[0])


def _of_transposed(x: Any, weight: Any, bias: Any, geometry: Any, shape: Any) -> Count:
    return "convolution", _windows(x.lay.shape, weight.lay.shape, x.lay.shape[0])


def _of_weight(x: Any, y: Any, geometry: Any, shape: Any) -> Count:
    return "convolution", _weight_windows(x.lay.shape, y.lay.shape, shape)


def _back_of_convolution(c: Any, g: Any) -> Count:
    (x, weight), y = c.shapes, g.lay.shape
    found = _windows(y, weight, y[0]) if c.needs[0] else 0
    return "convolution_backward", found + (_weight_windows(x, y, weight) if c.needs[1] else 0)


def _back_of_transposed(c: Any, g: Any) -> Count:
    (x, weight), y = c.shapes, g.lay.shape
    found = _windows(x, weight, y[0]) if c.needs[0] else 0
    return "convolution_backward", found + (_weight_windows(y, x, weight) if c.needs[1] else 0)


def _of_attention(q: Any, k: Any, v: Any, *options: Any) -> Count:
    q, v = q.lay.shape, v.lay.shape
    return "_scaled_dot_product_flash_attention", 2 * prod(q[:-1]) * v[-2] * (q[-1] + v[-1])


def _back_of_attention(c: Any, g: Any) -> Count:
    q, v = (x.lay.shape for x in (c.saved[0], c.saved[2]))
    return "_scaled_dot_product_flash_attention_backward", 2 * prod(q[:-1]) * v[-2] * (3 * q[-1] + 2 * v[-1])


def _steps(rows: int, w_ih: Any, w_hh: Any) -> tuple[int, int]:
    return 2 * rows * w_ih.lay.numel, 2 * rows * w_hh.lay.numel


def _of_recurrent(x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any, *rest: Any) -> Count:
    rows = x.lay.shape[0]
    found = "mm" if b_ih is None else "addmm", sum(_steps(rows, w_ih, w_hh))
    return found if w_hr is None else (*found, "mm", 2 * rows * w_hr.lay.numel)


def _back_of_recurrent(c: Any, *grads: Any) -> Count:
    x, h0, _, w_ih, w_hh, _, _, w_hr = c.saved[:8]
    rows = x.lay.shape[0]
    inputs, states = _steps(rows, w_ih, w_hh)
    later = rows if c.needs[1] else rows - h0.lay.shape[0]  # steps whose state before has a gradient
    found = inputs * (c.needs[0] + c.needs[3]) + states * c.needs[4] + 2 * later * w_hh.lay.numel
    return "mm", found + (0 if w_hr is None else 2 * rows * w_hr.lay.numel * (1 + c.needs[7]))


_FORWARD: dict[Any, Callable[..., Count]] = {
    **dict.fromkeys((Matmul, Mm, Bmm), _of_matmul),
    **dict.fromkeys((Linear, LinearMatrix, LinearProduct, LinearRows), _of_linear),
    **dict.fromkeys((Addmm, Baddbmm), _of_addmm),
    Convolution: _of_convolution,
    TransposedConvolution: _of_transposed,
    ConvolutionWeight: _of_weight,
    Attention: _of_attention,
    Recurrent: _of_recurrent,
}
# derivatives that count as one operator, whatever they are composed of
_BACKWARD: dict[Any, Callable[..., Count]] = {
    Convolution: _back_of_convolution,
    TransposedConvolution: _back_of_transposed,
    Attention: _back_of_attention,
    Recurrent: _back_of_recurrent,
}


class FlopCounterMode:
    """Count the operations of products, convolutions and attention by module and operator, within a ``with`` block.

    Backward passes count too. With ``display`` a table is printed at the end, of modules down to ``depth``. What other
    threads compute is not counted. ``custom_mapping`` has formulas for further operators, or others for these, as
    ``register_flop_formula`` takes them.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.utils.flop_counter.FlopCounterMode.html

    >>> import cltorch as torch
    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = torch.nn.Linear(3, 4)(torch.ones(2, 3))
    >>> counter.get_total_flops(), counter.get_flop_counts()["Linear"][torch.ops.aten.addmm]
    (48, 48)
    """

    def __init__(
        self, mods: Any = None, depth: int = 2, display: bool = True, custom_mapping: dict[Any, Any] | None = None
    ) -> None:
        if mods is not None:
            warnings.warn("mods argument is not needed anymore, you can stop passing it", stacklevel=2)
        own = {op: _of_shapes(formula) for op, formula in (custom_mapping or {}).items()}
        self._formulas: dict[Any, Callable[..., int]] = {**_formulas, **own}
        self._others = _Formulas(self) if self._formulas else None
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        self.depth, self.display = depth, display
        self.mod_tracker = ModuleTracker()
        self._stand_ins = StandIns()
        self._within = False  # a derivative that has been counted as a whole

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._thread = threading.get_ident()
        self.mod_tracker.__enter__()
        plain = [(op, op.forward, count) for op, count in _FORWARD.items()]  # before a class inherits a counting one
        for op, forward, count in plain:
            self._stand_ins.set(op, "forward", staticmethod(self._counted_forward(forward, count)))
        for op, count in _BACKWARD.items():
            self._stand_ins.set(op, "vjp", staticmethod(self._counted_backward(op.vjp, count)))
        if self._others is not None:
            self._others.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._others is not None:
            self._others.__exit__(*error)
        self._stand_ins.end()
        self.mod_tracker.__exit__()
        if self.display:
            print(self.get_table(self.depth))

    def get_total_flops(self) -> int:
        """Return the number of all operations counted."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """Return the operations by the name of a module, then by operator; "Global" has all of them."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """Return the counts as a table of modules down to a depth, each with its operators."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        modules = [name for name in sorted(self.flop_counts) if name != "Global"]
        modules = [name for name in modules if depth is None or name.count(".") < depth]
        whole = any(sum(self.flop_counts[name].values()) >= total for name in modules)
        rows = [row for name in modules for row in self._rows(name, name.count(".") + (not whole), total)]
        if not whole and "Global" in self.flop_counts:
            rows = self._rows("Global", 0, total) + rows
        return _table([("Module", "FLOP", "% Total"), *(rows or [("Global", "0", "0%")])])

    # ---- counting --------------------------------------------------------------------------------------------
    def _add(self, count: Count) -> None:
        for name, flops in zip(count[::2], count[1::2], strict=True):
            if getattr(aten, name) not in self._formulas:
                self._note(getattr(aten, name), flops)

    def _note(self, op: Any, flops: int) -> None:
        for parent in self.mod_tracker.parents:
            self.flop_counts[parent][op] += flops

    def _sees(self) -> bool:
        return not self._within and threading.get_ident() == self._thread

    def _counted_forward(self, forward: Any, count: Callable[..., Count]) -> Any:
        def counted(c: Any, *args: Any) -> Any:
            result = forward(c, *args)
            if self._sees():
                self._add(count(*args))
            return result

        return counted

    def _counted_backward(self, vjp: Any, count: Callable[..., Count]) -> Any:
        def counted(m: Any, c: Any, *grads: Any) -> Any:
            if not self._sees():
                return vjp(m, c, *grads)
            self._add(count(c, *grads))
            self._within = True
            try:
                return vjp(m, c, *grads)
            finally:
                self._within = False

        return counted

    # ---- the table -------------------------------------------------------------------------------------------
    def _rows(self, module: str, indent: int, total: int) -> list[tuple[str, str, str]]:
        counts = self.flop_counts[module]
        lines = [(module, sum(counts.values())), *((f" - {op}", n) for op, n in counts.items())]
        return [(" " * indent + text, _short(n, total), f"{n / total:.2%}" if total else "0%") for text, n in lines]


class _Formulas(TorchDispatchMode):
    """Count by the formulas of a program."""

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()
        self._counter = counter

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = self._counter._formulas.get(func.overloadpacket)
        if formula is not None:
            self._counter._note(func.overloadpacket, formula(*args, **kwargs, out_val=out))
        return out


def _short(n: int, largest: int) -> str:
    """Return a number in the unit in which the largest one has few digits."""
    unit = max(0, min(4, (len(str(largest)) - 2) // 3))
    return f"{n / 1000**unit:.3f}{'KMBT'[unit - 1] if unit else ''}"


def _table(rows: list[tuple[str, str, str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [(row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2])) for row in rows]
    lines.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
    return "\n".join("  ".join(line) for line in lines)
