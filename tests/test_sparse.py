"""Sparse tensors in coordinate format, beside dense ones computed by NumPy."""

import copy
import io
import pickle

import numpy as np
import pytest

import cltorch
from cltorch import sparse

PLACES = [[0, 2, 0, 1], [1, 0, 1, 2]]
VALUES = [1.0, 2.0, 3.0, -4.0]
DENSE = np.array([[0, 4, 0], [0, 0, -4], [2, 0, 0], [0, 0, 0]], np.float32)


@pytest.fixture
def x(device):
    return cltorch.sparse_coo_tensor(PLACES, VALUES, (4, 3), device=device)


def same(found, want):
    assert not found.is_sparse
    np.testing.assert_allclose(found.detach().cpu().numpy(), want, rtol=1e-6)


def test_what_a_sparse_tensor_says_of_itself(x, device):
    assert isinstance(x, cltorch.Tensor) and x.is_sparse and x.layout is cltorch.sparse_coo is not cltorch.strided
    assert (x.shape, x.dtype, x.ndim, x.size(1), x.numel(), len(x)) == ((4, 3), cltorch.float32, 2, 3, 12, 4)
    assert x.device == cltorch.ones(1, device=device).device and not x.requires_grad and x.is_leaf
    assert (x._nnz(), x.sparse_dim(), x.dense_dim(), x.is_coalesced()) == (4, 2, 0, False)
    place = "torch.sparse" if device == "cpu" else "torch.cl.sparse"
    assert x.type() == f"{place}.FloatTensor" and x.type(cltorch.int32).type() == f"{place}.IntTensor"
    assert x._indices().tolist() == PLACES and x._values().tolist() == VALUES
    with pytest.raises(RuntimeError, match="Cannot get indices on an uncoalesced tensor"):
        x.indices()
    once = x.coalesce()
    assert once.is_coalesced() and once.coalesce() is once and once._nnz() == 3
    assert once.indices().tolist() == [[0, 1, 2], [1, 2, 0]] and once.values().tolist() == [4, -4, 2]
    ordered = cltorch.sparse_coo_tensor(once.indices(), once.values(), (4, 3))
    assert (
        not ordered.is_coalesced() and ordered._coalesced_(True) is ordered and ordered.values().tolist() == [4, -4, 2]
    )
    assert not cltorch.ones(1).is_sparse and cltorch.ones(1).layout is cltorch.strided


def test_text(x):
    text = repr(x.cpu())
    assert text == (
        "tensor(indices=tensor([[0, 2, 0, 1],\n        [1, 0, 1, 2]]),\n       values=tensor([ 1.,  2.,  3., -4.]),\n"
        "       size=(4, 3), nnz=4, layout=torch.sparse_coo)"
    )


def test_from_dense_and_back(x, device):
    same(x.to_dense(), DENSE)
    dense = cltorch.from_numpy(DENSE).to(device)
    made = dense.to_sparse()
    assert made.is_coalesced() and made.indices().tolist() == [[0, 1, 2], [1, 2, 0]]
    same(made.to_dense(), DENSE)
    rows = dense.to_sparse(1)
    assert (rows.sparse_dim(), rows.dense_dim()) == (1, 1) and rows.indices().tolist() == [[0, 1, 2]]
    same(rows.to_dense(), DENSE)
    held = (dense > 0).to_sparse()
    assert held.dtype == cltorch.bool and held.indices().T.tolist() == [[0, 1], [2, 0]]
    assert held.to_dense().tolist() == (DENSE > 0).tolist()
    cube = cltorch.arange(12, device=device).reshape(2, 3, 2).to_sparse()
    assert cube._nnz() == 11 and cube.to_dense().tolist() == np.arange(12).reshape(2, 3, 2).tolist()
    assert cube.coalesce().to(cltorch.int32).dtype == cltorch.int32
    assert x.to_sparse() is x is x.to_sparse(2)
    same(x.to_sparse(layout=cltorch.strided), DENSE)
    with pytest.raises(RuntimeError, match="conversion from Sparse to Sparse with sparse_dim argument"):
        x.to_sparse(1)
    with pytest.raises(NotImplementedError, match="layout torch.sparse_csr"):
        dense.to_sparse(layout=type(cltorch.strided)("sparse_csr"))


