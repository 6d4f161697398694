"""What layers and losses refuse, in the words that PyTorch has for it: each test runs on both libraries."""

from __future__ import annotations

import pytest


def encoder(t):
    return t.nn.TransformerEncoder(t.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1).eval()


def heads(t):
    """Return attention that takes PyTorch's fast path."""
    return t.nn.MultiheadAttention(4, 2, batch_first=True).eval().requires_grad_(False)


REFUSED = [
    (
        r"input \(W: 2\) is too small. Calculated output W: -9223372036854775806",
        RuntimeError,
        lambda t: t.nn.functional.pad(t.ones(2, 2), (2**62, 2**62), mode="replicate"),
    ),
    ("positive during training", ValueError, lambda t: t.nn.BatchNorm1d(3, eps=0.0)(t.ones(2, 3))),
    ("must be non-negative", ValueError, lambda t: t.nn.BatchNorm1d(3, eps=-1.0).eval()(t.ones(2, 3))),
    (
        r"Expected target size \[5\], but got \[3\]. Input has shape \[5, 10\]",
        RuntimeError,
        lambda t: t.nn.MultiMarginLoss()(t.ones(5, 10), t.ones(3).long()),
    ),
    (
        "non-empty vector or matrix with optional 0-dim batch size",
        RuntimeError,
        lambda t: t.nn.MultiMarginLoss()(t.ones(2, 3, 4), t.ones(2).long()),
    ),
    (
        "inconsistent weight size",
        RuntimeError,
        lambda t: t.nn.MultiMarginLoss(weight=t.ones(4))(t.ones(2, 3), t.ones(2).long()),
    ),
    (
        "expected weight to be None or 1D tensor, got 2D instead",
        ValueError,
        lambda t: t.nn.MultiMarginLoss(weight=t.ones(2, 2)),
    ),
    ("delta must be a float or int", TypeError, lambda t: t.nn.HuberLoss(delta=1j)),
    (
        "class probabilities, got Long",
        RuntimeError,
        lambda t: t.nn.CrossEntropyLoss()(t.ones(2, 3), t.ones(2, 3).long()),
    ),
    ("Long or Byte, but got Float", RuntimeError, lambda t: t.nn.CrossEntropyLoss()(t.ones(2, 3), t.ones(2))),
    ("batch_size .4. to match", ValueError, lambda t: t.nn.CrossEntropyLoss()(t.ones(4, 3), t.ones(5))),
    ("multi-target not supported", RuntimeError, lambda t: t.nn.CrossEntropyLoss()(t.ones(4, 3), t.ones(4, 2))),
    ("Expected target size", RuntimeError, lambda t: t.nn.CrossEntropyLoss()(t.ones(4, 3, 2), t.ones(4, 3))),
    ("Long or Byte, but got Float", RuntimeError, lambda t: t.nn.NLLLoss()(t.ones(3), t.ones(1))),
    ("size mismatch .got input", RuntimeError, lambda t: t.nn.NLLLoss()(t.ones(4, 3, 2, 2), t.ones(4, 2, 3).long())),
    ("targets of dimension: 2", RuntimeError, lambda t: t.nn.NLLLoss()(t.ones(4, 3, 2, 2), t.ones(4, 2).long())),
    ("Long or Byte, but got Int", RuntimeError, lambda t: t.nn.CrossEntropyLoss()(t.ones(2, 3), t.ones(2).int())),
    (
        "not supported for floating point target",
        RuntimeError,
        lambda t: t.nn.CrossEntropyLoss(ignore_index=0)(t.ones(2, 3), t.ones(2, 3)),
    ),
    ("inconsistent input_size: got 11 expected 10", RuntimeError, lambda t: t.nn.GRUCell(10, 20)(t.ones(3, 11))),
    (
        "hidden0 has inconsistent hidden_size: got 21, expected 20",
        RuntimeError,
        lambda t: t.nn.RNNCell(10, 20)(t.ones(3, 10), t.ones(3, 21)),
    ),
    (
        "Input batch size 3 doesn't match hidden0 batch size 5",
        RuntimeError,
        lambda t: t.nn.LSTMCell(10, 20)(t.ones(3, 10), (t.ones(5, 20), t.ones(5, 20))),
    ),
    ("Convert input: input.to", ValueError, lambda t: t.nn.GRU(2, 3)(t.ones(1, 1, 2).double())),
    ("bias should be of type bool, got: int", TypeError, lambda t: t.nn.LSTM(2, 3, bias=0)),
    ("batch_first should be of type bool, got: str", TypeError, lambda t: t.nn.RNN(2, 3, batch_first="True")),
    ("input_size should be of type int, got: float", TypeError, lambda t: t.nn.GRU(2.0, 3)),
    ("input_size must be greater than zero", ValueError, lambda t: t.nn.LSTM(0, 3)),
    (r"expected 2D or 3D input \(got 4D input\)", ValueError, lambda t: t.nn.CircularPad1d(1)(t.ones(1, 1, 1, 3))),
    (r"expected 4D or 5D input \(got 2D input\)", ValueError, lambda t: t.nn.CircularPad3d(1)(t.ones(1, 3))),
    (
        "weight tensor should be defined either for all 3 classes or no classes but got weight tensor of shape: .2.",
        RuntimeError,
        lambda t: t.nn.CrossEntropyLoss(t.ones(2))(t.ones(2, 3), t.ones(2, 3)),
    ),
    ("at least 1D, but they are 0D and 2D", RuntimeError, lambda t: t.nn.Linear(1, 1)(t.ones(()))),
    (
        r"array of sliding blocks as \(-4, -3\), which is too small \(non-positive\)",
        RuntimeError,
        lambda t: t.nn.Fold((4, 5), (2, 2), dilation=8)(t.ones(1, 12, 12)),
    ),
    (
        r"1D target tensor expects 2D input tensors, but found inputs with size torch.Size\(\[2, 3, 8\]\)",
        RuntimeError,
        lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5])(t.ones(2, 3, 8), t.ones(2).long()),
    ),
    (
        "expected common dtype to be floating point, yet common dtype is Long",
        RuntimeError,
        lambda t: t.cosine_similarity(t.ones(1, 2).long(), t.ones(1, 2).int()),
    ),
    (
        r"Input type \(double\) and bias type \(float\) should be the same",
        RuntimeError,
        lambda t: t.nn.Conv2d(1, 1, 1)(t.ones(1, 1, 2, 2).double()),
    ),
    (
        "must have the same dtype, but got Double and Float",
        RuntimeError,
        lambda t: t.nn.GRU(3, 4)(t.ones(5, 2, 3), t.ones(1, 2, 4).double()),
    ),
    (
        "must have the same dtype, but got Float and Double",
        RuntimeError,
        lambda t: t.nn.LSTM(3, 4).double()(t.ones(5, 2, 3).double(), (t.ones(1, 2, 4), t.ones(1, 2, 4))),
    ),
    (
        "must have the same dtype, but got Long and Float",
        RuntimeError,
        lambda t: t.nn.RNNCell(3, 4)(t.ones(2, 3).long(), t.ones(2, 4)),
    ),
    (
        "must be tuple of Tensors, not Tensor",
        TypeError,
        lambda t: t.nn.LSTMCell(3, 4)(t.ones(2, 3), t.ones(2, 4)),
    ),
    (
        "Invalid reduction mode: most. Expected one of",
        ValueError,
        lambda t: t.nn.functional.mse_loss(t.ones(2), t.ones(2), reduction="most", weight=t.ones(2)),
    ),
    (
        "most is not valid",
        ValueError,
        lambda t: t.nn.MultiLabelSoftMarginLoss(reduction="most")(t.ones(2, 2), t.ones(2, 2)),
    ),
    ("at least 2 dimensions, but got 1", ValueError, lambda t: t.nn.RMSNorm((4, 5))(t.ones(5))),
    (
        r"input \(W: 4\) and output \(W: 0\)",
        RuntimeError,
        lambda t: t.nn.functional.interpolate(t.ones(1, 1, 4), 0),
    ),
    (
        "Cannot pack empty tensors",
        RuntimeError,
        lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(4, 3, 2), [], enforce_sorted=False),
    ),
    ("expected Tensor as element 0 in argument 0, but got int", TypeError, lambda t: t.nn.utils.rnn.pad_sequence([1])),
    (
        "attn_mask.dtype: long int and  query.dtype: float instead",
        RuntimeError,
        lambda t: t.nn.functional.scaled_dot_product_attention(*[t.ones(1, 1, 2, 4)] * 3, t.ones(2, 2).long()),
    ),
    (
        "query.dtype: double key.dtype: float and value.dtype: float instead",
        RuntimeError,
        lambda t: t.nn.functional.scaled_dot_product_attention(t.ones(2, 4).double(), *[t.ones(2, 4)] * 2),
    ),
    (
        "argument 'scale_factors' must be tuple of floats, but found element of type str at|type str$",
        TypeError,
        lambda t: t.nn.functional.interpolate(t.ones(1, 1, 2, 2), scale_factor=(2, "a")),
    ),
    ("Mask size should match input size", RuntimeError, lambda t: encoder(t)(t.ones(2, 5, 4), None, t.ones(2, 4) > 1)),
    (
        "For mask_type == 1 mask shape should be .B, L.",
        RuntimeError,
        lambda t: encoder(t).requires_grad_(False).layers[0](t.ones(2, 5, 4), None, t.ones(2, 4) > 1),
    ),
    (
        "For mask_type == 1 mask shape should be .B, L.",
        RuntimeError,
        lambda t: heads(t)(*[t.ones(2, 3, 4)] * 3, t.zeros(2, 4, dtype=t.bool)),
    ),
    (
        r"shape '\[2, 1, 1, 3\]' is invalid for input of size 8",
        RuntimeError,
        lambda t: heads(t)(*[t.ones(2, 3, 4)] * 3, t.zeros(2, 4, dtype=t.bool), attn_mask=t.zeros(3, 3) > 1),
    ),
    (
        r"shape '\[1, 1, 3, 3\]' is invalid for input of size 18",
        RuntimeError,
        lambda t: heads(t)(*[t.ones(2, 3, 4)] * 3, attn_mask=t.zeros(1, 2, 3, 3) > 1),
    ),
    ("alpha cannot be 0 for CELU", RuntimeError, lambda t: t.nn.CELU(0.0)(t.ones(2))),
    ("incorrect size", ValueError, lambda t: t.nn.GaussianNLLLoss()(t.ones(4, 3), t.ones(4, 3), t.ones(2, 3))),
]


