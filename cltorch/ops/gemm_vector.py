"""Launch plans of products with a vector: matrix times vector, vector times matrix, dot (kernels/matmul_vector.cl)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import dtype
from cltorch.ops import tuning
from cltorch.ops.gemm_cpu import NUMBER, compute_type
from cltorch.ops.gemm_problem import Problem
from cltorch.ops.plan import singly

_ROOM = 4096  # elements of a strided x that are gathered at a time
_LINES = 16  # rows of the matrix that are added to a run of outputs at a time


def plan(context: Any, p: Problem, t: dtype, gpu: bool) -> Callable[..., None]:
    """Return the launcher of a product with m == 1 or n == 1: (A, B, C, I buffers, their offsets, alpha, beta)."""
    ctype = compute_type(t)
    itemsize = 8 if ctype in ("double", "long") else 4
    caps = context.caps
    tuned = tuning.parameters(context, "matrix vector gpu" if gpu else "matrix vector cpu", itemsize)
    group = tuned.get("group_items", 0)
    vw, run_vectors, together = (64 // itemsize, 1, 1)
    if not gpu:
        vw, run_vectors, together = tuned["vector_bytes"] // itemsize, tuned["run_vectors"], tuned["rows_together"]
    swap = p.m == 1 and p.n != 1  # a row times a matrix: the matrix is B, seen with its columns as rows
    if swap:
        rows, a_row, a_k, x_k, i_row, a_batch, x_batch = p.n, p.b_n, p.b_k, p.a_k, p.i_col, p.b_batch, p.a_batch
    else:
        rows, a_row, a_k, x_k, i_row, a_batch, x_batch = p.m, p.a_row, p.a_k, p.b_k, p.i_row, p.a_batch, p.b_batch
    columns = a_row == 1 and a_k != 1 and rows > 1
    step, least = vw if columns else together, tuned.get("least_work", 0)
    chunk, parts = divide(rows, p.k, p.batch, columns, caps.compute_units, step, least, group)
    room = min(_ROOM, caps.local_mem // itemsize)
    if not gpu and not columns and x_k != 1:
        parts = max(parts, -(-p.k // room))
    part = -(-p.k // parts) or 1
    parts = -(-p.k // part) or 1
    number = NUMBER.get(ctype, "i")
    params = {
        "ti": t.name,
        "to": t.name,
        "vw": vw,
        "run": run_vectors,
        "lines": _LINES,
        "together": together,
        "room": room,
        "group": group,
    }
    kernel = context.kernel(
        "matmul_vector",
        "ct_mv_columns" if columns else "ct_mv_rows",
        f"{'b' * 5}{'l' * 7}i{'l' * 5}i{'l' * 6}i{number * 2}",
        **params,
    )
    local = (group or 1, 1, 1)
    size = (-(-rows // chunk) * local[0], parts, p.batch)
    middle = (
        rows,
        p.k,
        part,
        parts,
        chunk,
        a_row,
        a_k,
        x_k,
        i_row,
        p.inner,
        *a_batch,
        *x_batch,
        *p.i_batch,
        int(p.addend),
    )
    beside = rows * parts * p.batch * itemsize if parts > 1 else 0
    finish = None
    if beside:
        finish = context.kernel("matmul_vector", "ct_mv_finish", "bbblllillilli" + number * 2, **params)
        share = 1 if gpu else 2048
        (items,), (finish_local,) = singly(context, rows) if gpu else ((-(-rows // share),), (1,))
        finish_size = (items, 1, p.batch)
        finish_tail = (rows, parts, share, i_row, p.inner, *p.i_batch, int(p.addend))

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        if swap:
            a, b, a_off, b_off = b, a, b_off, a_off
        sums = context.alloc(beside) if beside else None
        s = c if sums is None else sums.buf
        kernel.launch(size, local, (a, b, c, i, s, a_off, b_off, c_off, i_off, *middle, alpha, beta))
        if finish is not None:
            finish.launch(finish_size, (finish_local, 1, 1), (c, i, s, c_off, i_off, *finish_tail, alpha, beta))

    return run


def divide(
    rows: int, k: int, batch: int, columns: bool, units: int, step: int, least: int, group: int
) -> tuple[int, int]:
    """Return (outputs per work-item, parts of k): enough work-items for every core, none with too little to do.

    ``step`` outputs are computed together, fewer than ``least`` elements of the matrix are not worth a work-item;
    ``group`` is the size of a GPU's work-groups, or 0.
    """
    if group:
        chunk = group if columns else max(1, -(-rows * batch // (units * 64)))
        items = -(-rows // chunk) * batch
        return chunk, max(1, min(-(-units * 4 // items), k // 1024))
    wanted = max(1, min(4 * units, rows * k * batch // least))  # work-items in all
    # the stretches of rows that a work-item of columns reads shall be long: rather parts of k than of the rows
    beside = -(-wanted // max(1, min(wanted, k // 256))) if columns else wanted
    chunk = -(-max(1, -(-rows * batch // beside)) // step) * step
    items = -(-rows // chunk) * batch
    return chunk, max(1, min(wanted // items, k // 256))
