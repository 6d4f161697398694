"""Matrix products of several shapes in the launches of one: a table has their numbers and divides the work.

As in ``multi_tensor``, an entry of the table says what a work-group does: here which block of which product. The tables
are made once for a list of geometries and kept in the context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as cartesian
from typing import Any

import numpy as np

from cltorch.dtypes import bfloat16, dtype
from cltorch.layout import Layout
from cltorch.ops import gemm_cpu, gemm_gpu, instructions, tuning
from cltorch.ops.array import two_devices
from cltorch.ops.gemm import product
from cltorch.ops.gemm_problem import Problem
from cltorch.ops.strided import copy_into

__all__ = ["products_into"]


def products_into(
    out: Sequence[Any], a: Sequence[Any], b: Sequence[Any], addends: Sequence[Any] = (), alpha: float = 1,
    beta: float = 1, kind: str = "",
) -> None:  # fmt: skip
    """Write ``alpha * a @ b + beta * addend`` of each of several batches of matrices to its Array of ``out``.

    ``out`` is of contiguous (…, M, N), ``a`` (…, M, K), ``b`` (…, K, N) and ``addends``, where given, (…, M, N), with
    the same leading dimensions, two at most. All are of one floating-point dtype, and those of one list are parts of
    one storage; ``out`` shares none with the others. ``kind`` ("cpu", "gpu") asks for a variant of the kernels other
    than the device's own. Raises RuntimeError for Arrays that are not so.
    """
    lists = [out, a, b, *([addends] if addends else [])]
    _check(lists)
    for x in out:
        x._storage.version += 1
    device = out[0].device
    if device.type == "cpu" or _ends_early(device.context, a):
        for i, (to, left, right) in enumerate(zip(out, a, b, strict=True)):
            copy_into(to, product(left, right, addends[i] if addends else None, alpha, beta))
        return
    context = device.context
    key = (
        "products_into", kind, alpha == 1, len(lists), out[0].dtype,
        *((x.lay.key, x.lay.offset) for xs in lists for x in xs),
    )  # fmt: skip
    run = context.ready.get(key)
    if run is None:
        found = [_geometry(*row) for row in zip(*lists, strict=True) if row[0].lay.numel]
        make = _on_cpus if (kind or context.caps.kind) == "cpu" else _on_gpus
        run = context.ready[key] = make(context, found, out[0].dtype, alpha == 1) if found else _nothing
    buffers = [xs[0]._storage.buf for xs in (a, b, out, addends or out)]
    run(*buffers, alpha, beta)


def _nothing(*given: Any) -> None:
    pass


def _ends_early(context: Any, a: Sequence[Any]) -> bool:
    return "loops_end_early" in context.caps.quirks and any(x.lay.shape[-1] > gemm_gpu.DEPTH for x in a)


def _check(lists: Sequence[Sequence[Any]]) -> None:
    t, device = lists[0][0].dtype, lists[0][0].device
    for xs in lists:
        for x in xs:
            if x.device is not device:
                raise two_devices(device, x.device)
            if x.dtype is not t or not t.is_floating_point or t.rare:
                raise RuntimeError(f"products of several shapes are of one floating-point dtype, but got {x.dtype}")
            if x._storage is not xs[0]._storage:
                raise RuntimeError("operands of products of several shapes must be parts of one storage")
    for row in zip(*lists, strict=True):
        (*batch, m, n), k = row[0].lay.shape, row[1].lay.shape[-1]
        wanted = [(*batch, m, n), (*batch, m, k), (*batch, k, n), (*batch, m, n)]
        if len(batch) > 2 or [x.lay.shape for x in row] != wanted[: len(row)]:
            raise RuntimeError(f"matrices of shapes {[list(x.lay.shape) for x in row]} cannot be multiplied so")
        if not row[0].lay.contiguous or any(x._storage is row[0]._storage for x in row[1:]):
            raise RuntimeError("products are written to contiguous memory in a storage of their own")


@dataclass(frozen=True)
class _One:
    """A product's geometry and where its operands begin."""

    p: Problem
    a: int
    b: int
    c: int
    i: int


def _geometry(out: Any, a: Any, b: Any, addend: Any = None) -> _One:
    third: Layout | None = None if addend is None else addend.lay
    p = Problem.of(a.lay, b.lay, third, False, False)
    return _One(p, a.lay.offset, b.lay.offset, out.lay.offset, 0 if third is None else third.offset)


