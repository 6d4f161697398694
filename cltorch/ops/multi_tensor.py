"""One formula over a list of tensors: a step of an optimiser in a few launches, however many tensors there are.

Every row holds the tensors that belong together (a parameter, its gradient, its state); the formula gives new values
for some columns from all of them, in place. Rows that lie in memory as one run each share launches, 16 rows to one:
that many pointers always fit, for the smallest argument space that OpenCL allows holds 128 arguments in 1024 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.dtypes import bfloat16, dtype, float64
from cltorch.layout import Layout
from cltorch.ops.array import cast_host, host, two_devices, view
from cltorch.ops.evaluate import Formula, run_into
from cltorch.ops.formula import Symbol, trace, used_operands
from cltorch.ops.formula_host import HOST
from cltorch.ops.overlap import check_overlap
from cltorch.ops.plan import GROUP, LETTER, MASK, VECTOR
from cltorch.ops.quiet import silent

__all__ = ["update"]

_ROWS = 16
_POINTERS = 96
_GRAIN = {"cpu": 16384, "gpu": 4096}  # elements per entry of the table: the best of those measured on PoCL; 4 vectors
_BLOCK = 16384  # elements that the host computes at a time, so that what lies between stays in its cache


def update(
    formula: Formula,
    written: Sequence[int],
    rows: Sequence[Sequence[Any]],
    numbers: Sequence[float],
    kind: str = "",
    scalars: Sequence[Any] = (),
) -> None:
    """Replace the columns ``written`` of every row of Arrays by a formula of the row and some numbers.

    ``formula.fn(m, *row, *numbers)`` returns one value per written column. The Arrays of a row have one shape and lie
    on one device; dtypes are any floating-point ones. ``kind`` ("cpu", "gpu") asks for a variant of the kernel other
    than the device's own. ``scalars`` are further numbers that nobody need wait for: 0-d float32 Arrays on the device
    of all rows, the last arguments of the formula. Raises RuntimeError where the shapes or devices of a row differ,
    and where a written Array overlaps itself.
    """
    numbers = [float(v) for v in numbers]
    devices = {row[0]._storage.device for row in rows}
    for dev in devices:
        chosen = rows if len(devices) == 1 else [row for row in rows if row[0]._storage.device is dev]
        if dev.type == "cpu":
            for row in chosen:
                _on_host(formula, written, row, [*numbers, *(float(host(x).reshape(-1)[0]) for x in scalars)])
        else:
            _on_device(dev.context, formula, written, chosen, numbers, kind, scalars)
    for row in rows:
        for k in written:
            row[k]._storage.version += 1


def compute_in(row: Sequence[Any]) -> dtype:
    """Return the dtype in which a row is computed: float64 if it has any, else float32."""
    return float64 if any(x.dtype is float64 for x in row) else dtypes.float32


def _check(row: Sequence[Any], written: Sequence[int]) -> None:
    for x in row:
        if x.layout.shape != row[0].layout.shape:
            raise RuntimeError(
                f"tensors that are updated together have different shapes: {list(row[0].shape)} and {list(x.shape)}"
            )
    for k in written:
        check_overlap(row[k], [])


def _refuse_devices(row: Sequence[Any]) -> None:
    first = row[0].device
    other = next(x.device for x in row if x.device is not first)
    raise two_devices(first, other)


def is_run(layouts: Sequence[Layout]) -> bool:
    """Return whether layouts walk memory as one run each, in the same order."""
    if all(lay.contiguous for lay in layouts):
        return True
    first = layouts[0]
    if any(lay.key != first.key for lay in layouts):
        return False
    step = 1
    for stride, size in sorted((s, n) for n, s in zip(first.shape, first.strides, strict=True) if n != 1):
        if stride != step:
            return False
        step *= size
    return True


# ---- an OpenCL device --------------------------------------------------------------------------------------------
class _Plan:
    """What the geometry of a list of rows decides: launches with their part of the table, and rows that go alone."""

    __slots__ = ("launches", "table", "alone")

    def __init__(self, launches: list[Any], table: Storage | None, alone: list[int]) -> None:
        self.launches, self.table, self.alone = launches, table, alone


def _on_device(
    context: Any, formula: Formula, written: Sequence[int], rows: Sequence[Any], numbers: Sequence[float], kind: str,
    scalars: Sequence[Any],
) -> None:  # fmt: skip
    geometry: list[Any] = [formula, kind, len(scalars)]
    for row in rows:
        for x in row:
            if x._storage.device is not context.device:
                _refuse_devices(row)
            lay = x.layout
            geometry += (lay.key, lay.offset, x.dtype)
    key = tuple(geometry)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = _plan(context, formula, written, rows, kind or context.caps.kind, len(scalars))
    given: list[Any] = list(numbers)
    for x in scalars:
        given += (x._storage.buf, x.layout.offset)
    for kernel, global_size, local_size, first, members in plan.launches:
        kernel.launch(
            global_size, local_size,
            (plan.table.buf, first, *[x._storage.buf for i in members for x in rows[i]], *given),
        )  # fmt: skip
    for i in plan.alone:
        row = rows[i]
        run_into(
            _with_scalars(formula, len(row), len(scalars)), compute_in(row), [*row, *scalars], numbers,
            [row[k] for k in written],
        )  # fmt: skip


@lru_cache(maxsize=256)
def _with_scalars(formula: Formula, columns: int, scalars: int) -> Formula:
    """Return the formula with its scalars as operands, which broadcast."""
    if not scalars:
        return formula

    def fn(m: Any, *values: Any) -> Any:
        row, rest, numbers = values[:columns], values[columns : columns + scalars], values[columns + scalars :]
        return formula.fn(m, *row, *numbers, *rest)

    return Formula(formula.name + "_broadcast", fn, params=formula.params - scalars)


def _plan(
    context: Any, formula: Formula, written: Sequence[int], rows: Sequence[Any], kind: str, scalars: int = 0
) -> _Plan:
    groups: dict[tuple[dtype, ...], list[int]] = {}
    alone = []
    for i, row in enumerate(rows):
        _check(row, written)
        if row[0].layout.numel == 0:
            continue
        if is_run([x.layout for x in row]):
            groups.setdefault(tuple(x.dtype for x in row), []).append(i)
        else:
            alone.append(i)
    grain = _GRAIN.get(kind, _GRAIN["gpu"])
    table: list[list[int]] = []
    launches: list[Any] = []
    for types, members in groups.items():
        slots = min(_ROWS, _POINTERS // len(types))
        kernel = _kernel(context, formula, written, rows[members[0]], slots, kind, scalars)
        local = 1 if kind == "cpu" else min(GROUP, context.caps.max_work_group)
        for start in range(0, len(members), slots):
            part = members[start : start + slots]
            first = len(table)
            for slot, i in enumerate(part):
                n = rows[i][0].layout.numel
                table += [
                    [slot, min(grain, n - at), *(x.layout.offset + at for x in rows[i])] for at in range(0, n, grain)
                ]
            groups_now = len(table) - first
            # every pointer argument wants a buffer, those of absent rows too
            part += part[:1] * (slots - len(part))
            launches.append((kernel, (groups_now * local,), (local,), first, part))
    if not table:
        return _Plan([], None, alone)
    numbers = np.array(table, np.int64)
    storage = context.alloc(numbers.nbytes)
    context.write(storage.buf, numbers, owned=True)
    return _Plan(launches, storage, alone)


def _kernel(
    context: Any, formula: Formula, written: Sequence[int], row: Sequence[Any], slots: int, kind: str, scalars: int
) -> Any:
    compute = compute_in(row)
    ctype = compute.compute
    statements, results, tracer = trace(formula.fn, compute, [False] * len(row), formula.params)
    used = used_operands(formula.fn, len(row), formula.params, compute, [True] * len(results))
    texts = {k: r.text if isinstance(r, Symbol) else tracer.literal(r) for k, r in zip(written, results, strict=True)}
    width = VECTOR[ctype] if kind == "cpu" else 4
    args = "bl" + "b" * (slots * len(row)) + LETTER[ctype] * (formula.params - scalars) + "bl" * scalars
    return context.kernel(
        "multi_tensor", f"ct_{formula.name}", args,
        name=formula.name, T=slots, W=width, V=ctype, M=MASK[ctype], P=ctype,
        params=formula.params - scalars, scalars=scalars,
        columns=tuple((x.dtype.tag, x.dtype.ctype, k in used, texts.get(k, "")) for k, x in enumerate(row)),
        statements=tuple(statements), groups=kind != "cpu",
    )  # fmt: skip


# ---- the host ----------------------------------------------------------------------------------------------------
@silent
def _on_host(formula: Formula, written: Sequence[int], row: Sequence[Any], numbers: Sequence[float]) -> None:
    if any(x._storage.array is None for x in row):
        _refuse_devices(row)
    _check(row, written)
    wide = compute_in(row).wide
    n = row[0].layout.numel
    if is_run([x.layout for x in row]):
        arrays = [host(view(x, Layout((n,), (1,), x.layout.offset))) for x in row]
        blocks: list[Any] = [slice(at, at + _BLOCK) for at in range(0, n, _BLOCK)]
    else:
        arrays, blocks = [host(x) for x in row], [...]
    constants = [wide.type(v) for v in numbers]
    for block in blocks:
        parts = [a[block] for a in arrays]
        values = [widened(a, x.dtype, wide) for a, x in zip(parts, row, strict=True)]
        results = formula.fn(HOST, *values, *constants)
        for k, value in zip(written, results, strict=True):
            parts[k][...] = cast_host(value, row[k].dtype)


def widened(a: np.ndarray, t: dtype, wide: Any) -> np.ndarray:
    if t is bfloat16:
        a = dtypes.bfloat16_to_float(a)
    return a if a.dtype == wide else a.astype(wide)
