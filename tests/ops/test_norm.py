"""Normalisation against formulas in float64, against PyTorch, and its derivatives by differences."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import cltorch as torch
from cltorch import functions as f
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops.norm_batch import BatchPlan
from cltorch.ops.norm_rows import Rows, RowsPlan
from tests.libraries import LIBRARIES

# (batch, channels, …): whole vectors and rests, single positions, few and many channels
SHAPES = [(8, 5, 7, 9), (4, 3, 16, 16), (64, 20), (33, 150), (70, 1), (6, 37, 3), (2, 3, 70, 70), (3, 4, 2, 3, 4)]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 3e-2}


def batch_reference(x, g, weight, bias, eps, mean=None, var=None):
    """Return (result, gx, gw, gb, mean, var) in float64; given statistics are constants."""
    axes = (0, *range(2, x.ndim))
    line = (1, x.shape[1], *[1] * (x.ndim - 2))
    fixed = mean is not None
    if not fixed:
        mean, var = x.mean(axes), x.var(axes)
    r = 1 / np.sqrt(var + eps).reshape(line)
    h = (x - mean.reshape(line)) * r
    gw, gb = (g * h).sum(axes), g.sum(axes)
    n = x.size // x.shape[1]
    inside = g if fixed else g - gb.reshape(line) / n - h * gw.reshape(line) / n
    return h * weight.reshape(line) + bias.reshape(line), inside * r * weight.reshape(line), gw, gb, mean, var


def rows_reference(x, g, weight, bias, groups, eps, rms=False):
    """Return (result, gx, gw, gb) in float64 of x (N, groups * channels, positions) with a weight per channel."""
    n, c, positions = x.shape
    a, b = x.reshape(n, groups, -1), (g * weight[:, None]).reshape(n, groups, -1)
    centred = a if rms else a - a.mean(-1, keepdims=True)
    r = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    h = centred * r
    gx = b - h * (b * h).mean(-1, keepdims=True)
    if not rms:
        gx = gx - b.mean(-1, keepdims=True)
    h = h.reshape(x.shape)
    out = h * weight[:, None] + bias[:, None]
    return out, (gx * r).reshape(x.shape), (g * h).sum((0, 2)), g.sum((0, 2))


def numpy(x):
    return x.detach().cpu().float().numpy() if x.dtype in (torch.float16, torch.bfloat16) else x.detach().cpu().numpy()


def close(found, expected, tolerance):
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(numpy(found) / scale, expected / scale, rtol=tolerance, atol=tolerance)


def make(a, device, dtype="float32", grad=True):
    x = torch.tensor(a.astype(np.float32), device=device).to(getattr(torch, dtype))
    return x.requires_grad_() if grad else x


# ---- batch norm --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(device, shape, training):
    rng = np.random.default_rng(1)
    c = shape[1]
    a, g = rng.standard_normal(shape) * 2 + 3, rng.standard_normal(shape)
    weight, bias, mean, var = (rng.standard_normal(c) for _ in range(4))
    var = var**2 + 0.5
    x, w, b = make(a, device), make(weight, device), make(bias, device)
    m, v = make(mean, device, grad=False), make(var, device, grad=False)
    y = torch.batch_norm(x, w, b, m, v, training, 0.3, 1e-3, True)
    given = () if training else (mean, var)
    a, g, weight, bias = (i.astype(np.float32).astype(float) for i in (a, g, weight, bias))
    out, gx, gw, gb, mu, variance = batch_reference(a, g, weight, bias, 1e-3, *given)
    close(y, out, 1e-5)
    for found, expected in zip(
        torch.autograd.grad(y, (x, w, b), make(g, device, grad=False)), (gx, gw, gb), strict=True
    ):
        close(found, expected, 2e-5)
    n = a.size // c
    if training:
        close(m, 0.7 * mean + 0.3 * mu, 1e-5)
        close(v, 0.7 * var + 0.3 * variance * n / (n - 1), 1e-5)
    else:
        close(m, mean, 1e-7)
        close(v, var, 1e-7)


@pytest.mark.parametrize("shape", [(8, 5, 7, 9), (64, 20)], ids=str)
@pytest.mark.parametrize("given", ["", "w", "b", "r"])
def test_batch_norm_without_some_of_its_tensors(device, shape, given):
    rng = np.random.default_rng(2)
    c = shape[1]
    a = rng.standard_normal(shape)
    weight = rng.standard_normal(c) if "w" in given else np.ones(c)
    bias = rng.standard_normal(c) if "b" in given else np.zeros(c)
    x = make(a, device)
    w = make(weight, device) if "w" in given else None
    b = make(bias, device) if "b" in given else None
    running = (torch.zeros(c, device=device), torch.ones(c, device=device)) if "r" in given else (None, None)
    y = f.functional_batch_norm(x, *running, w, b, training=True)
    out, gx, *_ = batch_reference(a, np.cos(a), weight, bias, 1e-5)
    close(y, out, 1e-5)
    y.backward(make(np.cos(a), device, grad=False))
    close(x.grad, gx, 2e-5)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_kinds_of_batch_kernel(cl_device, shape, variant):
    rng = np.random.default_rng(3)
    c = shape[1]
    a, g = rng.standard_normal(shape) + 5, rng.standard_normal(shape)
    weight, bias = rng.standard_normal(c), rng.standard_normal(c)
    x, gy, w, b = (make(i, cl_device, grad=False) for i in (a, g, weight, bias))
    plan = BatchPlan(x.device.context, (shape[0], c, math.prod(shape[2:])), torch.float32, torch.float32, variant)
    a, g = (i.astype(np.float32).astype(float) for i in (a, g))
    expected = batch_reference(a, g, weight, bias, 1e-5)
    running = torch.zeros(c, device=cl_device), torch.zeros(c, device=cl_device)
    y, mean, rstd = plan.forward(x, w, b, *running, False, 1.0, 1e-5)
    close(y, expected[0], 1e-5)
    close(mean, expected[4], 1e-6)
    close(rstd, 1 / np.sqrt(expected[5] + 1e-5), 1e-5)
    close(running[0], expected[4], 1e-6)
    for found, wanted in zip(plan.backward(gy, x, w, mean, rstd, False, (True,) * 3), expected[1:4], strict=True):
        close(found, wanted, 2e-5)
    fixed = batch_reference(a, g, weight, bias, 1e-5, np.full(c, 4.0), np.full(c, 2.0))
    four, two = (torch.full((c,), v, device=cl_device) for v in (4.0, 2.0))
    y, mean, rstd = plan.forward(x, w, b, four, two, True, 0.1, 1e-5)
    close(y, fixed[0], 1e-5)
    for found, wanted in zip(plan.backward(gy, x, w, mean, rstd, True, (True,) * 3), fixed[1:4], strict=True):
        close(found, wanted, 2e-5)


def test_channels_cut_in_parts(cl_device):
    # few channels with many elements: partial results are joined
    a = np.random.randn(6, 3, 100, 101) * 3 + 1
    x = make(a, cl_device, grad=False)
    for shape in ((6, 3, 10100), (2, 9, 10100), (6 * 10100, 3, 1)):
        plan = BatchPlan(x.device.context, shape, torch.float32, torch.float32)
        y, mean, _ = plan.forward(x, None, None, None, None, False, 0.1, 1e-5)
        b = numpy(x).astype(float).reshape(shape)
        close(mean, b.mean((0, 2)), 1e-6)
        expected = (b - b.mean((0, 2), keepdims=True)) / np.sqrt(b.var((0, 2), keepdims=True) + 1e-5)
        close(y, expected.reshape(a.shape), 1e-5)
    gpu = BatchPlan(x.device.context, (6, 3, 10100), torch.float32, torch.float32, "gpu")
    assert gpu.parts > 1


@pytest.mark.parametrize("shape", [(16, 3, 30, 30), (500, 70)], ids=str)
@pytest.mark.parametrize("spoiler", ["none", "first", "step"])
def test_a_large_mean_does_not_ruin_the_variance(device, shape, spoiler):
    a = np.random.randn(*shape) + 1e4
    if spoiler == "first":
        a[0].reshape(shape[1], -1)[:, 0] = -3e4  # an outlier where the blocks begin
    elif spoiler == "step":
        a[shape[0] // 2 :] += 50
    a = a.astype(np.float32).astype(float)
    x = make(a, device)
    y, mean, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)
    axes = (0, *range(2, a.ndim))
    np.testing.assert_allclose(numpy(mean), a.mean(axes), rtol=2e-7, atol=1e-5 * a.std(axes).max())
    np.testing.assert_allclose(numpy(rstd), 1 / a.std(axes), rtol=2e-5)
    rows = a.reshape(shape[0], -1)[shape[0] // 4 :]
    if spoiler == "first":
        rows[:, 0] = -3e4
    y, mean, rstd = torch.native_layer_norm(make(rows, device), rows.shape[1:], None, None, 0.0)
    np.testing.assert_allclose(numpy(mean)[:, 0], rows.mean(1), rtol=2e-7, atol=1e-5 * rows.std(1).max())
    np.testing.assert_allclose(numpy(rstd)[:, 0], 1 / rows.std(1), rtol=2e-5)


def test_equal_elements_have_no_variance(device):
    x = torch.full((8, 3, 5, 5), 0.1, device=device)
    y, _, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
    np.testing.assert_allclose(numpy(rstd), 1 / math.sqrt(1e-5), rtol=1e-5)
    assert np.abs(numpy(y)).max() < 1e-4
    y = torch.layer_norm(x, (5,))
    assert np.abs(numpy(y)).max() < 1e-4


def test_nan_stays_in_its_channel_and_its_row(device):
    a = np.random.randn(4, 3, 40).astype(np.float32)
    a[1, 1, 7] = np.nan
    bad = np.isnan(numpy(torch.batch_norm(make(a, device), None, None, None, None, True, 0.1, 1e-5, True)))
    assert bad[:, 1].all() and not bad[:, [0, 2]].any()
    bad = np.isnan(numpy(torch.layer_norm(make(a, device), (40,))))
    assert bad[1, 1].all() and bad.sum() == 40


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_batch_statistics_alone(device, dtype):
    a = np.random.default_rng(2).normal(2, 3, (6, 3, 5)).astype(np.float32)
    x = make(a, device).to(getattr(torch, dtype))
    a = numpy(x.float())
    m, v = torch.zeros(3, device=device), torch.ones(3, device=device)
    mean, var = torch.batch_norm_update_stats(x, m, v, 0.25)
    for found, wanted in ((mean, a.mean((0, 2))), (var, a.var((0, 2))), (m, a.mean((0, 2)) / 4)):
        assert found.dtype is torch.float32
        np.testing.assert_allclose(numpy(found), wanted, rtol=1e-5)
    np.testing.assert_allclose(numpy(v), 0.75 + a.transpose(1, 0, 2).reshape(3, -1).var(1, ddof=1) / 4, rtol=1e-5)
    assert torch.batch_norm_update_stats(x, None, None, 0.1)[0].dtype is x.dtype


@pytest.mark.parametrize("lib", LIBRARIES)
def test_batch_statistics_of_nothing_are_refused(lib):
    lib = LIBRARIES[lib]()
    with pytest.raises(RuntimeError, match="must have at least one element, but got input_sizes = .0, 3."):
        lib.batch_norm_update_stats(lib.ones(0, 3), None, None, 0.1)
    with pytest.raises(IndexError, match="but got 1"):
        lib.batch_norm_update_stats(lib.ones(3), None, None, 0.1)
    running = lib.ones(3)
    lib.batch_norm_update_stats(lib.ones(1, 3), None, running, 0.1)
    assert running.isnan().all()


# ---- layers, groups, instances -----------------------------------------------------------------------------------
@pytest.mark.parametrize("rows, sizes", [(20, (100,)), (30, (7,)), (12, (5, 6)), (5, (1300,)), (300, (64,)), (3, (1,))])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_and_rms_norm(device, rows, sizes, affine):
    rng = np.random.default_rng(4)
    n = math.prod(sizes)
    a, g = ((rng.standard_normal((rows, n, 1)) * 2 + s).astype(np.float32).astype(float) for s in (3, 0))
    weight = rng.standard_normal(n).astype(np.float32).astype(float) if affine else np.ones(n)
    bias = rng.standard_normal(n).astype(np.float32).astype(float) if affine else np.zeros(n)
    x = make(a.reshape(rows, *sizes), device)
    w, b = (make(v.reshape(sizes), device) if affine else None for v in (weight, bias))
    for rms in (False, True):
        out, gx, gw, gb = rows_reference(a, g, weight, np.zeros(n) if rms else bias, 1, 1e-4, rms)
        y = torch.rms_norm(x, sizes, w, 1e-4) if rms else torch.layer_norm(x, sizes, w, b, 1e-4)
        close(y, out.reshape(y.shape), 1e-5)
        wanted = [(x, gx), (w, gw), *([] if rms else [(b, gb)])] if affine else [(x, gx)]
        grads = torch.autograd.grad(y, [t for t, _ in wanted], make(g.reshape(y.shape), device, grad=False))
        for found, (t, expected) in zip(grads, wanted, strict=True):
            assert found.shape == t.shape
            close(found, expected.reshape(t.shape), 3e-5)


@pytest.mark.parametrize("shape", [s for s in SHAPES if math.prod(s[1:]) > 1], ids=str)
def test_group_norm(device, shape):
    rng = np.random.default_rng(5)
    c = shape[1]
    flat = (shape[0], c, math.prod(shape[2:]))
    a, g = ((rng.standard_normal(shape) + s).astype(np.float32).astype(float) for s in (2, 0))
    weight, bias = (rng.standard_normal(c).astype(np.float32).astype(float) for _ in range(2))
    x, w, b = make(a, device), make(weight, device), make(bias, device)
    for groups in {1, c} | {d for d in (2, 5) if c % d == 0}:
        if c // groups * flat[2] == 1:
            continue
        out, gx, gw, gb = rows_reference(a.reshape(flat), g.reshape(flat), weight, bias, groups, 1e-4)
        y = torch.group_norm(x, groups, w, b, 1e-4)
        close(y, out.reshape(shape), 1e-5)
        grads = torch.autograd.grad(y, (x, w, b), make(g, device, grad=False))
        for found, expected in zip(grads, (gx.reshape(shape), gw, gb), strict=True):
            close(found, expected, 3e-5)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize(
    "rows",
    [Rows(20, 100, 1, 100), Rows(7, 30, 1, 30, True), Rows(12, 40, 4, 10), Rows(15, 66, 3, 2), Rows(4, 3000, 2, 3)],
)
def test_both_kinds_of_row_kernel(cl_device, rows, variant):
    rng = np.random.default_rng(6)
    entries, inner = rows.groups * rows.channels, rows.n // rows.channels
    shape = (rows.rows // rows.groups, entries, inner)
    a, g = ((rng.standard_normal(shape) + s).astype(np.float32).astype(float) for s in (2, 0))
    weight, bias = (rng.standard_normal(entries).astype(np.float32).astype(float) for _ in range(2))
    x, gy, w, b = (make(i, cl_device, grad=False) for i in (a, g, weight, bias))
    plan = RowsPlan(x.device.context, rows, torch.float32, torch.float32, variant)
    y, mean, rstd = plan.forward(x, w, None if rows.rms else b, 1e-5)
    expected = rows_reference(a, g, weight, np.zeros(entries) if rows.rms else bias, rows.groups, 1e-5, rows.rms)
    close(y, expected[0], 1e-5)
    found = plan.backward(gy, x, w, mean, rstd, (True, True, not rows.rms))
    for one, wanted in zip(found[: 2 if rows.rms else 3], expected[1:], strict=False):
        close(one, wanted.reshape(one.shape), 3e-5)


def test_rows_that_are_written_past_the_caches(cl_device, monkeypatch):
    context = torch.device(cl_device).resolve().context
    rng = np.random.default_rng(0)
    cases = [(rows, n, *(rng.standard_normal((rows, n)).astype("float32") for _ in "xg")) for rows, n in
             ((20, 64), (7, 100), (5, 1300), (3, 1))]  # fmt: skip

    def results():
        for rows, n, a, g in cases:
            x, w = make(a, cl_device), torch.ones(n, device=cl_device, requires_grad=True)
            for y in (f.layer_norm(x, (n,), w), f.rms_norm(x, (n,), w), f.group_norm(x.reshape(rows, 1, n), 1)):
                yield numpy(y)
                yield numpy(torch.autograd.grad(y, x, torch.tensor(g, device=cl_device).reshape(y.shape))[0])

    expected = list(results())
    monkeypatch.setattr(context, "caps", dataclasses.replace(context.caps, cache=1))
    monkeypatch.setattr(context, "ready", type(context.ready)())
    for found, wanted in zip(results(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_instance_norm(device):
    rng = np.random.default_rng(7)
    a = (rng.standard_normal((3, 4, 5, 6)) + 1).astype(np.float32).astype(float)
    weight, bias, mean, var = (rng.standard_normal(4).astype(np.float32).astype(float) for _ in range(4))
    mu, v = a.mean((2, 3), keepdims=True), a.var((2, 3), keepdims=True)
    expected = (a - mu) / np.sqrt(v + 1e-5) * weight[:, None, None] + bias[:, None, None]
    x, w, b = make(a, device), make(weight, device), make(bias, device)
    grads = []
    for running in (False, True):
        m, s = (make(i, device, grad=False) if running else None for i in (mean, var**2))
        y = f.functional_instance_norm(x, m, s, w, b, momentum=0.2)
        close(y, expected, 1e-5)
        y.square().sum().backward()
        if running:
            close(m, 0.8 * mean + 0.2 * mu.mean((0, 2, 3)), 1e-5)
            close(s, 0.8 * var**2 + 0.2 * (v * 30 / 29).mean((0, 2, 3)), 1e-5)
            close(x.grad, grads[0], 1e-4)
        grads.append(numpy(x.grad))
        x.grad = None
    y = f.functional_instance_norm(
        x, make(mean, device, grad=False), make(var**2, device, grad=False), use_input_stats=False
    )
    line = (1, 4, 1, 1)
    close(y, (a - mean.reshape(line)) / np.sqrt((var**2).reshape(line) + 1e-5), 1e-4)


# ---- dtypes, layouts, limits -------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("wide_weights", [False, True])
def test_other_dtypes(device, fp64, dtype, wide_weights):
    if dtype == "float64" and (wide_weights or not fp64):
        pytest.skip("no such pair")
    rng = np.random.default_rng(8)
    p = "float32" if wide_weights else dtype
    x = make(rng.standard_normal((6, 20, 5, 5)) + 1, device, dtype)
    g = make(rng.standard_normal((6, 20, 5, 5)), device, dtype, grad=False)
    w, b = (make(rng.standard_normal(20), device, p) for _ in range(2))
    mean, var = (torch.zeros(20, dtype=getattr(torch, p), device=device) for _ in range(2))
    a, c, weight, bias = (numpy(t).astype(float) for t in (x, g, w, b))
    y = f.functional_batch_norm(x, mean, var, w, b, True, 1.0)
    assert y.dtype is x.dtype
    expected = batch_reference(a, c, weight, bias, 1e-5)
    grads = torch.autograd.grad(y, (x, w, b), g)
    tolerance = TOLERANCE[dtype]
    close(y, expected[0], tolerance)
    close(mean, expected[4], tolerance)
    for found, wanted, t in zip(grads, expected[1:4], (x, w, b), strict=True):
        assert found.dtype is t.dtype
        close(found, wanted, tolerance)
    y = torch.group_norm(x, 4, w, b)
    flat = (6, 20, 25)
    expected = rows_reference(a.reshape(flat), c.reshape(flat), weight, bias, 4, 1e-5)
    close(y, expected[0].reshape(a.shape), tolerance)
    for found, wanted in zip(torch.autograd.grad(y, (x, w, b), g), expected[1:], strict=True):
        close(found, wanted.reshape(found.shape), tolerance)
    rows = x.detach()[:, :, 0, 0].requires_grad_()
    y = torch.layer_norm(rows, (20,), w, b)
    line = (6, 20, 1)
    expected = rows_reference(a[:, :, :1, 0].reshape(line), c[:, :, :1, 0].reshape(line), weight, bias, 1, 1e-5)
    close(y, expected[0][..., 0], tolerance)
    for found, wanted in zip(torch.autograd.grad(y, (rows, w, b), g[:, :, 0, 0]), expected[1:], strict=True):
        close(found, wanted.reshape(found.shape), tolerance)


def test_halves_do_not_overflow(device):
    # the squares are beyond float16
    x = torch.full((4, 64), 300.0, dtype=torch.float16, device=device)
    x[:, ::2] = -300.0
    np.testing.assert_allclose(np.abs(numpy(torch.layer_norm(x, (64,)))), 1, rtol=1e-3)
    np.testing.assert_allclose(np.abs(numpy(torch.rms_norm(x, (64,)))), 1, rtol=1e-3)


def test_inputs_and_parameters_of_any_strides(device):
    rng = np.random.default_rng(9)
    a = rng.standard_normal((6, 5, 8, 4))
    x = make(a, device, grad=False).permute(0, 2, 3, 1)[1:]
    dense = make(np.ascontiguousarray(a.transpose(0, 2, 3, 1)[1:]), device, grad=False)
    w = make(rng.standard_normal(16), device, grad=False)[::2]
    mean, same = torch.zeros(16, device=device), torch.zeros(8, device=device)
    y = torch.batch_norm(x, w, None, mean[::2], torch.ones(16, device=device)[::2], True, 0.5, 1e-5, True)
    z = torch.batch_norm(dense, w.contiguous(), None, same, torch.ones(8, device=device), True, 0.5, 1e-5, True)
    np.testing.assert_array_equal(numpy(y), numpy(z))
    np.testing.assert_array_equal(numpy(mean)[::2], numpy(same))
    assert not numpy(mean)[1::2].any()
    y = torch.layer_norm(x, (5,))
    np.testing.assert_array_equal(numpy(y), numpy(torch.layer_norm(dense, (5,))))


def test_empty_inputs(device):
    x = torch.zeros(0, 3, 4, device=device, requires_grad=True)
    w = torch.ones(3, device=device, requires_grad=True)
    mean = torch.zeros(3, device=device)
    y = f.functional_batch_norm(x, mean, torch.ones(3, device=device), w, training=True)
    assert y.shape == (0, 3, 4)
    y.sum().backward()
    assert x.grad.shape == (0, 3, 4) and not numpy(w.grad).any() and not numpy(mean).any()
    assert torch.layer_norm(torch.zeros(0, 3, device=device), (3,)).shape == (0, 3)
    assert torch.layer_norm(torch.zeros(3, 0, device=device), (0,)).shape == (3, 0)
    assert torch.group_norm(torch.zeros(0, 4, 3, device=device), 2).shape == (0, 4, 3)
    _, mean, rstd = torch.native_group_norm(x.detach().requires_grad_(), None, None, 0, 3, 4, 1, 1e-5)
    assert mean.shape == rstd.shape == (0, 1)


def test_a_batch_norm_of_no_numbers_has_no_channels(device):
    none, one = torch.zeros(0, device=device), torch.zeros(1, device=device)
    for training in (True, False):
        assert torch.batch_norm(none, None, None, none, none, training, 0.1, 1e-5, False).shape == (0,)
    with pytest.raises(RuntimeError, match="running_mean should contain 0 elements not 1"):
        torch.batch_norm(torch.zeros(4, device=device), None, None, one, one, True, 0.1, 1e-5, False)


def test_only_the_gradients_that_are_asked_for(device):
    x = torch.randn(4, 3, 5, device=device)
    w = torch.ones(3, device=device, requires_grad=True)
    f.functional_batch_norm(x, None, None, w, training=True).square().sum().backward()
    np.testing.assert_allclose(numpy(w.grad), 2 * 20 * np.ones(3), rtol=1e-3)
    v = torch.ones(5, device=device, requires_grad=True)
    torch.layer_norm(x, (5,), v).square().sum().backward()
    assert v.grad.shape == (5,)


def test_running_statistics_count_as_changed():
    mean, var = torch.zeros(3), torch.ones(3)
    before = mean._version
    f.functional_batch_norm(torch.randn(4, 3), mean, var, training=True)
    assert mean._version > before and var._version > 0
    version = mean._version
    f.functional_batch_norm(torch.randn(4, 3), mean, var)
    assert mean._version == version


def test_the_same_bits_every_time(cl_device):
    x = torch.randn(16, 4, 40, 40, device=cl_device, requires_grad=True)
    w = torch.ones(4, device=cl_device, requires_grad=True)
    runs = set()
    for _ in range(3):
        y = f.functional_batch_norm(x, None, None, w, training=True)
        runs.add(b"".join(t.detach().cpu().numpy().tobytes() for t in (y, *torch.autograd.grad(y, (x, w), y))))
    assert len(runs) == 1


# ---- derivatives -------------------------------------------------------------------------------------------------
def test_derivatives(device, fp64):
    if not fp64:
        pytest.skip("no double precision")

    def t(*shape):
        return torch.randn(*shape, dtype=torch.float64, device=device, requires_grad=True)

    x, w, b = t(3, 4, 2), t(4), t(4)
    mean, var = t(4).detach(), t(4).detach() ** 2 + 1
    cases = [
        (lambda x, w, b: f.functional_batch_norm(x, None, None, w, b, True, eps=0.1), (x, w, b)),
        (lambda x, w, b: f.functional_batch_norm(x, mean, var, w, b), (x, w, b)),
        (lambda x, w, b: torch.group_norm(x, 2, w, b, 0.1), (x, w, b)),
        (lambda x: torch.group_norm(x, 4, eps=0.1), (x,)),
        (lambda x, w, b: torch.layer_norm(x, (4, 2), w, b, 0.1), (x, t(4, 2), t(4, 2))),
        (lambda x, w: torch.rms_norm(x, (2,), w, 0.1), (x, t(2))),
        (lambda x, w: f.functional_instance_norm(x, mean.clone(), var.clone(), w, eps=0.1), (x, w)),
    ]
    for fn, inputs in cases:
        assert gradcheck(fn, inputs)
        assert gradgradcheck(fn, inputs)


def test_second_derivatives_of_halves_come_in_their_own_dtype(device):
    x = torch.randn(4, 3, dtype=torch.float16, device=device, requires_grad=True)
    w = torch.ones(3, device=device, requires_grad=True)
    (g,) = torch.autograd.grad(torch.layer_norm(x, (3,), w).square().sum(), x, create_graph=True)
    assert g.dtype is torch.float16
    g.float().square().sum().backward()
    assert x.grad.dtype is torch.float16 and w.grad.dtype is torch.float32


def test_gradients_of_native_group_norms_statistics(device):
    dtype = torch.float64 if "cpu" in str(device) else torch.float32
    x = torch.tensor(np.random.default_rng(0).standard_normal((2, 4, 3)), dtype=dtype, device=device).requires_grad_()
    _, mean, rstd = torch.native_group_norm(x, None, None, 2, 4, 3, 2, 1e-5)
    (g,) = torch.autograd.grad(mean[0, 1] + rstd[0, 1].log(), x)
    rows = x.detach()[0, 2:].cpu().numpy()
    want = (1 - (rows - rows.mean()) / (rows.var() + 1e-5)) / 6
    np.testing.assert_allclose(g[0, 2:].cpu().numpy(), want, rtol=1e-4, atol=1e-5)
    assert not g[1].any() and not g[0, :2].any()


def test_tangents_of_native_group_norms_statistics(device):
    x = torch.tensor([[1.0, 2.0, 4.0, 9.0]], device=device)
    for k in (1, 2):
        _, slope = torch.func.jvp(
            lambda v, k=k: torch.native_group_norm(v, None, None, 1, 4, 1, 2, 0.0)[k], (x,), (x * x,)
        )
        up, down = (torch.native_group_norm(x + s * x * x, None, None, 1, 4, 1, 2, 0.0)[k] for s in (1e-3, -1e-3))
        np.testing.assert_allclose(numpy(slope), numpy(up - down) / 2e-3, rtol=1e-2)


def test_names_of_the_graph():
    x = torch.ones(2, 4, 3, requires_grad=True)
    assert f.functional_batch_norm(x, None, None, training=True).grad_fn.name() == "NativeBatchNormBackward0"
    assert torch.layer_norm(x, (3,)).grad_fn.name() == "NativeLayerNormBackward0"
    assert torch.group_norm(x, 2).grad_fn.name() == "NativeGroupNormBackward0"
    _, mean, rstd = torch.native_group_norm(x, None, None, 2, 4, 3, 2, 1e-5)
    assert mean.shape == rstd.shape == (2, 2)
    _, mean, rstd = torch.native_layer_norm(x, (4, 3), None, None, 1e-5)
    assert mean.shape == rstd.shape == (2, 1, 1) and not mean.requires_grad
    assert (
        torch.native_batch_norm(x, None, None, mean[0, 0] * torch.ones(4), torch.ones(4), False, 0.1, 1e-5)[1].numel()
        == 0
    )


# ---- errors ------------------------------------------------------------------------------------------------------
def one(*shape, dtype=torch.float32):
    return torch.ones(*shape, dtype=dtype)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: f.functional_batch_norm(one(1, 3), None, None, training=True),
            ValueError,
            r"Expected more than 1 value per channel when training, got input size torch.Size\(\[1, 3\]\)",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), one(4), one(3)),
            RuntimeError,
            "running_mean should contain 3 elements not 4",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), one(3), one(4)),
            RuntimeError,
            "running_var should contain 3 elements not 4",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), one(3), one(3), one(4)),
            RuntimeError,
            "weight should contain 3 elements not 4",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), None, None),
            RuntimeError,
            "running_mean must be defined in evaluation mode",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), one(3), None, training=True),
            ValueError,
            "running_mean and running_var must either both be None or neither be None",
        ),
        (lambda: f.functional_batch_norm(one(3), None, None), IndexError, "Dimension out of range"),
        (
            lambda: torch.batch_norm(one(2, 3, dtype=torch.int64), None, None, None, None, True, 0.1, 1e-5, True),
            NotImplementedError,
            "\"batch_norm\" not implemented for 'Long'",
        ),
        (
            lambda: torch.batch_norm(one(2, 3), None, None, None, None, True, None, 1e-5, True),
            TypeError,
            "argument 'momentum' .* must be float, not NoneType",
        ),
        (
            lambda: f.functional_batch_norm(one(2, 3), one(3, dtype=torch.float64), one(3, dtype=torch.float64)),
            RuntimeError,
            "expect parameter to have scalar type of Float",
        ),
        (
            lambda: torch.layer_norm(one(2, 3, dtype=torch.float64), (3,), one(3)),
            RuntimeError,
            "all inputs must share same datatype",
        ),
        (
            lambda: torch.layer_norm(one(2, 3), (3,), one(3), one(3, dtype=torch.float16)),
            RuntimeError,
            "expected scalar type Float for bias but found Half",
        ),
        (
            lambda: torch.layer_norm(one(2, 3), (4,)),
            RuntimeError,
            r"Given normalized_shape=\[4\], expected input with shape \[\*, 4\], but got input of size\[2, 3\]",
        ),
        (
            lambda: torch.layer_norm(one(2, 3), ()),
            RuntimeError,
            r"Expected normalized_shape to be at least 1-dimensional, .* but got normalized_shape = \[\]",
        ),
        (lambda: torch.layer_norm(one(2, 3), 3), TypeError, "'normalized_shape' .* must be tuple of ints, not int"),
        (
            lambda: torch.layer_norm(one(2, 3), (3,), one(4)),
            RuntimeError,
            r"Expected weight to be of same shape as normalized_shape, but got weight of shape \[4\]",
        ),
        (lambda: torch.rms_norm(one(2, 3), (2, 3, 3)), ValueError, "must have at least 3 dimensions, but got 2"),
        (
            lambda: torch.group_norm(one(2, 4, 3), 3),
            RuntimeError,
            r"divisible by num_groups, but got input of shape \[2, 4, 3\] and num_groups=3",
        ),
        (lambda: torch.group_norm(one(2), 1), RuntimeError, "Expected at least 2 dimensions for input tensor"),
        (
            lambda: torch.group_norm(one(2, 4, 3), 2, one(3)),
            RuntimeError,
            "Expected weight to be a vector of size equal to the number of channels",
        ),
        (
            lambda: f.functional_group_norm(one(1, 4), 4),
            ValueError,
            r"Expected more than 1 value per channel when training, got input size \[1, 4\]",
        ),
        (
            lambda: f.functional_instance_norm(one(2, 4, 1)),
            ValueError,
            r"Expected more than 1 spatial element when training, got input size torch.Size\(\[2, 4, 1\]\)",
        ),
        (
            lambda: f.functional_instance_norm(one(2, 4, 3), use_input_stats=False),
            RuntimeError,
            "Expected running_mean and running_var to be defined when use_input_stats is false",
        ),
    ],
)
def test_errors_are_pytorchs(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- PyTorch -----------------------------------------------------------------------------------------------------
def results(lib, batch, instance, place, arrays, line, groups):
    """Return values and gradients of every normalisation, computed by our package or by PyTorch."""
    x, w, b = (lib.tensor(v, requires_grad=True, **place) for v in arrays[:3])
    mean, var = (lib.tensor(v, **place) for v in arrays[3:])
    u, v = (lib.tensor(i, requires_grad=True, **place) for i in line)
    g = lib.tensor(np.cos(arrays[0]), **place)
    sizes = x.shape[-1:]
    found = []
    for fn, inputs in (
        (lambda: batch(x, mean, var, w, b, True, 0.2), (x, w, b)),
        (lambda: batch(x, mean, var, w, b), (x, w, b)),
        (lambda: instance(x, mean, var, w, b, momentum=0.3), (x, w, b)),
        (lambda: instance(x, weight=w), (x, w)),
        (lambda: lib.group_norm(x, groups, w, b), (x, w, b)),
        (lambda: lib.layer_norm(x, sizes, u, v), (x, u, v)),
        (lambda: lib.rms_norm(x, sizes, u), (x, u)),
    ):
        y = fn()
        found += [y.detach(), *lib.autograd.grad(y, inputs, g)]
    return [t.cpu().numpy() for t in (*found, mean, var)]


@pytest.mark.parametrize("seed", range(12))
def test_agreement_with_pytorch(device, seed):
    peer = pytest.importorskip("torch", reason="PyTorch is not installed")
    peers = peer.nn.functional
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    c = groups * int(rng.integers(1, 6))
    shape = (int(rng.integers(2, 9)), c, *(int(v) for v in rng.integers(2, 20, int(rng.integers(1, 3)))))
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (shape, c, c, c, c)]
    arrays[4] = arrays[4] ** 2 + 0.1
    given = arrays, [rng.standard_normal(shape[-1]).astype(np.float32) for _ in range(2)], groups
    expected = results(peer, peers.batch_norm, peers.instance_norm, {}, *given)
    found = results(torch, f.functional_batch_norm, f.functional_instance_norm, {"device": device}, *given)
    for wanted, mine in zip(expected, found, strict=True):
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(mine / scale, wanted / scale, rtol=5e-5, atol=5e-5)


def test_second_derivatives_where_operands_are_not_packed(device):
    rows = np.array([[0.5, -1, 2, 0.25], [0.3, 1, -0.5, 2], [-1, 0.7, 0.4, 1]], np.float32)
    scale = np.array([1.0, 9, 2, 9, -1, 9], np.float32)

    def second(run, packed):
        x = torch.tensor(rows, device=device, requires_grad=True)
        w = torch.tensor(scale, device=device, requires_grad=True)
        y = run(x.t().contiguous(), w[::2].contiguous()) if packed else run(x.t(), w[::2])
        first = torch.autograd.grad((y**3).sum(), (x, w), create_graph=True)
        return [g.tolist() for g in torch.autograd.grad(sum((g**2).sum() for g in first), (x, w))]

    for run in (
        lambda x, w: torch.nn.functional.layer_norm(x, (3,), w),
        lambda x, w: torch.nn.functional.rms_norm(x, (3,), w),
        lambda x, w: torch.nn.functional.group_norm(x[None], 1, torch.cat([w, w[:1]])),
        lambda x, w: torch.nn.functional.batch_norm(x, None, None, w, training=True),
    ):
        for found, want in zip(second(run, False), second(run, True), strict=True):
            np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-3)
            assert np.abs(want).max() > 1