@pytest.mark.parametrize(("words", "kind", "call"), REFUSED, ids=[words for words, _, _ in REFUSED])
def test_refusals(lib, words, kind, call):
    with pytest.raises(kind, match=words):
        call(lib)


def test_a_variance_may_be_shared_along_one_dimension(lib):
    x, target = lib.tensor([[1.0, 2.0], [3.0, 5.0]]), lib.zeros(2, 2)
    loss = lib.nn.GaussianNLLLoss(reduction="none")(x, target, lib.tensor([[1.0, 4.0]]))
    # (log(var) + x² / var) / 2
    assert loss.tolist()[0][0] == pytest.approx(0.5)
    assert loss.tolist()[1][1] == pytest.approx((1.3862944 + 25 / 4) / 2)


def test_random_pooling_takes_more_samples_than_it_needs(lib):
    x = lib.arange(128.0).reshape(2, 4, 4, 4)
    pool = lib.nn.FractionalMaxPool3d(2, output_size=2, _random_samples=lib.full((2, 2, 3), 0.5))
    assert pool(x).tolist()[1][1][1] == [125.0, 127.0]


@pytest.mark.parametrize("kw", [{"size": 2.0}, {"size": True}, {"scale_factor": "a"}, {"scale_factor": 1j}])
def test_sizes_and_factors_are_numbers(lib, kw):
    with pytest.raises(TypeError):
        lib.nn.functional.interpolate(lib.ones(1, 1, 2, 2), **kw)
