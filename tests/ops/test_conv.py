"""Convolutions as kernels: both kinds of device and every tile, each pass against sums over taps in NumPy."""

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.ops import conv, conv_cpu, conv_cpu_weight
from cltorch.ops.array import from_host, values
from cltorch.ops.conv_shape import Geometry
from cltorch.ops.tuning_defaults import KERNELS

# where and how: the host, and on every OpenCL device the kernels of both kinds of device
PLACES = ["host", *(f"{kind} cl:{i}" for i in range(cltorch.cl.device_count()) for kind in ("cpu", "gpu"))]


class Case:
    """A convolution's sizes, its operands as small whole numbers (whose sums are exact), and what must come out."""

    def __init__(self, n, groups, c, k, ins, kernel, stride=1, padding=0, dilation=1):
        self.dims = len(ins)
        self.n, self.groups, self.c, self.k, self.ins, self.kernel = n, groups, c, k, ins, kernel
        self.stride, self.padding, self.dilation = (self.each(v) for v in (stride, padding, dilation))
        self.outs = tuple(
            (i + 2 * p - d * (w - 1) - 1) // s + 1
            for i, p, d, w, s in zip(ins, self.padding, self.dilation, kernel, self.stride, strict=True)
        )
        rng = np.random.default_rng(n + c + k)
        self.x, self.w, self.b, self.g = (
            rng.integers(-3, 4, shape).astype(np.float64)
            for shape in (self.x_shape, (groups * k, c, *kernel), (groups * k,), self.y_shape)
        )

    @property
    def x_shape(self):
        return (self.n, self.groups * self.c, *self.ins)

    @property
    def y_shape(self):
        return (self.n, self.groups * self.k, *self.outs)

    def each(self, value):
        return value if isinstance(value, tuple) else (value,) * self.dims

    def geometry(self):
        fill = (1,) * (3 - self.dims)
        ones = (*fill, *self.ins), (*fill, *self.outs), (*fill, *self.kernel), (*fill, *self.stride)
        padding = (*(0,) * len(fill), *self.padding)
        return Geometry(self.n, self.groups, self.c, self.k, *ones, padding, (*fill, *self.dilation))

    def taps(self):
        """Yield each tap of the window and the part of the padded input that it meets."""
        for at in np.ndindex(*self.kernel):
            yield (
                at,
                (slice(None),) * 3
                + tuple(
                    slice(i * d, i * d + (o - 1) * s + 1, s)
                    for i, d, o, s in zip(at, self.dilation, self.outs, self.stride, strict=True)
                ),
            )

    def grouped(self):
        """Return padded input, weight and gradient with a dimension of groups."""
        x = self.x.reshape(self.n, self.groups, self.c, *self.ins)
        x = np.pad(x, [(0, 0)] * 3 + [(p, p + 8 * d) for p, d in zip(self.padding, self.dilation, strict=True)])
        w = self.w.reshape(self.groups, self.k, self.c, *self.kernel)
        return x, w, self.g.reshape(self.n, self.groups, self.k, *self.outs)

    def result(self):
        x, w, g = self.grouped()
        y = sum(np.einsum("ngc...,gkc->ngk...", x[part], w[(..., *at)]) for at, part in self.taps())
        return y.reshape(self.y_shape) + self.b.reshape(-1, *(1,) * self.dims)

    def input_gradient(self):
        x, w, g = self.grouped()
        out = np.zeros_like(x)
        for at, part in self.taps():
            out[part] += np.einsum("ngk...,gkc->ngc...", g, w[(..., *at)])
        inner = tuple(slice(p, p + i) for p, i in zip(self.padding, self.ins, strict=True))
        return out[(..., *inner)].reshape(self.x_shape)

    def weight_gradient(self):
        x, w, g = self.grouped()
        out = np.zeros_like(w)
        for at, part in self.taps():
            a = x[part].reshape(self.n, self.groups, self.c, -1)
            out[(..., *at)] = np.einsum("ngcp,ngkp->gkc", a, g.reshape(self.n, self.groups, self.k, -1))
        return out.reshape(self.w.shape)

    def bias_gradient(self):
        return self.g.sum((0, *range(2, self.g.ndim)))


