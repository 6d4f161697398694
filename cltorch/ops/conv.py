"""Convolution and its derivatives: operators, and the entries that choose a path and keep launch plans by geometry.

A convolution is linear in its input and in its weight, so three operators are each other's derivatives: the result
(``convolve``), the gradient of the input (``convolve_back``, which is also the transposed convolution), and that of the
weight (``convolve_weight``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout, coalesce
from cltorch.ops import (
    conv_choice,
    conv_cpu,
    conv_cpu_weight,
    conv_depthwise,
    conv_gpu,
    conv_host,
    conv_shape,
    conv_winograd,
    conv_winograd_weight,
    gemm,
    tuning,
)
from cltorch.ops.array import Array, check_dtype, empty, from_host, host_compute
from cltorch.ops.channels import in_format, laid_as, suggested
from cltorch.ops.conv_shape import Geometry
from cltorch.ops.op import Op
from cltorch.ops.softmax import dense
from cltorch.ops.strided import fill

Plan = Callable[..., Any]


def spread(x: Layout) -> Layout:
    """Return the layout of (n, channels, ...) with three spatial dimensions."""
    rest = 5 - x.ndim
    if rest == 0:
        return x
    return Layout((*x.shape[:2], *(1,) * rest, *x.shape[2:]), (*x.strides[:2], *(0,) * rest, *x.strides[2:]), x.offset)


def convolve(x: Any, weight: Any, bias: Any, g: Geometry, shape: Any) -> Any:
    """Return the convolution of x (n, groups * c, ...) with a weight (groups * k, c, ...), plus a bias."""
    return _correlate(x, weight, bias, g, shape, False)


def convolve_back(y: Any, weight: Any, bias: Any, g: Geometry, shape: Any) -> Any:
    """Return what a gradient of ``convolve``'s result means for its input, as ``shape``.

    A bias (groups * c) is added for transposed convolutions.
    """
    return _correlate(y, weight, bias, g, shape, True)


def _correlate(x: Any, weight: Any, bias: Any, g: Geometry, shape: Any, back: bool) -> Any:
    t = x.dtype
    dev = x._storage.device
    if dev.type == "cpu":
        Layout.of(shape)  # raises RuntimeError where there are more elements than can be counted
        f = conv_host.input_gradient if back else conv_host.forward
        out = f(host_compute(x), host_compute(weight), None if bias is None else host_compute(bias), g)
        return from_host(out.reshape(shape), t, dev)
    context = dev.context
    if not weight.lay.contiguous:
        weight = dense(weight)
    if bias is not None and not bias.lay.contiguous:
        bias = dense(bias)
    key = ("conv", g, back, t, x.lay.key, bias is None)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = make_plan(context, g, back, t, x.lay, bias is not None, shape)
    return plan(x, weight, bias)


def make_plan(
    context: Any, g: Geometry, back: bool, t: dtype, x: Layout, bias: bool, shape: Any, variant: str = ""
) -> Plan:
    """Prepare the launches of ``convolve`` or its adjoint; ``variant`` ("cpu", "gpu") overrides the device's kind."""
    check_dtype(t, context.device)
    layout, dev = Layout.of(shape), context.device
    if layout.numel == 0:
        return lambda x, weight, bias: empty(shape, t, dev)
    x = spread(x)
    if not (back and bias):  # which is one for each channel, not for each value
        g, x = _whole_window(g, x, back)
    if g.pointwise:
        g, (x,) = _flatten(g, x)
        if g.ins[:2] == (1, 1) and min(g.c, g.k) >= 8 and not 1 < g.ins[2] < 512:
            return _product(context, g, back, t, x, bias, layout, variant)
    s = (conv_shape.backward if back else conv_shape.forward)(g)
    # the weight is (groups, k, c, taps): steps to the next group, lane (channel of the result) and reduced channel
    steps = (g.k * g.c * g.taps, g.taps, g.c * g.taps) if back else (g.k * g.c * g.taps, g.c * g.taps, g.taps)
    run = None
    if (variant or context.caps.kind) == "cpu":
        wish = tuning.parameters(context, "convolution cpu")["winograd"]
        way = conv_choice.wished(conv_choice.correlation(g, s, t), wish, s, t)
        if way == "winograd":
            run = conv_winograd.correlation(context, g, s, t, x, steps, bias)
        elif way == "depthwise":
            run = conv_depthwise.correlation(context, g, s, t, x, bias)
        if run is None:
            run = conv_cpu.correlation(context, g, s, t, x, steps, bias)
    if run is None:
        run = conv_gpu.correlation(context, g, s, t, x, steps, bias)
    new = Array.new

    def call(x: Any, weight: Any, bias: Any) -> Any:
        b = weight if bias is None else bias
        out = run(x._storage.buf, x.lay.offset, weight._storage, weight.lay.offset, b._storage, b.lay.offset)
        return new(out, layout, t)

    return call


