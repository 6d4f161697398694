"""Functions with an underscore in front, each against what it is a part of or its definition."""

import numpy as np
import pytest

import cltorch
from cltorch.underscored import FUNCTIONS


@pytest.fixture
def x(device):
    return cltorch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, 1.5]], device=device)


def same(got, want):
    np.testing.assert_allclose(got.cpu().numpy(), np.asarray(want), rtol=1e-5, atol=1e-6)


def test_softmaxes_and_what_their_gradients_are(x):
    for name, of in (("softmax", cltorch.softmax), ("log_softmax", cltorch.log_softmax)):
        leaf, g = x.clone().requires_grad_(), x.flip(1)
        y = of(leaf, 1)
        same(getattr(cltorch, f"_{name}")(x, 1, False), y.detach().cpu())
        (want,) = cltorch.autograd.grad(y, leaf, g)
        back = getattr(cltorch, f"_{name}_backward_data")
        same(back(g, y.detach(), 1, cltorch.float32), want.cpu())
        assert back(g, y.detach(), 1, cltorch.float16).dtype is cltorch.float16
    with pytest.raises(RuntimeError, match="half to float conversion is not supported on CPU"):
        cltorch._softmax(x.cpu().half(), 1, True)
    if x.device.type != "cpu":
        assert cltorch._softmax(x.half(), 1, True).dtype is cltorch.float32
    masked = x.clone()
    masked[0] = -float("inf")
    got = cltorch._safe_softmax(masked, 1)
    assert got[0].tolist() == [0, 0, 0]
    same(got[1], cltorch.softmax(x[1], 0).cpu())
    masked.requires_grad_()
    slopes = cltorch.autograd.grad((cltorch._safe_softmax(masked, 1) ** 2).sum(), masked)[0]
    row = x[1].detach().requires_grad_()
    assert slopes[0].tolist() == [0, 0, 0]
    same(slopes[1], cltorch.autograd.grad((cltorch.softmax(row, 0) ** 2).sum(), row)[0].cpu())


def test_chunks_are_padded_and_joined(x):
    a = np.arange(20.0, dtype=np.float32).reshape(5, 4)
    rows = [
        np.concatenate([a[:3], np.zeros((1, 4))]).reshape(2, -1),
        np.concatenate([a, np.zeros((1, 4))]).reshape(2, -1),
    ]
    given = [cltorch.tensor(a[:3], device=x.device), cltorch.tensor(a, device=x.device)]
    same(cltorch._chunk_cat(given, 0, 2), np.concatenate(rows, 1))
    for call, words in (
        (lambda: cltorch._chunk_cat([], 0, 2), "non-empty input tensor list"),
        (lambda: cltorch._chunk_cat([x], 0, 0), "positive num_chunks"),
        (lambda: cltorch._chunk_cat([x, x.int()], 0, 2), "same dtype"),
        (lambda: cltorch._chunk_cat([x, x[:1]], 1, 2), "same sizes of 0,...,dim-1"),
        (lambda: cltorch._chunk_cat([x, x[0]], 1, 2), "dim < ndim"),
        (lambda: cltorch._chunk_cat([x[:0]], 0, 2), "expects non-empty tensor"),
    ):
        with pytest.raises(RuntimeError, match=words):
            call()


def test_indices_that_a_mask_leaves_out(x):
    at = [cltorch.tensor([[0], [9]], device=x.device), cltorch.tensor([[0, -1, 2]], device=x.device)]
    mask = cltorch.tensor([[True], [False]], device=x.device)
    same(cltorch._unsafe_masked_index(x, mask, at, 7.0), [[0.5, 2.0, 2.0], [7.0, 7.0, 7.0]])
    put = cltorch._unsafe_masked_index_put_accumulate(x, mask, at, cltorch.ones(2, 3, device=x.device))
    same(put, [[1.5, -1.0, 4.0], [3.0, 0.0, 1.5]])
    assert cltorch._unsafe_masked_index(x[:0], mask[0], [at[0][0]], 7.0).tolist() == [[7.0] * 3]
    same(cltorch._unsafe_index(x, [None, at[1][0]]), x.cpu()[:, [0, 2, 2]])
    same(cltorch._unsafe_index_put(x, [at[0][0]], x[1]), np.asarray(x.cpu())[[1, 1]])