# tiles of 14, 8, 7 and 4 results, of 32 lanes and of 4 and 1; blocks, phases and planes; one to three dimensions
CASES = {
    "small 3x3": Case(2, 1, 3, 5, (5, 6), (3, 3), 1, 1),
    "one channel, rows of 28": Case(3, 1, 1, 32, (28, 28), (3, 3), 1, 1),
    "rows of 14, full tiles": Case(2, 1, 4, 64, (14, 14), (3, 3), 1, 1),
    "rows of 17, ends of tiles": Case(1, 1, 3, 37, (5, 17), (3, 3), 1, 1),
    "many small samples": Case(9, 1, 8, 33, (4, 4), (3, 3), 1, 1),
    "side by side, 2x2": Case(17, 1, 4, 33, (2, 2), (3, 3), 1, 1),
    "side by side, 3x2 in groups, stride 2": Case(5, 2, 5, 3, (3, 2), (3, 3), 2, 1),
    "side by side, 5x6 with steps of two in the window": Case(9, 1, 3, 20, (5, 6), (3, 3), 1, 2, 2),
    "only the middle of the window reads values": Case(20, 1, 18, 33, (1, 1), (3, 3), 1, 1),
    "only the middle, few lanes": Case(3, 2, 3, 2, (1, 1), (5, 3), 1, (2, 1)),
    "a quarter of the window reads values": Case(6, 1, 20, 40, (2, 2), (3, 3), 2, 1),
    "one row of the window reads values": Case(3, 1, 5, 36, (1, 9), (3, 3), 1, 1),
    "no tap reads a value": Case(3, 1, 2, 20, (1, 1), (2, 2), 1, 1, 2),
    "stride 2": Case(2, 1, 4, 40, (15, 37), (3, 3), 2, 1),
    "stride 2, few lanes": Case(2, 1, 5, 3, (15, 37), (3, 3), 2, 1),
    "stride beyond the window": Case(1, 1, 2, 20, (11, 11), (2, 2), 3),
    "each tap reaches places of its own": Case(2, 1, 1, 3, (3, 7), (3, 2), 3, 0, (1, 2)),
    "stride 3 by 1, dilation 1 by 2": Case(1, 2, 3, 18, (12, 11), (3, 2), (3, 1), (2, 0), (1, 2)),
    "dilation 2": Case(2, 1, 3, 20, (9, 10), (3, 3), 1, 2, 2),
    "padding beyond the window": Case(1, 1, 2, 3, (4, 5), (2, 3), 1, 4),
    "window as large as the input": Case(2, 1, 3, 36, (6, 7), (6, 7)),
    "window as large as the input, groups": Case(3, 2, 9, 11, (3, 2), (3, 2), 2),
    "depthwise": Case(2, 17, 1, 1, (9, 20), (3, 3), 1, 1),
    "depthwise, two each, stride 2": Case(2, 5, 1, 2, (9, 20), (5, 3), 2, 2),
    "depthwise, 5x5": Case(2, 3, 1, 1, (21, 37), (5, 5), 1, 2),
    "depthwise, 7x3 with steps of two in the window": Case(1, 3, 1, 1, (17, 30), (7, 3), 1, (3, 2), (1, 2)),
    "depthwise, 4x2": Case(1, 3, 1, 1, (17, 18), (4, 2)),
    "depthwise, stride 2": Case(3, 4, 1, 1, (23, 70), (3, 3), 2, 1),
    "depthwise, 5x3, stride 2": Case(2, 3, 1, 1, (40, 45), (5, 3), 2, (2, 0)),
    "depthwise, 7x7, stride 2, short rows": Case(2, 3, 1, 1, (13, 12), (7, 7), 2, 3),
    "depthwise, stride 2, dilation 2": Case(2, 3, 1, 1, (13, 12), (3, 3), 2, 1, 2),
    "depthwise, 3x3 with steps of two in the window": Case(2, 3, 1, 1, (13, 40), (3, 3), 1, 2, 2),
    "depthwise, stride 2, many rows": Case(1, 2, 1, 1, (151, 90), (3, 3), 2, 1),
    "depthwise, short rows": Case(3, 5, 1, 1, (7, 7), (3, 3), 1, 1),
    "depthwise, stride 1 by 2": Case(2, 4, 1, 1, (12, 19), (3, 2), (1, 2), 1),
    "depthwise, many rows": Case(1, 2, 1, 1, (150, 80), (3, 3), 1, 1),
    "depthwise, padding beyond the window": Case(1, 2, 1, 1, (3, 2), (3, 3), 1, 5),
    "groups of four": Case(2, 6, 4, 4, (10, 30), (3, 3), 1, 1),
    "single values": Case(2, 1, 10, 34, (5, 7), (1, 1)),
    "single values, several tiles of lanes back": Case(2, 1, 70, 9, (5, 7), (1, 1)),
    "single values, long": Case(2, 2, 9, 20, (23, 24), (1, 1)),
    "single values of one place": Case(5, 1, 9, 12, (1, 1), (1, 1)),
    "single values, stride 2": Case(2, 1, 3, 33, (7, 6), (1, 1), 2),
    "signal": Case(2, 1, 3, 20, (50,), (5,), 1, 2),
    "long signal, stride 4": Case(1, 1, 1, 18, (2000,), (9,), 4),
    "long signal, few lanes": Case(1, 1, 2, 2, (1500,), (3,), 1, 1),
    "volume": Case(2, 1, 3, 18, (5, 6, 7), (3, 3, 3), 1, 1),
    "volume, strides 1, 2, 3": Case(1, 2, 2, 3, (6, 7, 8), (2, 3, 2), (1, 2, 3), (1, 1, 0)),
}


