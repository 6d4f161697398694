"""The database of kernel parameters: sound defaults, a file that is optional and checked, right results with any."""

import json
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

import cltorch
from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.device.caps import Caps
from cltorch.ops import conv, conv_choice, conv_shape, gemm, tuning
from cltorch.ops.conv_shape import Geometry
from cltorch.ops.recurrent import Recurrent
from cltorch.ops.tuning_defaults import KERNELS

CAPS = Caps(
    kind="gpu", name="Device", vendor="Somebody", driver="1.0", c_version="1.2", compute_units=16, global_mem=1 << 32,
    max_alloc=1 << 30, local_mem=16384, max_work_group=256, max_dims=3, float_width=1, fp64=False, fp16=False,
    int64_atomics=False, sub_groups=False, host_unified=False,
)  # fmt: skip
CLASSES = {"cpu": ("cpu-avx512", "cpu-avx2", "cpu"), "gpu": ("nvidia", "amd", "intel", "gpu")}


class Fake:
    """What the database asks of a context."""

    def __init__(self, **caps):
        self.caps, self.ready = replace(CAPS, **caps), {}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A file of tuned parameters that is the tests' own."""
    path = tmp_path / "tuned.json"
    monkeypatch.setenv("CLTORCH_TUNING", str(path))
    for cached in (tuning._stored, tuning._warn, tuning._check_names):
        cached.cache_clear()
    yield path
    monkeypatch.undo()
    tuning.forget()


def write(path, kernels, device="Device | 1.0", form=tuning.FORMAT):
    path.write_text(json.dumps({"format": form, "devices": {device: kernels}}))
    tuning.forget()


def kinds(kernel):
    return "gpu" if " gpu" in kernel else "cpu"


# ---- defaults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_class_has_valid_defaults_that_fit_modest_devices(kernel):
    row = KERNELS[kernel]
    assert set(row["meaning"]) == set(row["values"])
    for name in CLASSES[kinds(kernel)]:
        assert tuning.valid(kernel, row[name]) == "", name
        # 16 KB of local memory, 256 work-items in a group: what OpenCL's weakest GPUs have
        assert tuning.misfit(kernel, row[name], CAPS) == "", name


@pytest.mark.parametrize("kernel", [k for k in KERNELS if kinds(k) == "gpu"])
@pytest.mark.parametrize("limits", [(256, 16384), (64, 16384), (16, 2048), (128, 8192)], ids=str)
def test_small_devices_get_what_fits_them(kernel, limits):
    for vendor in ("NVIDIA Corporation", "Intel(R) Corporation", "AMD", "Qualcomm"):
        context = Fake(max_work_group=limits[0], local_mem=limits[1], vendor=vendor)
        for itemsize in (4, 8):
            found = tuning.parameters(context, kernel, itemsize)
            assert tuning.misfit(kernel, found, context.caps, itemsize) == ""


def test_classes_of_devices():
    for caps, name in [
        ({"kind": "cpu", "float_width": 16}, "cpu-avx512"), ({"kind": "cpu", "float_width": 8}, "cpu-avx2"),
        ({"kind": "cpu", "float_width": 4, "vendor": "AMD"}, "cpu"), ({"vendor": "NVIDIA Corporation"}, "nvidia"),
        ({"vendor": "Advanced Micro Devices, Inc."}, "amd"), ({"vendor": "Intel(R) Corporation"}, "intel"),
        ({"vendor": "ARM"}, "gpu"), ({"kind": "accelerator", "vendor": "Somebody"}, "gpu"),
    ]:  # fmt: skip
        assert tuning.device_class(replace(CAPS, **caps)) == name


# ---- the file ----------------------------------------------------------------------------------------------------


def test_a_tuned_entry_counts_for_its_device_and_driver_only(file):
    better = KERNELS["matmul gpu"]["gpu"] | {"unroll": 4}
    write(file, {"matmul gpu": {"parameters": better}})
    assert tuning.parameters(Fake(), "matmul gpu") == better and tuning.source(Fake(), "matmul gpu") == "tuned"
    for other in (Fake(driver="2.0"), Fake(name="Other")):
        assert tuning.parameters(other, "matmul gpu") == KERNELS["matmul gpu"]["gpu"]
        assert tuning.source(other, "matmul gpu") == "gpu"
    assert tuning.parameters(Fake(), "matmul gpu small") == KERNELS["matmul gpu small"]["gpu"]


