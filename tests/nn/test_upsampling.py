"""Resampling to other sizes: every mode against PyTorch and SciPy, both variants of the kernel, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import cltorch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.ops import resample as ops
from cltorch.ops.resample_taps import taps, whole_taps

MODES = {3: ("nearest", "nearest-exact", "linear", "area"), 5: ("nearest", "nearest-exact", "trilinear", "area")}
MODES[4] = ("nearest", "nearest-exact", "bilinear", "bicubic", "area")
SHAPES = {3: (2, 3, 7), 4: (2, 3, 7, 5), 5: (1, 2, 4, 3, 5)}
SIZES = {3: (1, 4, 7, 13), 4: ((1, 1), (4, 9), (7, 5), (14, 10), (3, 3)), 5: ((2, 7, 5), (8, 6, 10))}
LINEAR = ("linear", "bilinear", "trilinear", "bicubic")


def sample(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(torch, a, device, call, dtype="float32"):
    """Return (result, gradient of a weighted sum of it) of ours and of PyTorch's."""
    out = []
    for library, kw in ((cltorch, {"device": device}), (torch, {})):
        x = library.tensor(a, dtype=getattr(library, dtype), **kw).requires_grad_()
        y = call(library.nn.functional, x)
        weight = library.tensor(sample(y.shape, 1), dtype=y.dtype, **kw)
        (g,) = library.autograd.grad((y * weight).sum(), x)
        out.append((y.detach().cpu().float().numpy(), g.cpu().float().numpy()))
    return out