def numbers(x):
    return values(x).astype(np.float64)


def on(x, t, dev):
    return from_host(x, dtypes.float32, cltorch.device("cpu")).to(t).to(dev)


def all_passes(case, place, t=dtypes.float32):
    """Return result, gradient of the input, of the weight and of the bias, by plans made for a kind of device."""
    variant, _, dev = place.partition(" ")
    dev = cltorch.device(dev or "cpu").resolve()
    x, w, b, g = (on(a, t, dev) for a in (case.x, case.w, case.b, case.g))
    geometry = case.geometry()
    if variant == "host":
        y = conv.convolve(x, w, b, geometry, case.y_shape)
        gx = conv.convolve_back(g, w, None, geometry, case.x_shape)
        gw, gb = conv.convolve_weight(x, g, geometry, w.shape, True)
    else:
        plan = (dev.context, geometry)
        y = conv.make_plan(*plan, False, t, x.lay, True, case.y_shape, variant)(x, w, b)
        gx = conv.make_plan(*plan, True, t, g.lay, False, case.x_shape, variant)(g, w, None)
        gw, gb = conv.make_weight_plan(*plan, t, x.lay, g.lay, True, w.shape, variant)(x, g)
    return [numbers(a) for a in (y, gx, gw, gb)]


def check(case, got, rtol=0.0):
    wanted = (case.result(), case.input_gradient(), case.weight_gradient(), case.bias_gradient())
    for name, a, b in zip(("result", "input", "weight", "bias"), got, wanted, strict=True):
        if rtol:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(), err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", list(CASES))
def test_every_pass_is_exact(name, place):
    check(CASES[name], all_passes(CASES[name], place))