@pytest.mark.parametrize(
    "entry, why",
    [
        ({"parameters": {"group_items": 100}}, "group_items is 100"),
        ({"parameters": {"group_items": "64"}}, "group_items is '64'"),
        ({"parameters": {"group_items": True}}, "group_items is True"),
        ({"parameters": {}}, "its parameters are not group_items"),
        ({"parameters": {"group_items": 64, "more": 1}}, "its parameters are not group_items"),
        ([64], "its parameters are not group_items"),
        ({"parameters": {"group_items": 256}}, "work-groups are smaller"),
    ],
    ids=str,
)
def test_an_invalid_entry_is_left_out_with_a_warning(entry, why, file):
    write(file, {"matrix vector gpu": entry})
    context = Fake(max_work_group=128)
    with pytest.warns(UserWarning, match=why):
        assert tuning.parameters(context, "matrix vector gpu") == {"group_items": 128}


def test_a_foreign_entry_is_left_out_with_a_warning(file):
    write(file, {"brewing coffee": {"parameters": {}}})
    with pytest.warns(UserWarning, match="'brewing coffee' .* no kernel of that name"):
        tuning.parameters(Fake(), "softmax gpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        tuning.parameters(Fake(), "softmax gpu")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99, "devices": {}}', '{"format": 1, "devices": 3}'])
def test_another_file_is_left_out_with_a_warning_and_not_overwritten(text, file):
    file.write_text(text)
    with pytest.warns(UserWarning, match="tuned parameters are left out"):
        assert tuning.parameters(Fake(), "softmax gpu") == {"group_items": 256}
    with pytest.raises(ValueError, match="does not hold tuned parameters"):
        tuning.remember(CAPS, "softmax gpu", {"parameters": {"group_items": 64}})
    assert file.read_text() == text


def test_entries_are_merged_into_the_file(file):
    for name, kernel, items in (("A", "softmax gpu", 64), ("B", "softmax gpu", 32), ("A", "reduction gpu", 128)):
        written = tuning.remember(replace(CAPS, name=name), kernel, {"parameters": {"group_items": items}})
        assert written == file
    assert tuning.parameters(Fake(name="A"), "softmax gpu") == {"group_items": 64}
    assert tuning.parameters(Fake(name="A"), "reduction gpu") == {"group_items": 128}
    assert tuning.parameters(Fake(name="B"), "softmax gpu") == {"group_items": 32}
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_off_leaves_the_defaults(file, monkeypatch):
    write(file, {"softmax gpu": {"parameters": {"group_items": 64}}})
    assert tuning.parameters(Fake(), "softmax gpu") == {"group_items": 64}
    monkeypatch.setenv("CLTORCH_TUNING", "off")
    tuning.forget()
    assert tuning.parameters(Fake(), "softmax gpu") == {"group_items": 256}
    with pytest.raises(OSError, match="CLTORCH_TUNING is off"):
        tuning.remember(CAPS, "softmax gpu", {"parameters": {"group_items": 64}})


def test_without_a_choice_the_file_is_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CLTORCH_TUNING", raising=False)
    monkeypatch.setenv("CLTORCH_CACHE", str(tmp_path))
    assert tuning.path() == tmp_path / "tuning.json"


def test_an_import_does_not_read_the_file(file):
    file.write_text("nonsense")
    subprocess.run([sys.executable, "-W", "error", "-c", "import cltorch"], check=True)


def test_the_file_is_read_once(file):
    write(file, {"softmax gpu": {"parameters": {"group_items": 64}}})
    assert tuning.parameters(Fake(), "softmax gpu") == {"group_items": 64}
    file.unlink()
    assert tuning.parameters(Fake(), "softmax gpu") == {"group_items": 64}


# ---- every choice gives the same results -------------------------------------------------------------------------

BLOCKS = [
    # block rows, columns, depth, group rows, columns, vector width, unroll; the last three are defaults of vendors
    (16, 16, 4, 4, 4, 1, 1), (16, 32, 8, 4, 8, 4, 8), (64, 64, 16, 8, 8, 8, 4), (128, 64, 16, 8, 16, 4, 2),
    (64, 64, 16, 8, 16, 4, 2), (32, 32, 32, 16, 8, 2, 2),
]  # fmt: skip


@pytest.fixture
def trial(cl_device):
    """Return a function that makes the device take parameters until the test ends."""
    context, tried = cltorch.device(cl_device).context, set()

    def take(kernel, chosen):
        misfit = tuning.misfit(kernel, chosen, context.caps)
        if misfit and context.limits:
            pytest.skip(misfit)
        assert tuning.valid(kernel, chosen) == "" and misfit == ""
        tried.add(kernel)
        tuning.try_out(context, kernel, chosen)
        assert tuning.parameters(context, kernel) == chosen

    yield take
    for kernel in tried:
        tuning.try_out(context, kernel, None)


def whole(rng, *shape, device):
    a = rng.integers(-4, 5, shape).astype(np.float32)
    return a, cltorch.tensor(a, device=device)


def check_products(device, sizes, variant, types=(dtypes.float32,)):
    context, rng = cltorch.device(device).context, np.random.default_rng(0)
    for t in types:
        for m, k, n in sizes:
            a, x = whole(rng, m, k, device=device)
            b, y = whole(rng, k, n, device=device)
            c, z = whole(rng, m, n, device=device)
            x, y, z = x.to(t), y.to(t), z.to(t)
            for left, right in ((x, y), (x.t().contiguous().t(), y.t().contiguous().t())):
                plan = gemm.make_plan(context, t, left.lay, right.lay, z.lay, False, False, variant)
                np.testing.assert_array_equal(plan(left, right, z, 2, -1).cpu().float().numpy(), 2 * (a @ b) - c)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_products_are_right_with_every_block(block, cl_device, trial):
    chosen = dict(zip(KERNELS["matmul gpu"]["values"], block, strict=True))
    for kernel in ("matmul gpu", "matmul gpu small"):
        trial(kernel, chosen)
    types = (dtypes.float32, dtypes.float16) if block == BLOCKS[1] else (dtypes.float32,)
    check_products(cl_device, [(130, 37, 135), (33, 70, 17), (2, 5, 3)], "gpu", types)


@pytest.mark.parametrize(
    "changes",
    [
        {"tile_rows": 4, "tile_vectors": 1, "unroll": 2}, {"tile_rows": 7, "vector_bytes": 16, "left": "packed"},
        {"tile_vectors": 4, "tile_rows": 6, "unroll": 4, "prefetch": 0, "packed_bytes": 65536},
    ],
    ids=str,
)  # fmt: skip
def test_products_are_right_with_every_tile(changes, cl_device, trial, processor_kernels):
    trial("matmul cpu", KERNELS["matmul cpu"]["cpu-avx2"] | changes)
    check_products(cl_device, [(23, 37, 135), (33, 1500, 17)], "cpu")


@pytest.mark.parametrize("variant", ("cpu", "gpu"))
def test_vectors_are_right_with_every_choice(variant, cl_device, trial):
    choices = [{"group_items": 32}] if variant == "gpu" else [
        KERNELS["matrix vector cpu"]["cpu-avx2"] | {"rows_together": 1, "run_vectors": 16, "least_work": 4096},
        KERNELS["matrix vector cpu"]["cpu"] | {"rows_together": 8, "run_vectors": 64},
    ]  # fmt: skip
    for chosen in choices:
        trial(f"matrix vector {variant}", chosen)
        check_products(cl_device, [(1, 300, 135), (150, 70, 1)], variant)


@pytest.mark.parametrize("block", [(16, 16, 4, 4, 4), (64, 32, 16, 8, 16)], ids=str)
def test_convolutions_are_right_with_every_block(block, cl_device, trial):
    context, rng = cltorch.device(cl_device).context, np.random.default_rng(0)
    chosen = dict(zip(KERNELS["convolution gpu"]["values"], block, strict=True))
    for kernel in ("convolution gpu", "convolution gpu small"):
        trial(kernel, chosen)
    a, x = whole(rng, 2, 18, 9, 10, device=cl_device)
    b, w = whole(rng, 20, 18, 3, 3, device=cl_device)
    c, y = whole(rng, 2, 20, 7, 8, device=cl_device)
    g = Geometry(2, 1, 18, 20, (1, 9, 10), (1, 7, 8), (1, 3, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1))
    t = dtypes.float32
    plan = conv.make_plan(context, g, False, t, x.lay, False, (2, 20, 7, 8), "gpu")
    windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3), (2, 3))
    np.testing.assert_array_equal(plan(x, w, None).cpu().numpy(), np.einsum("nchwij,kcij->nkhw", windows, b))
    plan = conv.make_weight_plan(context, g, t, x.lay, y.lay, True, (20, 18, 3, 3), "gpu")
    gradient, total = plan(x, y)
    np.testing.assert_array_equal(gradient.cpu().numpy(), np.einsum("nchwij,nkhw->kcij", windows, c))
    np.testing.assert_array_equal(total.cpu().numpy(), c.sum((0, 2, 3)))


