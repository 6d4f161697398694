"""Triangles and diagonals, against NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as ct
from cltorch.autograd import gradcheck, gradgradcheck


def host(x):
    return x.detach().cpu().numpy()


@pytest.mark.parametrize("dtype", [ct.float32, ct.int64, ct.bool])
def test_triangles_follow_numpy(device, dtype):
    x = ct.arange(1, 61, device=device).to(dtype).reshape(3, 4, 5)
    for k in (-5, -1, 0, 2, 6):
        assert np.array_equal(host(x.tril(k)), np.tril(host(x), k))
        assert np.array_equal(host(ct.triu(x, k)), np.triu(host(x), k))
    assert np.array_equal(host(x.transpose(0, 2).tril()), np.tril(host(x).transpose(2, 1, 0)))
    assert np.array_equal(host(x[:, :1].expand(3, 4, 5).triu()), np.triu(np.repeat(host(x)[:, :1], 4, 1)))
    assert x[:, :0].tril().shape == (3, 0, 5)


def test_triangles_in_place_change_only_the_view(device):
    x = ct.ones(2, 4, 4, device=device)
    part = x[1].t()
    assert part.tril_(-1) is part
    assert np.array_equal(host(x), np.stack([np.ones((4, 4)), np.triu(np.ones((4, 4)), 1)]))
    assert np.array_equal(host(x.triu_(2)), np.triu(np.ones((2, 4, 4)), 2))
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        ct.ones(2, 2, device=device, requires_grad=True).tril_()


def test_triangles_in_place_of_expanded_tensors(device):
    x = ct.tensor([1, 2, 3], device=device)
    assert x.expand(2, 3).tril_().tolist() == [[1, 0, 0]] * 2
    x = ct.tensor([1, 2, 3], device=device)
    assert x.expand(2, 3).triu_(1).tolist() == [[0, 0, 3]] * 2
    assert x.tolist() == [0, 0, 3]


def test_errors_of_triangles(device):
    with pytest.raises(RuntimeError, match="tril: input tensor must have at least 2 dimensions"):
        ct.ones(2, device=device).tril()
    with pytest.raises(TypeError, match="argument 'diagonal'.* must be int, not float"):
        ct.ones(2, 2, device=device).triu(1.5)
    with pytest.raises(RuntimeError, match="row must be non-negative"):
        ct.tril_indices(-1, 2, device=device)
    with pytest.raises(NotImplementedError, match="\"triu_indices\" not implemented for 'Float'"):
        ct.triu_indices(2, 2, dtype=ct.float32, device=device)


def test_coordinates_of_triangles(device):
    assert ct.tril_indices(3, 2, device=device).tolist() == [[0, 1, 1, 2, 2], [0, 0, 1, 0, 1]]
    found = ct.triu_indices(3, 3, 1, dtype=ct.int32, device=device)
    assert (found.dtype, found.tolist()) == (ct.int32, [[0, 0, 1], [1, 2, 2]])


def test_diag_goes_both_ways(device):
    line, matrix = ct.arange(1.0, 4.0, device=device), ct.arange(12, device=device).reshape(3, 4)
    for k in (-2, 0, 1):
        assert np.array_equal(host(ct.diag(line, k)), np.diag(host(line), k))
        assert np.array_equal(host(matrix.diag(k)), np.diag(host(matrix), k))
        assert np.array_equal(host(ct.diagflat(matrix, k)), np.diagflat(host(matrix), k))
    assert matrix.diag(9).shape == (0,)
    copy = matrix.diag()
    copy.zero_()
    assert host(matrix).sum() == 66
    assert ct.tensor([True, False], device=device).diag().tolist() == [[True, False], [False, False]]
    with pytest.raises(RuntimeError, match=r"Supports 1D or 2D tensors. Got 3D"):
        ct.diag(matrix[None])


def test_diag_embed_undoes_diagonal(device):
    x = ct.randn(2, 3, device=device)
    for offset, dim1, dim2 in ((0, -2, -1), (1, 0, 2), (-2, 2, 0), (2, 1, 0)):
        found = ct.diag_embed(x, offset, dim1, dim2)
        assert np.array_equal(host(found.diagonal(offset, dim1, dim2)), host(x))
        assert np.count_nonzero(host(found)) == 6
    with pytest.raises(RuntimeError, match="diagonal dimensions cannot be identical 0, -3"):
        ct.diag_embed(x, 0, 0, -3)


SHAPES = {
    "tril": (lambda x: x.tril(-1), (2, 3, 3)),
    "triu": (lambda x: x.triu(1), (3, 4)),
    "tril_": (lambda x: (x * 2).tril_(), (3, 4)),
    "view_": (lambda x: (x * 2).clone()[1:].triu_(1), (3, 4)),
    "diag": (lambda x: x.diag(1), (3,)),
    "diagonal": (lambda x: x.diag(1), (3, 4)),
    "diag_embed": (lambda x: ct.diag_embed(x, -1, 0, 2), (2, 3)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_of_triangles(device, fp64, name):
    if not fp64:
        pytest.skip("no double precision on this device")
    f, shape = SHAPES[name]
    x = ct.randn(*shape, dtype=ct.float64, device=device, requires_grad=True)
    assert gradcheck(f, [x])
    if device == "cpu" or name == "tril_":  # the rules are those of the host, their kernels were just tested
        assert gradgradcheck(f, [x])


def test_triangles_agree_with_pytorch(device):
    torch = pytest.importorskip("torch", reason="parity is checked where PyTorch is installed")
    a = np.random.default_rng(1).standard_normal((2, 3, 4)).astype(np.float32)
    ours, theirs = ct.tensor(a, device=device), torch.from_numpy(a)
    for f in (
        lambda t, x: t.tril(x, 1), lambda t, x: t.triu(x, -1), lambda t, x: t.diag_embed(x, 1, 0, -1),
        lambda t, x: t.diagflat(x[0], -1), lambda t, x: t.diag(x[1], -1),
    ):  # fmt: skip
        assert f(ct, ours).tolist() == f(torch, theirs).tolist()
    for name in ("tril_indices", "triu_indices"):
        for args in ((3, 5, -1), (5, 3, 2), (0, 2, 0)):
            assert getattr(ct, name)(*args, device=device).tolist() == getattr(torch, name)(*args).tolist()
