"""Sampling by a grid: against SciPy and PyTorch in every mode, its gradients, and affine grids."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from scipy import ndimage

import cltorch
from cltorch.nn import functional as F

MODES = [*itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True))]


def sample(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("dims", [2, 3])
def test_linear_and_nearest_are_scipys(dims, device):
    sizes = (5, 6, 4)[:dims]
    a, g = sample(2, 3, *sizes), np.clip(sample(2, *sizes[::-1], dims, seed=1), -0.95, 0.95)
    at = [(g[..., dims - 1 - d] + 1) / 2 * (sizes[d] - 1) for d in range(dims)]
    x, grid = cltorch.tensor(a, device=device), cltorch.tensor(g, device=device)
    for mode, order in (("bilinear", 1), ("nearest", 0)):
        found = F.grid_sample(x, grid, mode, align_corners=True)
        wanted = [
            [ndimage.map_coordinates(a[n, c], [v[n] for v in at], order=order) for c in range(3)] for n in range(2)
        ]
        np.testing.assert_allclose(found.cpu().numpy(), np.array(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", [(5, 4), (3, 5, 4)])
def test_values_and_gradients_are_pytorchs(peer, sizes):
    a, g = sample(2, 3, *sizes), 1.6 * sample(2, *sizes[::-1], len(sizes), seed=1)
    for mode, padding, align in MODES:
        if mode == "bicubic" and len(sizes) == 3:
            continue
        results = []
        for library in (cltorch, peer):
            x, grid = (library.tensor(v).requires_grad_() for v in (a, g))
            out = library.nn.functional.grid_sample(x, grid, mode, padding, align_corners=align)
            (out**2).sum().backward()
            results.append([v.detach().numpy() for v in (out, x.grad, grid.grad)])
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-4, err_msg=f"{mode} {padding} {align}")


def test_device_is_host(cl_device):
    a, g = sample(2, 3, 5, 4), 1.6 * sample(2, 3, 6, 2, seed=1)
    for mode, padding in (("bilinear", "zeros"), ("bicubic", "reflection")):
        results = []
        for device in (cl_device, "cpu"):
            x, grid = (cltorch.tensor(v, device=device).requires_grad_() for v in (a, g))
            out = F.grid_sample(x, grid, mode, padding, align_corners=False)
            (out**2).sum().backward()
            results.append([v.detach().cpu().numpy() for v in (out, x.grad, grid.grad)])
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_second_derivatives():
    x = cltorch.tensor(sample(1, 1, 2, 2)).double().requires_grad_()
    grid = cltorch.tensor(0.6 * sample(1, 1, 2, 2, seed=2)).double().requires_grad_()

    def f(a, b):
        return F.grid_sample(a, b, "bicubic", "border", align_corners=True)

    assert cltorch.autograd.gradcheck(f, (x, grid)) and cltorch.autograd.gradgradcheck(f, (x, grid))


def test_places_that_are_no_numbers_lie_outside(lib):
    """But for images in linear and cubic sampling, whose weights are NaN then, as on PyTorch's host."""
    f, nan, inf = lib.nn.functional, float("nan"), float("inf")
    flat = lib.tensor([[[[nan, 0.0], [0.0, inf], [-inf, 0.0], [0.0, 0.0]]]])
    x = lib.ones(1, 1, 3, 3, requires_grad=True)
    out = f.grid_sample(x, flat, "nearest", align_corners=False)
    assert out.tolist() == [[[[0.0, 0.0, 0.0, 1.0]]]]
    out.sum().backward()
    assert x.grad.sum().item() == 1.0
    cube = lib.cat([flat.reshape(1, 1, 1, 4, 2), lib.zeros(1, 1, 1, 4, 1)], -1)
    for mode in ("bilinear", "nearest"):
        assert f.grid_sample(lib.ones(1, 1, 3, 3, 3), cube, mode, align_corners=False).tolist() == [
            [[[[0.0, 0.0, 0.0, 1.0]]]]
        ]
    assert f.grid_sample(x, flat, align_corners=False).isnan().flatten().tolist() == [True, True, True, False]


def test_nothing_can_be_sampled(device):
    for n, c, h in ((0, 2, 3), (2, 0, 3), (2, 3, 0)):
        x = cltorch.ones(n, c, 4, 5, device=device, requires_grad=True)
        grid = cltorch.zeros(n, h, 2, 2, device=device, requires_grad=True)
        out = F.grid_sample(x, grid, align_corners=False)
        assert out.shape == (n, c, h, 2)
        out.sum().backward()
        assert x.grad.shape == x.shape and x.grad.abs().sum().item() == 0 and grid.grad.shape == grid.shape