@pytest.mark.parametrize(
    "changes",
    [
        {"winograd": "all", "tile_rows": 4, "short_rows": 2}, {"winograd": "none", "tile_vectors": 3, "tile_rows": 8},
        {"winograd": "none", "vector_bytes": 16, "tile_vectors": 1},
    ],
    ids=str,
)  # fmt: skip
def test_processors_convolutions_are_right_with_every_choice(changes, cl_device, trial, processor_kernels):
    trial("convolution cpu", KERNELS["convolution cpu"]["cpu-avx2"] | changes)
    context, rng = cltorch.device(cl_device).context, np.random.default_rng(0)
    seen = []
    for stride in (1, 2):
        a, x = whole(rng, 2, 18, 19, 20, device=cl_device)
        b, w = whole(rng, 40, 18, 3, 3, device=cl_device)
        outs = (1, 16 // stride + 1, 17 // stride + 1)
        g = Geometry(2, 1, 18, 40, (1, 19, 20), outs, (1, 3, 3), (1, stride, stride), (0, 0, 0), (1, 1, 1))
        s = conv_shape.forward(g)
        t = dtypes.float32
        seen.append(conv_choice.wished(conv_choice.correlation(g, s, t), changes["winograd"], s, t))
        plan = conv.make_plan(context, g, False, t, x.lay, False, (2, 40, *outs[1:]), "cpu")
        windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3), (2, 3))[:, :, ::stride, ::stride]
        # Winograd's way is not exact, even of whole numbers
        want = np.einsum("nchwij,kcij->nkhw", windows, b)
        np.testing.assert_allclose(plan(x, w, None).cpu().numpy(), want, atol=1e-5 * np.abs(want).max())
    assert seen == ["winograd" if changes["winograd"] == "all" else "direct", "direct"]


