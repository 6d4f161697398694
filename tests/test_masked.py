"""torch.masked against NumPy's masked arrays."""

import numpy as np
import pytest

import cltorch
from cltorch import masked
from cltorch.autograd import gradcheck

_DRAW = np.random.default_rng(2)
X = _DRAW.normal(size=(3, 4, 5)).astype(np.float32)
MASK = _DRAW.random((3, 4, 5)) < 0.6
MASK[1, 2] = False
M = np.ma.masked_array(X, ~MASK)


def tensors(device):
    return cltorch.tensor(X, device=device), cltorch.tensor(MASK, device=device)


def norm3(m, axis):
    return (abs(m) ** 3).sum(axis) ** (1 / 3)


REDUCTIONS = {
    "sum": (np.ma.sum, 0), "prod": (np.ma.prod, 1), "mean": (np.ma.mean, np.nan), "amax": (np.ma.max, -np.inf),
    "amin": (np.ma.min, np.inf), "norm": (norm3, 0), "logsumexp": (lambda m, a: np.ma.log(np.exp(m).sum(a)), -np.inf),
    "var": (lambda m, a: m.var(a, ddof=1), np.nan), "std": (lambda m, a: m.std(a, ddof=1), np.nan),
}  # fmt: skip


def test_reductions(device):
    x, mask = tensors(device)
    for name, (ref, of_nothing) in REDUCTIONS.items():
        if device != "cpu" and name != "amax":  # all are made of functions that have tests of their own
            continue
        f = getattr(masked, name)
        given = (3,) if name == "norm" else ()
        for dim in (2, (0, 2), None) if device == "cpu" else (2,):
            got = f(x, *given, dim, mask=mask).cpu().numpy()
            want = np.ma.filled(ref(M, dim), of_nothing)
            alone = MASK.sum(dim) == 1  # NumPy leaves out what is divided by zero
            if name in ("var", "std"):
                assert not np.isfinite(got[alone]).any()
                want = np.where(alone, got, want)
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6, err_msg=f"{name} {dim}")
    if device != "cpu":
        return
    kept = masked.mean(x, -1, keepdim=True, mask=mask[0, 0], dtype=cltorch.float32)
    np.testing.assert_allclose(kept.cpu()[..., 0], X[..., MASK[0, 0]].mean(-1), rtol=1e-5)


def test_along_a_dimension():
    x, mask = tensors("cpu")
    assert masked.argmax(x, 1, mask=mask, dtype=cltorch.int64).tolist() == M.argmax(1).tolist()
    assert masked.argmin(x, 0, mask=mask).dtype is cltorch.float32
    np.testing.assert_allclose(masked.cumsum(x, 1, mask=mask), M.filled(0).cumsum(1), rtol=1e-5)
    np.testing.assert_allclose(masked.cumprod(x, 1, mask=mask), M.filled(1).cumprod(1), rtol=1e-5)
    middle = masked.median(x, 0, mask=mask)
    want = np.sort(M.filled(np.inf), 0)
    count = MASK.sum(0, keepdims=True)
    want = np.take_along_axis(want, np.maximum(count - 1, 0) // 2, 0)[0]
    np.testing.assert_array_equal(middle, np.where(count[0] > 0, want, np.nan))
    e = np.exp(M)
    shares = np.where(MASK.any(1, keepdims=True), (e / e.sum(1, keepdims=True)).filled(0), np.nan)
    np.testing.assert_allclose(masked.softmax(x, 1, mask=mask), shares, rtol=1e-5)
    np.testing.assert_allclose(masked.log_softmax(x, 1, mask=mask).exp(), shares, rtol=1e-5)
    np.testing.assert_allclose(masked.softmin(-x, 1, mask=mask), shares, rtol=1e-5)
    lengths = np.sqrt((M.filled(0) ** 2).sum(0, keepdims=True))
    got = masked.normalize(x, 2.0, 0, mask=mask)
    np.testing.assert_allclose(got, M.filled(0) / np.maximum(lengths, 1e-12), rtol=1e-5)
    both = masked.logaddexp(x, x, input_mask=mask)
    np.testing.assert_allclose(both, np.where(MASK, X + np.log(2), X), rtol=1e-5)


def test_what_is_left():
    x, mask = tensors("cpu")
    assert masked._output_mask(masked.norm, x, 2.0, 2, mask=mask).tolist() == MASK.any(2).tolist()
    assert masked._output_mask(masked.mean, x, mask=mask, dim=(0, 1), keepdim=True).shape == (1, 1, 5)
    assert masked._output_mask(masked.softmax, x, 1, mask=mask[0]).tolist() == [MASK[0].tolist()] * 3
    with pytest.raises(ValueError, match="requires explicit mask"):
        masked._input_mask(x)


def test_dtypes_and_refusals():
    n = cltorch.tensor([[3, 1], [5, 4]], dtype=cltorch.int32)
    mask = cltorch.tensor([[1, 0], [0, 0]])
    assert masked.sum(n, mask=mask).dtype is cltorch.int64 and masked.prod(n, 0, mask=mask).tolist() == [3, 1]
    assert masked.amax(n, 1, mask=mask).tolist() == [3, -(2**31)] and masked.amin(n, mask=mask).dtype is cltorch.int32
    assert masked.var(n).item() == pytest.approx(2.9166667) and masked.std(n, correction=0).dtype is cltorch.float32
    with pytest.raises(ValueError, match="Could not infer output dtype. Input dtype must be"):
        masked.mean(n)
    with pytest.raises(ValueError, match="no fully masked out rows"):
        masked.median(n, 1, mask=mask)
    with pytest.raises(IndexError, match="mask dimensionality higher"):
        masked.sum(n[0], mask=mask)
    with pytest.raises(NotImplementedError, match="identity of amax"):
        masked.amax(n > 3, mask=mask)
    with pytest.raises(RuntimeError, match="appears multiple times"):
        masked.sum(n, (1, -1))


def test_derivatives():
    x = cltorch.tensor(X[:2, :2, :3], dtype=cltorch.float64, requires_grad=True)
    mask = cltorch.tensor([[True, False, True], [False, True, True]])
    for f in (masked.softmax, masked.var, masked.logsumexp, masked.amax):
        assert gradcheck(lambda x, f=f: f(x, 2, mask=mask), (x,))


def test_a_product_over_no_named_dimensions_is_of_all_as_a_sum_is(device):
    x = cltorch.full((2, 3), 2.0, device=device)
    assert cltorch.masked.prod(x, ()).item() == 64 and cltorch.masked.sum(x, ()).item() == 12
    assert cltorch.masked.prod(x, (), keepdim=True).shape == (1, 1)


@pytest.mark.parametrize("name", ["median", "softmax", "log_softmax", "softmin", "cumsum", "cumprod"])
def test_of_several_dimensions_the_first_is_meant(device, name):
    x, mask = tensors(device)
    fn = getattr(masked, name)
    for several, first in ((None, 0), ((1, 2), 1)):
        found, expected = (fn(x, dim, mask=mask).cpu().numpy() for dim in (several, first))
        np.testing.assert_array_equal(found, expected)
