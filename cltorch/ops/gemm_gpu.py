"""Launch plans of matrix products on GPUs (kernels/matmul_gpu.cl)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.dtypes import dtype
from cltorch.ops.gemm_cpu import NUMBER, compute_type
from cltorch.ops.gemm_problem import Problem


def block_for(max_work_group: int, local_mem: int, itemsize: int, m: int, n: int) -> dict[str, int]:
    """Return block sizes and work-group for a device class: 64x64 blocks by 256 items, or smaller ones.

    Two choices per device, by the size of the result: large blocks read less, small ones leave no compute unit idle.
    """
    if max_work_group >= 256 and (64 + 1) * 2 * 16 * itemsize <= local_mem:
        if m > 32 and n > 32:
            return {"bm": 64, "bn": 64, "bk": 16, "ty": 16, "tx": 16}
        return {"bm": 32, "bn": 32, "bk": 16, "ty": 16, "tx": 16}
    return {"bm": 32, "bn": 32, "bk": 8, "ty": 8, "tx": 8}


def plan(context: Any, p: Problem, t: dtype) -> Callable[..., None]:
    """Return the launcher of a product: (A, B, C, I buffers, their offsets, alpha, beta)."""
    ctype = compute_type(t)
    itemsize = 8 if ctype in ("double", "long") else 4
    caps = context.caps
    block = block_for(caps.max_work_group, caps.local_mem, itemsize, p.m, p.n)
    number = NUMBER.get(ctype, "i")
    kernel = context.kernel(
        "matmul_gpu",
        "ct_gemm_gpu",
        f"{'b' * 4}{'l' * 4}iii{'l' * 7}i{'l' * 7}iii{number * 2}",
        ti=t.name,
        to=t.name,
        **block,
    )
    local = (block["tx"], block["ty"], 1)
    size = (-(-p.n // block["bn"]) * local[0], -(-p.m // block["bm"]) * local[1], p.batch)
    sizes = (p.m, p.n, p.k, p.a_row, p.a_k, p.b_k, p.b_n, p.n, p.i_row, p.i_col, p.inner)
    tail = (*p.a_batch, *p.b_batch, *p.i_batch, p.m * p.n, int(p.a_row != 1), int(p.b_n == 1), int(p.addend))

    def run(
        a: Any, b: Any, c: Any, i: Any, a_off: int, b_off: int, c_off: int, i_off: int, alpha: Any, beta: Any
    ) -> None:
        kernel.launch(size, local, (a, b, c, i, a_off, b_off, c_off, i_off, *sizes, *tail, alpha, beta))

    return run
