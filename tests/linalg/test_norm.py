"""Norms, condition numbers and distances, against NumPy, SciPy and PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck

ORDERS = ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf]


def host(x):
    return x.detach().cpu().numpy()


def near(found, want, loose=2e-4):
    assert found.shape == np.shape(want)
    np.testing.assert_allclose(host(found), want, loose, loose)


def random(*shape, device, dtype=ct.float32, seed=9):
    return ct.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype, device=device)


@pytest.mark.parametrize("ord", ORDERS)
def test_matrix_norms_follow_numpy(device, ord):
    x = random(2, 3, 4, device=device)
    for dim in ((-2, -1), (0, 2), (2, 0), (1, 0)):
        for keepdim in (False, True):
            want = np.linalg.norm(host(x), ord, dim, keepdim)
            near(ct.linalg.matrix_norm(x, ord, dim, keepdim), want)
            near(ct.linalg.norm(x, ord, dim, keepdim), want)
    near(ct.linalg.norm(x[0], ord), np.linalg.norm(host(x[0]), ord))
    near(ct.linalg.matrix_norm(x[0].mT, ord), np.linalg.norm(host(x[0]).T, ord))


def test_norms_choose_by_dimensions(device):
    x = random(2, 3, 4, device=device)
    near(ct.linalg.norm(x), np.linalg.norm(host(x).ravel()))
    near(ct.linalg.norm(x, dim=(0, 1, 2)[:2]), np.linalg.norm(host(x), axis=(0, 1)))
    near(ct.linalg.norm(x, 3, 1), np.linalg.norm(host(x), 3, 1))
    near(ct.linalg.norm(x[0, 0], 1), np.abs(host(x[0, 0])).sum())
    near(ct.linalg.norm(ct.tensor(-2.0, device=device)), 2.0)
    near(ct.linalg.vector_norm(x, 3), (np.abs(host(x)) ** 3).sum() ** (1 / 3))
    with pytest.raises(RuntimeError, match="If dim is not specified but ord is, the input must be 1D or 2D. Got 3D"):
        ct.linalg.norm(x, 2)
    with pytest.raises(RuntimeError, match=r"If dim is specified, it must be of length 1 or 2. Got \[0, 1, 2\]"):
        ct.linalg.norm(x, 2, (0, 1, 2))


def test_the_old_norm_takes_matrix_norms_too(device):
    x = random(2, 3, 4, device=device)
    near(ct.norm(x[0], "nuc"), np.linalg.norm(host(x[0]), "nuc"))
    near(x.norm("nuc", (0, 2)), np.linalg.norm(host(x), "nuc", (0, 2)))
    near(ct.norm(x[0], 2), np.linalg.norm(host(x[0]).ravel()))
    near(ct.nuclear_norm(x), np.linalg.norm(host(x), "nuc", (-2, -1)))
    near(ct.nuclear_norm(x, (0, 1), True), np.linalg.norm(host(x), "nuc", (0, 1), True))
    near(ct.nuclear_norm(x[0], True), np.linalg.norm(host(x[0]), "nuc", None, True))
    for call in (lambda: x.norm("nuc"), lambda: x.norm("fro", (0, 1, 2))):
        with pytest.raises(RuntimeError, match="linalg.matrix_norm: dim must be a 2-tuple. Got 0 1 2"):
            call()


def test_errors_of_matrix_norms(device):
    x = ct.ones(2, 2, device=device)
    norm = ct.linalg.matrix_norm
    for ord in (3, "x"):
        with pytest.raises(RuntimeError, match=f"linalg.matrix_norm: Order {ord} not supported"):
            norm(x, ord)
    with pytest.raises(RuntimeError, match="linalg.matrix_norm: The input tensor A must have at least 2 dimensions"):
        norm(x[0])
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor as input. Got Long"):
        norm(x.long())
    with pytest.raises(RuntimeError, match=r"dims must be different. Got \(0, 0\)"):
        norm(x, dim=(0, 0))
    with pytest.raises(RuntimeError, match="Low precision dtypes not supported. Got Half"):
        norm(x.half(), 2)
    near(norm(x.half()).float(), 2.0, 1e-3)
    for ord in ("fro", "nuc", 1, 2, math.inf):
        assert norm(ct.zeros(2, 0, 3, device=device), ord).tolist() == [0, 0]


def test_the_dtype_of_norms_can_be_chosen(device):
    x = random(3, 3, device=device)
    for ord in ("fro", 1):
        found = ct.linalg.matrix_norm(x.half(), ord, dtype=ct.float32)
        assert found.dtype is ct.float32
        near(found, np.linalg.norm(host(x), ord), 2e-3)
    out = ct.empty(0, device=device)
    assert ct.linalg.norm(x, out=out) is out and out.shape == ()


@pytest.mark.parametrize("p", [None, *ORDERS])
def test_condition_numbers_follow_numpy(device, p):
    x = random(2, 3, 3, device=device)
    near(ct.linalg.cond(x, p), np.linalg.cond(host(x), p), 3e-3)
    assert ct.linalg.cond(ct.zeros(2, 0, 0, device=device), p).tolist() == [0, 0]


def test_condition_numbers_at_the_edges(device):
    x = random(4, 3, device=device)
    near(ct.linalg.cond(x), np.linalg.cond(host(x)), 1e-3)
    for p in ("fro", 1, math.inf):
        assert ct.linalg.cond(ct.ones(2, 2, device=device), p).item() == math.inf
    with pytest.raises(RuntimeError, match="linalg.cond got an invalid norm type: x"):
        ct.linalg.cond(x, "x")
    with pytest.raises(RuntimeError, match=r"linalg.cond\(ord=1\): A must be batches of square matrices"):
        ct.linalg.cond(x, 1)


def test_norms_over_all_dimensions_but_one(device):
    x = random(2, 3, 4, device=device)
    near(ct.norm_except_dim(x, 2, 1), np.sqrt((host(x) ** 2).sum((0, 2), keepdims=True)))
    near(ct.norm_except_dim(x, 1, -1), np.abs(host(x)).sum())
    near(ct.norm_except_dim(x[0, 0], 2, 0), np.abs(host(x[0, 0])))


def test_renorm_shrinks_what_is_too_long(device):
    x = random(3, 4, 5, device=device)
    for p, dim in ((2, 0), (1, 1), (math.inf, -1)):
        others = tuple(d for d in range(3) if d != dim % 3)
        length = np.linalg.norm(np.moveaxis(host(x), dim, 0).reshape(x.shape[dim], -1), p, 1)
        factor = np.where(length > 2, 2 / (length + 1e-7), 1)
        near(ct.renorm(x, p, dim, 2), host(x) * np.expand_dims(factor, others))
    y = x.clone()
    assert y.renorm_(2, 0, 1.0) is y
    near(y, host(x.renorm(2, 0, 1.0)))
    for call, words in (
        (lambda: x[0, 0].renorm(2, 0, 1.0), "renorm: input needs at least 2 dimensions, got 1 dimensions"),
        (lambda: x.renorm(0, 0, 1.0), "renorm: non-positive-norm not supported"),
        (lambda: x.renorm(1, 0, -1.0), "renorm: expected maxnorm to be >= 0 but got -1"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, math.inf])
def test_distances_of_all_pairs(device, p):
    for a, b in (((4, 3), (5, 3)), ((2, 4, 3), (5, 3)), ((30, 6), (2, 3, 6))):
        x, y = random(*a, device=device), random(*b, device=device, seed=10)
        difference = host(x)[..., :, None, :] - host(y)[..., None, :, :]
        if p == 0:
            want = (difference != 0).sum(-1).astype(np.float32)
        elif p == math.inf:
            want = np.abs(difference).max(-1)
        else:
            want = (np.abs(difference) ** p).sum(-1) ** (1 / p)
        near(ct.cdist(x, y, p), want)
    rows = host(x)
    i, j = np.triu_indices(len(rows), 1)
    flat = ct.cdist(x, x, p, compute_mode="donot_use_mm_for_euclid_dist")
    near(ct.pdist(x, p), host(flat)[i, j])
    near(ct.nn.functional.pdist(x, p), host(flat)[i, j])


def test_distances_as_products(device):
    x = random(40, 8, device=device)
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        near(ct.cdist(x, x[:3] + 1, compute_mode=mode), host(ct.cdist(x, x[:3] + 1)))
    close = ct.cdist(x, x)
    assert np.abs(np.diagonal(host(close))).max() < 5e-3
    y, z = random(2, 30, 8, device=device).requires_grad_(), random(30, 8, device=device).requires_grad_()
    grads = []
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        far = ct.cdist(y, z, compute_mode=mode)
        grads.append(ct.autograd.grad((far * far[:, :1].detach()).sum(), (y, z)))
    for a, b in zip(*grads, strict=True):
        near(a, host(b), 1e-3)
    nan = x.clone()
    nan[3, 5] = float("nan")
    far = host(ct.cdist(nan, x))
    assert np.isnan(far[3]).all() and not np.isnan(np.delete(far, 3, 0)).any()
    assert ct.cdist(x[:, :0], x[:2, :0]).shape == (40, 2) and ct.cdist(x[:0], x).shape == (0, 40)
    assert ct.pdist(x[:1]).shape == (0,)


def test_errors_of_distances(device):
    x = ct.ones(2, 3, device=device)
    for call, kind, words in (
        (lambda: ct.cdist(x[0], x), RuntimeError, "cdist only supports at least 2D tensors, X1 got: 1D"),
        (lambda: ct.cdist(x, x[:, :2]), RuntimeError, "same number of columns. X1: 3 X2: 2"),
        (lambda: ct.cdist(x, x, -1), RuntimeError, "cdist only supports non-negative p values"),
        (lambda: ct.cdist(x.long(), x), RuntimeError, "cdist only supports floating-point dtypes, X1 got: Long"),
        (lambda: ct.cdist(x, x, compute_mode="x"), ValueError, "x is not a valid value for compute_mode"),
        (lambda: ct.pdist(x[0]), RuntimeError, "pdist only supports 2D tensors, got: 1D"),
        (lambda: ct.pdist(x, -1), RuntimeError, "pdist only supports non-negative p values"),
    ):
        with pytest.raises(kind, match=words):
            call()


GRADIENTS = {
    **{f"matrix_norm {ord}": (lambda x, ord=ord: ct.linalg.matrix_norm(x, ord), (2, 3, 4)) for ord in ORDERS},
    **{f"cond {p}": (lambda x, p=p: ct.linalg.cond(x, p), (3, 3)) for p in (None, "fro", "nuc", 1)},
    "renorm": (lambda x: x.renorm(2, 0, 1.5), (3, 4)),
    **{f"cdist {p}": (lambda x, p=p: ct.cdist(x[:2], x[2:], p), (5, 3)) for p in (1, 2, 3)},
    "cdist products": (lambda x: ct.cdist(x[:2], x[2:], compute_mode="use_mm_for_euclid_dist"), (5, 3)),
    "pdist": (ct.pdist, (4, 2)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_norms(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, shape = GRADIENTS[name]
    x = random(*shape, device=device, dtype=ct.float64).requires_grad_()
    assert gradcheck(f, [x])
    if device == "cpu":
        assert gradgradcheck(f, [x])


def test_equal_vectors_have_no_gradient(device):
    x = ct.ones(3, 2, device=device, requires_grad=True)
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        (g,) = ct.autograd.grad(ct.cdist(x, x, compute_mode=mode).sum(), [x])
        assert not host(g).any()


def test_the_norm_of_no_elements_belongs_to_the_graph(device):
    x = ct.ones(5, 0, device=device, requires_grad=True)
    y = ct.linalg.norm(x, float("inf"), keepdim=True)
    assert y.tolist() == [[0.0]] and y.requires_grad
    assert ct.autograd.grad(y.sum(), x)[0].shape == (5, 0)
