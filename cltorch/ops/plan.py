"""How an elementwise operation walks its operands: output layout, kernel variant, launch size, stride arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.dtypes import dtype
from cltorch.formats import channels_last, channels_last_3d, follows
from cltorch.layout import Layout, coalesce
from cltorch.ops.array import Array
from cltorch.ops.formula import Symbol, trace

VECTOR = {"float": 16, "double": 8, "int": 16, "long": 8, "short": 16, "char": 16, "uchar": 16,
          "ushort": 16, "uint": 16, "ulong": 8}  # fmt: skip
MASK = {
    "float": "int",
    "double": "long",
    "int": "int",
    "long": "long",
    "short": "short",
    "char": "char",
    "uchar": "char",
    "ushort": "short",
    "uint": "int",
    "ulong": "long",
}
LETTER = {"float": "f", "double": "d"}
GROUP = 256
_SINGLE = 64  # work-items of a group that take one thing each: the widest that runs together on any GPU
_HIGH, _SQUARE = 256, 32  # rows of a block in the transposing form of a kernel on CPU devices, and on others its sides
_LONG = 100  # statements of a formula above which that form is not taken
_TURNED = 1 << 14  # elements below which that form is not worth its compilation
_LOCAL = 16384  # bytes of local memory that every device has
GRAIN = 8192  # elements below which another work-item on a CPU device costs more than it brings
_NARROW = 1 << 31  # the largest number that is divided in 32 bits
_COPIED = 32768  # as GRAIN, where each is only written
_FEW = 8  # elements of the innermost dimension below which processors walk the dimension before it
_STRETCH = 2048  # elements of that dimension that they walk before they come back for the next of the few


class Plan:
    """A kernel with everything about its launch that the operands' geometry decides."""

    __slots__ = ("kernel", "global_size", "local_size", "pre", "lay", "dtype", "nbytes", "context")

    def __init__(self, context: Any, launch: tuple[Any, Any, Any, Any], layout: Layout, t: dtype) -> None:
        """Take what ``specialise`` returns of a formula with one result of this layout and dtype."""
        self.context = context
        self.kernel, self.global_size, self.local_size, pre = launch
        self.pre = tuple(pre)
        self.lay, self.dtype, self.nbytes = layout, t, layout.numel * t.itemsize

    def run(self, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Return the result, which a launch fills in; numbers are passed as they are."""
        storage = self.context.alloc(self.nbytes)
        arguments: tuple[Any, ...]
        x, y = operands[0], operands[-1]
        # without a loop for what is nearly all: one Array, two, or one and a number
        if len(operands) == 1:
            arguments = storage.buf, x._storage.buf, 0, x.lay.offset
        elif len(operands) == 2 and isinstance(x, Array):
            if isinstance(y, Array):
                arguments = storage.buf, x._storage.buf, y._storage.buf, 0, x.lay.offset, y.lay.offset
            else:
                arguments = storage.buf, x._storage.buf, 0, x.lay.offset, y
        else:
            arrays = [x for x in operands if isinstance(x, Array)]
            arguments = (
                storage.buf, *[x._storage.buf for x in arrays], 0, *[x.lay.offset for x in arrays],
                *[x for x in operands if not isinstance(x, Array)],
            )  # fmt: skip
        self.kernel.launch(self.global_size, self.local_size, (*self.pre, *arguments, *params))
        return Array.new(storage, self.lay, self.dtype)


class GradientPlan:
    """The kernel of a derivative, of one gradient or several, with all that geometry and dtypes decide about it."""

    __slots__ = ("kernel", "global_size", "local_size", "pre", "lay", "results", "context")

    def __init__(self, context: Any, launch: tuple[Any, Any, Any, Any], layout: Layout, types: Sequence[dtype]) -> None:
        """Take what ``specialise`` returns of a formula with results of this layout and these dtypes."""
        self.context, self.lay = context, layout
        self.kernel, self.global_size, self.local_size, self.pre = launch
        self.results = [(layout.numel * t.itemsize, t) for t in types]

    def run(self, arrays: Sequence[Any], numbers: Sequence[float]) -> list[Any]:
        """Return the gradients, which a launch fills in."""
        alloc, new, lay = self.context.alloc, Array.new, self.lay
        outs = [new(alloc(nbytes), lay, t) for nbytes, t in self.results]
        self.kernel.launch(
            self.global_size, self.local_size,
            (
                *self.pre, *[x._storage.buf for x in outs], *[x._storage.buf for x in arrays],
                *[0 for _ in outs], *[x.lay.offset for x in arrays], *numbers,
            ),
        )  # fmt: skip
        return outs


def gradient_key(formula: Any, types: tuple[dtype, ...], g: Any, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Return the key of a derivative's plan, the Arrays and the numbers that go to its kernel.

    There is no key where an operand is elsewhere, or no number that a kernel takes as it comes.
    """
    dev = g._storage.device
    key: list[Any] = [formula, types, g.lay.key, g.dtype]
    arrays: list[Any] = [g]
    numbers: list[float] = []
    for v in values:
        if v is None:  # not read
            key.append(None)
            numbers.append(0)
        elif isinstance(v, Array):
            if v._storage.device is not dev:
                return None, None, None
            key += (v.lay.key, v.dtype)
            arrays.append(v)
        elif v.__class__ is float or v.__class__ is int:
            key.append(None)
            numbers.append(v)
        else:
            return None, None, None
    return tuple(key), arrays, numbers


def output_layout(shape: Sequence[int], layouts: Sequence[Layout]) -> Layout:
    """Return the layout of a new result: packed, with its dimensions in the order that PyTorch takes from operands.

    Source: TensorIterator's reorder_dimensions, https://github.com/pytorch/pytorch/wiki/TensorIterator
    """
    shape = tuple(shape)
    if all(lay.contiguous and tuple(lay.shape) == shape for lay in layouts):
        return Layout.of(shape)
    first = layouts[0]
    if all(lay.strides == first.strides and tuple(lay.shape) == shape and lay.packed() for lay in layouts):
        return Layout.make(shape, first.strides, 0)
    if all(tuple(lay.shape) == shape for lay in layouts):
        for format in (channels_last, channels_last_3d):
            if all(follows(lay, format) for lay in layouts):
                return format.lay(shape)
    strides, step = [0] * len(shape), 1
    for d in memory_order(shape, [_broadcast_strides(lay, shape) for lay in layouts]):
        strides[d] = step
        step *= max(shape[d], 1)
    return Layout.make(shape, strides, 0)


def memory_order(shape: Sequence[int], steps: Sequence[Sequence[int]]) -> list[int]:
    """Return the dimensions by how fast they change in memory, the fastest first, by the strides of operands."""
    order = list(range(len(shape)))[::-1]
    for i in range(1, len(shape)):
        here = i
        for before in range(i - 1, -1, -1):
            swap = _compare(order[before], order[here], shape, steps)
            if swap > 0:
                order[before], order[here] = order[here], order[before]
                here = before
            elif swap < 0:
                break
    return order


def like_layout(lay: Layout) -> Layout:
    """Return the layout of a copy that keeps the order of dimensions: the same strides where there are no gaps."""
    if lay.numel == 0 or lay.packed():
        return Layout.make(lay.shape, lay.strides, 0)
    return output_layout(lay.shape, [lay])


def _compare(a: int, b: int, shape: Sequence[int], steps: Sequence[Sequence[int]]) -> int:
    for strides in steps:
        if strides[a] and strides[b]:  # a broadcast dimension leaves the choice to the next operand
            if strides[a] != strides[b]:
                return -1 if strides[a] < strides[b] else 1
            if shape[a] > shape[b]:
                return 1
    return 0


def specialise(
    context: Any,
    formula: Any,
    compute: dtype,
    outs: Sequence[tuple[Layout, dtype]],
    ins: Sequence[tuple[Layout, dtype] | None],
    kind: str | None = None,
    apart: bool = True,
) -> tuple[Any, Any, Any, Any]:
    """Return (kernel, global size, local size, leading arguments) for operands of these layouts and dtypes.

    ``ins`` holds None for an operand that is a number. All output layouts have one shape, to which inputs broadcast.
    ``kind`` ("cpu" or "gpu") chooses the form of the kernel; the device's own by default. ``apart`` says that no input
    lies in the memory of the results, which are then written past the caches where they are large.
    """
    shape = outs[0][0].shape
    tensors = [x for x in ins if x is not None]
    strides = [lay.strides for lay, _ in outs] + [_broadcast_strides(lay, shape) for lay, _ in tensors]
    # walk in the order of the first output's memory
    order = sorted(range(len(shape)), key=lambda d: (-outs[0][0].strides[d], d))
    sizes, steps = coalesce([shape[d] for d in order], *([s[d] for d in order] for s in strides))
    gpu = (kind or context.caps.kind) != "cpu"
    n = outs[0][0].numel
    ctype = compute.compute
    statements, results, tracer = trace(
        formula.fn, compute, [i in formula.masks for i in range(len(ins))], formula.params
    )
    width = 1 if tracer.single else 4 if gpu else VECTOR[ctype]
    flat = len(sizes) == 1 and (sizes[0] == 1 or all(s[-1] == 1 for s in steps))
    # the transposing form repeats a formula for every row of a tile, which is too much of a long one to compile
    plain = flat or tracer.single or len(statements) > _LONG
    turned = None if plain else _turned(sizes, steps, len(outs), gpu, width, compute.itemsize)
    if turned is not None:
        sizes, *steps = ([*(x for d, x in enumerate(s) if d != turned), s[turned]] for s in (sizes, *steps))
        sizes, *steps = ([*s[:-2], s[-1], s[-2]] for s in (sizes, *steps))
    block = (_SQUARE, _SQUARE) if gpu else (_HIGH, width)
    if not flat and len(sizes) in (1, 3):  # two and four dimensions serve one and three: fewer kernels to compile
        sizes, steps = [1, *sizes], [[0, *s] for s in steps]
    texts = tuple((r.text, r.mask) if isinstance(r, Symbol) else (tracer.literal(r), False) for r in results)
    mode = "flat" if flat else "tiles" if turned is not None else "items" if gpu else "rows"
    few = mode == "rows" and sizes[-1] < _FEW and sizes[-2] >= 2 * _FEW
    inner = ["1" if s[-1] == 1 else "0" if s[-1] == 0 else "s" for s in steps]
    if flat:
        inner = ["1"] * len(steps)
    elif turned is not None:
        inner = ["t" if c == "s" else c for c in inner]
    elif few:
        inner = ["1" if s[-2] == 1 else "0" if s[-2] == 0 else "s" for s in steps]
    elif not gpu and width > 1 and all(c == "1" for c in inner[: len(outs)]):
        # vectors of every second element are put together from two, where no operand has another step
        seconds = ["2" if s[-1] == 2 else c for c, s in zip(inner, steps, strict=True)]
        inner = inner if "s" in seconds else seconds
    # filling may write to one place again and again
    out_inner, in_inner = ["s" if c == "0" else c for c in inner[: len(outs)]], iter(inner[len(outs) :])
    number = LETTER.get(ctype, "l")
    params = {
        "name": formula.name,
        "mode": mode,
        "W": width,
        "rank": 0 if flat else len(sizes),
        "V": ctype,
        "M": MASK[ctype],
        "P": "long" if number == "l" else ctype,
        "ins": tuple(
            ("", "", False, "")
            if x is None
            else (x[1].tag, x[1].ctype, i in formula.masks, "" if mode == "items" else next(in_inner))
            for i, x in enumerate(ins)
        ),
        "outs": tuple(
            (t.tag, t.ctype, "" if mode == "items" else c) for (_, t), c in zip(outs, out_inner, strict=True)
        ),
        "results": texts,
        "statements": tuple(statements),
        "params": formula.params,
        "grid": gpu,
        "block": block if mode == "tiles" else (),
        "few": few,
        "I": counter(n) if mode == "items" else "",
        "stream": apart and not gpu and past_the_caches(context.caps, n * sum(t.itemsize for _, t in outs)),
    }
    global_size, local_size, pre = _work(context, mode, n, sizes, steps, block, width, gpu, few)
    buffers = len(outs) + len(tensors)
    args = "l" * len(pre) + "b" * buffers + "l" * buffers + number * (len(ins) - len(tensors) + formula.params)
    kernel = context.kernel("pointwise", f"ct_{formula.name}", args, **params)
    return kernel, global_size, local_size, pre


def counter(n: int) -> str:
    """Return the type in which a GPU's work-items count to ``n``: 32 bits where that will do."""
    return "uint" if n <= _NARROW else "long"


def past_the_caches(caps: Any, nbytes: int) -> bool:
    """Return whether results of so many bytes are written past the caches, being half as large as the last of them."""
    return bool(caps.outgrown(2 * nbytes))


def _work(
    context: Any, mode: str, n: int, sizes: Sequence[int], steps: Sequence[Sequence[int]], block: tuple[int, ...],
    width: int, gpu: bool, few: bool,
) -> tuple[tuple[int], tuple[int], tuple[int, ...]]:  # fmt: skip
    """Return (global size, local size, leading arguments) that share ``n`` elements among work-items."""
    units = context.caps.compute_units
    if mode == "flat":
        if gpu:
            return *grid(context, (n + width - 1) // width), (n, 0)
        items = max(1, min((n + GRAIN - 1) // GRAIN, units * 4))
        chunk = -(-n // items)
        chunk = -(-chunk // 64) * 64
        return (-(-n // chunk),), (1,), (n, chunk)
    tail = [x for s in (sizes, *steps) for x in s]
    if mode == "items":
        return *grid(context, n), (n, *tail)
    if mode == "tiles":
        tiles = n // (sizes[-1] * sizes[-2]) * -(-sizes[-2] // block[0]) * -(-sizes[-1] // block[1])
        if gpu:
            group = min(GROUP, context.caps.max_work_group)
            return (min(tiles, units * 32) * group,), (group,), (tiles, 0, *tail)
        per_item = -(-tiles // max(1, min(tiles, units * 8)))
        return (-(-tiles // per_item),), (1,), (tiles, per_item, *tail)
    row, lines = (sizes[-2], n // (sizes[-1] * sizes[-2])) if few else (sizes[-1], n // sizes[-1])
    segment = min(row, _STRETCH if few else 65536)
    segments = -(-row // segment)
    count = lines * segments
    items = max(1, min(-(-n // GRAIN), units * 8, count))
    per_item = -(-count // items)
    return (-(-count // per_item),), (1,), (count, row, segment, segments, per_item, *tail)


def _turned(
    sizes: Sequence[int], steps: Sequence[Sequence[int]], outs: int, gpu: bool, width: int, itemsize: int
) -> int | None:
    """Return the dimension along which operands lie transposed, or None where the transposing form does not serve.

    It serves where every operand is next to each other or one value along the last dimension, as the results are, or
    lies next to each other along one other dimension that all such operands share.
    """
    least = _SQUARE // 2 if gpu else width
    if len(sizes) < 2 or math.prod(sizes) < _TURNED or sizes[-1] < least or any(s[-1] != 1 for s in steps[:outs]):
        return None
    across = [s for s in steps if s[-1] not in (0, 1)]
    if not across or (gpu and len(across) * _SQUARE * (_SQUARE + 1) * itemsize > _LOCAL):
        return None
    for d, size in enumerate(sizes[:-1]):
        if size >= least and all(s[d] == 1 for s in across):
            return d
    return None


def grid(context: Any, items: int) -> tuple[tuple[int], tuple[int]]:
    """Return a launch of whole work-groups for a kernel whose work-items stride over the data."""
    group = min(GROUP, context.caps.max_work_group)
    groups = max(1, min(-(-items // group), context.caps.compute_units * 32))
    return (groups * group,), (group,)


def singly(context: Any, items: int) -> tuple[tuple[int], tuple[int]]:
    """Return a launch of whole work-groups for a kernel whose work-items take one thing each, those beyond it nothing.

    A driver that is left to choose wants a divisor of the number of items, which may be 1.
    """
    group = min(_SINGLE, context.caps.max_work_group)
    return (-(-max(items, 1) // group) * group,), (group,)


def by_rows(context: Any, gpu: bool, rows: int, numbers: int) -> tuple[tuple[int], tuple[int], int]:
    """Return (global size, local size, rows per work-item) for ``rows`` of so many numbers in all.

    Work-items of GPUs stride over the numbers, one of a processor walks whole rows.
    """
    if gpu:
        return (*grid(context, numbers), 1)
    items = max(1, min(rows, context.caps.compute_units * 4, numbers // _COPIED))
    per_item = -(-rows // items)
    return (-(-rows // per_item),), (1,), per_item


def _broadcast_strides(lay: Layout, shape: Sequence[int]) -> list[int]:
    lead = len(shape) - lay.ndim
    return [0] * lead + [
        0 if n == 1 and whole != 1 else s for n, s, whole in zip(lay.shape, lay.strides, shape[lead:], strict=True)
    ]
