"""Solutions and inverses, against NumPy and the equations they must fulfil."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck
from cltorch.ops import lapack

LOOSE = {ct.float32: 3e-4, ct.float64: 1e-9}


def host(x):
    return x.detach().cpu().numpy()


def near(found, want, dtype=ct.float32):
    assert found.shape == np.shape(want)
    np.testing.assert_allclose(host(found), want, LOOSE[dtype], LOOSE[dtype])


def random(*shape, device, dtype=ct.float32, seed=5):
    return ct.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype, device=device)


def regular(*shape, device, dtype=ct.float32):
    return random(*shape, device=device, dtype=dtype) + 3 * ct.eye(shape[-1], dtype=dtype, device=device)


@pytest.fixture(params=[ct.float32, ct.float64], ids=["float32", "float64"])
def dtype(request, fp64):
    if request.param is ct.float64 and not fp64:
        pytest.skip("no double precision on this device")
    return request.param


PAIRS = [
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 4, 4), (2, 4)), ((2, 4, 4), (2, 4, 3)), ((4, 4), (2, 4, 3)),
    ((2, 1, 3, 3), (5, 3, 1)), ((0, 0), (0, 2)), ((2, 0, 0), (2, 0, 1)), ((0, 3, 3), (0, 3, 2)), ((3, 3), (3, 0)),
]  # fmt: skip


@pytest.mark.parametrize("a, b", PAIRS)
def test_solve_fulfils_the_equation(device, dtype, a, b):
    A, B = regular(*a, device=device, dtype=dtype), random(*b, device=device, dtype=dtype)
    vector = len(b) == 1 or b == a[:-1]
    X = ct.linalg.solve(A, B)
    near((A @ X.unsqueeze(-1)).squeeze(-1) if vector else A @ X, np.broadcast_to(host(B), X.shape), dtype)
    if not vector:
        near(ct.linalg.solve(A.mT, B.mT, left=False), host(X.mT), dtype)
    found, info = ct.linalg.solve_ex(A, B)
    near(found, host(X), dtype)
    assert (info.dtype, info.shape, host(info).any()) == (ct.int32, a[:-2], False)


@pytest.mark.parametrize("shape", [(3, 3), (2, 1, 4, 4), (0, 0), (0, 2, 2), (2, 0, 0), (40, 40)])
def test_inverse_follows_numpy(device, dtype, shape):
    A = regular(*shape, device=device, dtype=dtype) * (1 if shape[-1] < 9 else 3)
    for found in (ct.linalg.inv(A), ct.inverse(A), A.inverse(), ct.linalg.inv_ex(A).inverse):
        near(found, np.linalg.inv(host(A)), dtype)
    near(ct.linalg.inv(A.mT), np.linalg.inv(np.swapaxes(host(A), -2, -1)), dtype)


def test_singular_matrices_raise_and_are_named(device):
    good, bad = ct.eye(2, device=device), ct.tensor([[1.0, 2.0], [2.0, 4.0]], device=device)
    both = ct.stack([good, bad])
    with pytest.raises(
        ct.linalg.LinAlgError, match="torch.linalg.solve: The solver failed because the input matrix is"
    ):
        ct.linalg.solve(bad, good)
    with pytest.raises(RuntimeError, match=r"linalg.inv: The diagonal element 2 is zero, the inversion could not be"):
        ct.linalg.inv(bad)
    with pytest.raises(RuntimeError, match=r"linalg.inv: \(Batch element 1\): The diagonal element 2 is zero"):
        ct.inverse(both)
    with pytest.raises(ct.linalg.LinAlgError, match=r"torch.linalg.solve_ex: \(Batch element 1\): The solver failed"):
        ct.linalg.solve_ex(both, good, check_errors=True)
    with pytest.raises(ct.linalg.LinAlgError, match="linalg.inv_ex: The diagonal element 2"):
        ct.linalg.inv_ex(bad, check_errors=True)
    with pytest.raises(ct.linalg.LinAlgError, match="linalg.inv: The diagonal element 2"):
        ct.linalg.matrix_power(bad, -2)
    inverse, info = ct.linalg.inv_ex(both)
    assert (info.tolist(), inverse[0].tolist()) == ([0, 2], [[1, 0], [0, 1]])
    assert np.isnan(host(inverse[1])).all()
    X, info = ct.linalg.solve_ex(both, 2 * good.expand(2, 2, 2))
    assert (info.tolist(), X[0].tolist()) == ([0, 2], [[2, 0], [0, 2]])
    assert issubclass(ct.linalg.LinAlgError, RuntimeError)


def test_errors_of_solve(device):
    eye, wide = ct.eye(2, device=device), ct.ones(2, 3, device=device)
    with pytest.raises(RuntimeError, match=r"for the equation AX = B \(2x2 and 3x1\)"):
        ct.linalg.solve(eye, ct.ones(3, device=device))
    with pytest.raises(RuntimeError, match=r"for the equation XA = B \(2x2 and 2x3\)"):
        ct.linalg.solve(eye, wide, left=False)
    with pytest.raises(RuntimeError, match="A must be batches of square matrices, but they are 2 by 3 matrices"):
        ct.linalg.solve(wide, eye)
    with pytest.raises(RuntimeError, match="linalg.solve: The input tensor A must have at least 2 dimensions"):
        ct.linalg.solve(eye[0], eye)
    with pytest.raises(RuntimeError, match="Expected A and B to have the same dtype, but found A of type Float and B"):
        ct.linalg.solve(eye, eye.long())
    with pytest.raises(RuntimeError, match="linalg.inv: Low precision dtypes not supported. Got Half"):
        ct.linalg.inv(eye.half())
    with pytest.raises(RuntimeError, match="linalg.inv: Expected a floating point or complex tensor as input. Got Int"):
        ct.linalg.inv(eye.int())


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangles_are_solved_in_blocks_or_not(device, dtype, upper, unit):
    for a, b in (((3, 3), (3, 2)), ((2, 70, 70), (70, 3)), ((1, 4, 4), (2, 4, 1)), ((0, 0), (0, 2)), ((3, 3), (3, 0))):
        A = random(*a, device=device, dtype=dtype) / 8 + 2 * ct.eye(a[-1], dtype=dtype, device=device)
        B = random(*b, device=device, dtype=dtype)
        T = np.triu(host(A)) if upper else np.tril(host(A))
        if unit:
            T = T - T * np.eye(a[-1]) + np.eye(a[-1])
        X = ct.linalg.solve_triangular(A, B, upper=upper, unitriangular=unit)
        near(ct.tensor(T, dtype=dtype, device=device) @ X, np.broadcast_to(host(B), X.shape), dtype)
        right = ct.linalg.solve_triangular(A, B.mT, upper=upper, left=False, unitriangular=unit)
        near(right @ ct.tensor(T, dtype=dtype, device=device), np.broadcast_to(host(B.mT), right.shape), dtype)


def test_a_zero_on_a_triangles_diagonal_gives_infinity(device):
    X = ct.linalg.solve_triangular(ct.zeros(1, 1, device=device), ct.ones(1, 1, device=device), upper=True)
    assert X.item() == np.inf
    with pytest.raises(RuntimeError, match="linalg.solve_triangular: The input tensor B must have at least 2 dim"):
        ct.linalg.solve_triangular(ct.eye(2, device=device), ct.ones(2, device=device), upper=True)
    with pytest.raises(TypeError, match="upper"):
        ct.linalg.solve_triangular(ct.eye(2), ct.eye(2))


def test_the_old_triangular_solve_has_its_own_order(device):
    A, b = regular(3, 3, device=device), random(3, 2, device=device)
    for upper in (True, False):
        T = np.triu(host(A)) if upper else np.tril(host(A))
        found, copy = ct.triangular_solve(b, A, upper)
        near(found, np.linalg.solve(T, host(b)))
        near(copy, host(A))
        near(b.triangular_solve(A, upper, True).solution, np.linalg.solve(T.T, host(b)))
        near(ct.triangular_solve(input=b, A=A, upper=upper).solution, host(found))


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_lu_solve_solves_from_both_sides(device, left, adjoint):
    for batch, shape in (((), (4, 2)), ((2,), (2, 4, 3)), ((3, 1), (2, 4, 1)), ((2,), (4, 2))):
        A = random(*batch, 4, 4, device=device)
        B = random(*shape, device=device)
        B = B if left else B.mT
        X = ct.linalg.lu_solve(*ct.linalg.lu_factor(A), B, left=left, adjoint=adjoint)
        op = A.mT if adjoint else A
        near(op @ X if left else X @ op, np.broadcast_to(host(B), X.shape))
    near(ct.lu_solve(B if left else B.mT, *ct.linalg.lu_factor(A)), host(ct.linalg.solve(A, B if left else B.mT)))


def test_errors_of_lu_solve(device):
    LU, pivots = ct.linalg.lu_factor(ct.eye(2, device=device))
    B = ct.ones(2, 3, device=device)
    with pytest.raises(RuntimeError, match="pivots should be a Tensor of scalar type torch.int32"):
        ct.linalg.lu_solve(LU, pivots.long(), B)
    with pytest.raises(RuntimeError, match="Number of pivots per batch should be same as the dimension of the matrix"):
        ct.linalg.lu_solve(LU, pivots[:1], B)
    with pytest.raises(RuntimeError, match=r"Incompatible shapes of A and B for the equation AX = B \(2x2 and 3x2\)"):
        ct.linalg.lu_solve(LU, pivots, B.mT)


def test_cholesky_solves_and_inverts(device):
    A = random(2, 3, 3, device=device)
    A = A @ A.mT + ct.eye(3, device=device)
    B = random(3, 2, device=device)
    for upper in (False, True):
        L = ct.linalg.cholesky(A, upper=upper)
        near(A @ ct.cholesky_solve(B, L, upper), np.broadcast_to(host(B), (2, 3, 2)))
        near(ct.cholesky_inverse(L, upper), np.linalg.inv(host(A)))
    with pytest.raises(ct.linalg.LinAlgError, match="cholesky_inverse: The diagonal element 1 is zero"):
        ct.cholesky_inverse(ct.zeros(2, 2, device=device))
    with pytest.raises(RuntimeError, match="cholesky_solve: each A matrix is 3 by 3 but each b matrix is 2 by 3"):
        ct.cholesky_solve(B.mT, L[0])
    with pytest.raises(RuntimeError, match="b should have at least 2 dimensions, but has 1 dimensions instead"):
        ct.cholesky_solve(B[0], L)


def test_tensors_are_solved_as_matrices(device):
    A = random(2, 3, 6, device=device)
    B = random(2, 3, device=device)
    near(ct.linalg.tensorsolve(A, B), np.linalg.tensorsolve(host(A), host(B)))
    E = random(2, 6, 3, device=device)
    near(ct.linalg.tensorsolve(E, B, dims=(1,)), np.linalg.tensorsolve(host(E), host(B), axes=(1,)))
    F = random(4, 6, 8, 3, device=device)
    near(ct.linalg.tensorinv(F, ind=2), np.linalg.tensorinv(host(F), ind=2))
    with pytest.raises(RuntimeError, match="Expected a strictly positive integer for 'ind', but got 0"):
        ct.linalg.tensorinv(F, 0)
    with pytest.raises(
        RuntimeError, match=r"prod\(self.shape\[ind:\]\) == prod\(self.shape\[:ind\]\), but got 144 != 4"
    ):
        ct.linalg.tensorinv(F, 1)
    with pytest.raises(RuntimeError, match=r"prod\(self.shape\[other.ndim:\]\) .* but got 6 != 3"):
        ct.linalg.tensorsolve(F[0, :, 0].mT[:, :, None].reshape(3, 6), ct.ones(3, device=device))


def test_results_go_into_out(device):
    A, B = regular(3, 3, device=device), random(3, 2, device=device)
    out = ct.empty(0, device=device)
    assert ct.linalg.solve(A, B, out=out) is out
    near(A @ out, host(B))
    X, info = ct.linalg.solve_ex(A, B, out=(ct.empty(0, device=device), ct.empty(0, dtype=ct.int32, device=device)))
    assert (X.shape, info.shape) == ((3, 2), ())
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got int instead"):
        ct.linalg.inv(A, out=ct.empty(0, dtype=ct.int32, device=device))


def test_solutions_survive_one_bad_matrix_in_numpy():
    a = np.stack([np.eye(2), np.zeros((2, 2))]).astype(np.float32)
    assert lapack.eliminate(a)[2].tolist() == [0, 1]


def plus(x):
    return x + 3 * ct.eye(x.shape[-1], dtype=x.dtype, device=x.device)


GRADIENTS = {
    "solve": (lambda a, b: ct.linalg.solve(plus(a), b), (2, 3, 3), (3, 2)),
    "solve vector": (lambda a, b: ct.linalg.solve(plus(a), b), (3, 3), (3,)),
    "solve right": (lambda a, b: ct.linalg.solve(plus(a), b, left=False), (3, 3), (2, 2, 3)),
    "inv": (lambda a, b: ct.linalg.inv(plus(a)) @ b, (2, 3, 3), (3,)),
    "upper": (lambda a, b: ct.linalg.solve_triangular(plus(a), b, upper=True), (3, 3), (2, 3, 1)),
    "unit": (
        lambda a, b: ct.linalg.solve_triangular(a, b, upper=False, unitriangular=True, left=False), (2, 3, 3), (2, 3)
    ),
    "lu_solve": (lambda a, b: ct.linalg.lu_solve(*ct.linalg.lu_factor(a), b), (2, 3, 3), (3, 2)),
    "lu_solve other": (
        lambda a, b: ct.linalg.lu_solve(*ct.linalg.lu_factor(a), b, left=False, adjoint=True), (3, 3), (2, 3)
    ),
    "cholesky_solve": (lambda a, b: ct.cholesky_solve(b, plus(a).tril()), (3, 3), (3, 2)),
    "cholesky_inverse": (lambda a, b: ct.cholesky_inverse(plus(a).tril()) * b, (3, 3), (3,)),
    "tensorsolve": (lambda a, b: ct.linalg.tensorsolve(plus(a).reshape(2, 2, 4), b), (4, 4), (2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_of_solutions(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, a, b = GRADIENTS[name]
    inputs = [
        random(*a, device=device, dtype=ct.float64).requires_grad_(),
        random(*b, device=device, dtype=ct.float64, seed=6).requires_grad_(),
    ]
    assert gradcheck(f, inputs)
    if device == "cpu":
        assert gradgradcheck(f, inputs)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda x, i: ct.linalg.solve(x.expand(3, 2, 2), x[:, :1].expand(4, 2, 1)),
            RuntimeError,
            "must match the size",
        ),
        (lambda x, i: ct.linalg.pinv(x.expand(2, 2, 2), rtol=ct.ones(3)), RuntimeError, "must match the size"),
        (lambda x, i: ct.linalg.pinv(x, atol=ct.tensor(1j)), RuntimeError, "atol tensor of complex type"),
        (lambda x, i: ct.linalg.matrix_rank(x, rtol=ct.tensor(1j)), RuntimeError, "rtol tensor of complex type"),
        (lambda x, i: ct.linalg.pinv(x, out=i), RuntimeError, "but got result with dtype Int"),
        (lambda x, i: ct.linalg.cond(x, out=i), RuntimeError, "but got result with dtype Int"),
        (lambda x, i: ct.linalg.matrix_power(x, 2, out=i), RuntimeError, "but got result with dtype Int"),
        (lambda x, i: ct.linalg.householder_product(x, x[0], out=i), RuntimeError, "but got result with dtype Int"),
        (lambda x, i: ct.cholesky_inverse(x, out=i), RuntimeError, "but got result with dtype Int"),
        (lambda x, i: ct.linalg.eigvals(x, out=i), RuntimeError, "but got eigenvalues with dtype Int"),
        (lambda x, i: ct.linalg.eig(x, out=(x + 0j, i)), RuntimeError, "but got eigenvectors with dtype Int"),
        (lambda x, i: ct.triangular_solve(ct.ones(3, 1), x), RuntimeError, "Incompatible matrix sizes"),
        (lambda x, i: ct.linalg.vander(x[0, :1]), RuntimeError, "N must be greater than 1"),
        (lambda x, i: ct.linalg.multi_dot([x[0, 0], x]), RuntimeError, "first tensor must be 1D or 2D but got 0D"),
        (lambda x, i: ct.linalg.multi_dot([x, x.double()]), RuntimeError, "tensor 0 is float and tensor 1 double"),
        (lambda x, i: ct.linalg.multi_dot(x), TypeError, "must be tuple of Tensors, not Tensor"),
        (lambda x, i: ct.chain_matmul(), RuntimeError, "Expected one or more matrices"),
        (lambda x, i: ct.chain_matmul(x[0]), RuntimeError, "Tensor dimension is 1, expected 2"),
        (lambda x, i: ct.linalg.cross(ct.ones(3), ct.ones(4)), RuntimeError, "must have length 3. Got 3 and 4"),
        (lambda x, i: ct.linalg.vector_norm(x, dtype=ct.int64), RuntimeError, "should be floating point or complex"),
        (lambda x, i: ct.linalg.matrix_norm(x, dtype=ct.complex64), RuntimeError, "should be real for real inputs"),
        (lambda x, i: ct.linalg.matrix_norm(x, 1, dtype=ct.float16), RuntimeError, "without narrowing"),
        (lambda x, i: ct.addr(x, x[0], x[0], alpha=True), RuntimeError, "Boolean alpha only supported"),
        (lambda x, i: ct.addr(x, x[0], x[0], beta=1j), RuntimeError, "without overflow"),
        (lambda x, i: ct.addmv(x[0].int(), x.int(), x[0].int(), alpha=1j), RuntimeError, "without overflow"),
        (lambda x, i: ct.addmm(ct.ones(7), x, x), RuntimeError, r"expanded size of the tensor \(2\) must match"),
    ],
)
def test_what_is_wrong_is_told_as_by_pytorch(call, kind, message):
    with pytest.raises(kind, match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(ct.tensor([[2.0, 1.0], [1.0, 3.0]]), ct.empty(0, dtype=ct.int32))


def test_a_truth_value_scales_a_vector_as_a_number():
    assert ct.addmv(ct.ones(2), ct.ones(2, 3), ct.ones(3), beta=True).tolist() == [4, 4]
