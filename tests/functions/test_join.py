"""Joining tensors, grids and combinations, against NumPy, itertools and PyTorch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck


def made(device, *shape, dtype=ct.float32):
    """Return numbered elements, so that every one is told apart."""
    return ct.arange(int(np.prod(shape)), dtype=dtype, device=device).reshape(shape)


def host(x):
    return x.detach().cpu().numpy()


def test_cat_joins_along_any_dimension(device):
    a, b, c = made(device, 2, 3, 4), made(device, 2, 5, 4) + 100, made(device, 2, 1, 4) + 200
    for dim in (1, -2):
        assert np.array_equal(host(ct.cat([a, b, c], dim)), np.concatenate([host(a), host(b), host(c)], 1))
    assert np.array_equal(host(ct.cat((a, a), 0)), np.concatenate([host(a)] * 2, 0))
    assert np.array_equal(host(ct.concat([a, a], -1)), np.concatenate([host(a)] * 2, 2))
    assert ct.concatenate is ct.cat


def test_cat_takes_views_and_leaves_them_alone(device):
    x = made(device, 4, 6)
    parts = [x.t(), x.t()[:, 1:3], x.t()[:, :1].expand(6, 2)]
    assert np.array_equal(host(ct.cat(parts, 1)), np.concatenate([host(p) for p in parts], 1))
    assert np.array_equal(host(x), np.arange(24).reshape(4, 6))


@pytest.mark.parametrize("join", [ct.cat, ct.hstack, ct.vstack])
def test_joining_promotes_dtypes(device, join):
    def joined(*dtypes):
        return join([ct.ones(2, dtype=t, device=device) for t in dtypes]).dtype

    assert joined(ct.bool, ct.uint8) is ct.uint8
    assert joined(ct.uint8, ct.int8) is ct.int16
    assert joined(ct.int64, ct.float16) is ct.float16
    assert joined(ct.float16, ct.bfloat16) is ct.float32


def test_cat_converts_values(device):
    x = ct.cat([ct.tensor([True, False], device=device), ct.tensor([2.5], device=device)])
    assert x.tolist() == [1.0, 0.0, 2.5]


def test_cat_passes_over_empty_vectors(device):
    a, nothing = made(device, 2, 3), ct.ones(0, device=device)
    assert ct.cat([nothing, a, nothing], 1).shape == (2, 3)
    assert ct.cat([nothing, nothing]).shape == (0,)
    assert (
        ct.cat([ct.ones(0, dtype=ct.int64, device=device), ct.ones(2, dtype=ct.bool, device=device)]).dtype is ct.int64
    )
    assert ct.cat([a, ct.ones(0, 3, device=device)]).shape == (2, 3)


def test_errors_of_cat_name_the_sizes(device):
    def ones(*shape):
        return ct.ones(*shape, device=device)

    with pytest.raises(
        RuntimeError, match=r"except in dimension 0. Expected size 3 but got size 2 for tensor number 1"
    ):
        ct.cat([ones(2, 3), ones(3, 2)])
    with pytest.raises(RuntimeError, match="same number of dimensions: got 2 and 1"):
        ct.cat([ones(2, 3), ones(2)])
    with pytest.raises(RuntimeError, match=r"zero-dimensional tensor \(at position 1\) cannot be concatenated"):
        ct.cat([ones(2), ones(())])
    with pytest.raises(ValueError, match="expected a non-empty list of Tensors"):
        ct.cat([])
    with pytest.raises(TypeError, match="expected Tensor as element 1 in argument 0, but got int"):
        ct.cat([ones(2), 3])
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        ct.cat(ones(2))
    with pytest.raises(IndexError, match=r"expected to be in range of \[-1, 0\], but got 1"):
        ct.cat([ones(2)], 1)
    with pytest.raises(TypeError, match="can't be cast to the desired output type Int"):
        ct.cat([ones(2)], out=ct.ones(2, dtype=ct.int32, device=device))


def test_tensors_of_two_devices_are_not_joined(cl_device):
    with pytest.raises(RuntimeError, match="at least two devices, cpu and cl:0"):
        ct.cat([ct.ones(2), ct.ones(2, device=cl_device)])


def test_out_takes_the_result(device):
    out = ct.empty(0, device=device)
    assert ct.cat([ct.ones(1, device=device), ct.zeros(2, device=device)], out=out) is out
    assert out.tolist() == [1.0, 0.0, 0.0]
    out = ct.empty(2, 1, device=device)
    ct.stack([ct.ones(1, device=device)] * 2, out=out)
    assert out.tolist() == [[1.0], [1.0]]


def test_stack_makes_a_dimension(device):
    a, b = made(device, 2, 3), made(device, 2, 3) + 10
    for dim in (0, 1, 2, -1, -3):
        assert np.array_equal(host(ct.stack([a, b], dim)), np.stack([host(a), host(b)], dim))
    assert ct.stack([ct.tensor(1.0, device=device)] * 3).shape == (3,)
    with pytest.raises(RuntimeError, match=r"equal size, but got \[2, 3\] at entry 0 and \[3\] at entry 1"):
        ct.stack([a, made(device, 3)])
    with pytest.raises(RuntimeError, match="stack expects a non-empty TensorList"):
        ct.stack([])
    with pytest.raises(IndexError, match=r"range of \[-3, 2\], but got 3"):
        ct.stack([a, b], 3)


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
def test_stacks_follow_numpy(device, name):
    for shapes in (((3,), (3,)), ((2, 3), (2, 3)), ((2, 3, 2), (2, 3, 2))):
        parts = [made(device, *s) + 10 * i for i, s in enumerate(shapes)]
        assert np.array_equal(host(getattr(ct, name)(parts)), getattr(np, name)([host(p) for p in parts]))
    assert ct.row_stack is ct.vstack


def test_at_least_so_many_dimensions(device):
    scalar, line, matrix = ct.tensor(1.0, device=device), made(device, 2), made(device, 2, 3)
    assert ct.atleast_1d(scalar).shape == (1,)
    assert ct.atleast_2d(line).shape == (1, 2)
    assert [ct.atleast_3d(x).shape for x in (scalar, line, matrix)] == [(1, 1, 1), (1, 2, 1), (2, 3, 1)]
    assert [x.shape for x in ct.atleast_2d([scalar, matrix])] == [(1, 1), (2, 3)]
    assert [x.shape for x in ct.atleast_1d(scalar, line)] == [(1,), (2,)]


def test_block_diag_follows_scipy(device):
    linalg = pytest.importorskip("scipy.linalg", reason="the reference is SciPy")
    parts = [made(device, 2, 3), made(device, 2) + 10, ct.tensor(7, device=device)]
    assert np.array_equal(host(ct.block_diag(*parts)), linalg.block_diag(*(host(p) for p in parts)))
    assert ct.block_diag().shape == (1, 0)
    with pytest.raises(RuntimeError, match="Input 1 has 3 dimensions"):
        ct.block_diag(parts[0], made(device, 1, 1, 1))


def test_meshgrid_follows_numpy_in_both_orders(device):
    lines = [made(device, 2), made(device, 3) + 10, made(device, 4) + 20]
    for indexing in ("ij", "xy"):
        for mine, ref in zip(
            ct.meshgrid(*lines, indexing=indexing), np.meshgrid(*map(host, lines), indexing=indexing), strict=True
        ):
            assert np.array_equal(host(mine), ref)
    assert ct.meshgrid(lines[0], ct.tensor(1.0, device=device))[1].tolist() == [[1.0], [1.0]]
    with pytest.raises(RuntimeError, match="same dtype"):
        ct.meshgrid(lines[0], ct.arange(2, device=device))
    with pytest.raises(RuntimeError, match='one of "xy" or "ij", but received: no'):
        ct.meshgrid(*lines, indexing="no")


def test_products_and_combinations_follow_itertools(device):
    a, b = ct.tensor([3, 1, 2], device=device), ct.tensor([7, 8], device=device)
    assert ct.cartesian_prod(a, b).tolist() == [list(t) for t in itertools.product([3, 1, 2], [7, 8])]
    assert ct.cartesian_prod(a) is a
    for r in (1, 2, 3):
        assert ct.combinations(a, r).tolist() == [list(t) for t in itertools.combinations([3, 1, 2], r)]
        repeated = itertools.combinations_with_replacement([3, 1, 2], r)
        assert ct.combinations(a, r, with_replacement=True).tolist() == [list(t) for t in repeated]
    assert ct.combinations(a, 4).shape == (0, 4)
    assert ct.combinations(a, 0).shape == (0,)
    with pytest.raises(RuntimeError, match="non-negative number, but got -1"):
        ct.combinations(a, -1)
    with pytest.raises(RuntimeError, match=r"Expect a 1D vector, but got shape \[1, 3\]"):
        ct.combinations(a[None])


JOINS = {
    "cat": lambda a, b: ct.cat([a, b, a], 0),
    "cat1": lambda a, b: ct.cat([a.t(), b[:2].t()], 1),
    "stack": lambda a, b: ct.stack([a, b[:2]], 1),
    "block_diag": lambda a, b: ct.block_diag(a, b),
    "meshgrid": lambda a, b: ct.meshgrid(a[0], b[0], indexing="xy"),
    "combinations": lambda a, b: ct.combinations(a[0]) * b,
}


@pytest.mark.parametrize("name", JOINS)
def test_gradients_of_joins(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    x = [ct.randn(*s, dtype=ct.float64, device=device, requires_grad=True) for s in ((2, 2), (1, 2))]
    if name in ("cat1", "stack"):
        x[1] = ct.randn(3, 2, dtype=ct.float64, device=device, requires_grad=True)
    assert gradcheck(JOINS[name], x)
    if device == "cpu" or name == "cat":  # the rules are those of the host, their kernels were just tested
        assert gradgradcheck(JOINS[name], x)


def test_gradients_go_back_in_the_dtype_of_each_piece(device):
    a = ct.ones(2, dtype=ct.float16, device=device, requires_grad=True)
    b = ct.ones(2, device=device, requires_grad=True)
    (ct.cat([a, b]) * ct.arange(4.0, device=device)).sum().backward()
    assert (a.grad.dtype, a.grad.tolist()) == (ct.float16, [0.0, 1.0])
    assert (b.grad.dtype, b.grad.tolist()) == (ct.float32, [2.0, 3.0])


def test_joins_agree_with_pytorch(device):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    shapes = [(2, 3), (2, 3), (2, 3)]
    ours = [made(device, *s) + i for i, s in enumerate(shapes)]
    theirs = [torch.from_numpy(host(x)) for x in ours]
    for name in ("cat", "stack", "hstack", "vstack", "dstack", "column_stack"):
        assert getattr(ct, name)(ours).tolist() == getattr(torch, name)(theirs).tolist()


@pytest.mark.parametrize("f", [ct.cat, ct.stack])
def test_no_fractions_into_integers(f, device):
    x = ct.ones(2, device=device)
    with pytest.raises(TypeError, match="can't be cast to the desired output type Long"):
        f([x, x], out=ct.empty(0, dtype=ct.int64, device=device))


def test_empty_lines_passed_over_have_gradients_of_no_elements(device):
    a = ct.ones(0, device=device, requires_grad=True)
    b = ct.tensor([[-0.0, 2.0]], device=device, requires_grad=True)
    y = ct.cat([a, b, a])
    assert str(y[0, 0].item()) == "-0.0"
    ga, gb = ct.autograd.grad(y.sum(), [a, b])
    assert ga.shape == (0,) and gb.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool", "complex64"])
def test_many_in_a_row(dtype, device):
    rng, t = np.random.default_rng(4), getattr(ct, dtype)
    whole = ct.tensor(rng.integers(0, 2, 200)).to(t).to(device)
    lengths = [*rng.integers(0, 7, 24), 0]
    ends = np.cumsum(lengths)
    parts = [whole[b - n : b].reshape(n, 1) for n, b in zip(lengths, ends, strict=True)]
    np.testing.assert_array_equal(ct.cat(parts).cpu().numpy(), whole[: ends[-1]].reshape(-1, 1).cpu().numpy())
    scalars = [whole[i] for i in range(0, 80, 2)]
    np.testing.assert_array_equal(ct.stack(scalars).cpu().numpy(), whole[:80:2].cpu().numpy())
    rows = [whole[6 * i : 6 * i + 6].view(2, 3) for i in range(30)]
    context = None if device == "cpu" else ct.device(device).resolve().context
    before = context.launches if context else 0
    found = ct.stack(rows)
    assert context is None or context.launches - before <= 2
    np.testing.assert_array_equal(found.cpu().numpy(), whole[:180].reshape(30, 2, 3).cpu().numpy())
    assert ct.stack([whole[:0]] * 20).shape == (20, 0)


def test_gradients_of_many_in_a_row(device):
    x = ct.arange(60.0, device=device).requires_grad_()
    y = ct.stack([x[3 * i : 3 * i + 3] for i in range(20)])
    (y * y).sum().backward()
    assert x.grad.tolist() == [2.0 * i for i in range(60)]