@pytest.mark.parametrize("rank", [3, 4, 5])
def test_sizes_and_scales_are_pytorchs(rank, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a = sample(SHAPES[rank])
    for mode in MODES[rank]:
        aligned = (False, True) if mode in LINEAR else (None,)
        cases = [{"size": s} for s in SIZES[rank]]
        cases += [{"scale_factor": f, "recompute_scale_factor": r} for f in (2, 0.6, 1.7) for r in (None, True)]
        for kw in [{"align_corners": c, "mode": mode, **kw} for kw in cases for c in aligned]:
            (y, g), (yt, gt) = both(torch, a, device, lambda lib, x, kw=kw: lib.interpolate(x, **kw))
            assert y.shape == yt.shape, kw
            np.testing.assert_allclose(y, yt, rtol=1e-4, atol=1e-5, err_msg=str(kw))
            np.testing.assert_allclose(g, gt, rtol=1e-4, atol=2e-5, err_msg=str(kw))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_antialiased_images_are_pytorchs(mode, device):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a = sample((1, 2, 17, 11))
    for kw in ({"size": (5, 4)}, {"size": (30, 7)}, {"scale_factor": 0.4}):
        kw |= {"mode": mode, "antialias": True}
        (y, g), (yt, gt) = both(torch, a, device, lambda lib, x, kw=kw: lib.interpolate(x, **kw))
        np.testing.assert_allclose(y, yt, rtol=1e-3, atol=1e-4, err_msg=str(kw))
        np.testing.assert_allclose(g, gt, rtol=1e-3, atol=1e-4, err_msg=str(kw))


def test_aligned_linear_resampling_is_scipys_zoom(device):
    a = sample((5, 7))
    found = F.interpolate(cltorch.tensor(a, device=device)[None, None], (9, 4), mode="bilinear", align_corners=True)
    wanted = ndimage.zoom(a, (9 / 5, 4 / 7), order=1, grid_mode=False)
    np.testing.assert_allclose(found[0, 0].cpu().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_doubling_repeats_elements(device):
    a = sample((2, 3, 4, 5))
    found = F.interpolate(cltorch.tensor(a, device=device), scale_factor=2)
    np.testing.assert_array_equal(found.cpu().numpy(), a.repeat(2, 2).repeat(2, 3))


def dense_matrix(t):
    out = np.zeros((len(t.start), t.size))
    for o in range(len(t.start)):
        out[o, t.start[o] : t.start[o] + t.count[o]] = t.weight[o, : t.count[o]]
    return out


@pytest.mark.parametrize("kind", ["nearest", "linear", "cubic", "linear-aa"])
@pytest.mark.parametrize(("n", "m"), [(1, 4), (5, 2), (5, 12), (40, 3)])
def test_the_adjoint_is_the_transposed_matrix(kind, n, m):
    t = taps(kind, n, m, False, 0.0, True)
    np.testing.assert_allclose(dense_matrix(t.adjoint), dense_matrix(t).T)
    np.testing.assert_allclose(dense_matrix(t).sum(1), 1)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(("dim", "shape"), [(0, (5, 37)), (1, (3, 5, 20)), (2, (2, 3, 9))])
def test_both_variants_of_the_kernel_are_right(kind, mode, dim, shape, cl_device):
    a = sample(shape)
    t = taps(mode, shape[dim], 8, False, 0.0, False)
    found = ops.run(cltorch.tensor(a, device=cl_device), ((dim, t),), kind)
    wanted = np.moveaxis(np.tensordot(dense_matrix(t), a, (1, dim)), 0, dim)
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("mode", "antialias"), [("nearest", False), ("bilinear", False), ("bicubic", True)])
def test_gradients_are_right_to_the_second_order(mode, antialias, device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    x = cltorch.randn(1, 2, 4, 3, dtype=cltorch.float64, device=device, requires_grad=True)

    def call(x):
        return F.interpolate(x, (3, 5), mode=mode, antialias=antialias) ** 2

    assert cltorch.autograd.gradcheck(call, [x]) and cltorch.autograd.gradgradcheck(call, [x])


@pytest.mark.parametrize("dtype", [cltorch.float16, cltorch.bfloat16])
def test_halves_are_rounded_once(dtype, device):
    x = cltorch.tensor(sample((1, 2, 6, 5)), device=device).to(dtype)
    found = F.interpolate(x, (9, 8), mode="bicubic")
    wanted = F.interpolate(x.float(), (9, 8), mode="bicubic").to(dtype)
    assert found.dtype is dtype and (found.float() - wanted.float()).abs().max().item() < 2e-2


def test_bytes_are_rounded_and_clamped(device):
    a = np.random.default_rng(0).integers(0, 256, (1, 1, 6, 5)).astype(np.uint8)
    x = cltorch.tensor(a, device=device)
    np.testing.assert_array_equal(F.interpolate(x, (6, 10)).cpu().numpy(), a.repeat(2, 3))
    for mode in ("bilinear", "bicubic"):
        found = F.interpolate(x, (9, 7), mode=mode)
        wanted = F.interpolate(x.float(), (9, 7), mode=mode).clamp(0, 255).cpu().numpy()
        assert found.dtype is cltorch.uint8
        assert np.abs(found.cpu().numpy() - wanted).max() <= 1.01  # rounded after each dimension


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_bytes_are_pytorchs(mode, antialias, device, peer):
    a = np.random.default_rng(1).integers(0, 256, (2, 5, 23, 40)).astype(np.uint8)
    for shape, align, size in (((2, 5), False, (9, 55)), ((2, 3), True, (31, 7)), ((1, 1), False, (23, 80))):
        found = []
        for library, kw in ((cltorch, {"device": device}), (peer, {})):
            x = library.tensor(a, **kw)[: shape[0], : shape[1]]
            out = library.nn.functional.interpolate(x, size, mode=mode, align_corners=align, antialias=antialias)
            found.append(out.cpu().numpy())
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_both_variants_of_the_kernel_sum_whole_weights(variant, cl_device):
    a = np.random.default_rng(2).integers(0, 256, (2, 9, 19)).astype(np.uint8)
    for dim, n in ((1, 9), (2, 19)):
        steps = ((dim, whole_taps("cubic", n, 13, False, 0.0)),)
        found = [ops.run(cltorch.tensor(a, device=d), steps, variant).cpu().numpy() for d in (cl_device, "cpu")]
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_channels_stay_last(mode, device):
    a = sample((2, 3, 5, 4))
    x = cltorch.tensor(a, device=device).to(memory_format=cltorch.channels_last)
    out = F.interpolate(x, (7, 8), mode=mode)
    plain = F.interpolate(cltorch.tensor(a, device=device), (7, 8), mode=mode)
    np.testing.assert_allclose(out.cpu().numpy(), plain.cpu().numpy(), rtol=1e-5, atol=1e-6)
    if device != "cpu":
        assert out.is_contiguous(memory_format=cltorch.channels_last)


def test_views_are_resampled_as_they_look(device):
    a = sample((3, 2, 6, 5))
    x = cltorch.tensor(a, device=device).permute(1, 0, 3, 2)[:, 1:]
    found = F.interpolate(x, (4, 9), mode="bilinear")
    again = F.interpolate(cltorch.tensor(a.transpose(1, 0, 3, 2)[:, 1:].copy(), device=device), (4, 9), mode="bilinear")
    np.testing.assert_array_equal(found.cpu().numpy(), again.cpu().numpy())
    assert F.interpolate(cltorch.zeros(0, 2, 3, device=device), 5).shape == (0, 2, 5)


def test_the_same_size_gives_a_copy(device):
    x = cltorch.ones(1, 1, 2, 2, device=device)
    F.interpolate(x, (2, 2)).zero_()
    assert x.sum().item() == 4


@pytest.mark.parametrize(
    ("shape", "kw", "error", "message"),
    [
        ((1, 1, 3), {}, ValueError, "either size or scale_factor should be defined"),
        ((1, 1, 3), {"size": 2, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
        ((1, 1, 3), {"size": (2, 2)}, ValueError, "must have the same number of spatial dimensions"),
        ((1, 1, 3), {"size": (2.5,)}, TypeError, "expected size to be one of int"),
        ((1, 1, 3), {"size": 2, "align_corners": True}, ValueError, "align_corners option can only be set"),
        ((1, 1, 3), {"size": 2, "mode": "bilinear"}, NotImplementedError, "Got 3D input, but bilinear mode needs 4D"),
        ((1, 1, 3), {"size": 2, "mode": "cubist"}, NotImplementedError, "Only 3D, 4D and 5D input"),
        ((1, 1, 3), {"size": 2, "recompute_scale_factor": True}, ValueError, "not meaningful with an explicit size"),
        ((1, 1, 3), {"size": 2, "mode": "linear", "antialias": True}, ValueError, "Anti-alias option is restricted"),
        ((1, 1, 3, 3), {"size": 2, "mode": "lanczos"}, ValueError, "Lanczos mode requires antialias=True"),
        ((1, 1, 3, 3), {"size": 0}, RuntimeError, r"sizes should be greater than 0, but got input \(H: 3, W: 3\)"),
    ],
)
def test_errors_are_pytorchs(shape, kw, error, message):
    with pytest.raises(error, match=message):
        F.interpolate(cltorch.zeros(shape), **kw)


def test_integers_other_than_bytes_are_refused():
    with pytest.raises(NotImplementedError, match="not implemented for 'Int'"):
        F.interpolate(cltorch.zeros(1, 1, 3, dtype=cltorch.int32), 5)


def test_modules_resample_and_describe_themselves(device):
    x = cltorch.tensor(sample((1, 2, 3, 3)), device=device)
    pairs = [
        (nn.Upsample(scale_factor=2, mode="bilinear"), F.interpolate(x, scale_factor=2, mode="bilinear")),
        (nn.UpsamplingNearest2d(size=(4, 5)), F.interpolate(x, (4, 5))),
        (
            nn.UpsamplingBilinear2d(scale_factor=3),
            F.interpolate(x, scale_factor=3, mode="bilinear", align_corners=True),
        ),
    ]
    for module, wanted in pairs:
        assert module(x).tolist() == wanted.tolist()
    assert repr(pairs[0][0]) == "Upsample(scale_factor=2.0, mode='bilinear')"
    assert repr(pairs[1][0]) == "UpsamplingNearest2d(size=(4, 5), mode='nearest')"
    with pytest.warns(UserWarning, match="`nn.functional.upsample` is deprecated"):
        assert F.upsample(x, scale_factor=2).shape == (1, 2, 6, 6)


def test_resampling_does_not_wait_for_the_device(cl_device):
    x = cltorch.ones(1, 2, 3, 4, device=cl_device, requires_grad=True)
    context = cltorch.device(cl_device).context
    before = context.syncs
    F.interpolate(x, (5, 5), mode="bicubic").sum().backward()
    assert context.syncs == before