def test_batch_norms(x):
    mean, var = cltorch.zeros(3, device=x.device), cltorch.ones(3, device=x.device)
    kept = mean.clone(), var.clone()
    want = cltorch.native_batch_norm(x, None, None, mean, var, True, 0.1, 1e-5)
    got = cltorch._native_batch_norm_legit(x, None, None, *kept, True, 0.1, 1e-5)
    for a, b in zip((*got, *kept), (*want, mean, var), strict=True):
        same(a, b.cpu())
    same(cltorch._native_batch_norm_legit(x, None, None, True, 0.1, 1e-5)[0], want[0].cpu())
    one = cltorch.ones_like(mean)
    out, *saved = cltorch._native_batch_norm_legit_no_training(x, None, None, one, 4 * one, 0.1, 0.0)
    same(out, (np.asarray(x.cpu()) - 1) / 2)
    assert [s.numel() for s in saved] == [0, 0]


def test_parts_of_public_functions(x):
    assert [a.item() for a in cltorch._aminmax(x)] == [-1.0, 3.0]
    assert cltorch._aminmax(x, 0, True)[1].tolist() == [[3.0, 0.0, 2.0]]
    whole = cltorch.tensor([3, 1, 3], device=x.device)
    assert [a.tolist() for a in cltorch._unique2(whole, True, False, True)] == [[1, 3], [], [1, 2]]
    assert [a.tolist() for a in cltorch._unique(whole, True, True)] == [[1, 3], [1, 0, 1]]
    assert cltorch._is_any_true(x > 2).item() is True and cltorch._is_all_true(x > 2).item() is False
    with pytest.raises(RuntimeError, match="bool"):
        cltorch._is_all_true(x)
    small = cltorch.tensor([[100, 2], [-3, 100]], dtype=cltorch.int8, device=x.device)
    product = cltorch._int_mm(small, small)
    assert product.dtype is cltorch.int32 and product.tolist() == [[9994, 400], [-600, 9994]]
    for a, b, words in ((x, x, "needs to match"), (x, x.T, "int8"), (x[0], x, "dimension 2")):
        with pytest.raises(RuntimeError, match=words):
            cltorch._int_mm(a, b)
    a = x.cpu().numpy()
    same(cltorch._trilinear(x, x, x, [1], [0], [1], [2]), (a * a) @ a.T)
    assert cltorch._cast_Byte(x[:1].abs()).tolist() == [[0, 1, 2]] and cltorch._cast_Half(x).dtype is cltorch.float16
    assert cltorch._dim_arange(x, 1).tolist() == [0, 1, 2]
    assert cltorch._reshape_from_tensor(x, cltorch.tensor([3, 2])).shape == (3, 2)
    views = (x, x.T, x.expand(2, 2, 3), x[:, ::2], x.as_strided((2, 2), (1, 1)))
    assert [cltorch._debug_has_internal_overlap(v) for v in views] == [0, 0, 1, 2, 2]
    assert cltorch._segment_reduce(x[0], "max", lengths=cltorch.tensor([1, 2], device=x.device)).tolist() == [0.5, 2.0]
    assert cltorch._stack([x, x], 1).shape == (2, 2, 3) and cltorch._adaptive_avg_pool2d(x[None], 1).shape == (1, 1, 1)
    assert all(getattr(cltorch, name) is f and f.__name__ == name for name, f in FUNCTIONS.items())


def test_convolutions_and_transforms_by_their_inner_names(x):
    signal, weight = x[None], cltorch.ones(1, 2, 2, device=x.device)
    switches = ([1], [1], [1], False, [0], 1, False, False, True, True)
    same(cltorch._convolution(signal, weight, None, *switches), cltorch.conv1d(signal, weight, padding=1).cpu())
    same(cltorch._convolution_mode(signal, weight, None, [1], "valid", [1], 1), [[[2.5, 2.5]]])
    a = x.cpu().numpy()
    z = cltorch.complex(x, x.flip(1))
    b = a + 1j * a[:, ::-1]
    cltorch.set_host_fallback("allow")
    for number, forth, back in ((0, "backward", "forward"), (1, "ortho", "ortho"), (2, "forward", "backward")):
        same(cltorch._fft_c2c(z, [0, 1], number, True), np.fft.fftn(b, norm=forth))
        same(cltorch._fft_c2c(z, [0], number, False), np.fft.ifft(b, axis=0, norm=back))
        same(cltorch._fft_r2c(x, [1], number, True), np.fft.rfft(a, norm=forth))
        same(cltorch._fft_r2c(x, [1], number, False), np.fft.fft(a, norm=forth))
        same(cltorch._fft_c2r(cltorch._fft_r2c(x, [0, 1], number, True), [0, 1], 2 - number, 3), a)
    cltorch.set_host_fallback("warn")


