"""Results, gradients, named tuples and errors of linear algebra, side by side with PyTorch's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import cltorch as ct

torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")


def spd(t, x):
    return x @ x.mH + t.eye(x.shape[-1], dtype=x.dtype, device=x.device)


# results that the signs of vectors do not touch; a and b are (2, 4, 4) and (2, 4, 3)
PROGRAMS = {
    "cholesky": lambda t, a, b: t.linalg.cholesky(spd(t, a)),
    "cholesky_ex": lambda t, a, b: t.linalg.cholesky_ex(spd(t, a), upper=True),
    "cholesky_solve": lambda t, a, b: t.cholesky_solve(b, t.linalg.cholesky(spd(t, a))),
    "cholesky_inverse": lambda t, a, b: t.cholesky_inverse(t.linalg.cholesky(spd(t, a))),
    # the gradient that PyTorch gives for both triangles of a factor, though it reads one
    "cholesky_solve of a factor": lambda t, a, b: t.cholesky_solve(b, a),
    "cholesky_solve of an upper factor": lambda t, a, b: t.cholesky_solve(b, a, upper=True),
    "cholesky_inverse of a factor": lambda t, a, b: t.cholesky_inverse(spd(t, a)),
    # whose diagonal and upper triangle are as they come
    "cholesky of other matrices": lambda t, a, b: t.linalg.cholesky(a + 9 * t.eye(4, dtype=a.dtype, device=a.device)),
    "cond": lambda t, a, b: t.linalg.cond(a),
    "cond fro": lambda t, a, b: t.linalg.cond(a, "fro"),
    "det": lambda t, a, b: t.linalg.det(a),
    "eig": lambda t, a, b: (t.linalg.eig(a)[0], t.linalg.eig(a)[1].abs()),
    "eigh": lambda t, a, b: t.linalg.eigh(spd(t, a)).eigenvalues,
    "eigvals": lambda t, a, b: t.linalg.eigvals(a),
    "eigh vectors": lambda t, a, b: t.linalg.eigh(spd(t, a))[1].abs(),
    "eigh of other matrices": lambda t, a, b: t.linalg.eigh(a, UPLO="U")[1].abs(),
    "eigvalsh": lambda t, a, b: t.linalg.eigvalsh(spd(t, a), UPLO="U"),
    "inv": lambda t, a, b: t.linalg.inv(a),
    "inv_ex": lambda t, a, b: t.linalg.inv_ex(a),
    "logdet": lambda t, a, b: t.logdet(spd(t, a)),
    "ldl_solve": lambda t, a, b: t.linalg.ldl_solve(
        *t.linalg.ldl_factor(spd(t, a).detach(), hermitian=True), b.detach(), hermitian=True
    ),
    "lstsq": lambda t, a, b: t.linalg.lstsq(b, a, driver="gelsd"),
    "lstsq gels": lambda t, a, b: t.linalg.lstsq(b, a, driver="gels")[:2],
    "lu": lambda t, a, b: t.linalg.lu(b),
    "lu_factor": lambda t, a, b: t.linalg.lu_factor(a),
    "lu_factor_ex": lambda t, a, b: t.linalg.lu_factor_ex(b.mT),
    "lu_solve": lambda t, a, b: t.linalg.lu_solve(*t.linalg.lu_factor(a), b, adjoint=True),
    "lu_unpack": lambda t, a, b: t.lu_unpack(*t.linalg.lu_factor(a)),
    "matrix_exp": lambda t, a, b: t.linalg.matrix_exp(a),
    "matrix_norm": lambda t, a, b: t.linalg.matrix_norm(b, 1, keepdim=True),
    "matrix_norm nuc": lambda t, a, b: t.linalg.matrix_norm(b, "nuc"),
    "matrix_power": lambda t, a, b: t.linalg.matrix_power(a, -3),
    "matrix_rank": lambda t, a, b: t.linalg.matrix_rank(b, atol=1.0),
    "multi_dot": lambda t, a, b: t.linalg.multi_dot([a[0], b[0], b[1].mT]),
    "norm": lambda t, a, b: t.norm(b, "nuc", dim=(0, 2)),
    "norm of vectors": lambda t, a, b: t.linalg.norm(b, 3, dim=1),
    "pinv": lambda t, a, b: t.linalg.pinv(b, rtol=1e-3),
    "pinverse": lambda t, a, b: t.pinverse(b),
    "qr": lambda t, a, b: t.linalg.qr(b).R ** 2,
    "renorm": lambda t, a, b: t.renorm(b, 2, 1, 1.0),
    "slogdet": lambda t, a, b: t.linalg.slogdet(a),
    "solve": lambda t, a, b: t.linalg.solve(a, b),
    "solve right": lambda t, a, b: t.linalg.solve(a, b.mT, left=False),
    "solve_ex": lambda t, a, b: t.linalg.solve_ex(a, b),
    "solve_triangular": lambda t, a, b: t.linalg.solve_triangular(a, b, upper=True, unitriangular=True),
    "svd": lambda t, a, b: t.linalg.svd(b)[1],
    "svd vectors": lambda t, a, b: (t.linalg.svd(b, full_matrices=False)[0].abs(), t.linalg.svd(b)[2].abs()),
    "svdvals": lambda t, a, b: t.linalg.svdvals(b),
    "tensorinv": lambda t, a, b: t.linalg.tensorinv(a[0].reshape(4, 2, 2), ind=1),
    "tensorsolve": lambda t, a, b: t.linalg.tensorsolve(a[0].reshape(2, 2, 4), b[0, :, 0].reshape(2, 2)),
    "triangular_solve": lambda t, a, b: t.triangular_solve(b, a, upper=False),
    "vander": lambda t, a, b: t.linalg.vander(b, N=3),
    "vecdot": lambda t, a, b: t.linalg.vecdot(a[..., :3], b),
    "cross": lambda t, a, b: t.linalg.cross(b, b + 1),
    "householder_product": lambda t, a, b: t.linalg.householder_product(b, b[:, 0]),
    "ormqr": lambda t, a, b: t.ormqr(b, b[:, 0], a, left=False, transpose=True),
    "cov": lambda t, a, b: t.cov(b[0]),
    "corrcoef": lambda t, a, b: t.corrcoef(b[0]),
    "cdist": lambda t, a, b: t.cdist(b, b + 1, p=1.5),
    "cdist inf": lambda t, a, b: t.cdist(b, b + 1, p=math.inf),
    "pdist": lambda t, a, b: t.nn.functional.pdist(b[0], 3),
}  # fmt: skip
# what has no gradient, in PyTorch at least
NO_GRADIENT = {"cond fro", "matrix_rank"}


def _flat(result):
    return list(result) if isinstance(result, tuple) else [result]


def _run(t, name, a, b, device):
    x, y = (t.tensor(v, device=device, requires_grad=name not in NO_GRADIENT) for v in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = PROGRAMS[name](t, x, y)
        outs = _flat(result)
        used = [o for o in outs if o.requires_grad]
        grads = [None, None]
        if used:
            weights = [t.arange(1, o.numel() + 1, device=device).to(o.dtype).reshape(o.shape) for o in used]
            total = sum((o * w).sum().real for o, w in zip(used, weights, strict=True))
            grads = t.autograd.grad(total, [x, y], allow_unused=True)
    kind = type(result).__name__ if isinstance(result, tuple) and hasattr(result, "_fields") else ""
    return kind, outs, grads


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_and_gradients_agree_with_pytorch(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    rng = np.random.default_rng(21)
    _compare(name, rng.standard_normal((2, 4, 4)), rng.standard_normal((2, 4, 3)), device)


# PyTorch has no complex form of these
REAL_ONLY = {"cdist", "cdist inf", "pdist"}


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in REAL_ONLY])
def test_complex_results_and_gradients_agree_with_pytorch(name):
    rng = np.random.default_rng(22)
    a, b = (rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in ((2, 4, 4), (2, 4, 3)))
    _compare(name, a, b, "cpu")


def test_complex_matrices_on_a_device(device, fp64):
    if not fp64:
        pytest.skip("no double precision on this device")
    rng = np.random.default_rng(23)
    a, b = (rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in ((2, 4, 4), (2, 4, 3)))
    for name in ("eig", "qr", "solve", "svd vectors"):
        _compare(name, a, b, device)


def _compare(name, a, b, device):
    ours_kind, ours, our_grads = _run(ct, name, a, b, device)
    _, theirs, their_grads = _run(torch, name, a, b, "cpu")
    if hasattr(PROGRAMS[name](torch, *map(torch.tensor, (a, b))), "_fields") or ours_kind:
        assert ours_kind == type(PROGRAMS[name](torch, *map(torch.tensor, (a, b)))).__name__
    for found, want in zip(ours, theirs, strict=True):
        assert str(found.dtype) == str(want.dtype) and tuple(found.shape) == tuple(want.shape)
        np.testing.assert_allclose(
            found.detach().cpu().resolve_conj().numpy(), want.detach().resolve_conj().numpy(), 1e-8, 1e-8
        )
    for found, want in zip(our_grads, their_grads, strict=True):
        assert (found is None) == (want is None)
        if found is not None:
            np.testing.assert_allclose(found.cpu().resolve_conj().numpy(), want.resolve_conj().numpy(), 1e-6, 1e-6)


WRONG = {
    **{
        f"{name} of {what}": (lambda t, d, name=name, make=make: getattr(t.linalg, name)(make(t, d)))
        for name in ("inv", "cholesky", "det", "slogdet", "eigh", "eigvalsh", "lu_factor", "lu", "qr", "svd", "svdvals",
                     "cholesky_ex", "inv_ex", "matrix_exp", "matrix_norm", "eig", "eigvals", "pinv", "matrix_rank")
        for what, make in (
            ("a vector", lambda t, d: t.ones(3, device=d)),
            ("integers", lambda t, d: t.ones(2, 2, dtype=t.int64, device=d)),
        )
    },
    "solve of other sizes": lambda t, d: t.linalg.solve(t.eye(2, device=d), t.ones(3, 2, device=d)),
    "singular solve": lambda t, d: t.linalg.solve(t.zeros(2, 2, device=d), t.ones(2, device=d)),
    "singular inv": lambda t, d: t.linalg.inv(t.zeros(3, 2, 2, device=d)),
    "singular lu": lambda t, d: t.linalg.lu_factor(t.zeros(2, 2, device=d)),
    "cholesky not positive": lambda t, d: t.cholesky(-t.eye(2, device=d)),
    "svd of nan": lambda t, d: t.linalg.svd(t.full((2, 2), math.nan, device=d)),
    "lu_solve of vectors": lambda t, d: t.linalg.lu_solve(*t.linalg.lu_factor(t.eye(2, device=d)), t.ones(2, device=d)),
    "tensorinv": lambda t, d: t.linalg.tensorinv(t.ones(2, 3, device=d), 1),
    "vander": lambda t, d: t.linalg.vander(t.ones(2, device=d), N=1),
    "multi_dot": lambda t, d: t.linalg.multi_dot([t.ones(2, 2, device=d)]),
    "cond": lambda t, d: t.linalg.cond(t.ones(2, 2, device=d), 7),
    "out": lambda t, d: t.linalg.inv(t.eye(2, device=d), out=t.ones(2, dtype=t.float64, device=d)),
    "lstsq": lambda t, d: t.linalg.lstsq(t.eye(2, device=d), t.ones(3, 2, device=d)),
    "lstsq rank": lambda t, d: t.linalg.lstsq(t.ones(3, 2, device=d), t.ones(3, 2, device=d), driver="gels"),
    "householder": lambda t, d: t.linalg.householder_product(t.ones(2, 3, device=d), t.ones(2, device=d)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_errors_agree_with_pytorch(device, name):
    if "out" in name and not (device == "cpu" or ct.device(device).context.caps.fp64):
        pytest.skip("no double precision on this device")
    with pytest.raises(Exception) as theirs:
        WRONG[name](torch, "cpu")
    with pytest.raises(Exception) as ours:
        WRONG[name](ct, device)
    assert type(ours.value).__name__ == type(theirs.value).__name__.lstrip("_")
    assert str(ours.value).split("\n")[0] == str(theirs.value).split("\n")[0]


def test_every_name_of_torch_linalg_is_here():
    names = {name for name in vars(torch.linalg) if not name.startswith("_")} - {"common_notes"}
    assert names == set(ct.linalg.__all__)


NAMED = {
    "norm": ("input",), "matrix_norm": ("input",), "cond": ("input",), "matrix_rank": ("input",), "eigh": ("input",),
    "eigvalsh": ("input",), "pinv": ("input",), "cholesky": ("input",), "cholesky_ex": ("input",),
    "matrix_exp": ("input",), "lstsq": ("input", "b"), "inv": ("A",), "det": ("A",),
    "solve": ("A", "B"), "qr": ("A",), "svd": ("A",), "lu": ("A",), "vector_norm": ("x",), "vecdot": ("x", "y"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_arguments_have_the_names_that_pytorch_takes(name):
    for t in (torch, ct):
        getattr(t.linalg, name)(**{k: t.eye(2) + 1 for k in NAMED[name]})