def test_making(device):
    assert cltorch.sparse_coo_tensor(PLACES, VALUES, device=device).shape == (3, 3)
    empty = cltorch.sparse_coo_tensor((2, 3), device=device)
    assert empty._nnz() == 0 and empty.is_coalesced() and empty.to_dense().tolist() == [[0] * 3] * 2
    old = sparse.FloatTensor(cltorch.tensor(PLACES), cltorch.tensor(VALUES), cltorch.Size([4, 3]))
    assert isinstance(old, sparse.FloatTensor) and not isinstance(old, sparse.LongTensor)
    same(old.to(device).to_dense(), DENSE)
    assert sparse.DoubleTensor(2, 3).shape == (2, 3) and sparse.DoubleTensor(2, 3).dtype == cltorch.float64
    for wrong, text in [
        (([0, 1], VALUES), "indices must be sparse_dim x nnz"),
        ((PLACES, VALUES[:3]), "number of indices must match"),
        ((PLACES, VALUES, (4, 3, 1)), "number of dimensions must be"),
        ((PLACES, [[1.0, 2.0]] * 4, (4, 3, 3)), "values has incorrect size"),
    ]:
        with pytest.raises(RuntimeError, match=text):
            cltorch.sparse_coo_tensor(*wrong)
    with pytest.raises(RuntimeError, match="for dim 1, size is 2 but found index 2"):
        cltorch.sparse_coo_tensor(PLACES, VALUES, (4, 2), check_invariants=True)
    with pytest.raises(RuntimeError, match="found negative index -1"):
        cltorch.sparse_coo_tensor([[-1]], [1.0], (4,), check_invariants=True)
    with pytest.raises(NotImplementedError, match="gradients of sparse leaves"):
        cltorch.sparse_coo_tensor(PLACES, VALUES, requires_grad=True)


def test_products(x, device):
    b = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    other = cltorch.from_numpy(b).to(device)
    for found in (x @ other, cltorch.mm(x, other), cltorch.sparse.mm(x, other), cltorch.spmm(x, other), x.mm(other),
                  cltorch.matmul(x, other)):  # fmt: skip
        same(found, DENSE @ b)
    same(x @ other[:, 0], DENSE @ b[:, 0])
    same(x.mv(other[:, 1]), DENSE @ b[:, 1])
    same(other.t() @ x.t(), b.T @ DENSE.T)
    same(cltorch.sparse.mm(other.t(), x.T), b.T @ DENSE.T)
    same(sparse.addmm(cltorch.ones(4, 2, device=device), x, other, beta=2.0, alpha=3.0), 2 + 3 * DENSE @ b)
    same(cltorch.addmm(cltorch.ones(4, 2, device=device), x, other), 1 + DENSE @ b)
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied \(4x3 and 2x3\)"):
        cltorch.mm(x, other.t())
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied \(2x3 and 4x3\)"):
        other.t() @ x
    same(cltorch.sparse.mm(other.t(), other), b.T @ b)
    with pytest.raises(RuntimeError, match="same dtype"):
        cltorch.mm(x, other.half())
    with pytest.raises(NotImplementedError, match="products of two sparse tensors"):
        cltorch.sparse.mm(x, x.t())