# what a device of another width, or a case of another size, would choose: every tile must work wherever it is chosen
WIDE, NARROW = (KERNELS["convolution cpu"][name] for name in ("cpu-avx512", "cpu-avx2"))
TILES = [(t, conv_cpu) for chosen in (WIDE, NARROW) for t in conv_cpu.tiles_for(chosen, 4)]
WEIGHT = [KERNELS["convolution weight cpu"][name] for name in ("cpu-avx512", "cpu-avx2")]
TILES += [(t, conv_cpu_weight) for chosen in WEIGHT for t in conv_cpu_weight.tiles_for(chosen, 4)]


@pytest.mark.usefixtures("processor_kernels")
@pytest.mark.parametrize("tile, module", TILES, ids=lambda v: str(v) if hasattr(v, "m") else "")
def test_every_tile_is_exact(tile, module, cl_device, monkeypatch):
    monkeypatch.setattr(module, "tiles_for", lambda *_: [tile])
    for name in (
        "rows of 17, ends of tiles", "stride 2", "groups of four", "many small samples", "volume",
        "each tap reaches places of its own",
    ):  # fmt: skip
        check(CASES[name], all_passes(CASES[name], f"cpu {cl_device}"))


def with_room(monkeypatch, room):
    """Let divisions of the work believe in less local memory than the kernels have."""
    for module in (conv_cpu, conv_cpu_weight):
        divide = module.divide
        monkeypatch.setattr(module, "divide", lambda s, n, g, w, _, units, f=divide: f(s, n, g, w, room, units))


def test_taps_that_read_only_padding_are_left_out():
    taps = {name: _taps(conv.conv_shape.forward(CASES[name].geometry()).live) for name in CASES}
    assert taps["small 3x3"] == taps["side by side, 2x2"] == list(range(9))
    assert taps["only the middle of the window reads values"] == [4]
    assert taps["a quarter of the window reads values"] == [4, 5, 7, 8]
    assert taps["one row of the window reads values"] == [3, 4, 5]
    assert taps["no tap reads a value"] == []


def _taps(s):
    return [tap for phase in s.phases for tap, *_ in phase.taps]


@pytest.mark.usefixtures("processor_kernels")
def test_panels_of_some_channels_at_a_time_add_up(cl_device, monkeypatch):
    with_room(monkeypatch, 1500)
    for k, padding in ((70, 1), (70, 0), (3, 1), (3, 0)):
        case = Case(2, 1, 40, k, (9, 11), (3, 3), 1, padding)
        s = conv.conv_shape.forward(case.geometry())
        for module in (conv_cpu, conv_cpu_weight):
            tiles = module.tiles_for(WIDE if module is conv_cpu else WEIGHT[0], 4)
            assert all(module.divide(s, 2, 1, t, 0, 2)[1].channels < 40 for t in tiles)
        check(case, all_passes(case, f"cpu {cl_device}"))


def test_a_row_is_cut_where_no_panel_holds_all_of_it():
    """A 1x1 window over 14x14 places, whose 1024 channels need 803 KB: two blocks, each laid out once for all lanes."""
    s = conv.conv_shape.backward(Case(32, 1, 256, 1024, (196,), (1,)).geometry())
    cut = conv_cpu.divide(s, 32, 1, conv_cpu.tiles_for(WIDE, 4)[0], conv_cpu.room_for(2 << 20, 4), 2)[1]
    assert cut.channels == 1024 and 98 <= cut.block[2] < 196 and cut.span == 8


@pytest.mark.usefixtures("processor_kernels")
def test_two_short_rows_share_a_tile(cl_device, monkeypatch):
    """Rows of half a tile and less, an odd and an even number of them, at once and after other channels."""
    tile = conv_cpu.tiles_for(WIDE, 4)[0]
    monkeypatch.setattr(conv_cpu, "tiles_for", lambda *_: [tile])
    context = cltorch.device(cl_device).resolve().context
    kernel, seen = context.kernel, []
    monkeypatch.setattr(
        context, "kernel", lambda *args, **params: (seen.append(params.get("pairs")), kernel(*args, **params))[1]
    )
    cases = [Case(2, 1, c, 70, size, (3, 3), 2, 1) for c, size in ((40, (14, 14)), (5, (11, 9)), (5, (4, 12)))]
    for case in cases:
        assert case.outs[1] <= tile.m // 2
        check(case, all_passes(case, f"cpu {cl_device}"))
    assert True in seen
    with_room(monkeypatch, 1500)
    cut = conv_cpu.divide(conv.conv_shape.forward(cases[0].geometry()), 2, 1, tile, 0, 2)[1]
    assert cut.channels < 40 and cut.block[1] > 1
    check(cases[0], all_passes(cases[0], f"cpu {cl_device}"))


