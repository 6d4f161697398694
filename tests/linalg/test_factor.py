"""Factorisations of matrices, against what they promise and against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops import lapack

LOOSE = {ct.float32: 2e-4, ct.float64: 1e-10}


def host(x):
    return x.detach().cpu().numpy()


def near(found, want, dtype):
    assert found.shape == np.shape(want)
    np.testing.assert_allclose(host(found), want, LOOSE[dtype], LOOSE[dtype])


def random(*shape, device, dtype=ct.float32):
    return ct.tensor(np.random.default_rng(3).standard_normal(shape), dtype=dtype, device=device)


def positive(*shape, device, dtype=ct.float32):
    x = random(*shape, device=device, dtype=dtype)
    return x @ x.mT + ct.eye(shape[-1], dtype=dtype, device=device)


@pytest.fixture(params=[ct.float32, ct.float64], ids=["float32", "float64"])
def dtype(request, fp64):
    if request.param is ct.float64 and not fp64:
        pytest.skip("no double precision on this device")
    return request.param


SQUARE = [(3, 3), (2, 4, 4), (2, 1, 5, 5), (0, 0), (0, 3, 3), (2, 0, 0)]
ANY = [*SQUARE, (5, 3), (3, 5), (2, 6, 2), (0, 3), (3, 0), (2, 0, 3)]


@pytest.mark.parametrize("shape", SQUARE)
def test_cholesky_multiplies_to_the_matrix(device, dtype, shape):
    a = positive(*shape, device=device, dtype=dtype)
    L = ct.linalg.cholesky(a)
    assert L.device == a.device and L.dtype is dtype
    near(L, np.linalg.cholesky(host(a)), dtype)
    U = ct.linalg.cholesky(a, upper=True)
    near(U, host(L.mT), dtype)
    near(ct.cholesky(a, True), host(U), dtype)


def test_cholesky_reads_one_triangle(device):
    a = positive(4, 4, device=device)
    near(ct.linalg.cholesky(a.tril()), host(ct.linalg.cholesky(a)), ct.float32)
    near(ct.linalg.cholesky(a.triu(), upper=True), host(ct.linalg.cholesky(a).mT), ct.float32)


def test_cholesky_says_which_minor_is_not_positive(device):
    bad = ct.tensor([[1.0, 2.0], [2.0, 1.0]], device=device)
    message = r"linalg.cholesky: The factorization could not be completed .* minor of order 2 is not positive-definite"
    with pytest.raises(ct.linalg.LinAlgError, match=message):
        ct.linalg.cholesky(bad)
    with pytest.raises(RuntimeError, match=r"linalg.cholesky: \(Batch element 1\): The factorization"):
        ct.linalg.cholesky(ct.stack([ct.eye(2, device=device), bad]))
    L, info = ct.linalg.cholesky_ex(bad)
    assert (L.tolist(), info.tolist(), info.dtype) == ([[1, 0], [2, -3]], 2, ct.int32)
    with pytest.raises(ct.linalg.LinAlgError, match="linalg.cholesky_ex: "):
        ct.linalg.cholesky_ex(bad, check_errors=True)


@pytest.mark.parametrize("shape", ANY)
def test_qr_multiplies_to_the_matrix(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    m, k = shape[-2], min(shape[-2:])
    for mode, columns in (("reduced", k), ("complete", m)):
        Q, R = ct.linalg.qr(a, mode)
        near(Q @ R, host(a), dtype)
        near(Q.mT @ Q, np.broadcast_to(np.eye(columns), (*shape[:-2], columns, columns)), dtype)
        assert np.array_equal(host(R), np.triu(host(R)))
    none, R2 = ct.linalg.qr(a, mode="r")
    assert none.shape == (0,)
    near(R2, host(ct.linalg.qr(a).R), dtype)
    assert type(ct.qr(a)).__name__ == "qr" and ct.qr(a, some=False).Q.shape == (*shape[:-1], m)


@pytest.mark.parametrize("shape", ANY)
def test_lu_multiplies_to_the_matrix(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    P, L, U = ct.linalg.lu(a)
    near(P @ L @ U, host(a), dtype)
    assert np.array_equal(host(U), np.triu(host(U)))
    assert np.array_equal(host(L), np.tril(host(L)))
    assert np.abs(host(L)).max(initial=0) <= 1
    LU, pivots, info = ct.linalg.lu_factor_ex(a)
    assert (pivots.dtype, pivots.shape) == (ct.int32, (*shape[:-2], min(shape[-2:])))
    assert not host(info).any()
    for found, want in zip(ct.lu_unpack(LU, pivots), (P, L, U), strict=True):
        near(found, host(want), dtype)


def test_lu_factor_follows_scipy(device):
    scipy = pytest.importorskip("scipy.linalg", reason="the reference is SciPy's")
    for n in (5, 100):  # by elimination over the batch, and by LAPACK
        a = random(2, n, n, device=device)
        LU, pivots = ct.linalg.lu_factor(a)
        for i in range(2):
            want, order = scipy.lu_factor(host(a[i]))
            near(LU[i], want, ct.float32)
            assert np.array_equal(host(pivots[i]), order + 1)


def test_lu_does_without_scipy(monkeypatch):
    a = random(100, 100, device="cpu")
    want = ct.linalg.lu_factor(a)
    monkeypatch.setattr(lapack, "_scipy", lambda: None)
    found = ct.linalg.lu_factor(a)
    near(found.LU, host(want.LU), ct.float32)
    assert found.pivots.tolist() == want.pivots.tolist()
    with pytest.raises(RuntimeError, match=r"linalg.ldl_factor: needs SciPy .*pip install scipy"):
        ct.linalg.ldl_factor(a)


def test_errors_of_lu(device):
    zero = ct.zeros(2, 2, device=device)
    message = r"torch.linalg.lu_factor: U\[1,1\] is zero and using it on lu_solve would result in a division by zero"
    with pytest.raises(RuntimeError, match=message):
        ct.linalg.lu_factor(zero)
    assert ct.linalg.lu_factor_ex(zero).info.item() == 1
    with pytest.raises(RuntimeError, match="lu_factor_ex: U"):
        ct.linalg.lu_factor_ex(zero, check_errors=True)
    with pytest.raises(RuntimeError, match=r"Expected tensor with 2 or more dimensions. Got size: \[3\] instead"):
        ct.linalg.lu_factor(zero.new_ones(3))
    LU, pivots, infos = ct.lu(zero, get_infos=True)
    assert (pivots.tolist(), infos.item(), len(ct.lu(zero))) == ([1, 2], 1, 2)
    with pytest.raises(RuntimeError, match="LU_pivots is expected to be a contiguous tensor of torch.int32 dtype"):
        ct.lu_unpack(LU, pivots.long())
    assert ct.lu_unpack(LU, pivots, unpack_data=False).L.shape == (0,)
    assert ct.lu_unpack(LU, pivots, unpack_pivots=False).P.shape == (0,)


def test_lu_without_pivots_is_for_devices_only():
    a = ct.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(RuntimeError, match="LU without pivoting is not implemented on the CPU"):
        ct.linalg.lu_factor(a, pivot=False)


def test_lu_without_pivots_on_a_device(cl_device):
    P, L, U = ct.linalg.lu(ct.tensor([[1.0, 2.0], [3.0, 4.0]], device=cl_device), pivot=False)
    assert (P.shape, L.tolist(), U.tolist()) == ((0,), [[1, 0], [3, 1]], [[1, 2], [0, -2]])


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (0, 0), (2, 0, 0)])
def test_ldl_solves(device, dtype, shape):
    pytest.importorskip("scipy", reason="LDL is SciPy's")
    a = random(*shape, device=device, dtype=dtype)
    a = a + a.mT
    b = random(*shape[:-1], 2, device=device, dtype=dtype)
    LD, pivots = ct.linalg.ldl_factor(a.tril())
    assert pivots.dtype is ct.int32
    near(a @ ct.linalg.ldl_solve(LD, pivots, b), host(b), dtype)
    assert not host(ct.linalg.ldl_factor_ex(a).info).any()


def test_ldl_marks_blocks_as_lapack_does(device):
    pytest.importorskip("scipy", reason="LDL is SciPy's")
    LD, pivots = ct.linalg.ldl_factor(ct.tensor([[0.0, 1.0], [1.0, 0.0]], device=device))
    assert (LD.tolist(), pivots.tolist()) == ([[0, 0], [1, 0]], [-2, -2])
    with pytest.raises(RuntimeError, match="torch.linalg.ldl_factor: .*is zero"):
        ct.linalg.ldl_factor(ct.zeros(2, 2, device=device))
    with pytest.raises(RuntimeError, match="each A matrix is 2 by 2 but each b matrix is 3 by 1"):
        ct.linalg.ldl_solve(LD, pivots, ct.ones(3, 1, device=device))
    with pytest.raises(RuntimeError, match="Expected pivots to be integers. Got Float"):
        ct.linalg.ldl_solve(LD, pivots.float(), ct.ones(2, 1, device=device))


@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (2, 5, 3), (3, 0), (0, 0), (0, 4, 2)])
def test_reflectors_make_the_orthogonal_factor(device, dtype, shape):
    a = random(*shape, device=device, dtype=dtype)
    packed, tau = ct.geqrf(a)
    Q, R = np.linalg.qr(host(a))
    near(packed.triu()[..., : shape[-1], :], R, dtype)
    near(ct.linalg.householder_product(packed, tau), Q, dtype)
    near(ct.orgqr(packed, tau), Q, dtype)
    whole, _ = np.linalg.qr(host(a), "complete")
    other = random(*shape[:-1], 2, device=device, dtype=dtype)
    near(ct.ormqr(packed, tau, other), whole @ host(other), dtype)
    near(ct.ormqr(packed, tau, other, transpose=True), np.swapaxes(whole, -2, -1) @ host(other), dtype)
    near(ct.ormqr(packed, tau, other.mT, left=False), np.swapaxes(host(other), -2, -1) @ whole, dtype)


def test_reflectors_need_not_be_exact(device, fp64):
    # tau of any size, fewer reflectors than columns
    a, tau = random(4, 3, device=device), random(2, device=device)
    v = np.tril(host(a), -1) + np.eye(4, 3)
    product = np.eye(4)
    for i in range(2):
        product = product @ (np.eye(4) - host(tau)[i] * np.outer(v[:, i], v[:, i]))
    near(ct.linalg.householder_product(a, tau), product[:, :3], ct.float32)


def test_errors_of_reflectors(device):
    a, tau = ct.ones(3, 2, device=device), ct.ones(2, device=device)
    with pytest.raises(RuntimeError, match=r"input.shape\[-2\] must be greater than or equal to input.shape\[-1\]"):
        ct.linalg.householder_product(a.mT, tau)
    with pytest.raises(RuntimeError, match=r"input.shape\[-1\] must be greater than or equal to tau.shape\[-1\]"):
        ct.linalg.householder_product(a, ct.ones(3, device=device))
    with pytest.raises(RuntimeError, match="tau.ndim equal to 1 and input.ndim is equal to 3"):
        ct.linalg.householder_product(a[None], tau)
    with pytest.raises(RuntimeError, match=r"other.shape\[-2\] must be equal to input.shape\[-2\]"):
        ct.ormqr(a, tau, ct.ones(2, 2, device=device))


def test_errors_of_shapes_and_dtypes(device):
    for name in ("cholesky", "cholesky_ex"):
        f = getattr(ct.linalg, name)
        with pytest.raises(RuntimeError, match="linalg.cholesky: The input tensor A must have at least 2 dimensions"):
            f(ct.ones(3, device=device))
        with pytest.raises(RuntimeError, match="must be batches of square matrices, but they are 2 by 3 matrices"):
            f(ct.ones(2, 3, device=device))
    with pytest.raises(RuntimeError, match="linalg.qr: Expected a floating point or complex tensor as input. Got Long"):
        ct.linalg.qr(ct.ones(2, 2, dtype=ct.int64, device=device))
    with pytest.raises(NotImplementedError, match="\"geqrf_cpu\" not implemented for 'Half'"):
        ct.linalg.qr(ct.ones(2, 2, dtype=ct.float16, device=device))
    with pytest.raises(RuntimeError, match="qr received unrecognized mode 'x' but expected one of 'reduced'"):
        ct.linalg.qr(ct.ones(2, 2, device=device), "x")
    with pytest.raises(TypeError, match="must be Tensor, not list"):
        ct.linalg.cholesky([[1.0]])


def test_results_go_into_out(device):
    a = positive(3, 3, device=device)
    Q, R = ct.empty(0, device=device), ct.empty(3, 3, device=device)
    found = ct.linalg.qr(a, out=(Q, R))
    assert found.Q is Q and found.R is R
    near(Q @ R, host(a), ct.float32)
    L = ct.empty(0, device=device)
    assert ct.linalg.cholesky(a, out=L) is L and L.shape == (3, 3)
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got long int instead"):
        ct.linalg.cholesky(a, out=ct.empty(0, dtype=ct.int64, device=device))


def symmetric(x):
    return x @ x.mT + 2 * ct.eye(x.shape[-1], dtype=x.dtype, device=x.device)


GRADIENTS = {
    "cholesky": (lambda x: ct.linalg.cholesky(symmetric(x)), (2, 3, 3)),
    "cholesky upper": (lambda x: ct.linalg.cholesky(symmetric(x), upper=True), (3, 3)),
    "qr square": (ct.linalg.qr, (3, 3)),
    "qr tall": (ct.linalg.qr, (2, 4, 3)),
    "qr wide": (lambda x: ct.linalg.qr(x, "complete"), (2, 4)),
    "q alone": (lambda x: ct.linalg.qr(x).Q, (2, 3)),
    "r alone": (lambda x: ct.linalg.qr(x).R, (4, 2)),
    "lu square": (lambda x: ct.linalg.lu(x)[1:], (2, 3, 3)),
    "lu tall": (lambda x: ct.linalg.lu(x)[1:], (4, 2)),
    "lu wide": (lambda x: ct.linalg.lu_factor(x).LU, (2, 4)),
    "householder": (lambda x: ct.linalg.householder_product(x[..., :2], x[..., 0, 2:]), (4, 4)),
    "ormqr": (lambda x: ct.ormqr(x[:, :2], x[0, 2:], x), (4, 4)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_factors(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, shape = GRADIENTS[name]
    x = random(*shape, device=device, dtype=ct.float64).requires_grad_()
    assert gradcheck(f, [x])
    if device == "cpu":
        assert gradgradcheck(f, [x])


def test_what_has_no_gradient_says_so(device):
    x = random(4, 2, device=device).requires_grad_()
    with pytest.raises(RuntimeError, match="depends on Q, which is not computed when mode='r'"):
        ct.linalg.qr(x, "r").R.sum().backward()
    with pytest.raises(RuntimeError, match="not differentiable when mode='complete' and nrows > ncols"):
        ct.linalg.qr(x, "complete").R.sum().backward()
    with pytest.raises(RuntimeError, match="derivative for aten::geqrf is not implemented"):
        ct.geqrf(x).a.sum().backward()


def test_pivots_that_name_no_row_are_refused(device):
    a, b = ct.eye(3, device=device), ct.ones(3, 1, device=device)
    for wrong in ([1, 2, 9], [0, 2, 3]):
        pivots = ct.tensor(wrong, dtype=ct.int32, device=device)
        with pytest.raises(RuntimeError, match="pivots must be between 1 and"):
            ct.lu_unpack(a, pivots)
        with pytest.raises(RuntimeError, match="pivots must be between 1 and"):
            ct.linalg.lu_solve(a, pivots, b)
    with pytest.raises(RuntimeError, match="Pivots given to ldl_solve"):
        ct.linalg.ldl_solve(a, ct.tensor([1, 2, 9], dtype=ct.int32, device=device), b)