def test_an_affine_grid_of_one_place_warns_where_corners_are_aligned(lib):
    theta = lib.eye(2, 3)[None]
    with pytest.warns(UserWarning, match="behavior has changed for unit-size grids when align_corners=True"):
        lib.nn.functional.affine_grid(theta, (1, 1, 2, 1), align_corners=True)
    with pytest.raises(ValueError, match=r"for size torch.Size\(\[1, 1, 2, 2\]\). Got torch.Size\(\[2, 3\]\)"):
        lib.nn.functional.affine_grid(theta[0], lib.Size([1, 1, 2, 2]), align_corners=True)


@pytest.mark.parametrize("align", [False, True])
def test_affine_grids(lib, align):
    theta = lib.tensor([[[1.0, 0.5, 0.25], [0.0, -2.0, 0.5]]])
    grid = lib.nn.functional.affine_grid(theta, (1, 1, 2, 3), align_corners=align)
    reach = (1.0, 1.0) if align else (0.5, 2 / 3)
    ys, xs = (np.linspace(-r, r, n) for r, n in zip(reach, (2, 3), strict=True))
    wanted = [[[x + 0.5 * y + 0.25, -2 * y + 0.5] for x in xs] for y in ys]
    np.testing.assert_allclose(grid.numpy()[0], wanted, rtol=1e-5, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the depth of one place
        volume = lib.nn.functional.affine_grid(lib.eye(3, 4)[None], (1, 1, 1, 2, 2), align_corners=align)
    assert volume.shape == (1, 1, 2, 2, 3) and volume[..., 2].abs().max() == 0


def test_halves(lib):
    x, grid = lib.arange(4.0).reshape(1, 1, 2, 2), lib.zeros(1, 1, 1, 2)
    out = lib.nn.functional.grid_sample(x.bfloat16(), grid.bfloat16(), align_corners=False)
    assert out.dtype is lib.bfloat16 and out.item() == 1.5


def image(t):
    return t.ones(1, 1, 2, 2)


REFUSED = [
    (ValueError, "expected mode to be", lambda t, f: f.grid_sample(t.ones(1, 1, 2, 2), t.ones(1, 2, 2, 2), "x")),
    (
        ValueError,
        "padding_mode to be",
        lambda t, f: f.grid_sample(image(t), t.ones(1, 2, 2, 2), "nearest", "x"),
    ),
    (RuntimeError, "same batch size", lambda t, f: f.grid_sample(t.ones(1, 1, 2, 2), t.ones(2, 2, 2, 2))),
    (RuntimeError, "size 2 in last dimension", lambda t, f: f.grid_sample(t.ones(1, 1, 2, 2), t.ones(1, 2, 2, 3))),
    (RuntimeError, "dimension 3 being empty", lambda t, f: f.grid_sample(t.ones(1, 1, 2, 0), t.ones(1, 2, 2, 2))),
    (
        RuntimeError,
        "Float but found Double",
        lambda t, f: f.grid_sample(image(t), t.ones(1, 2, 2, 2).double()),
    ),
    (
        RuntimeError,
        "only supports 4D",
        lambda t, f: f.grid_sample(image(t)[None], t.ones(1, 2, 2, 2, 3), "bicubic"),
    ),
    (NotImplementedError, "4D and 5D sizes", lambda t, f: f.affine_grid(t.ones(1, 2, 3), (1, 1, 2))),
    (ValueError, "Nx2x3", lambda t, f: f.affine_grid(t.ones(2, 3), (1, 1, 2, 2))),
    (ValueError, "positive output size", lambda t, f: f.affine_grid(t.ones(1, 2, 3), (1, 1, 2, 0))),
    (ValueError, "floating point type", lambda t, f: f.affine_grid(t.ones(1, 2, 3).long(), (1, 1, 2, 2))),
]


@pytest.mark.filterwarnings("ignore:Default grid_sample")
@pytest.mark.parametrize(("kind", "words", "call"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refusals(lib, kind, words, call):
    with pytest.raises(kind, match=words):
        call(lib, lib.nn.functional)


def test_the_default_warns(lib):
    with pytest.warns(UserWarning, match="align_corners=False since 1.3.0"):
        lib.nn.functional.grid_sample(lib.ones(1, 1, 2, 2), lib.ones(1, 2, 2, 2))