@pytest.mark.parametrize(
    "changes, wish",
    [
        ({"tile_rows": 4, "tile_vectors": 3, "vector_bytes": 16, "flat_rows": 2, "flat_lanes": 4}, "none"),
        ({"winograd_tiles": 14}, "all"),
    ],
    ids=str,
)  # fmt: skip
def test_processors_gradients_of_weights_are_right_with_every_choice(
    changes, wish, cl_device, trial, processor_kernels
):
    kernel = "convolution weight cpu"
    trial(kernel, KERNELS[kernel]["cpu-avx2"] | changes | {"winograd": wish})
    context, rng, t = cltorch.device(cl_device).context, np.random.default_rng(0), dtypes.float32
    for lanes in (3, 40):
        a, x = whole(rng, 2, 18, 19, 20, device=cl_device)
        b, y = whole(rng, 2, lanes, 17, 18, device=cl_device)
        g = Geometry(2, 1, 18, lanes, (1, 19, 20), (1, 17, 18), (1, 3, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1))
        s = conv_shape.forward(g)
        way = conv_choice.wished(conv_choice.weight_gradient(g, s, t), wish, s, t)
        assert way == ("winograd" if wish == "all" else "direct")
        plan = conv.make_weight_plan(context, g, t, x.lay, y.lay, True, (lanes, 18, 3, 3), "cpu")
        want = np.einsum("nchwij,nkhw->kcij", np.lib.stride_tricks.sliding_window_view(a, (3, 3), (2, 3)), b)
        gradient, total = plan(x, y)
        # Winograd's way is not exact, even of whole numbers
        atol = 1e-5 * np.abs(want).max() if way == "winograd" else 0
        np.testing.assert_allclose(gradient.cpu().numpy(), want, rtol=0, atol=atol)
        np.testing.assert_allclose(total.cpu().numpy(), b.sum((0, 2, 3)), rtol=0, atol=atol)


