"""How results lie in memory: as PyTorch's, whose own order shows in ``stride()``."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import cltorch
from tests.libraries import LIBRARIES


def given(t, device):
    """Return matrices, a tensor of three dimensions and the same with its dimensions turned round in memory."""
    a = t.arange(24.0, device=device).reshape(2, 3, 4)
    square = t.tensor([[4.0, 1.0, 0.0], [1.0, 5.0, 2.0], [0.0, 2.0, 6.0]], device=device)
    turned = t.arange(24.0, device=device).reshape(4, 3, 2).permute(2, 1, 0)
    return a, square, turned


CALLS = {
    "cholesky": lambda t, a, s, b: t.linalg.cholesky(s),
    "cholesky upper": lambda t, a, s, b: t.linalg.cholesky(s, upper=True),
    "cholesky_solve": lambda t, a, s, b: t.cholesky_solve(s[:, :2], t.linalg.cholesky(s)),
    "inv": lambda t, a, s, b: t.linalg.inv(s.expand(2, 3, 3)),
    "solve": lambda t, a, s, b: t.linalg.solve(s, a),
    "solve from the right": lambda t, a, s, b: t.linalg.solve(s, a.mT, left=False),
    "solve_triangular": lambda t, a, s, b: t.linalg.solve_triangular(s, a, upper=True),
    "solve_triangular from the right": lambda t, a, s, b: t.linalg.solve_triangular(s, a.mT, upper=True, left=False),
    "lu_factor": lambda t, a, s, b: t.linalg.lu_factor_ex(a),
    "lu": lambda t, a, s, b: t.linalg.lu(s),
    "lu_solve": lambda t, a, s, b: t.linalg.lu_solve(*t.linalg.lu_factor(s), s),
    "qr": lambda t, a, s, b: t.linalg.qr(a),
    "qr complete": lambda t, a, s, b: t.linalg.qr(a.mT, "complete"),
    "svd": lambda t, a, s, b: t.linalg.svd(a),
    "svd reduced": lambda t, a, s, b: t.linalg.svd(a, full_matrices=False),
    "eigh": lambda t, a, s, b: t.linalg.eigh(s),
    "eig": lambda t, a, s, b: t.linalg.eig(s),
    "lstsq": lambda t, a, s, b: t.linalg.lstsq(s, s),
    "geqrf": lambda t, a, s, b: t.geqrf(a),
    "householder_product": lambda t, a, s, b: t.linalg.householder_product(s, s[0] / 9),
    "ormqr": lambda t, a, s, b: t.ormqr(s, s[0] / 9, s),
    "triangular_solve": lambda t, a, s, b: tuple(t.triangular_solve(s, s)),
    "nonzero": lambda t, a, s, b: (t.nonzero(a), t.argwhere(s), t.nonzero(a[0, 0])),
    "index": lambda t, a, s, b: [b[i] for i in (t.tensor([1, 0], device=b.device),)] + [b[:, [0, 2]], b[:, :, [0]]],
    "index by columns": lambda t, a, s, b: s[t.tensor([[0, 1], [2, 1]], device=s.device).t()],
    "index_select": lambda t, a, s, b: b.index_select(1, t.tensor([1, 0], device=b.device)),
    "addr": lambda t, a, s, b: t.addr(s.t(), s[0], s[1]),
    "rot90": lambda t, a, s, b: [t.rot90(b, k) for k in range(4)],
    "pixel_shuffle": lambda t, a, s, b: (t.pixel_shuffle(b[None], 1), t.pixel_unshuffle(b[None], 1)),
    "fft": lambda t, a, s, b: [t.fft.fft(x, dim=d) for x in (a, b) for d in range(3)],
    "fftn": lambda t, a, s, b: [t.fft.fftn(x, dim=d) for x in (a, b) for d in (None, (0, 2), (1, 0))],
    "rfftn": lambda t, a, s, b: [t.fft.rfftn(x, dim=d) for x in (a, b) for d in (None, (0, 2), (1, 0))],
    "irfftn": lambda t, a, s, b: [t.fft.irfftn(x, dim=d) for x in (a, b) for d in (None, (0, 2), (1, 0))],
    "ihfftn": lambda t, a, s, b: [t.fft.ihfftn(x, dim=d) for x in (a, b) for d in (None, (0, 2), (1,))],
    "pointwise": lambda t, a, s, b: (b + b, b * 2, b.exp(), t.where(b > 2, b, b), b + b[:1], b[:, :1] * b),
    "like": lambda t, a, s, b: (t.empty_like(b), b.clone(), t.zeros_like(b[:, 1:]), b.to(t.int32)),
}


def strides(found):
    found = found if isinstance(found, (list, tuple)) else [found]
    return [(tuple(x.shape), tuple(x.stride())) for x in found]


@pytest.mark.parametrize("name", CALLS)
def test_strides_are_those_of_pytorch(name, device):
    torch = LIBRARIES["torch"]()
    cltorch.set_host_fallback("allow")
    if "fft" in name and device != "cpu" and find_spec("pyvkfft"):
        pytest.skip("transforms on the device lie row by row")
    ours, theirs = (strides(CALLS[name](t, *given(t, d))) for t, d in ((cltorch, device), (torch, "cpu")))
    assert ours == theirs


def test_matrices_of_lapack_lie_by_columns_and_coordinates_by_dimensions(device):
    cltorch.set_host_fallback("allow")
    a, square, turned = given(cltorch, device)
    assert cltorch.linalg.inv(square.expand(2, 3, 3)).stride() == (9, 1, 3)
    assert [x.stride() for x in cltorch.linalg.qr(a)] == [(9, 1, 3), (12, 1, 3)]
    assert cltorch.linalg.solve(square, a).stride() == (12, 1, 3)
    found = cltorch.nonzero(a)
    assert found.stride() == (1, 23) and found[0].tolist() == [0, 0, 1] and found[-1].tolist() == [1, 2, 3]
    assert turned[cltorch.tensor([1, 0], device=device)].stride() == (12, 1, 3)


@pytest.mark.parametrize("name", ["empty_like", "zeros_like", "ones_like", "rand_like", "randn_like"])
def test_likenesses_take_a_memory_format(device, name):
    f, x = getattr(cltorch, name), cltorch.ones(2, 3, 4, 5, device=device)
    assert f(x, memory_format=cltorch.channels_last).stride() == (60, 1, 15, 3)
    last = x.to(memory_format=cltorch.channels_last)
    assert f(last).stride() == f(last, memory_format=cltorch.preserve_format).stride() == (60, 1, 15, 3)
    assert f(last, memory_format=cltorch.contiguous_format).stride() == (60, 20, 5, 1)
    thin = cltorch.ones(2, 1, 3, 1, device=device).to(memory_format=cltorch.channels_last)
    assert f(thin).stride() == (3, 1, 1, 1)
    with pytest.raises(RuntimeError, match="required rank 4 tensor to use channels_last format"):
        f(x[0], memory_format=cltorch.channels_last)
    with pytest.raises(TypeError, match="memory_format"):
        f(x, memory_format="channels_last")


def test_values_lie_in_the_format_too(device):
    x = cltorch.zeros(1, 2, 2, 2, device=device)
    full = cltorch.full_like(x, 3.0, memory_format=cltorch.channels_last)
    whole = cltorch.randint_like(x, 3, 4, memory_format=cltorch.channels_last)
    assert full.equal(whole) and full.stride() == whole.stride() == (8, 1, 4, 2)


def test_formats_of_what_is_empty(device):
    for shape, strides in (
        ((2, 0, 3, 4), (0, 1, 0, 0)), ((0, 3, 4, 5), (60, 1, 15, 3)), ((2, 3, 0, 4), (0, 1, 12, 3)),
        ((2, 3, 4, 0), (0, 1, 0, 3)),
    ):  # fmt: skip
        x = cltorch.empty(shape, device=device, memory_format=cltorch.channels_last)
        assert x.stride() == cltorch.empty_like(x).stride() == x.clone().stride() == strides
        assert cltorch.empty(shape, device=device).to(memory_format=cltorch.channels_last).stride() == strides