class _Table:
    """Numbers of products, and entries of work-groups, the longest products first."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.blocks: list[tuple[int, tuple[int, int, int]]] = []

    def add(self, work: int, blocks: tuple[int, int, int], numbers: Sequence[int]) -> None:
        self.blocks.append((work, blocks))
        self.rows.append([int(x) for x in numbers])

    def store(self, context: Any) -> tuple[Any, int, int]:
        """Return a storage of the table, where its entries begin, and how many there are."""
        width = len(self.rows[0])
        entries = [e for i in self._order() for e in self._entries(i, width)]
        numbers = [x for row in self.rows for x in row]
        whole = np.array(numbers + [x for e in entries for x in e], np.int64)
        storage = context.alloc(whole.nbytes)
        context.write(storage.buf, whole, owned=True)
        return storage, len(numbers), len(entries)

    def _order(self) -> list[int]:
        # what a work-group of a product has to do decides when it should begin
        each = [work // (x * y * z) for work, (x, y, z) in self.blocks]
        return sorted(range(len(each)), key=lambda i: -each[i])

    def _entries(self, i: int, width: int) -> Iterator[tuple[int, int, int, int]]:
        x, y, z = self.blocks[i][1]
        return ((i * width, at_x, at_y, at_z) for at_z, at_y, at_x in cartesian(range(z), range(y), range(x)))


def _work(p: Problem) -> int:
    return p.m * p.n * max(p.k, 1) * p.batch


def _on_cpus(context: Any, found: Sequence[_One], t: dtype, alone: bool) -> Callable[..., None]:
    """Return the launcher of products by kernels/matmul.cl, which lays all left operands out first."""
    ctype = gemm_cpu.compute_type(t)
    itemsize = 8 if ctype == "double" else 4
    caps = context.caps
    w = gemm_cpu.Tile.of(tuning.parameters(context, "matmul cpu", itemsize), caps.local_mem, itemsize)
    pairs = t is bfloat16 and instructions.has(context, "quick bfloat16 pairs")
    packing, multiplying = _Table(), _Table()
    room = beside = 0
    for one in found:
        p, odd = one.p, (one.p.k % 2,) * pairs
        if pairs:
            p = replace(p, k=-(-p.k // 2))
        kc, span, chunk = gemm_cpu.cut(p, w, caps.compute_units, itemsize)
        panels, tiles, pieces = -(-p.n // w.nr), -(-p.m // w.mr), -(-p.k // kc) or 1
        a_row = tiles * w.mr
        each = a_row * max(p.k, 1)
        group = max(1, min(gemm_cpu.GROUP, tiles * pieces * p.batch // (4 * caps.compute_units)))
        packing.add(
            p.m * p.k * p.batch, (-(-tiles // group), pieces, p.batch),
            (one.a, p.m, p.k, kc, p.a_row, p.a_k, p.inner, *p.a_batch, each, group, *odd, room),
        )  # fmt: skip
        # sums over slices of K wait in C itself, or beside it where C's type is too narrow
        w_off = one.c
        if t.ctype != ctype:
            w_off = beside
            beside += p.m * p.n * p.batch * (p.k > kc)
        size = p.m * p.n
        multiplying.add(
            _work(p), (-(-panels // span), -(-tiles // chunk), p.batch),
            (
                room, one.b, one.c, one.i, w_off, p.m, p.n, p.k, kc, span, chunk, a_row, p.b_k, p.b_n, p.n, p.i_row,
                p.i_col, p.n, p.inner, each * p.inner, each, *p.b_batch, *p.i_batch, size, size,
                alone and not p.addend and p.k <= kc, p.addend, *odd,
            ),
        )  # fmt: skip
        room += each * p.batch
    params = {
        "ti": t.name, "to": t.name, "mr": w.mr, "nv": w.nv, "vw": w.vw, "local_elems": w.room, "unroll": w.unroll,
        "prefetch": w.prefetch, "tail": 1, "panels": True, "pairs": pairs, "grouped": True,
    }  # fmt: skip
    pack = context.kernel("matmul", "ct_pack_a", "bbbl", **params)
    number = gemm_cpu.NUMBER[ctype]
    multiply = context.kernel("matmul", "ct_gemm_panel", f"bbbbbbl{number * 2}", **params)
    pack_table, pack_from, pack_count = packing.store(context)
    table, first, count = multiplying.store(context)
    unit = (1,)

    def run(a: Any, b: Any, c: Any, i: Any, alpha: Any, beta: Any) -> None:
        packed = context.alloc(room * itemsize)
        pack.launch((pack_count,), unit, (a, packed.buf, pack_table.buf, pack_from))
        sums = context.alloc(beside * itemsize) if beside else None
        kept = c if sums is None else sums.buf
        multiply.launch((count,), unit, (packed.buf, b, c, i, kept, table.buf, first, alpha, beta))

    return run


def _on_gpus(context: Any, found: Sequence[_One], t: dtype, alone: bool) -> Callable[..., None]:
    """Return the launcher of products by kernels/matmul_gpu.cl, one block's size for all."""
    ctype = gemm_cpu.compute_type(t)
    itemsize = 8 if ctype == "double" else 4
    number = gemm_cpu.NUMBER[ctype]
    most = max((one.p for one in found), key=_work)
    block, kernel = gemm_gpu.chosen(
        context, most, t, itemsize, f"bbbbbl{number * 2}", sum(one.p.batch for one in found), grouped=True
    )
    table = _Table()
    for one in found:
        p = one.p
        table.add(
            _work(p), (-(-p.n // block["bn"]), -(-p.m // block["bm"]), p.batch),
            (
                one.a, one.b, one.c, one.i, p.m, p.n, p.k, p.a_row, p.a_k, p.b_k, p.b_n, p.n, p.i_row, p.i_col,
                p.inner, *p.a_batch, *p.b_batch, *p.i_batch, p.m * p.n, p.a_row != 1, p.b_n == 1, p.addend,
            ),
        )  # fmt: skip
    storage, first, count = table.store(context)
    local = block["tx"] * block["ty"]

    def run(a: Any, b: Any, c: Any, i: Any, alpha: Any, beta: Any) -> None:
        kernel.launch((count * local,), (local,), (a, b, c, i, storage.buf, first, alpha, beta))

    return run
