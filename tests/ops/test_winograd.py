"""Winograd's convolution: its error against float64, every geometry it takes, and when it is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate

import cltorch
from cltorch import dtypes
from cltorch.ops import conv, conv_choice, conv_shape, conv_winograd, conv_winograd_weight
from cltorch.ops.array import from_host, values
from cltorch.ops.conv_shape import Geometry


def geometry(n, groups, c, k, ins, padding=1, **changes):
    outs = tuple(i + 2 * padding - 2 for i in ins)
    sizes = {
        "n": n, "groups": groups, "c": c, "k": k, "ins": (1, *ins), "outs": (1, *outs), "kernel": (1, 3, 3),
        "stride": (1, 1, 1), "padding": (0, padding, padding), "dilation": (1, 1, 1),
    }  # fmt: skip
    return Geometry(**(sizes | changes))


def all_passes(x, w, g, padding):
    """Return the result and the gradients of input and weight, as sums of SciPy's correlations, in float64."""
    n, (k, c) = x.shape[0], w.shape[:2]
    groups = x.shape[1] // c
    padded = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    y, gx, gw = np.zeros(g.shape), np.zeros(padded.shape), np.zeros(w.shape)
    for i in range(n):
        for o in range(k):
            for j in range(c):
                at = o // (k // groups) * c + j
                y[i, o] += correlate(padded[i, at], w[o, j], "valid", "direct")
                gx[i, at] += correlate(g[i, o], w[o, j][::-1, ::-1], "full", "direct")
                gw[o, j] += correlate(padded[i, at], g[i, o], "valid", "direct")
    inner = slice(padding, -padding or None)
    return y, gx[:, :, inner, inner], gw


def on(a, dev, t=dtypes.float32):
    return from_host(a.astype(np.float32), dtypes.float32, cltorch.device("cpu")).to(t).to(dev)


def numbers(a):
    return values(a).astype(np.float64)


def check(dev, n, groups, c, k, ins, padding=1, t=dtypes.float32, lay=lambda a: a, bias=True):
    """Compare every pass with float64: no error beyond the documented bound, plus the rounding of the result."""
    dev = cltorch.device(dev)
    s = geometry(n, groups, c, k, ins, padding)
    rng = np.random.default_rng(n + c + k)
    shapes = (n, groups * c, *ins), (groups * k, c, 3, 3), (n, groups * k, *s.outs[1:]), (groups * k,)
    dx, dw, dg, db = (on(rng.standard_normal(shape), dev, t) for shape in shapes)
    x, w, g, b = map(numbers, (dx, dw, dg, db))
    wanted = [*all_passes(x, w, g, padding), g.sum((0, 2, 3))]
    wanted[0] += b[:, None, None] * bias
    most = [*all_passes(abs(x), abs(w), abs(g), padding), abs(g).sum((0, 2, 3))]
    dx, dg = lay(dx), lay(dg)
    plan = (dev.context, s)
    y = conv.make_plan(*plan, False, t, dx.lay, bias, g.shape, "cpu")(dx, dw, db if bias else None)
    gx = conv.make_plan(*plan, True, t, dg.lay, False, x.shape, "cpu")(dg, dw, None)
    gw, gb = conv.make_weight_plan(*plan, t, dx.lay, dg.lay, bias, w.shape, "cpu")(dx, dg)
    got = [numbers(a) for a in (y, gx, gw, *([gb] if bias else []))]
    unit = {dtypes.float16: 2.0**-11, dtypes.bfloat16: 2.0**-8}.get(t, 2.0**-24)
    for name, a, exact, scale in zip(("result", "input", "weight", "bias"), got, wanted, most, strict=False):
        error = np.abs(a - exact) - unit * np.abs(exact)
        assert error.max() <= conv_winograd.ERROR * 2.0**-24 * scale.max(), name
    return got


@pytest.fixture
def always(monkeypatch, processor_kernels):
    """Let every convolution be Winograd's, which is chosen on devices with kernels for processors only."""
    for name in ("correlation", "weight_gradient"):
        monkeypatch.setattr(conv_choice, name, lambda g, s, t: "winograd")


CASES = {
    "whole tiles": (1, 1, 4, 32, (8, 8)),
    "one place": (3, 1, 2, 3, (1, 1)),
    "one row": (2, 1, 3, 5, (1, 30)),
    "parts of tiles": (3, 1, 17, 33, (7, 7)),
    "other parts of tiles": (2, 1, 5, 20, (13, 29)),
    "no padding": (2, 1, 6, 34, (10, 15), 0),
    "padding that no window needs": (2, 1, 3, 4, (6, 5), 3),
    "groups": (2, 3, 7, 9, (9, 11)),
    "many samples": (70, 1, 3, 40, (3, 4)),
    "a wide image in pieces": (1, 1, 3, 4, (6, 262)),
    "a high image": (1, 1, 2, 4, (130, 9)),
}


@pytest.mark.parametrize("name", list(CASES))
def test_every_pass_keeps_the_bound(name, cl_device, always):
    check(cl_device, *CASES[name])