def _product(context: Any, g: Geometry, back: bool, t: dtype, x: Layout, bias: bool, out: Layout, variant: str) -> Plan:
    """Prepare a convolution of single values as a product: the weight by (channels, places) of each sample."""
    new = Array.new
    (n, _, _, _, places), (x_n, x_c, _, _, x_p) = x.shape, x.strides
    reduced, lanes = (g.k, g.c) if back else (g.c, g.k)
    if places == 1 and g.groups == 1:
        # one matrix (samples, channels) by the weight
        rows, w = Layout((n, reduced), (x_n, x_c), x.offset), Layout.of((g.k, g.c))
        third = Layout.of((lanes,))
        run = gemm.make_plan(context, t, rows, w, third if bias else None, False, not back, variant)

        def call(x: Any, weight: Any, bias: Any) -> Any:
            a = new(x._storage, Layout(rows.shape, rows.strides, x.lay.offset), t)
            b = new(weight._storage, Layout(w.shape, w.strides, weight.lay.offset), t)
            return new(run(a, b, bias, 1, 1)._storage, out, t)

        return call
    w = Layout.of((g.groups, g.k, g.c))
    columns = Layout((n, g.groups, reduced, places), (x_n, x_c * reduced, x_c, x_p), x.offset)
    third = Layout.of((g.groups, lanes, 1))
    run = gemm.make_plan(context, t, w, columns, third if bias else None, back, False, variant)

    def call_each(x: Any, weight: Any, bias: Any) -> Any:
        a = new(weight._storage, Layout(w.shape, w.strides, weight.lay.offset), t)
        b = new(x._storage, Layout(columns.shape, columns.strides, x.lay.offset), t)
        i = None if bias is None else new(bias._storage, Layout(third.shape, third.strides, bias.lay.offset), t)
        return new(run(a, b, i, 1, 1)._storage, out, t)

    return call_each


def convolve_weight(x: Any, y: Any, g: Geometry, shape: Any, bias: bool = False) -> tuple[Any, Any]:
    """Return what a gradient y of ``convolve``'s result means for its weight and for its bias (or None)."""
    t = x.dtype
    dev = x._storage.device
    if dev.type == "cpu":
        b = host_compute(y)
        out = from_host(conv_host.weight_gradient(host_compute(x), b, g).reshape(shape), t, dev)
        return out, from_host(b.sum((0, *range(2, b.ndim))), t, dev) if bias else None
    context = dev.context
    key = ("conv weight", g, t, x.lay.key, y.lay.key, bias)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = make_weight_plan(context, g, t, x.lay, y.lay, bias, shape)
    return plan(x, y)


def make_weight_plan(
    context: Any, g: Geometry, t: dtype, x: Layout, y: Layout, bias: bool, shape: Any, variant: str = ""
) -> Plan:
    """Prepare the launches of ``convolve_weight``; ``variant`` ("cpu", "gpu") overrides the device's kind."""
    check_dtype(t, context.device)
    layout, bias_layout, dev = Layout.of(shape), Layout.of((g.groups * g.k,)), context.device
    if layout.numel == 0 or g.n == 0:

        def nothing(x: Any, y: Any) -> Any:
            out, total = empty(shape, t, dev), empty(bias_layout.shape, t, dev) if bias else None
            for a in (out, total):
                if a is not None:
                    fill(a, 0)
            return out, total

        return nothing
    x, y = spread(x), spread(y)
    if g.pointwise:
        g, (x, y) = _flatten(g, x, y)
    s = conv_shape.forward(g)
    run = None
    if (variant or context.caps.kind) == "cpu":
        wish = tuning.parameters(context, "convolution weight cpu")["winograd"]
        way = conv_choice.wished(conv_choice.weight_gradient(g, s, t), wish, s, t)
        if way == "winograd":
            run = conv_winograd_weight.weight_gradient(context, g, s, t, x, y, bias)
        elif way == "depthwise":
            run = conv_depthwise.weight_gradient(context, g, s, t, x, y, bias)
        if run is None:
            run = conv_cpu_weight.weight_gradient(context, g, s, t, x, y, bias)
    if run is None:
        run = conv_gpu.weight_gradient(context, g, s, t, x, y, bias)
    new = Array.new

    def call(x: Any, y: Any) -> Any:
        out, total = run(x._storage.buf, x.lay.offset, y._storage.buf, y.lay.offset)
        return new(out, layout, t), new(total, bias_layout, t) if bias else None

    return call