@pytest.mark.parametrize(
    "changes, taps, size, stride",
    [
        ({"rows_together": 1, "panel_elements": 1536}, 0, 3, 1),
        ({"rows_together": 6, "vector_bytes": 16}, 25, 5, 2),
    ],
    ids=str,
)
def test_single_channels_are_right_with_every_choice(changes, taps, size, stride, cl_device, trial, processor_kernels):
    for kernel, more in (("depthwise cpu", {}), ("depthwise weight cpu", {"whole_taps": taps})):
        trial(kernel, KERNELS[kernel]["cpu-avx2"] | changes | more)
    context, rng, t = cltorch.device(cl_device).context, np.random.default_rng(0), dtypes.float32
    a, x = whole(rng, 2, 5, 39, 40, device=cl_device)
    b, w = whole(rng, 5, 1, size, size, device=cl_device)
    outs = (39 - size) // stride + 1, (40 - size) // stride + 1
    c, y = whole(rng, 2, 5, *outs, device=cl_device)
    window, steps = (1, size, size), (1, stride, stride)
    g = Geometry(2, 5, 1, 1, (1, 39, 40), (1, *outs), window, steps, (0, 0, 0), (1, 1, 1))
    assert conv_choice.correlation(g, conv_shape.forward(g), t) == "depthwise"
    windows = np.lib.stride_tricks.sliding_window_view(a, (size, size), (2, 3))[:, :, ::stride, ::stride]
    plan = conv.make_plan(context, g, False, t, x.lay, False, (2, 5, *outs), "cpu")
    np.testing.assert_array_equal(plan(x, w, None).cpu().numpy(), np.einsum("nchwij,cij->nchw", windows, b[:, 0]))
    back = conv.make_weight_plan(context, g, t, x.lay, y.lay, False, (5, 1, size, size), "cpu")
    np.testing.assert_array_equal(back(x, y)[0].cpu().numpy()[:, 0], np.einsum("nchwij,nchw->cij", windows, c))


@pytest.mark.parametrize(
    "variant, changes",
    [
        ("cpu", {"tile_rows": 5, "tile_vectors": 3, "vector_bytes": 16, "prefetch": 0}),
        ("cpu", {"tile_rows": 2, "tile_vectors": 1, "vector_bytes": 32}), ("gpu", {"group_items": 16}),
    ],
    ids=str,
)  # fmt: skip
def test_recurrent_steps_are_right_with_every_choice(variant, changes, cl_device, trial):
    kernel = f"recurrent {variant}"
    trial(kernel, KERNELS[kernel]["cpu-avx2" if variant == "cpu" else "gpu"] | changes)
    rng, (batch, steps, inputs, units) = np.random.default_rng(0), (11, 3, 4, 37)
    shapes = (steps * batch, inputs), (batch, units), (units, inputs), (units, units), (units,)
    x, h, w, u, b = (rng.standard_normal(shape).astype(np.float32) * 0.3 for shape in shapes)
    before, states = [], [h.astype(np.float64)]
    for xs in x.reshape(steps, batch, inputs):
        before.append(states[-1])
        states.append(np.tanh(xs @ w.T + before[-1] @ u.T + 2 * b))
    gx, gu, through = np.zeros(x.shape), np.zeros(u.shape), np.zeros(h.shape)
    for i in reversed(range(steps)):
        d = (1 + through) * (1 - states[i + 1] ** 2)
        gx[i * batch : (i + 1) * batch] = d @ w
        gu += d.T @ before[i]
        through = d @ u
    given = [cltorch.tensor(a, device=cl_device, requires_grad=True) for a in (x, h, w, u, b)]
    dx, dh, dw, du, db = given
    out = apply(Recurrent, dx, dh, None, dw, du, db, db, None, (batch,) * steps, "tanh", False, variant)[0]
    np.testing.assert_allclose(out.detach().cpu().numpy(), np.concatenate(states[1:]), rtol=1e-5, atol=1e-6)
    found = cltorch.autograd.grad(out.sum(), [dx, dh, du])
    for got, want in zip(found, (gx, through, gu), strict=True):
        np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-4, atol=1e-5)


def test_a_launch_does_not_ask_the_database(cl_device, monkeypatch):
    x, y = cltorch.randn(20, 30, device=cl_device), cltorch.randn(30, 40, device=cl_device)
    expected = (x @ y).cpu().numpy()

    def refuse(*_):
        raise AssertionError("a launch asked")

    monkeypatch.setattr(tuning, "parameters", refuse)
    monkeypatch.setattr(tuning, "fitting", refuse)
    np.testing.assert_array_equal((x @ y).cpu().numpy(), expected)
