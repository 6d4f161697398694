"""Pooling against plain loops over the windows, against PyTorch, and its derivatives by differences."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

import cltorch as torch
from cltorch import functions as f
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops.pool_plan import index_dtype, index_form, make_plan
from cltorch.ops.pool_windows import Windows, output_size

GEOMETRIES = [
    # size, kernel, stride, padding, dilation, ceil_mode
    ((28, 28), (2, 2), (2, 2), (0, 0), (1, 1), False),  # tiles
    ((14, 14), (2, 2), (2, 2), (0, 0), (1, 1), False),  # tiles of rows shorter than a vector
    ((6, 10), (1, 2), (1, 2), (0, 0), (1, 1), False),
    ((9, 37), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((9, 41), (3, 2), (2, 1), (1, 1), (1, 1), True),
    ((7, 23), (3, 3), (1, 1), (1, 1), (1, 1), False),
    ((8, 25), (2, 3), (3, 3), (0, 1), (1, 1), True),  # gaps, no vectors
    ((9, 40), (3, 3), (2, 2), (1, 1), (2, 2), False),
    ((9, 33), (2, 2), (1, 1), (1, 1), (3, 3), True),
    ((5, 5), (5, 5), (5, 5), (0, 0), (1, 1), False),  # one window
    ((40,), (3,), (2,), (1,), (1,), True),
    ((4, 6, 20), (2, 3, 2), (2, 2, 2), (1, 1, 1), (1, 1, 1), False),
]


def windows(size, kernel, stride, padding, dilation, ceil_mode):
    out = [output_size(*of, ceil_mode) for of in zip(size, kernel, stride, padding, dilation, strict=True)]
    return Windows(size, out, kernel, stride, padding, dilation)


def options(geometry):
    _, kernel, stride, padding, dilation, ceil_mode = geometry
    return {
        "kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode,
    }  # fmt: skip


def taps(geometry, o):
    """Return the flat places of the inputs of window ``o``, and how many elements it has with its padding."""
    size, kernel, stride, padding, dilation, _ = geometry
    lines, counts = [], []
    for n, k, s, p, d, at in zip(size, kernel, stride, padding, dilation, o, strict=True):
        start = at * s - p
        lines.append([i for i in range(start, start + k * d, d) if 0 <= i < n])
        counts.append(min(start + k, n + p) - start)
    places = [int(np.ravel_multi_index(at, size)) for at in product(*lines)]
    return places, math.prod(counts)


def max_reference(a, geometry, out):
    """Return values and places of the largest elements of planes, by loops over windows and elements."""
    flat = a.reshape(len(a), -1)
    values, index = np.empty((len(a), *out), a.dtype), np.empty((len(a), *out), np.int64)
    for o in product(*(range(n) for n in out)):
        places, _ = taps(geometry, o)
        for plane in range(len(a)):
            best = places[0]
            for i in places[1:]:
                if flat[plane, i] > flat[plane, best] or flat[plane, i] != flat[plane, i]:
                    best = i
            values[(plane, *o)], index[(plane, *o)] = flat[plane, best], best
    return values, index


def avg_matrix(geometry, out, include_pad=True, override=None):
    """Return the matrix that maps a flat plane to its flat averages."""
    size = geometry[0]
    m = np.zeros((math.prod(out), math.prod(size)))
    for row, o in enumerate(product(*(range(n) for n in out))):
        places, count = taps(geometry, o)
        m[row, places] = 1 / (override or (count if include_pad else len(places)))
    return m


def kind(geometry):
    return len(geometry[0])


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_max_pool_finds_the_first_largest_element(device, geometry):
    a = np.random.randint(-4, 4, (3, *geometry[0])).astype(np.float32)  # many equal elements
    w = windows(*geometry)
    out = w.out[3 - w.ndim :]
    values, index = max_reference(a, geometry, out)
    x = torch.tensor(a, device=device, requires_grad=True)
    pool = getattr(f, f"max_pool{kind(geometry)}d")
    y, at = pool(x, **options(geometry), return_indices=True)
    assert at.dtype is torch.int64
    np.testing.assert_array_equal(y.detach().cpu().numpy(), values)
    np.testing.assert_array_equal(at.cpu().numpy(), index)
    alone = pool(x, **options(geometry))
    np.testing.assert_array_equal(alone.detach().cpu().numpy(), values)
    g = np.random.randint(-8, 8, values.shape).astype(np.float32)
    expected = np.zeros((3, math.prod(geometry[0])), np.float32)
    for plane in range(3):
        np.add.at(expected[plane], index[plane].reshape(-1), g[plane].reshape(-1))
    for result in (y, alone):
        (gx,) = torch.autograd.grad(result, x, torch.tensor(g, device=device), retain_graph=True)
        np.testing.assert_array_equal(gx.cpu().numpy(), expected.reshape(a.shape))


@pytest.mark.parametrize("geometry", [g for g in GEOMETRIES if set(g[4]) == {1}], ids=str)
@pytest.mark.parametrize("include_pad", [True, False])
def test_avg_pool_is_linear_with_the_windows_matrix(device, geometry, include_pad):
    a = np.random.randn(3, *geometry[0]).astype(np.float32)
    w = windows(*geometry)
    out = w.out[3 - w.ndim :]
    m = avg_matrix(geometry, out, include_pad)
    x = torch.tensor(a, device=device, requires_grad=True)
    given = {k: v for k, v in options(geometry).items() if k != "dilation"}
    y = getattr(f, f"avg_pool{kind(geometry)}d")(x, **given, count_include_pad=include_pad)
    expected = (a.reshape(3, -1) @ m.T).reshape(3, *out)
    np.testing.assert_allclose(y.detach().cpu().numpy(), expected, rtol=1e-5, atol=1e-6)
    g = np.random.randn(*expected.shape).astype(np.float32)
    (gx,) = torch.autograd.grad(y, x, torch.tensor(g, device=device))
    np.testing.assert_allclose(gx.cpu().numpy(), (g.reshape(3, -1) @ m).reshape(a.shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_both_kinds_of_kernel_agree_with_the_reference(cl_device, geometry, variant):
    context = torch.device(cl_device).context
    a = np.random.randint(-4, 4, (2, 3, *geometry[0])).astype(np.float32)
    w = windows(*geometry)
    out = w.out[3 - w.ndim :]
    values, index = max_reference(a.reshape(6, *geometry[0]), geometry, out)
    x = torch.tensor(a, device=cl_device)
    g = np.random.randint(-8, 8, (2, 3, *out)).astype(np.float32)
    gx = np.zeros((6, math.prod(geometry[0])), np.float32)
    for plane in range(6):
        np.add.at(gx[plane], index[plane].reshape(-1), g.reshape(6, -1)[plane])
    for form in {"flat", index_form(w, variant)}:
        y = torch.empty(2, 3, *out, device=cl_device)
        at = torch.empty(2, 3, *out, dtype=index_dtype(form), device=cl_device)
        make_plan(context, "max", w, (2, 3), torch.float32, form, variant=variant)(x, y, (at._storage.buf,))
        np.testing.assert_array_equal(y.cpu().numpy().reshape(values.shape), values)
        back = torch.empty(a.shape, device=cl_device)
        plan = make_plan(context, "max_backward", w, (2, 3), torch.float32, form, variant=variant)
        plan(torch.tensor(g, device=cl_device), back, (at._storage.buf,))
        np.testing.assert_array_equal(back.cpu().numpy().reshape(gx.shape), gx)
        again = torch.empty(2, 3, *out, device=cl_device)
        make_plan(context, "pick", w, (2, 3), torch.float32, form, variant=variant)(x, again, (at._storage.buf,))
        np.testing.assert_array_equal(again.cpu().numpy(), y.cpu().numpy())
    if set(geometry[4]) != {1}:
        return
    m = avg_matrix(geometry, out, False)
    y = torch.empty(2, 3, *out, device=cl_device)
    make_plan(context, "avg", w, (2, 3), torch.float32, "", False, variant=variant)(x, y)
    np.testing.assert_allclose(y.cpu().numpy().reshape(6, -1), a.reshape(6, -1) @ m.T, rtol=1e-5, atol=1e-6)
    back = torch.empty(a.shape, device=cl_device)
    plan = make_plan(context, "avg_backward", w, (2, 3), torch.float32, "", False, variant=variant)
    plan(torch.tensor(g, device=cl_device), back)
    np.testing.assert_allclose(back.cpu().numpy().reshape(6, -1), g.reshape(6, -1) @ m, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "size, out", [((7, 9), (3, 4)), ((5, 6), (5, 6)), ((4, 5), (6, 7)), ((11,), (4,)), ((3, 4, 7), (2, 3, 3))]
)
def test_adaptive_pooling_divides_the_input_evenly(device, size, out):
    a = np.random.randn(2, 3, *size).astype(np.float32)
    n = len(size)
    boxes = {}
    for o in product(*(range(k) for k in out)):
        boxes[o] = tuple(slice(i * s // k, -(-(i + 1) * s // k)) for i, s, k in zip(o, size, out, strict=True))
    x = torch.tensor(a, device=device, requires_grad=True)
    y = getattr(f, f"adaptive_avg_pool{n}d")(x, out)
    z, at = {
        1: f.adaptive_max_pool1d,
        2: lambda x, o: f.adaptive_max_pool2d(x, o, True),
        3: lambda x, o: f.adaptive_max_pool3d(x, o, True),
    }[n](x, out)
    g = np.random.randn(*y.shape).astype(np.float32)
    gy, gz = np.zeros_like(a), np.zeros_like(a)
    lines = [a[i, j] for i in range(2) for j in range(3)]
    for o, box in boxes.items():
        part = a[(..., *box)]
        flat = part.reshape(2, 3, -1)
        np.testing.assert_allclose(y.detach().cpu().numpy()[(..., *o)], flat.mean(-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(z.detach().cpu().numpy()[(..., *o)], flat.max(-1))
        gy[(..., *box)] += g[(..., *o)].reshape(2, 3, *[1] * n) / flat.shape[-1]
    found = at.cpu().numpy().reshape(6, -1)
    for plane in range(6):
        np.testing.assert_array_equal(
            lines[plane].reshape(-1)[found[plane]], z.detach().cpu().numpy().reshape(6, -1)[plane]
        )
        np.add.at(gz.reshape(6, -1)[plane], found[plane], g.reshape(6, -1)[plane])
    for result, expected in ((y, gy), (z, gz)):
        (gx,) = torch.autograd.grad(result, x, torch.tensor(g, device=device), retain_graph=True)
        np.testing.assert_allclose(gx.cpu().numpy(), expected, rtol=1e-5, atol=1e-5)


def test_adaptive_average_of_size_one_is_the_mean(device):
    a = np.random.randn(2, 3, 7, 7).astype(np.float32)
    x = torch.tensor(a, device=device, requires_grad=True)
    y = f.adaptive_avg_pool2d(x, 1)
    assert y.shape == (2, 3, 1, 1)
    np.testing.assert_allclose(y.detach().cpu().numpy()[..., 0, 0], a.mean((2, 3)), rtol=1e-5, atol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.full_like(a, 1 / 49), rtol=1e-6)


def test_none_keeps_a_dimension(device):
    assert f.adaptive_avg_pool2d(torch.ones(2, 5, 6, device=device), (None, 3)).shape == (2, 5, 3)
    assert f.adaptive_max_pool2d(torch.ones(2, 5, 6, device=device), (4, None)).shape == (2, 4, 6)


def test_nan_and_infinity(device):
    a = np.full((1, 4, 20), -np.inf, np.float32)
    a[0, 1, 3], a[0, 2, 8], a[0, 3, 19] = np.nan, np.inf, 5
    y, at = f.max_pool2d(torch.tensor(a, device=device), 2, return_indices=True)
    values = y.cpu().numpy()[0]
    assert np.isnan(values[0, 1]) and values[1, 4] == np.inf and values[1, 9] == 5 and values[0, 0] == -np.inf
    # in a window of -inf alone, the first element
    assert at.cpu().numpy()[0, 0, 0] == 0 and at.cpu().numpy()[0, 0, 1] == 23
    # one bad element spoils no other window's average
    b = f.avg_pool2d(torch.tensor(a, device=device).nan_to_num(neginf=0.0, nan=float("nan")), 2).cpu().numpy()[0]
    assert np.isnan(b).sum() == 1 and b[0, 0] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("geometry", [GEOMETRIES[0], GEOMETRIES[1], GEOMETRIES[3], GEOMETRIES[6]], ids=str)
def test_other_floating_dtypes(device, fp64, dtype, geometry):
    if dtype == "float64" and not fp64:
        pytest.skip("no double precision")
    a = np.random.randint(-4, 4, (2, 3, *geometry[0])).astype(np.float32)
    w = windows(*geometry)
    out = w.out[3 - w.ndim :]
    values, index = max_reference(a.reshape(6, *geometry[0]), geometry, out)
    x = torch.tensor(a, dtype=getattr(torch, dtype), device=device, requires_grad=True)
    y = f.max_pool2d(x, **options(geometry))
    assert y.dtype is x.dtype
    np.testing.assert_array_equal(y.detach().float().cpu().numpy().reshape(values.shape), values)
    (gx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    expected = np.stack([np.bincount(i.reshape(-1), minlength=math.prod(geometry[0])) for i in index])
    np.testing.assert_array_equal(gx.float().cpu().numpy().reshape(expected.shape), expected)
    m = avg_matrix(geometry, out)
    given = {k: v for k, v in options(geometry).items() if k != "dilation"}
    z = f.avg_pool2d(x, **given)
    tolerance = {"float16": 2e-3, "bfloat16": 1e-2, "float64": 1e-12}[dtype]
    expected = (a.reshape(6, -1).astype(float) @ m.T).reshape(z.shape)
    np.testing.assert_allclose(
        z.detach().double().cpu().numpy() if fp64 else z.detach().float().cpu().numpy(),
        expected,
        rtol=tolerance,
        atol=tolerance,
    )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_max_pool_of_integers(device, dtype):
    low = 0 if dtype == "uint8" else -9
    a = np.random.randint(low, 9, (2, 8, 20)).astype(dtype)
    geometry = ((8, 20), (3, 3), (2, 2), (1, 1), (1, 1), False)
    w = windows(*geometry)
    values, index = max_reference(a, geometry, w.out[1:])
    y, at = f.max_pool2d(torch.tensor(a, device=device), **options(geometry), return_indices=True)
    assert y.cpu().numpy().dtype == a.dtype
    np.testing.assert_array_equal(y.cpu().numpy(), values)
    np.testing.assert_array_equal(at.cpu().numpy(), index)


def test_average_of_int64_truncates(device):
    x = torch.tensor([[[-3, -4, 5, 6]]], device=device)
    np.testing.assert_array_equal(f.avg_pool1d(x, 2).cpu().numpy(), [[[-3, 5]]])


@pytest.mark.parametrize("kind", ["avg", "max"])
def test_no_windows_have_no_gradient(kind, device):
    x = torch.ones(1, 2, 4, 4, device=device, requires_grad=True)
    out = getattr(f, f"adaptive_{kind}_pool2d")(x, (5, 0))
    assert out.shape == (1, 2, 5, 0)
    with pytest.raises(
        RuntimeError, match=rf"adaptive_{kind}_pool2d_backward\(\): Expected grad_output to have non-zero"
    ):
        out.sum().backward()


def test_divisor_override(device):
    x = torch.arange(32.0, device=device).reshape(1, 2, 16).requires_grad_()
    y = f.avg_pool2d(x, (1, 2), divisor_override=4)
    np.testing.assert_allclose(y.detach().cpu().numpy(), x.detach().cpu().numpy().reshape(1, 2, 8, 2).sum(-1) / 4)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), np.full((1, 2, 16), 0.25))


def test_inputs_of_any_strides(device):
    a = np.random.randn(4, 20, 3, 6).astype(np.float32)
    x = torch.tensor(a, device=device).permute(0, 2, 3, 1)[1:]
    dense = torch.tensor(np.ascontiguousarray(a.transpose(0, 2, 3, 1)[1:]), device=device)
    for pool in (f.max_pool2d, f.avg_pool2d):
        np.testing.assert_array_equal(pool(x, 2).cpu().numpy(), pool(dense, 2).cpu().numpy())
    spread = torch.ones(1, 1, 1, 1, device=device).expand(2, 3, 4, 4)
    assert f.max_pool2d(spread, 2).shape == (2, 3, 2, 2)


def test_without_a_batch_and_with_an_empty_one(device):
    x = torch.randn(3, 8, 8, device=device)
    np.testing.assert_array_equal(f.max_pool2d(x, 2).cpu().numpy(), f.max_pool2d(x[None], 2)[0].cpu().numpy())
    y = torch.zeros(0, 3, 8, 8, device=device, requires_grad=True)
    for pool in (f.max_pool2d, f.avg_pool2d):
        z = pool(y, 2)
        assert z.shape == (0, 3, 4, 4)
        z.sum().backward()
        assert y.grad.shape == (0, 3, 8, 8)


@pytest.mark.parametrize(
    "geometry",
    [GEOMETRIES[2], ((6, 6), (3, 3), (2, 2), (1, 1), (1, 1), True), ((9,), (3,), (3,), (0,), (1,), False)],
    ids=str,
)
def test_derivatives(device, fp64, geometry):
    if not fp64:
        pytest.skip("no double precision")
    # well separated values: a difference step must not change which is the largest
    a = np.random.permutation(2 * math.prod(geometry[0])).reshape(1, 2, *geometry[0]).astype(np.float64)
    x = torch.tensor(a, device=device, requires_grad=True)
    n = kind(geometry)
    avg = {k: v for k, v in options(geometry).items() if k != "dilation"}
    for fn in (
        lambda x: getattr(f, f"max_pool{n}d")(x, **options(geometry)),
        lambda x: getattr(f, f"max_pool{n}d")(x, **options(geometry), return_indices=True)[0],
        lambda x: getattr(f, f"avg_pool{n}d")(x, **avg, count_include_pad=False),
        lambda x: getattr(f, f"adaptive_avg_pool{n}d")(x, 2),
        lambda x: getattr(f, f"adaptive_avg_pool{n}d")(x, 1),
    ):
        assert gradcheck(fn, (x,))
        assert gradgradcheck(fn, (x,))


def test_the_same_bits_every_time(cl_device):
    x = torch.randn(4, 8, 30, 30, device=cl_device, requires_grad=True)
    y = f.max_pool2d(x, 3, 1)
    g = torch.randn(y.shape, device=cl_device)
    runs = [torch.autograd.grad(y, x, g, retain_graph=True)[0].cpu().numpy().tobytes() for _ in range(3)]
    assert len(set(runs)) == 1


def test_names_of_the_graph():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    assert f.max_pool2d(x, 2).grad_fn.name() == "MaxPool2DWithIndicesBackward0"
    assert f.max_pool3d(x, 1).grad_fn.name() == "MaxPool3DWithIndicesBackward0"
    assert f.avg_pool2d(x, 2).grad_fn.name() == "AvgPool2DBackward0"
    assert f.avg_pool3d(x, 1).grad_fn.name() == "AvgPool3DBackward0"
    assert f.adaptive_avg_pool2d(x, 2).grad_fn.name() == "AdaptiveAvgPool2DBackward0"
    assert f.adaptive_max_pool2d(x, 2).grad_fn.name() == "AdaptiveMaxPool2DBackward0"
    values, indices = f.max_pool2d_with_indices(x, 2)
    assert values.requires_grad and not indices.requires_grad


def test_a_changed_index_is_noticed():
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    y, at = f.max_pool2d(x, 2, return_indices=True)
    at.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


X = (1, 3, 4, 4)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: f.max_pool2d(torch.ones(3, 4), 2), RuntimeError, r"non-empty 3D or 4D \(batch mode\) tensor expected"),
        (lambda: f.max_pool1d(torch.ones(3), 2), RuntimeError, r"max_pool1d: Expected 2D or 3D \(batch mode\)"),
        (
            lambda: f.max_pool2d(torch.ones(1, 0, 4, 4), 2),
            RuntimeError,
            r"optional 0 dim batch size for input, but got:\[1, 0, 4, 4\]",
        ),
        (
            lambda: f.max_pool2d(torch.ones(X), (2, 2, 2)),
            RuntimeError,
            "kernel_size must either be a single int, or a tuple of two ints",
        ),
        (
            lambda: f.max_pool2d(torch.ones(X), 2, (1, 2, 3)),
            RuntimeError,
            "stride must either be omitted, a single int, or a tuple of two ints",
        ),
        (
            lambda: f.max_pool1d(torch.ones(3, 4), (2, 2)),
            RuntimeError,
            "kernel_size must be an int, list of ints or tuple of ints of size 1 but got size 2",
        ),
        (lambda: f.max_pool2d(torch.ones(X), 2, 0), RuntimeError, "stride should not be zero"),
        (lambda: f.max_pool2d(torch.ones(X), 0, 1), RuntimeError, "kernel size should be greater than zero"),
        (
            lambda: f.max_pool2d(torch.ones(X), 2, dilation=0),
            RuntimeError,
            "dilation should be greater than zero, but got dilationH: 0 dilationW: 0",
        ),
        (
            lambda: f.max_pool2d(torch.ones(X), 2, padding=2),
            RuntimeError,
            "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and dilation=1",
        ),
        (lambda: f.max_pool2d(torch.ones(X), 2, padding=-1), RuntimeError, "pad must be non-negative, but got pad: -1"),
        (
            lambda: f.max_pool2d(torch.ones(X), 5),
            RuntimeError,
            r"Given input size: \(3x4x4\). Calculated output size: \(3x0x0\). Output size is too small",
        ),
        (
            lambda: f.avg_pool3d(torch.ones(1, 5, 2, 3), (2, 3, 3), padding=1),
            RuntimeError,
            r"input image \(T: 5 H: 2 W: 3\) smaller than kernel size \(kT: 2 kH: 3 kW: 3\)",
        ),
        (lambda: f.max_pool2d(torch.ones(X), 2.5), TypeError, "must be int, not float"),
        # dtypes
        (
            lambda: f.max_pool2d(torch.ones(X).bool(), 2),
            NotImplementedError,
            "\"max_pool2d\" not implemented for 'Bool'",
        ),
        (lambda: f.avg_pool2d(torch.ones(X).int(), 2), NotImplementedError, "\"avg_pool2d\" not implemented for 'Int'"),
        (lambda: f.avg_pool2d(torch.ones(X), 2, divisor_override=0), RuntimeError, "divisor must be not zero"),
        (
            lambda: f.adaptive_avg_pool2d(torch.ones(3, 4), 2),
            RuntimeError,
            r"adaptive_avg_pool2d\(\): Expected 3D or 4D tensor, but got \[3, 4\]",
        ),
        (
            lambda: f.adaptive_avg_pool2d(torch.ones(X), (2, 2, 2)),
            RuntimeError,
            "adaptive_avg_pool2d: output_size must be 2",
        ),
        (
            lambda: f.adaptive_avg_pool2d(torch.ones(X), -2),
            RuntimeError,
            "elements of output_size must be greater than or equal to 0 but received {-2, -2}",
        ),
        (
            lambda: f.adaptive_max_pool2d(torch.ones(1, 0, 4, 4), 2),
            RuntimeError,
            "Expected input to have non-zero size for non-batch dimensions",
        ),
        (lambda: f.adaptive_max_pool2d(torch.ones(X).long(), 2), NotImplementedError, "not implemented for 'Long'"),
    ],
)
def test_errors_are_pytorchs(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("seed", range(30))
def test_random_geometries_agree_with_pytorch(device, seed):
    peer = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    size = tuple(int(v) for v in rng.integers(6, (60, 24, 10)[n - 1], n))
    kernel = tuple(int(v) for v in rng.integers(1, 4, n))
    dilation = tuple(int(v) for v in rng.integers(1, 3, n))
    stride = tuple(int(v) for v in rng.integers(1, 4, n))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    ceil_mode = bool(rng.integers(2))
    a = rng.integers(-3, 3, (2, 2, *size)).astype(np.float32)
    x = torch.tensor(a, device=device, requires_grad=True)
    t = peer.tensor(a, requires_grad=True)
    peers = peer.nn.functional
    for name, given in (
        ("max", {"dilation": dilation, "return_indices": True}),
        ("avg", {"count_include_pad": bool(rng.integers(2))}),
    ):
        args = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode, **given}
        expected = getattr(peers, f"{name}_pool{n}d")(t, **args)
        found = getattr(f, f"{name}_pool{n}d")(x, **args)
        if name == "max":
            np.testing.assert_array_equal(found[1].cpu().numpy(), expected[1].numpy())
            expected, found = expected[0], found[0]
        np.testing.assert_allclose(found.detach().cpu().numpy(), expected.detach().numpy(), rtol=1e-6, atol=1e-6)
        g = rng.standard_normal(expected.shape).astype(np.float32)
        (gt,) = peer.autograd.grad(expected, t, peer.tensor(g))
        (gx,) = torch.autograd.grad(found, x, torch.tensor(g, device=device))
        np.testing.assert_allclose(gx.cpu().numpy(), gt.numpy(), rtol=1e-5, atol=1e-5)
