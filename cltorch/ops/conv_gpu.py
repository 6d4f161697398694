"""Launch plans of convolutions on GPUs, and of windows that are too large for a CPU's panel (kernels/conv_gpu.cl)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops.conv_cpu import element, table
from cltorch.ops.conv_shape import Geometry, Stencil
from cltorch.ops.gemm_gpu import blocks_for, template
from cltorch.ops.plan import singly

INTS = (
    "reduced", "lanes", "groups", "phases", "taps", "columns", "parts", "per_part", "ID", "IH", "IW", "OD", "OH", "OW",
    "QD", "QH", "QW", "step_d", "step_h", "step_w", "dst_step_d", "dst_step_h", "dst_step_w",
)  # fmt: skip
LONGS = (
    "x_n", "x_c", "x_d", "x_h", "x_w", "g_n", "g_c", "g_d", "g_h", "g_w", "w_group", "w_lane", "w_reduced",
)  # fmt: skip
_LIMIT = 2**31


def _sizes(g: Geometry, s: Stencil, x: Layout) -> tuple[dict[str, int], list[int]]:
    """Return the fields and the lists of the kernels' table that all of them need."""
    columns = g.n * prod(s.steps)
    if columns >= _LIMIT or s.reduced * g.taps >= _LIMIT:
        raise RuntimeError(
            f"convolution: {columns} results per channel are too many, at most {_LIMIT - 1} are supported"
        )
    values = dict.fromkeys((*INTS, *LONGS), 0) | {
        "reduced": s.reduced, "lanes": s.lanes, "groups": g.groups, "phases": len(s.phases), "taps": g.taps,
        "columns": columns, "parts": 1, "per_part": columns, "x_n": x.strides[0], "x_c": x.strides[1],
    }  # fmt: skip
    for i, d in enumerate("dhw"):
        values |= {
            f"I{d.upper()}": s.src[i], f"O{d.upper()}": s.dst[i], f"Q{d.upper()}": s.steps[i],
            f"step_{d}": s.src_step[i], f"dst_step_{d}": s.dst_step[i], f"x_{d}": x.strides[2 + i],
        }  # fmt: skip
    phases: list[int] = []
    taps: list[int] = []
    for p in s.phases:
        phases += [*p.first, len(taps) // 4, len(p.taps)]
        for number, plane, shift in p.taps:
            taps += [number, *s.place(plane, shift)]
    return values, phases + taps


def correlation(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, w_strides: tuple[int, int, int], bias: bool
) -> Callable[..., Any]:
    """Return the launcher of a stencil: (x buffer, x offset, weight buffer, offset, bias buffer, offset) -> storage.

    ``w_strides`` are the weight's steps from group to group, lane to lane and reduced channel to the next.
    """
    values, rest = _sizes(g, s, x)
    values["w_group"], values["w_lane"], values["w_reduced"] = w_strides
    tab = table(context, INTS + LONGS, values, rest)
    size = element(t)
    block = template(
        blocks_for(context, "convolution gpu", size, s.lanes, values["columns"], g.groups * len(s.phases))[0]
    )
    params = {"ti": t.name, "deep": s.reduced >= block["bk"], "ints": INTS, "longs": LONGS, **block}
    kernel = context.kernel("conv_gpu", "ct_conv_gpu", "bbbbbllli", **params)
    local = (block["tx"] * block["ty"], 1, 1)
    groups = (-(-values["columns"] // block["bn"]), -(-s.lanes // block["bm"]), g.groups * len(s.phases))
    size3 = tuple(n * m for n, m in zip(groups, local, strict=True))
    alloc, nbytes, has_bias = context.alloc, g.n * g.groups * s.lanes * prod(s.dst) * t.itemsize, int(bias)

    def run(x_buf: Any, x_off: int, w: Any, w_off: int, b: Any, b_off: int) -> Any:
        result = alloc(nbytes)
        kernel.launch(size3, local, (x_buf, w.buf, b.buf, result.buf, tab.buf, x_off, w_off, b_off, has_bias))
        return result

    return run


def weight_gradient(
    context: Any, g: Geometry, s: Stencil, t: dtype, x: Layout, y: Layout, bias: bool
) -> Callable[..., Any]:
    """Return the launcher of a weight's gradient: (x buffer, x offset, gradient buffer, offset) -> storages of both."""
    caps = context.caps
    values, rest = _sizes(g, s, x)
    size = element(t)
    units = s.reduced * g.taps + 1
    # many parts of the sum keep compute units busy, however few blocks the result has
    repeats = g.groups * max(1, values["columns"] // 512)
    block = template(blocks_for(context, "convolution gpu", size, s.lanes, units, repeats)[0])
    blocks = (-(-units // block["bn"]), -(-s.lanes // block["bm"]))
    # the sum over all results is cut so that every compute unit has work, but no part is shorter than 512
    parts = max(1, min(4 * caps.compute_units // (prod(blocks) * g.groups), values["columns"] // 512, 256))
    per_part = -(-values["columns"] // parts)
    parts = -(-values["columns"] // per_part)
    values |= {"parts": parts, "per_part": per_part, "g_n": y.strides[0], "g_c": y.strides[1]}
    values |= {f"g_{d}": y.strides[2 + i] for i, d in enumerate("dhw")}
    tab = table(context, INTS + LONGS, values, rest)
    params = {"ti": t.name, "deep": False, "ints": INTS, "longs": LONGS, **block}
    kernel = context.kernel("conv_gpu", "ct_conv_weight_gpu", "bbbbll", **params)
    join = context.kernel("conv_gpu", "ct_conv_weight_join_gpu", "bbbbi", **params)
    local = (block["tx"] * block["ty"], 1, 1)
    size3 = tuple(n * m for n, m in zip((*blocks, g.groups * parts), local, strict=True))
    channels = g.groups * s.lanes
    room = parts * channels * units * size
    joined = singly(context, channels * units)
    alloc, nbytes, bias_bytes = context.alloc, channels * (units - 1) * t.itemsize, channels * t.itemsize

    def run(x_buf: Any, x_off: int, g_buf: Any, g_off: int) -> Any:
        sums, result = alloc(room), alloc(nbytes)
        second = alloc(bias_bytes) if bias else result
        kernel.launch(size3, local, (x_buf, g_buf, sums.buf, tab.buf, x_off, g_off))
        join.launch(*joined, (sums.buf, result.buf, second.buf, tab.buf, int(bias)))
        return result, second

    return run
