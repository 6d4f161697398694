"""flex_attention, attention over sequences of different lengths, and causal biases."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest

import cltorch
from cltorch.nn.attention.bias import CausalBias, causal_lower_right, causal_upper_left
from cltorch.nn.attention.flex_attention import (
    AuxRequest,
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    flex_attention,
    or_masks,
)
from cltorch.nn.attention.varlen import AuxRequest as VarlenAux
from cltorch.nn.attention.varlen import varlen_attn, varlen_attn_out

F = cltorch.nn.functional
RNG = np.random.default_rng(3)
Q, K, V = (RNG.standard_normal(s) for s in ((2, 4, 6, 8), (2, 2, 5, 8), (2, 2, 5, 3)))


def _on(device, *arrays):
    return [cltorch.tensor(a, dtype=cltorch.float32, device=device, requires_grad=True) for a in arrays]


def _softmax(s):
    with np.errstate(invalid="ignore"):
        e = np.exp(s - np.where(np.isinf(s.max(-1, keepdims=True)), 0, s.max(-1, keepdims=True)))
        return np.nan_to_num(e / e.sum(-1, keepdims=True)), np.log(e.sum(-1)) + s.max(-1)


def _causal(b, h, q, k):
    return q >= k


def test_flex_attention_with_scores_and_masks(device):
    q, k, v = _on(device, Q, K, V)
    slope = cltorch.tensor([1.0, 0.5, 0.25, 0.125], device=device)
    mask = create_block_mask(_causal, None, None, 6, 5, device=device, BLOCK_SIZE=2)

    def alibi(score, b, h, q_idx, k_idx):
        return score + slope[h] * (k_idx - q_idx)

    out, aux = flex_attention(q, k, v, alibi, mask, enable_gqa=True, return_aux=AuxRequest(lse=True, max_scores=True))
    k4, v4 = np.repeat(K, 2, 1), np.repeat(V, 2, 1)
    place = np.arange(5)[None] - np.arange(6)[:, None]
    scores = Q @ k4.swapaxes(-1, -2) / math.sqrt(8) + np.array([1.0, 0.5, 0.25, 0.125])[:, None, None] * place
    scores = np.where(place <= 0, scores, -np.inf)
    with np.errstate(divide="ignore"):
        weights, lse = _softmax(scores)
    np.testing.assert_allclose(out.detach().cpu().numpy(), weights @ v4, atol=1e-5)
    np.testing.assert_allclose(aux.lse.detach().cpu().numpy(), lse, atol=1e-5)
    np.testing.assert_allclose(aux.max_scores.detach().cpu().numpy(), scores.max(-1), atol=1e-5)
    # gradients are those of the same scores composed by hand
    found = cltorch.autograd.grad(out.sum(), [q, k, v])
    bias = cltorch.tensor(
        np.where(place <= 0, np.array([1.0, 0.5, 0.25, 0.125])[:, None, None] * place, -np.inf),
        dtype=cltorch.float32, device=device,
    )  # fmt: skip
    same = F.scaled_dot_product_attention(q, k, v, bias, enable_gqa=True)
    for a, b in zip(found, cltorch.autograd.grad(same.sum(), [q, k, v]), strict=True):
        np.testing.assert_allclose(a.cpu().numpy(), b.cpu().numpy(), atol=1e-5)
    # the mask alone goes the way that stores no scores
    plain = flex_attention(q, k, v, block_mask=mask, enable_gqa=True)
    causal = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    np.testing.assert_allclose(plain.detach().cpu().numpy(), causal.detach().cpu().numpy(), atol=1e-6)


def test_blocks_decide_before_the_function_of_the_mask():
    one = cltorch.ones(1, 1, 2, dtype=cltorch.int32)
    rows = cltorch.tensor([[[[0, 1], [1, 0]]]], dtype=cltorch.int32)
    mask = BlockMask.from_kv_blocks(one, rows, BLOCK_SIZE=2)
    assert mask.shape == (1, 1, 4, 4)
    wanted = np.kron(np.eye(2), np.ones((2, 2)))
    assert (mask.to_mask(1, 1)[0, 0].numpy() == wanted).all()
    # in a full block the function is not asked
    full = BlockMask.from_kv_blocks(one * 0, rows, one, rows, BLOCK_SIZE=2, mask_mod=lambda b, h, q, k: q < 0)
    assert (full.to_mask(1, 1)[0, 0].numpy() == wanted).all()


def test_masks_combine_and_have_a_shape():
    both = and_masks(_causal, lambda b, h, q, k: q - k < 2)
    assert create_mask(both, None, None, 4, 4).int().sum().item() == 7
    assert create_mask(or_masks(_causal, lambda b, h, q, k: k < 1), 2, 3, 4, 4).shape == (2, 3, 4, 4)
    with pytest.raises(RuntimeError, match="callable"):
        and_masks(_causal, 1)
    scores = create_mask(lambda s, b, h, q, k: s + q * 10 + k, None, None, 2, 2)
    assert scores[0, 0].tolist() == [[0, 1], [10, 11]]


def test_block_mask_is_that_of_torch():
    torch = pytest.importorskip("torch")
    theirs = importlib.import_module("torch.nn.attention.flex_attention")

    def mod(b, h, q, k):
        return (q >= k) & ((h < 1) | (k < 9))

    for separate in (True, False):
        a = create_block_mask(mod, 2, 2, 30, 26, BLOCK_SIZE=8, separate_full_blocks=separate)
        b = theirs.create_block_mask(mod, 2, 2, 30, 26, device="cpu", BLOCK_SIZE=8, separate_full_blocks=separate)
        for x, y in zip(a.as_tuple()[:-1], b.as_tuple()[:-1], strict=True):
            assert (x is None) == (y is None)
            if isinstance(y, torch.Tensor):
                assert x.dtype is cltorch.int32
                assert x.tolist() == y.tolist()
            else:
                assert x == y
        assert (a.sparsity(), a.numel(), a.shape) == (b.sparsity(), b.numel(), b.shape)
        assert repr(a).replace("cltorch", "torch") == repr(b)
        assert a[0].shape == b[0].shape and a[0, 1].shape == b[0, 1].shape
        assert a.to_dense().tolist() == b.to_dense().tolist()


def test_flex_attention_refuses_what_does_not_fit():
    q = cltorch.ones(1, 2, 4, 8)
    with pytest.raises(NotImplementedError, match="4D"):
        flex_attention(q[0], q, q)
    with pytest.raises(ValueError, match="enable_gqa=True"):
        flex_attention(q, q[:, :1], q[:, :1])
    with pytest.raises(ValueError, match="embedding dimension"):
        flex_attention(q, q[..., :4], q)
    with pytest.raises(ValueError, match="block_mask was created for"):
        flex_attention(q, q, q, block_mask=create_block_mask(_causal, 1, 1, 8, 8))


def test_varlen_attention_is_attention_of_each_sequence(device):
    q, k, v = _on(
        device, RNG.standard_normal((7, 4, 8)), RNG.standard_normal((9, 2, 8)), RNG.standard_normal((9, 2, 8))
    )
    cq, ck = (cltorch.tensor(x, dtype=cltorch.int32, device=device) for x in ([0, 3, 7], [0, 4, 9]))
    out, lse = varlen_attn(q, k, v, cq, ck, 4, 5, window_size=(-1, 0), enable_gqa=True, return_aux=VarlenAux(lse=True))
    for (a, b), (c, d) in (((0, 3), (0, 4)), ((3, 7), (4, 9))):
        x, y, z = (t.detach().cpu().numpy().swapaxes(0, 1) for t in (q[a:b], k[c:d], v[c:d]))
        y, z = np.repeat(y, 2, 0), np.repeat(z, 2, 0)
        allowed = np.tril(np.ones((b - a, d - c)), (d - c) - (b - a))
        weights, total = _softmax(np.where(allowed, x @ y.swapaxes(-1, -2) / math.sqrt(8), -np.inf))
        np.testing.assert_allclose(out[a:b].detach().cpu().numpy(), (weights @ z).swapaxes(0, 1), atol=1e-5)
        np.testing.assert_allclose(lse[a:b].detach().cpu().numpy(), total.swapaxes(0, 1), atol=1e-5)
    out.sum().backward()
    assert q.grad.shape == q.shape and v.grad.abs().sum().item() > 0
    # the same keys in pages, the second sequence shortened by one
    pages = [cltorch.zeros(4, 3, 2, 8, device=device) for _ in range(2)]
    for pool, x in zip(pages, (k, v), strict=True):
        x = x.detach()
        pool[2], pool[0, :1], pool[3], pool[1, :2] = x[:3], x[3:4], x[4:7], x[7:9]
    table = cltorch.tensor([[2, 0], [3, 1]], dtype=cltorch.int32, device=device)
    used = cltorch.tensor([4, 4], dtype=cltorch.int32, device=device)
    paged = varlen_attn(q.detach(), *pages, cq, None, 4, 5, enable_gqa=True, seqused_k=used, block_table=table)
    short = varlen_attn(q.detach(), k.detach(), v.detach(), cq, ck, 4, 5, enable_gqa=True, seqused_k=used)
    np.testing.assert_allclose(paged.cpu().numpy(), short.cpu().numpy(), atol=1e-6)
    written = cltorch.empty_like(short)
    assert varlen_attn_out(written, q, k, v, cq, ck, 4, 5, enable_gqa=True, seqused_k=used) is written
    with pytest.raises(ValueError, match="requires seqused_k"):
        varlen_attn(q, *pages, cq, None, 4, 5, enable_gqa=True, block_table=table)
    with pytest.raises(ValueError, match="enable_gqa=True"):
        varlen_attn(q, k, v, cq, ck, 4, 5)


def test_causal_biases_are_masks(device):
    q, k, v = _on(device, Q[:, :2, :3], K, V)
    for bias, offset in ((causal_upper_left(3, 5), 0), (causal_lower_right(3, 5), 2), (causal_lower_right(5, 5), 0)):
        x = q if bias.seq_len_q == 3 else k
        mask = cltorch.tensor(np.tril(np.ones(tuple(bias.shape), bool), offset), device=device)
        a, b = (F.scaled_dot_product_attention(x, k, v, m).detach().cpu().numpy() for m in (bias, mask))
        np.testing.assert_allclose(a, b, atol=1e-6)
    with pytest.raises(ValueError, match="should not be used with causal=True"):
        F.scaled_dot_product_attention(q, k, v, causal_upper_left(3, 5), is_causal=True)
    with pytest.raises(AssertionError):
        CausalBias(1, 2, 3)
    with pytest.warns(UserWarning, match="Lower right causal bias"):
        causal_lower_right(3, 2)