def test_sums_and_multiples(x, device):
    dense = cltorch.from_numpy(DENSE).to(device)
    same((x + x.t().t()).to_dense(), 2 * DENSE)
    same(cltorch.add(x, x, alpha=3).to_dense(), 4 * DENSE)
    same(dense + x, 2 * DENSE)
    same((x - x * 0.5).to_dense(), DENSE / 2)
    same(dense - x, 0 * DENSE)
    same((2 * x).to_dense(), 2 * DENSE)
    same((x / 2 * dense).to_dense(), DENSE * DENSE / 2)
    same((-x).to_dense(), -DENSE)
    same(x.abs().to_dense(), np.abs(DENSE))
    same(x.square().to_dense(), DENSE**2)
    same((x**3).to_dense(), DENSE**3)
    same(cltorch.relu(x).to_dense(), np.maximum(DENSE, 0))
    same(x.transpose(0, 1).to_dense(), DENSE.T)
    for dim in (0, 1, -1):
        sums = cltorch.sparse.sum(x, dim)
        assert sums.is_sparse and sums.ndim == 1
        same(sums.to_dense(), DENSE.sum(dim))
    same(x.sum((0, 1)), DENSE.sum())
    same(x.sum(()).to_dense(), DENSE)
    whole = x.to(cltorch.int32)
    assert (whole.sum(1).dtype, cltorch.sparse.sum(whole, 1).dtype) == (cltorch.int64, cltorch.int32)
    assert whole.sum(1).to_dense().tolist() == DENSE.sum(1).tolist()
    rows = cltorch.sparse_coo_tensor([[2, 0, 2]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (3, 2), device=device)
    same(rows.sum(0), [9, 12])
    assert x.sum().item() == cltorch.sparse.sum(x).item() == DENSE.sum()
    with pytest.raises(RuntimeError, match=r"add\(sparse, dense\) is not supported"):
        x + dense
    with pytest.raises(RuntimeError, match="Sparse division requires a scalar"):
        x / dense
    with pytest.raises(RuntimeError, match="coalesce expected sparse coordinate tensor layout but got Strided"):
        cltorch.sparse.sum(dense)


def test_dimensions_that_change_places(x, device):
    line = cltorch.sparse_coo_tensor([[1]], [2.0], (3,), device=device)
    assert line.t() is line and x.transpose(-1, -2).shape == (3, 4)
    with pytest.raises(IndexError, match=r"expected to be in range of \[-2, 1\], but got 5"):
        x.transpose(0, 5)
    rows = x.to_dense().to_sparse(1)
    with pytest.raises(RuntimeError, match="transposed dimensions must be sparse. Got sparse_dim: 1, d0: 0, d1: 1"):
        rows.transpose(0, 1)
    with pytest.raises(RuntimeError, match="but got 1 sparse and 1 dense dimensions"):
        rows.t()


def test_joined(x):
    for dim in (0, 1, -1):
        same(cltorch.cat([x, x * 2], dim).to_dense(), np.concatenate([DENSE, 2 * DENSE], dim))
    with pytest.raises(RuntimeError, match="must have the same shape"):
        cltorch.cat([x, x.t()])


def test_gradients_reach_values_and_dense_operands(device):
    values = cltorch.tensor(VALUES, device=device, requires_grad=True)
    b = cltorch.arange(6.0, device=device).reshape(3, 2).requires_grad_()
    x = cltorch.sparse_coo_tensor(PLACES, values, (4, 3))
    assert x.requires_grad and x.coalesce().grad_fn is not None
    (x.coalesce() @ b).square().sum().backward()
    product = DENSE @ b.detach().cpu().numpy()
    same(b.grad, DENSE.T @ (2 * product))
    whole = 2 * product @ b.detach().cpu().numpy().T
    same(values.grad, whole[tuple(PLACES)])
    dense = cltorch.from_numpy(DENSE).to(device).requires_grad_()
    (dense.to_sparse() @ b.detach()).sum().backward()
    same(dense.grad, (DENSE != 0) * b.detach().sum(1).cpu().numpy())


def test_modules_carry_sparse_buffers(x, device):
    layer = cltorch.nn.Module()
    layer.register_buffer("graph", x.cpu(), persistent=False)
    layer.to(device).half()
    assert layer.graph.is_sparse and layer.graph.dtype == cltorch.float16 and layer.graph.device == x.device
    same(copy.deepcopy(layer).graph.float().to_dense(), DENSE)
    same(copy.copy(x).to_dense(), DENSE)
    same(x.detach().clone().cpu().to_dense(), DENSE)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x.numpy(), lambda x: x[0], lambda x: cltorch.exp(x), lambda x: x.tolist(), lambda x: x.backward(),
        lambda x: cltorch.stack([x]), lambda x: cltorch.nn.functional.linear(cltorch.ones(1, 3), x), lambda x: x.grad,
        lambda x: x.add_(1), lambda x: pickle.dumps(x), lambda x: x.requires_grad_(),
        lambda x: x.sum(dim=0, keepdim=True),
        lambda x: x * cltorch.ones(3, device=x.device), lambda x: x.view(-1), lambda x: bool(x), lambda x: list(x),
        lambda x: cltorch.save(x, io.BytesIO()), lambda x: cltorch.ones(1, 2, 4, device=x.device) @ x,
        lambda x: sparse.addmm(x, x, x.t().to_dense()), lambda x: np.asarray(x), lambda x: x == x, lambda x: x.data,
        lambda x: x.item(),
    ],
)  # fmt: skip
def test_what_is_not_built_is_refused(x, use):
    with pytest.raises(NotImplementedError, match="sparse"):
        use(x)


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_what_asks_nobody_finds_no_bytes(x):
    assert cltorch.tensor(x).is_meta
