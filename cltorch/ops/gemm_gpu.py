"""Launch plans of matrix products on GPUs (kernels/matmul_gpu.cl)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cltorch.dtypes import dtype
from cltorch.ops import tuning
from cltorch.ops.gemm_cpu import NUMBER, compute_type
from cltorch.ops.gemm_problem import Problem

DEPTH = 8192  # of K in one launch, where loops end early: a product takes up to five steps for each


def blocks_for(
    context: Any, kernel: str, itemsize: int, rows: int, columns: int, repeats: int = 1
) -> list[Mapping[str, int]]:
    """Return the blocks that a kernel may use for ``repeats`` results of (rows, columns), the best first.

    ``kernel`` has large blocks in the database and small ones as "KERNEL small": large ones read less, small ones
    leave no compute unit idle.
    """
    large, small = (list(tuning.fitting(context, name, itemsize)) for name in (kernel, f"{kernel} small"))
    least = max(small[0]["block_rows"], small[0]["block_columns"])
    groups = -(-rows // large[0]["block_rows"]) * -(-columns // large[0]["block_columns"]) * repeats
    if min(rows, columns) <= least or 2 * groups < context.caps.compute_units:
        return small
    return large


def template(block: Mapping[str, int]) -> dict[str, int]:
    """Return a block of the database as parameters of a template: bm, bn, bk (block), ty, tx (work-group)."""
    return {
        "bm": block["block_rows"],
        "bn": block["block_columns"],
        "bk": block["block_depth"],
        "ty": block["group_rows"],
        "tx": block["group_columns"],
    }


def chosen(
    context: Any, p: Problem, t: dtype, itemsize: int, letters: str, repeats: int, grouped: bool
) -> tuple[dict[str, int], Any]:
    """Return the block for ``repeats`` products and its kernel."""
    for one in blocks_for(context, "matmul gpu", itemsize, p.m, p.n, repeats):
        block = template(one)
        inner = {"width": one["vector_width"], "unroll": one["unroll"]}
        kernel = context.kernel(
            "matmul_gpu", "ct_gemm_gpu", letters, ti=t.name, to=t.name, grouped=grouped, **block, **inner
        )
        # a kernel that needs many registers may allow smaller groups than the device does
        if kernel.max_work_group() >= block["tx"] * block["ty"]:
            break
    return block, kernel


def plan(context: Any, p: Problem, t: dtype) -> Callable[..., None]:
    """Return the launcher of a product: (A, B, C, I buffers, their offsets, alpha, beta)."""
    ctype = compute_type(t)
    itemsize = 8 if ctype in ("double", "long") else 4
    number = NUMBER.get(ctype, "i")
    letters = f"{'b' * 4}{'l' * 4}iii{'l' * 7}i{'l' * 7}iii{number * 2}"
    block, kernel = chosen(context, p, t, itemsize, letters, p.batch, grouped=False)
    local = (block["tx"] * block["ty"], 1, 1)  # some devices take groups of one dimension only
    size = (-(-p.n // block["bn"]) * local[0], -(-p.m // block["bm"]), p.batch)
    steps = (p.a_row, p.a_k, p.b_k, p.b_n, p.n)
    tail = (p.m * p.n, int(p.a_row != 1), int(p.b_n == 1))
    first = (*steps, p.i_row, p.i_col, p.inner, *p.a_batch, *p.b_batch, *p.i_batch, *tail, int(p.addend))
    # sums of later slices of K are added to what is there
    later = (*steps, p.n, 1, p.inner, *p.a_batch, *p.b_batch, p.m * p.n * p.inner, p.m * p.n, *tail, 1)
    depth = DEPTH if "loops_end_early" in context.caps.quirks else max(p.k, 1)

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        whole = (p.m, p.n, min(p.k, depth), *first)
        kernel.launch(size, local, (a, b, c, i, a_off, b_off, c_off, i_off, *whole, alpha, beta))
        for k in range(depth, p.k, depth):
            part = (p.m, p.n, min(p.k - k, depth), *later)
            from_a, from_b = a_off + k * p.a_k, b_off + k * p.b_k
            kernel.launch(size, local, (a, b, c, c, from_a, from_b, c_off, c_off, *part, alpha, 1))

    return run
