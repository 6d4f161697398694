"""Determinants, eigenvalues, singular values, pseudo-inverses and least squares, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck

LOOSE = {ct.float32: 3e-4, ct.float64: 1e-9}


def host(x):
    return x.detach().cpu().numpy()


def near(found, want, dtype=ct.float32):
    assert found.shape == np.shape(want)
    np.testing.assert_allclose(host(found), want, LOOSE[dtype], LOOSE[dtype])


def random(*shape, device, dtype=ct.float32, seed=7):
    return ct.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype, device=device)


@pytest.fixture(params=[ct.float32, ct.float64], ids=["float32", "float64"])
def dtype(request, fp64):
    if request.param is ct.float64 and not fp64:
        pytest.skip("no double precision on this device")
    return request.param


SQUARE = [(3, 3), (2, 4, 4), (2, 1, 5, 5), (0, 0), (0, 3, 3), (2, 0, 0)]
ANY = [*SQUARE, (5, 3), (3, 5), (2, 6, 2), (0, 3), (3, 0), (2, 0, 3)]


@pytest.mark.parametrize("shape", SQUARE)
def test_determinants_follow_numpy(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    near(ct.linalg.det(a), np.linalg.det(host(a)), dtype)
    near(a.det(), np.linalg.det(host(a)), dtype)
    for f, kind in ((ct.linalg.slogdet, "linalg_slogdet"), (ct.slogdet, "slogdet")):
        found = f(a)
        assert type(found).__name__ == kind
        want = np.linalg.slogdet(host(a))
        near(found.sign, want[0], dtype)
        near(found.logabsdet, want[1], dtype)
    with np.errstate(invalid="ignore"):
        near(ct.logdet(a), np.where(want[0] > 0, want[1], np.nan), dtype)


def test_determinants_of_singular_matrices(device):
    zero = ct.zeros(2, 2, device=device)
    assert (ct.det(zero).item(), ct.slogdet(zero).sign.item(), ct.logdet(zero).item()) == (0, 0, -np.inf)
    with pytest.raises(RuntimeError, match="linalg.slogdet: Low precision dtypes not supported. Got Half"):
        ct.slogdet(zero.half())
    with pytest.raises(RuntimeError, match="logdet: The input tensor A must have at least 2 dimensions"):
        ct.logdet(zero[0])


def test_the_gradient_of_a_determinant_holds_where_it_is_zero(device, fp64):
    if not fp64:
        pytest.skip("no double precision on this device")
    for rows in ([[1, 2], [2, 4]], [[1, 2, 3], [2, 4, 6], [1, 1, 1]], [[0, 0], [0, 0]]):
        x = ct.tensor(rows, dtype=ct.float64, device=device, requires_grad=True)
        assert gradcheck(ct.linalg.det, [x])


@pytest.mark.parametrize("shape", SQUARE)
def test_eigenvalues_of_symmetric_matrices(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    for uplo in ("L", "U"):
        sym = np.tril(host(a)) if uplo == "L" else np.triu(host(a))
        sym = sym + np.swapaxes(sym, -2, -1) - sym * np.eye(shape[-1])
        w, v = ct.linalg.eigh(a, uplo)
        near(w, np.linalg.eigvalsh(sym), dtype)
        near((v * w.unsqueeze(-2)) @ v.mT, sym, dtype)
        near(v.mT @ v, np.broadcast_to(np.eye(shape[-1]), shape), dtype)
        near(ct.linalg.eigvalsh(a, UPLO=uplo), host(w), dtype)


def test_errors_of_eigenvalues(device):
    eye = ct.eye(2, device=device)
    with pytest.raises(RuntimeError, match="Expected UPLO argument to be 'L' or 'U', but got x"):
        ct.linalg.eigh(eye, "x")
    with pytest.raises(NotImplementedError, match="\"linalg_eigh_cpu\" not implemented for 'Long'"):
        ct.linalg.eigvalsh(eye.long())
    with pytest.raises(RuntimeError, match="input tensor should not contain infs or NaNs"):
        ct.linalg.eigvals(eye * ct.nan)
    with pytest.raises(RuntimeError, match="linalg.eig: A must be batches of square matrices"):
        ct.linalg.eig(ct.ones(2, 3, device=device))
    w, v = ct.linalg.eigh(ct.stack([eye, eye * ct.nan]))
    assert (w[0].tolist(), np.isnan(host(w[1])).all(), np.isnan(host(v[1])).all()) == ([1, 1], True, True)


@pytest.mark.parametrize("shape", ANY)
def test_singular_values_and_vectors(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    m, n = shape[-2:]
    k = min(m, n)
    for full in (True, False):
        U, S, Vh = ct.linalg.svd(a, full_matrices=full)
        assert U.shape == (*shape[:-1], m if full else k) and Vh.shape == (*shape[:-2], n if full else k, n)
        near((U[..., :k] * S.unsqueeze(-2)) @ Vh[..., :k, :], host(a), dtype)
        near(U.mT @ U, np.broadcast_to(np.eye(U.shape[-1]), (*shape[:-2], *U.shape[-1:] * 2)), dtype)
        near(Vh @ Vh.mT, np.broadcast_to(np.eye(Vh.shape[-2]), (*shape[:-2], *Vh.shape[-2:-1] * 2)), dtype)
    near(ct.linalg.svdvals(a), np.linalg.svd(host(a), compute_uv=False), dtype)
    U, S, V = ct.svd(a)
    near((U * S.unsqueeze(-2)) @ V.mT, host(a), dtype)
    none = a.svd(compute_uv=False)
    assert none.U.shape == (*shape[:-1], m) and none.V.shape == (*shape[:-2], n, n) and not host(none.U).any()


def test_errors_of_svd(device):
    with pytest.raises(RuntimeError, match="keyword argument `driver=` is only supported on CUDA inputs"):
        ct.linalg.svd(ct.eye(2, device=device), driver="gesvd")
    bad = ct.stack([ct.eye(2, device=device), ct.full((2, 2), ct.inf, device=device)])
    with pytest.raises(ct.linalg.LinAlgError, match=r"linalg.svd: \(Batch element 1\): .*contained non-finite values"):
        ct.linalg.svdvals(bad)
    with pytest.raises(
        RuntimeError, match="linalg.svd: Expected a floating point or complex tensor as input. Got Long"
    ):
        ct.linalg.svd(ct.ones(2, 2, dtype=ct.int64, device=device))


def test_ranks_count_what_exceeds_the_tolerance(device):
    a = ct.diag(ct.tensor([4.0, 1.0, 1e-9], device=device))
    rank = ct.linalg.matrix_rank
    assert (rank(a).item(), rank(a).dtype) == (2, ct.int64)
    assert rank(a, atol=2.0).item() == rank(a, rtol=0.5).item() == rank(a, 2.0).item() == 1
    assert rank(a, atol=1e-12).item() == rank(a, rtol=0.0).item() == 3
    assert rank(-a, hermitian=True).item() == 2
    assert rank(a.expand(2, 3, 3), atol=ct.tensor([2.0, 0.0], device=device)).tolist() == [1, 2]
    assert rank(ct.zeros(2, 0, 3, device=device)).tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="torch.linalg.matrix_rank: The input tensor input must have at least 2 dim"):
        rank(a[0])


@pytest.mark.parametrize("shape", ANY)
def test_pseudo_inverses_follow_numpy(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    want = np.linalg.pinv(host(a)) if a.numel() else np.zeros((*shape[:-2], shape[-1], shape[-2]))
    near(ct.linalg.pinv(a), want, dtype)
    near(ct.pinverse(a), want, dtype)


def test_tolerances_of_pseudo_inverses(device):
    a = ct.diag(ct.tensor([4.0, 1.0], device=device))
    for named in ({"atol": 2.0}, {"rtol": 0.5}, {"rcond": 0.5}, {"atol": ct.tensor(2.0, device=device)}):
        assert ct.linalg.pinv(a, **named).tolist() == [[0.25, 0], [0, 0]]
    near(ct.linalg.pinv(-a, hermitian=True), [[-0.25, 0], [0, -1]])
    with pytest.raises(RuntimeError, match="expected a tensor with 2 or more dimensions of float, double"):
        ct.linalg.pinv(a.long())


@pytest.mark.parametrize("driver", [None, "gels", "gelsy", "gelsd", "gelss"])
def test_least_squares_follow_numpy(device, dtype, driver):
    for a, b in (((5, 3), (5, 2)), ((3, 5), (3, 2)), ((4, 4), (4, 1)), ((2, 5, 3), (2, 5, 4)), ((2, 5, 3), (2, 5))):
        A, B = random(*a, device=device, dtype=dtype), random(*b, device=device, dtype=dtype)
        found = ct.linalg.lstsq(A, B, driver=driver)
        full = len(a) == len(b)
        B2 = host(B) if full else host(B)[..., None]
        want = np.linalg.pinv(host(A)) @ B2
        near(found.solution, want if full else want[..., 0], dtype)
        if a[-2] > a[-1] and driver not in (None, "gelsy"):
            errors = ((host(A) @ want - B2) ** 2).sum(-2)
            near(found.residuals, errors, dtype)
        else:
            assert found.residuals.shape == (0,)
        if driver == "gels":
            assert found.rank.shape == (0,)
        else:
            assert (found.rank.dtype, found.rank.shape) == (ct.int64, a[:-2])
            assert (host(found.rank) == min(a[-2:])).all()
        if driver in ("gelsd", "gelss"):
            near(found.singular_values, np.linalg.svd(host(A), compute_uv=False), dtype)
        else:
            assert found.singular_values.shape == (0,)


def test_least_squares_without_full_rank(device):
    A = ct.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], device=device)
    B = ct.tensor([[1.0], [2.0], [4.0]], device=device)
    found = ct.linalg.lstsq(A, B, driver="gelsd")
    near(found.solution, np.linalg.lstsq(host(A), host(B), rcond=None)[0])
    assert (found.rank.item(), found.residuals.shape) == (1, (0,))
    assert ct.linalg.lstsq(ct.diag(ct.tensor([1.0, 0.1], device=device)), B[:2], 0.5).rank.item() == 1
    with pytest.raises(ct.linalg.LinAlgError, match="does not have full rank"):
        ct.linalg.lstsq(A, B, driver="gels")
    with pytest.raises(RuntimeError, match=r"parameter `driver` should be one of \(gels, gelsy, gelsd, gelss\)"):
        ct.linalg.lstsq(A, B, driver="x")
    with pytest.raises(RuntimeError, match=r"input.size\(-2\) should match other.size\(-2\)"):
        ct.linalg.lstsq(A, B[:2])
    with pytest.raises(RuntimeError, match="doesn't handle types other than float and double"):
        ct.linalg.lstsq(A.long(), B.long())
    assert ct.linalg.lstsq(A[:0], B[:0]).solution.tolist() == [[0], [0]]
    outs = tuple(ct.empty(0, dtype=t, device=device) for t in (A.dtype, A.dtype, ct.int64, A.dtype))
    again = ct.linalg.lstsq(A, B, driver="gelsd", out=outs)
    assert all(a is b for a, b in zip(again, outs, strict=True))
    assert all(ct.equal(a, b) for a, b in zip(outs, found, strict=True))


def test_what_pytorch_removed_says_what_to_call(device):
    eye = ct.eye(2, device=device)
    for name in ("lstsq", "eig", "solve", "symeig"):
        for f in (getattr(ct, name), getattr(ct.Tensor, name)):
            with pytest.raises(RuntimeError, match="deprecated since version 1.9 and is now removed"):
                f(eye, eye)


def symmetric(x):
    return x + x.mT


def turned(v):
    """Return columns whose sign does not matter."""
    return v**2


GRADIENTS = {
    "det": (ct.linalg.det, (2, 3, 3)),
    "slogdet": (lambda x: ct.linalg.slogdet(x).logabsdet, (2, 3, 3)),
    "logdet": (lambda x: ct.logdet(x @ x.mT), (3, 3)),
    "eigh": (lambda x: (ct.linalg.eigh(symmetric(x))[0], turned(ct.linalg.eigh(symmetric(x))[1])), (2, 3, 3)),
    "eigvalsh": (lambda x: ct.linalg.eigvalsh(symmetric(x)), (3, 3)),
    "svdvals": (ct.linalg.svdvals, (2, 3, 4)),
    "svd tall": (lambda x: tuple(turned(y) for y in ct.linalg.svd(x, full_matrices=False)), (4, 3)),
    "svd wide": (lambda x: tuple(turned(y) for y in ct.linalg.svd(x, full_matrices=False)), (2, 3)),
    "svd product": (lambda x: ct.linalg.svd(x)[0] @ ct.linalg.svd(x)[2], (3, 3)),
    "pinv tall": (ct.linalg.pinv, (2, 4, 3)),
    "pinv wide": (ct.linalg.pinv, (2, 3)),
    "lstsq": (lambda x: ct.linalg.lstsq(x, x[..., :1] ** 2, driver="gelsd")[:2], (2, 4, 2)),
    "lstsq wide": (lambda x: ct.linalg.lstsq(x, x[..., 0]).solution, (2, 3)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_spectra(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, shape = GRADIENTS[name]
    x = random(*shape, device=device, dtype=ct.float64).requires_grad_()
    assert gradcheck(f, [x])
    if device == "cpu":
        assert gradgradcheck(f, [x])


@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (2, 9, 6)])
def test_random_projections_find_low_ranks(device, shape):
    a = random(*shape[:-1], 2, device=device) @ random(*shape[:-2], 2, shape[-1], device=device, seed=8)
    U, S, V = ct.svd_lowrank(a, q=3)
    assert U.shape == (*shape[:-1], 3) and V.shape == (*shape[:-2], shape[-1], 3)
    near((U * S.unsqueeze(-2)) @ V.mT, host(a))
    near(S[..., :2], np.linalg.svd(host(a), compute_uv=False)[..., :2])
    near(ct.svd_lowrank(a, q=3, M=a / 2)[1][..., :2], host(S[..., :2]) / 2)
    centred = host(a) - host(a).mean(-2, keepdims=True)
    near(ct.pca_lowrank(a, q=3)[1], np.linalg.svd(centred, compute_uv=False)[..., :3])
    with pytest.raises(ValueError, match=r"q\(=9\) must be non-negative integer and not greater than min\(m, n\)=6"):
        ct.pca_lowrank(a, q=9)