@pytest.mark.usefixtures("processor_kernels")
def test_a_window_too_large_for_a_panel_takes_the_other_kernel(cl_device, monkeypatch):
    with_room(monkeypatch, 1024)
    case = Case(1, 1, 2, 3, (41, 40), (40, 38))
    s = conv.conv_shape.forward(case.geometry())
    assert all(conv_cpu.divide(s, 1, 1, t, 0, 2)[1] is None for t in conv_cpu.tiles_for(WIDE, 4))
    check(case, all_passes(case, f"cpu {cl_device}"))


# float32 is what every other test runs in; both halves come to a kernel through the same conversions
LESS_ON_GPUS = (dtypes.float32, dtypes.bfloat16)


@pytest.mark.parametrize(
    ("t", "place"),
    [
        (t, place)
        for place in PLACES
        for t in (*dtypes.FLOATS, dtypes.uint8)
        if not (place.startswith("gpu") and t in LESS_ON_GPUS)
    ],
    ids=str,
)
def test_dtypes(t, place):
    if t is dtypes.float64 and place != "host" and not cltorch.device(place.split()[1]).context.caps.fp64:
        pytest.skip("the device has no float64")
    check_dtype(CASES["stride 2"], place, t)
    check_dtype(CASES["depthwise"], place, t)


def check_dtype(case, place, t):
    got = all_passes(case, place, t)
    if t.is_floating_point:
        # whole numbers up to 2048 are exact in float16, up to 256 in bfloat16
        check(case, got, rtol={dtypes.float16: 5e-4, dtypes.bfloat16: 4e-3}.get(t, 0.0))
    else:
        wanted = (case.result(), case.input_gradient(), case.weight_gradient(), case.bias_gradient())
        for a, b in zip(got, wanted, strict=True):
            # narrow integers wrap; operands wrapped on their way in too, which changes nothing modulo 2**bits
            np.testing.assert_array_equal(a, b.astype(np.int64).astype(t.np).astype(np.float64))


def strided(a, order):
    """Return a tensor of the same values whose dimensions lie in memory in another order."""
    back = np.argsort(order)
    return a.permute(*order).contiguous().permute(*map(int, back))


@pytest.mark.parametrize("variant", ("cpu", "gpu"))
@pytest.mark.parametrize("order", [(0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 2, 3)], ids=str)
def test_operands_of_any_strides_and_offsets(order, variant, cl_device):
    for case in (Case(3, 1, 4, 20, (7, 18), (3, 3), 1, 1), Case(2, 4, 1, 1, (7, 18), (3, 3), 2, 1)):
        dev = cltorch.device(cl_device)
        x, g = (strided(on(a, dtypes.float32, dev), order) for a in (case.x, case.g))
        # inside of a larger tensor, so that the layout has an offset
        wide = cltorch.zeros(case.n + 1, *case.x_shape[1:-1], case.ins[-1] + 5, device=dev)
        inner = wide[1:, ..., 2:-3]
        inner.copy_(x)
        w, b = on(case.w, dtypes.float32, dev), on(case.b, dtypes.float32, dev)
        plan = (dev.context, case.geometry())
        for a in (x, inner):
            y = conv.make_plan(*plan, False, a.dtype, a.lay, True, case.y_shape, variant)(a, w, b)
            np.testing.assert_array_equal(numbers(y), case.result())
            gw, _ = conv.make_weight_plan(*plan, a.dtype, a.lay, g.lay, False, w.shape, variant)(a, g)
            np.testing.assert_array_equal(numbers(gw), case.weight_gradient())
        gx = conv.make_plan(*plan, True, g.dtype, g.lay, False, case.x_shape, variant)(g, w, None)
        np.testing.assert_array_equal(numbers(gx), case.input_gradient())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("groups, c, k", [(1, 2, 20), (3, 1, 1)], ids=["along lanes", "along results"])