def _whole_window(g: Geometry, x: Layout, back: bool) -> tuple[Geometry, Layout]:
    """Make a window that covers the input once, and so has one result, channels of single values."""
    if g.outs != (1, 1, 1) or g.kernel != g.ins or any(g.padding):
        return g, x
    channels = x.shape[1] if back else x.shape[1] * g.taps
    sizes, (steps,) = coalesce(x.shape[1:], x.strides[1:])
    if len(sizes) > 1:
        return g, x
    one = (1, 1, 1)
    flat = Layout((x.shape[0], channels, *one), (x.strides[0], steps[0], 0, 0, 0), x.offset)
    return replace(g, c=g.c * g.taps, ins=one, kernel=one, stride=one, dilation=one), flat


def _flatten(g: Geometry, *layouts: Layout) -> tuple[Geometry, tuple[Layout, ...]]:
    """Make the three dimensions of a convolution of single values one, where every layout allows."""
    sizes, steps = coalesce(g.ins, *(x.strides[2:] for x in layouts))
    if len(sizes) > 1:
        return g, layouts
    one = (1, 1, sizes[0])
    flat = tuple(
        Layout((*x.shape[:2], *one), (*x.strides[:2], 0, 0, step[0]), x.offset)
        for x, step in zip(layouts, steps, strict=True)
    )
    return replace(g, ins=one, outs=one), flat


class Convolution(Op):
    """Convolution of x with a weight, plus a bias (or None); ``geometry`` has the sizes, ``shape`` is the result's."""

    name = "convolution"
    products = (0, 1)
    offset = 2
    places = (0, 1, 2)

    @staticmethod
    def forward(c: Any, x: Any, weight: Any, bias: Any, geometry: Geometry, shape: Any) -> Any:
        c.save(x if c.needs[1] else None, weight if c.needs[0] else None)
        c.geometry, c.shapes = geometry, (x.lay.shape, weight.lay.shape)
        c.format = suggested(x.lay) or suggested(weight.lay)
        return laid_as(convolve(x, weight, bias, geometry, shape), x, weight)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, weight = c.saved
        gx = None
        if c.needs[0]:
            gx = m.conv_transpose_at(g, weight, None, c.geometry, c.shapes[0])
        if c.needs[1] and c.needs[2] and not m.is_grad_enabled():
            gw, gb = convolve_weight(x, g, c.geometry, c.shapes[1], True)
        else:
            gw = m.conv_weight_at(x, g, c.geometry, c.shapes[1]) if c.needs[1] else None
            gb = _bias_gradient(m, g) if c.needs[2] else None
        return in_format(m, c.format, gx), in_format(m, c.format, gw), gb, None, None


class TransposedConvolution(Op):
    """The gradient of a convolution's input as an operator: a transposed convolution, plus a bias (or None)."""

    name = "convolution"
    products = (0, 1)
    offset = 2
    places = (0, 1, 2)

    @staticmethod
    def forward(c: Any, y: Any, weight: Any, bias: Any, geometry: Geometry, shape: Any) -> Any:
        c.save(y if c.needs[1] else None, weight if c.needs[0] else None)
        c.geometry, c.shapes = geometry, (y.lay.shape, weight.lay.shape)
        c.format = suggested(y.lay) or suggested(weight.lay)
        return laid_as(convolve_back(y, weight, bias, geometry, shape), y, weight)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        y, weight = c.saved
        return (
            in_format(m, c.format, m.conv_at(g, weight, None, c.geometry, c.shapes[0])) if c.needs[0] else None,
            in_format(m, c.format, m.conv_weight_at(g, y, c.geometry, c.shapes[1])) if c.needs[1] else None,
            _bias_gradient(m, g) if c.needs[2] else None,
            None,
            None,
        )


class ConvolutionWeight(Op):
    """The gradient of a convolution's weight, as an operator of its own."""

    name = "convolution_backward"
    products = (0, 1)

    @staticmethod
    def forward(c: Any, x: Any, y: Any, geometry: Geometry, shape: Any) -> Any:
        c.save(x if c.needs[1] else None, y if c.needs[0] else None)
        c.geometry, c.shapes = geometry, (x.lay.shape, y.lay.shape)
        return convolve_weight(x, y, geometry, shape)[0]

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, y = c.saved
        return (
            m.conv_transpose_at(y, g, None, c.geometry, c.shapes[0]) if c.needs[0] else None,
            m.conv_at(x, g, None, c.geometry, c.shapes[1]) if c.needs[1] else None,
            None,
            None,
        )


def _bias_gradient(m: Any, g: Any) -> Any:
    return m.sum(g, (0, *range(2, g.lay.ndim)))
