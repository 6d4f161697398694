"""One formula over a list of tensors: a step of an optimiser in a few launches, however many tensors there are.

Every row holds the tensors that belong together (a parameter, its gradient, its state); the formula gives new values
for some columns from all of them, in place. Rows share launches, whatever their shapes, as many to one as the smallest
argument space that OpenCL allows has room for: 128 arguments in 1024 bytes, the formula's numbers among them, which is
60 rows of two columns or 19 of six. Few rows take a kernel of 16, which is quicker to launch. A column whose tensors
are all parts of one storage is one argument, and where all columns are, one launch takes all rows. Rows whose tensors
lie in memory in different orders go by a form of the kernel that walks along strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.dtypes import bfloat16, dtype, float64
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import cast_host, host, two_devices, view
from cltorch.ops.evaluate import Formula, run_into
from cltorch.ops.formula import Symbol, trace, used_operands
from cltorch.ops.formula_host import HOST
from cltorch.ops.overlap import check_overlap
from cltorch.ops.plan import GROUP, LETTER, MASK, VECTOR
from cltorch.ops.quiet import silent

__all__ = ["update"]

_FEW = 16
_ARGUMENTS, _BYTES = 128, 1024  # of a kernel that any device takes, if no more than so many bytes
_GRAIN = {"cpu": 16384, "gpu": 4096}  # elements per entry of the table: the best of those measured on PoCL; 4 vectors
_RANK = 4  # dimensions of a strided row, after neighbours are merged
_LONGEST = 2**31  # elements of such a row, whose places are counted in 32 bits
_BLOCK = 16384  # elements that the host computes at a time, so that what lies between stays in its cache


def update(
    formula: Formula,
    written: Sequence[int],
    rows: Sequence[Sequence[Any]],
    numbers: Sequence[float],
    kind: str = "",
    scalars: Sequence[Any] = (),
    per_row: Sequence[Any] = (),
) -> None:
    """Replace the columns ``written`` of every row of Arrays by a formula of the row and some numbers.

    ``formula.fn(m, *row, *numbers)`` returns one value per written column. The Arrays of a row have one shape and lie
    on one device; dtypes are any floating-point ones. ``kind`` ("cpu", "gpu") asks for a variant of the kernel other
    than the device's own. ``scalars`` are further numbers that nobody need wait for: 0-d float32 Arrays on the device
    of all rows. ``per_row`` are such numbers of which each row has its own: dense Arrays of as many elements as there
    are rows, all of float32 or all of float64. They are the last arguments of the formula. Where all columns hold whole
    numbers they are computed in int64. Raises RuntimeError where the shapes or devices of a row differ, and where a
    written Array overlaps itself.
    """
    numbers = [float(v) for v in numbers]
    devices = {row[0]._storage.device for row in rows}
    if per_row and len(devices) > 1:
        raise RuntimeError("rows with numbers of their own lie on one device")
    for dev in devices:
        chosen = rows if len(devices) == 1 else [row for row in rows if row[0]._storage.device is dev]
        if dev.type == "cpu":
            given = [*numbers, *(float(host(x).reshape(-1)[0]) for x in scalars)]
            own = [host(x).reshape(-1) for x in per_row]
            for i, row in enumerate(chosen):
                _on_host(formula, written, row, [*given, *(float(x[i]) for x in own)])
        else:
            _on_device(dev.context, formula, written, chosen, numbers, kind, scalars, per_row)
    for row in rows:
        for k in written:
            row[k]._storage.version += 1


def compute_in(row: Sequence[Any]) -> dtype:
    """Return the dtype in which a row is computed: float64 if it has any, int64 if all are whole, else float32."""
    if any(x.dtype is float64 for x in row):
        return float64
    return dtypes.int64 if all(x.dtype.family in "uib" for x in row) else dtypes.float32


def _check(row: Sequence[Any], written: Sequence[int]) -> None:
    for x in row:
        if x.lay.shape != row[0].lay.shape:
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
    scalars: Sequence[Any], per_row: Sequence[Any],
) -> None:  # fmt: skip
    shared = _shared(rows)
    geometry: list[Any] = [formula, kind, len(scalars), shared, *(x.dtype for x in per_row)]
    for row in rows:
        for x in row:
            if x._storage.device is not context.device:
                _refuse_devices(row)
            lay = x.lay
            geometry += (lay.key, lay.offset, x.dtype)
    key = tuple(geometry)
    plan = context.ready.get(key)
    if plan is None:
        extra = len(scalars), len(per_row), per_row[0].dtype.ctype if per_row else "float"
        plan = _plan(context, formula, written, rows, kind or context.caps.kind, extra, shared)
        context.ready[key] = plan
    given: list[Any] = list(numbers)
    for x in (*scalars, *per_row):
        given += (x._storage.buf, x.lay.offset)
    if shared:
        same = [rows[0][k]._storage.buf for k in shared]
        own = [k for k in range(len(rows[0])) if k not in shared]
        given = same + given
    for kernel, global_size, local_size, first, members in plan.launches:
        if shared:
            buffers = [rows[i][k]._storage.buf for i in members for k in own]
        else:
            buffers = [x._storage.buf for i in members for x in rows[i]]
        kernel.launch(global_size, local_size, (plan.table.buf, first, *buffers, *given))
    for i in plan.alone:
        row = rows[i]
        ones = [view(x, Layout((), (), x.lay.offset + i)) for x in per_row]
        run_into(
            _with_scalars(formula, len(row), len(scalars) + len(ones)), compute_in(row), [*row, *scalars, *ones],
            numbers, [row[k] for k in written],
        )  # fmt: skip


def _shared(rows: Sequence[Any]) -> tuple[int, ...]:
    """Return the columns whose tensors are all parts of one storage."""
    if len(rows) == 1:
        return ()
    first, second = rows[0], rows[1]
    some = [k for k, (x, y) in enumerate(zip(first, second, strict=True)) if x._storage is y._storage]
    return tuple(k for k in some if all(row[k]._storage is first[k]._storage for row in rows))


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
    context: Any, formula: Formula, written: Sequence[int], rows: Sequence[Any], kind: str, extra: tuple[int, int, str],
    shared: tuple[int, ...],
) -> _Plan:  # fmt: skip
    groups: dict[Any, list[int]] = {}
    alone = []
    walks: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        _check(row, written)
        if row[0].lay.numel == 0:
            continue
        types = tuple(x.dtype for x in row)
        if is_run([x.lay for x in row]):
            groups.setdefault((types, False), []).append(i)
        elif (walk := _walk([x.lay for x in row])) is not None:
            walks[i] = walk
            groups.setdefault((types, True), []).append(i)
        else:
            alone.append(i)
    grain = _GRAIN.get(kind, _GRAIN["gpu"])
    tables: list[np.ndarray] = []
    filled = 0
    launches: list[Any] = []
    for (types, strided), members in groups.items():
        free = len(types) - len(shared)
        compute = compute_in(rows[members[0]])
        slots = _pointers(formula.params, extra, compute, len(shared)) // free if free else 0
        slots = min(slots, _FEW) if len(members) <= _FEW else slots
        kernel = _kernel(context, formula, written, rows[members[0]], slots, kind, extra, strided, shared)
        local = 1 if kind == "cpu" else min(GROUP, context.caps.max_work_group)
        step = slots or len(members)
        for start in range(0, len(members), step):
            part = members[start : start + step]
            table: list[list[int]] = []
            for at_slot, i in enumerate(part):
                n, slot = rows[i][0].lay.numel, at_slot if free else 0
                offsets = [x.lay.offset for x in rows[i]]
                if strided:
                    table += [[slot, min(grain, n - at), i, at, *walks[i], *offsets] for at in range(0, n, grain)]
                else:
                    table += [[slot, min(grain, n - at), i, *(o + at for o in offsets)] for at in range(0, n, grain)]
            # every pointer argument wants a buffer, those of absent rows too
            part = part[:slots]
            part = part + part[:1] * (slots - len(part))
            launches.append((kernel, (len(table) * local,), (local,), filled, part))
            tables.append(np.array(table, np.int64).reshape(-1))
            filled += tables[-1].size
    if not tables:
        return _Plan([], None, alone)
    whole = np.concatenate(tables)
    storage = context.alloc(whole.nbytes)
    context.write(storage.buf, whole, owned=True)
    return _Plan(launches, storage, alone)


def _pointers(params: int, extra: tuple[int, int, str], compute: dtype, shared: int) -> int:
    """Return how many tensors of one row each fit a kernel's arguments beside the table, its place and the numbers."""
    beside = extra[0] + extra[1]  # numbers that lie on the device: a pointer and a place each
    numbers = params - beside
    arguments = _ARGUMENTS - 2 - shared - numbers - 2 * beside
    return min(arguments, (_BYTES - 16 - 8 * shared - compute.itemsize * numbers - 16 * beside) // 8)


def _walk(layouts: Sequence[Layout]) -> list[int] | None:
    """Return sizes and strides of a row's dimensions, those that all its layouts pass as one merged; None if many.

    First _RANK sizes, the slowest first, then as many strides for each layout.
    """
    first = layouts[0]
    if first.numel >= _LONGEST:
        return None
    order = sorted(range(first.ndim), key=lambda d: -first.strides[d])
    sizes, steps = coalesce([first.shape[d] for d in order], *[[lay.strides[d] for d in order] for lay in layouts])
    missing = _RANK - len(sizes)
    if missing < 0:
        return None
    return [*[1] * missing, *sizes, *(s for column in steps for s in (*[0] * missing, *column))]


def _kernel(
    context: Any, formula: Formula, written: Sequence[int], row: Sequence[Any], slots: int, kind: str,
    extra: tuple[int, int, str], strided: bool, shared: tuple[int, ...],
) -> Any:  # fmt: skip
    compute = compute_in(row)
    ctype = compute.compute
    scalars, own, owned = extra
    params = formula.params - scalars - own
    statements, results, tracer = trace(formula.fn, compute, [False] * len(row), formula.params)
    used = used_operands(formula.fn, len(row), formula.params, compute, [True] * len(results))
    texts = {k: r.text if isinstance(r, Symbol) else tracer.literal(r) for k, r in zip(written, results, strict=True)}
    width = VECTOR[ctype] if kind == "cpu" else 4
    pointers = slots * (len(row) - len(shared)) + len(shared)
    args = "bl" + "b" * pointers + LETTER.get(ctype, "l") * params + "bl" * (scalars + own)
    return context.kernel(
        "multi_tensor", f"ct_{formula.name}", args,
        name=formula.name, T=slots, W=width, V=ctype, M=MASK[ctype], P=ctype,
        params=params, scalars=scalars, own=own, O=owned, rank=_RANK if strided else 0, shared=shared,
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
    n = row[0].lay.numel
    if is_run([x.lay for x in row]):
        arrays = [host(view(x, Layout((n,), (1,), x.lay.offset))) for x in row]
        blocks: list[Any] = [slice(at, at + _BLOCK) for at in range(0, n, _BLOCK)]
    else:
        arrays, blocks = [host(x) for x in row], [...]
    constants = [np.dtype(wide).type(v) for v in numbers]
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