def test_infinity_reaches_only_what_meets_it(groups, c, k, place):
    case = Case(2, groups, c, k, (6, 20), (3, 3))
    case.g = np.abs(case.g) + 1
    case.w = np.abs(case.w) + 1
    for at in ((0, 0, 0, 0), (1, 0, 5, 19), (0, groups * c - 1, 2, 18)):
        case.x = np.ones(case.x_shape)
        case.x[at] = np.inf
        y, _, gw, _ = all_passes(case, place)
        np.testing.assert_array_equal(y, case.result())
        np.testing.assert_array_equal(gw, case.weight_gradient())


@pytest.mark.parametrize("place", PLACES)
def test_the_same_bits_every_time(place):
    case = Case(11, 1, 3, 33, (12, 12), (3, 3), 1, 1)
    rng = np.random.default_rng(0)
    case.x, case.w, case.b, case.g = (rng.standard_normal(a.shape) for a in (case.x, case.w, case.b, case.g))
    first = all_passes(case, place)
    check(case, first, rtol=1e-5)
    for _ in range(3):
        for a, b in zip(first, all_passes(case, place), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_made_of_no_samples(place):
    case = Case(0, 1, 2, 3, (5, 5), (3, 3), 1, 1)
    y, gx, gw, gb = all_passes(case, place)
    assert y.shape == (0, 3, 5, 5) and gx.shape == (0, 2, 5, 5)
    assert gw.shape == (3, 2, 3, 3) and not gw.any() and gb.shape == (3,) and not gb.any()


def test_a_geometry_is_planned_once(cl_device):
    context = cltorch.device(cl_device).context
    case = CASES["small 3x3"]
    x, w = (on(a, dtypes.float32, context.device) for a in (case.x, case.w))
    geometry = case.geometry()
    conv.convolve(x, w, None, geometry, case.y_shape)
    before = len(context.ready), context.syncs
    for _ in range(3):
        conv.convolve(x, w, None, geometry, case.y_shape)
    assert (len(context.ready), context.syncs) == before


@pytest.mark.parametrize("transposed", [False, True])
def test_weights_of_one_by_one_with_channels_last_give_results_in_that_order(transposed, device):
    f = cltorch.conv_transpose2d if transposed else cltorch.conv2d
    x = cltorch.ones(2, 3, 5, 6, device=device)
    w = cltorch.ones(*((3, 4) if transposed else (4, 3)), 1, 1, device=device)
    assert f(x, w).stride() == (120, 30, 6, 1)
    y = f(x, w.to(memory_format=cltorch.channels_last))
    assert y.stride() == (120, 1, 24, 4) and bool((y == 3).all())
    one = cltorch.ones(2, 1, 5, 6, device=device).to(memory_format=cltorch.channels_last)
    assert f(one, w[:1] if transposed else w[:, :1]).stride() == (120, 1, 24, 4)


def test_strides_far_beyond_the_image(device):
    x = cltorch.tensor([[[[2.0]], [[3.0]]]], device=device, requires_grad=True)
    w = cltorch.arange(24.0, device=device).reshape(2, 3, 2, 2)
    y = cltorch.conv_transpose2d(x, w, stride=2**40)
    y.sum().backward()
    assert cltorch.equal(y, 2 * w[:1] + 3 * w[1:]) and cltorch.equal(x.grad, w.sum((1, 2, 3)).reshape(1, 2, 1, 1))