def test_softmax_of_what_a_mask_leaves(x):
    mask = cltorch.tensor([[True, False, False], [False, True, False]], device=x.device)
    e = np.exp(x.cpu().numpy()) * ~mask.cpu().numpy()
    same(cltorch._masked_softmax(x, mask, 1, 2), e / e.sum(1, keepdims=True))
    heads = x.expand(2, 4, 2, 3)
    rows = np.exp(np.broadcast_to(x.cpu().numpy(), (2, 4, 2, 3))) * ~mask.cpu().numpy()[:, None, None]
    same(cltorch._masked_softmax(heads, mask, 3, 1), rows / rows.sum(-1, keepdims=True))
    square = cltorch.eye(3, dtype=cltorch.bool, device=x.device)
    scores = cltorch.zeros(1, 1, 3, 3, device=x.device)
    same(cltorch._masked_softmax(scores, square, 3, 0)[0, 0], (1 - np.eye(3)) / 2)
    for given, kind, words in ((mask[:1], 2, "match input shape"), (mask.T, 0, "be .L, L"), (mask.T, 1, "be .B, L")):
        with pytest.raises(RuntimeError, match=words):
            cltorch._masked_softmax(x, given, 1, kind)
    with pytest.raises(RuntimeError, match="boolean"):
        cltorch._masked_softmax(x, x)


def test_joined_operators_and_factors(x):
    a = x.cpu().numpy()
    same(cltorch._prelu_kernel(x, cltorch.tensor([0.1], device=x.device)), np.where(a > 0, a, 0.1 * a))
    same(cltorch._add_relu(x, x, alpha=2), np.maximum(3 * a, 0))
    same(x[0, :2]._addmm_activation(x, x.T), np.maximum(a[0, :2] + a @ a.T, 0))
    y, factor = cltorch._fused_rms_norm(x, [3], None, 1e-3)
    same(factor, 1 / np.sqrt((a * a).mean(1, keepdims=True) + 1e-3))
    same(y, a * np.asarray(factor.cpu()))
    same(cltorch._euclidean_dist(x, x + 1), np.linalg.norm(a[:, None] - a[None] - 1, axis=-1))
    put = cltorch._index_put_impl_(x.clone(), [cltorch.tensor([1], device=x.device)], x[:1])
    same(put, a[[0, 0]])
    assert [t.device.type for t in cltorch._to_cpu([x])] == ["cpu"] and not x._is_zerotensor()
    same(x._neg_view().resolve_neg(), -a)
    same(cltorch._conj_copy(x + 1j), a - 1j)
    cltorch.set_host_fallback("allow")
    square = cltorch.tensor([[4.0, 1.0], [2.0, 3.0]], device=x.device)
    det, LU, pivots = cltorch._linalg_det(square)
    assert det.item() == pytest.approx(10) and pivots.tolist() == [1, 2]
    same(LU, [[4, 2], [0.25, 2.5]])  # of the transpose
    assert [t.item() for t in cltorch._linalg_slogdet(square)[:2]] == pytest.approx([1, np.log(10)])
    same(cltorch._linalg_eigh(square @ square.T, compute_v=False)[0], np.linalg.eigvalsh([[17, 11], [11, 13]]))
    same(cltorch._linalg_svd(square)[1], np.linalg.svd([[4, 1], [2, 3]])[1])
    found, _, _, info = cltorch._linalg_solve_ex(square, x[:, :1])
    same(found, np.linalg.solve([[4, 1], [2, 3]], a[:, :1]))
    assert info.item() == 0 and cltorch._lu_with_info(square)[1].tolist() == [1, 2]
    cltorch.set_host_fallback("warn")