def test_many_channels_keep_the_bound(cl_device, always):
    check(cl_device, 1, 1, 300, 70, (8, 8))
    check(cl_device, 1, 1, 70, 300, (8, 8), bias=False)


def test_a_large_weight_is_transformed_in_slices(cl_device, always, monkeypatch):
    for size in (1, 100000):
        monkeypatch.setattr(conv_winograd, "KEEP", size)
        monkeypatch.setattr(conv_winograd, "SLICE", size)
        check(cl_device, 2, 1, 6, 230, (5, 6))
        check(cl_device, 1, 2, 5, 150, (5, 6))


@pytest.mark.parametrize("t", [dtypes.float16, dtypes.bfloat16], ids=str)
def test_halves_are_only_stored(t, cl_device, always):
    check(cl_device, *CASES["parts of tiles"], t=t)
    check(cl_device, *CASES["other parts of tiles"], t=t)


@pytest.mark.parametrize("width", [8, 4])
def test_tiles_of_narrower_devices(width, cl_device, always, monkeypatch):
    for module in (conv_winograd, conv_winograd_weight):
        monkeypatch.setattr(module, "sizes_for", lambda _, f=module.sizes_for: f(8))
        monkeypatch.setattr(module, "vector_width", lambda *_: width)
    for name in ("parts of tiles", "other parts of tiles", "groups", "many samples"):
        check(cl_device, *CASES[name])


@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 2, 3)], ids=str)
def test_operands_of_any_strides_and_offsets(order, cl_device, always):
    def permuted(a):
        return a.permute(*order).contiguous().permute(*map(int, np.argsort(order)))

    def inside(a):
        wide = cltorch.full((a.shape[0] + 1, *a.shape[1:-1], a.shape[-1] + 5), np.nan, device=cl_device)
        wide[1:, ..., 2:-3].copy_(a)
        return wide[1:, ..., 2:-3]

    for name in ("parts of tiles", "other parts of tiles"):
        check(cl_device, *CASES[name], lay=permuted)
        check(cl_device, *CASES[name], lay=inside)


def test_sums_in_parts_add_up(cl_device, always, monkeypatch):
    for share, span in ((1, 1), (2, 9)):
        monkeypatch.setattr(conv_winograd_weight, "divide", lambda *_, way=(share, span): way)
        check(cl_device, 70, 1, 17, 40, (3, 10))
        check(cl_device, *CASES["a wide image in pieces"])


def test_the_same_bits_every_time(cl_device, always):
    first = check(cl_device, *CASES["many samples"])
    for _ in range(3):
        for a, b in zip(first, check(cl_device, *CASES["many samples"]), strict=True):
            np.testing.assert_array_equal(a, b)


def chosen(g, t=dtypes.float32):
    both = conv_shape.forward(g), conv_shape.backward(g)
    ways = {conv_choice.correlation(g, s, t) for s in both}
    assert len(ways) == 1
    way = ways.pop()
    assert (conv_choice.weight_gradient(g, both[0], t) == "winograd") == (way == "winograd")
    return way


def test_it_is_chosen_where_it_pays():
    for c, size in ((64, 56), (128, 28), (256, 14), (512, 7)):
        assert chosen(geometry(32, 1, c, c, (size, size))) == "winograd"
    assert chosen(geometry(1, 1, 512, 512, (7, 7))) == "direct"  # the weight's transform is all of the work
    assert chosen(geometry(32, 1, 3, 3, (56, 56))) == "direct"
    assert chosen(geometry(32, 64, 1, 1, (28, 28))) == "depthwise"


def test_it_is_not_chosen_where_it_is_not_defined():
    sizes = (32, 1, 128, 128, (28, 28))
    assert chosen(geometry(*sizes)) == "winograd"
    for t in (dtypes.float64, dtypes.int32, dtypes.uint8):
        assert chosen(geometry(*sizes), t) == "direct"
    assert chosen(geometry(*sizes), dtypes.bfloat16) == "winograd"
    assert chosen(geometry(*sizes, stride=(1, 2, 2), outs=(1, 14, 14))) == "direct"
    assert chosen(geometry(*sizes, dilation=(1, 2, 2), outs=(1, 26, 26))) == "direct"
    assert chosen(geometry(*sizes, kernel=(1, 3, 2), outs=(1, 28, 29))) == "direct"
    assert chosen(replace(geometry(*sizes), ins=(3, 28, 28), outs=(3, 28, 28))) == "direct"


def test_the_public_function_is_as_close_to_float64(cl_device):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 64, 24, 24)), rng.standard_normal((64, 64, 3, 3))
    a, b = (cltorch.tensor(v.astype(np.float32)) for v in (x, w))
    f = cltorch.nn.functional.conv2d
    exact = f(a.double(), b.double(), padding=1).numpy()
    most = f(a.double().abs(), b.double().abs(), padding=1).numpy().max()
    got = f(a.to(cl_device), b.to(cl_device), padding=1).cpu().numpy()
    assert np.abs(got - exact).max() <= conv_winograd.ERROR * 2.0**-24 * most
