"""Arguments that make no sense, found by generated calls: the same exceptions everywhere, none of NumPy or a driver."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional as F

NO_ROOM = "without overflow"
REFUSED = {
    "a fraction beyond int64": (lambda o, i: cltorch.addcmul(i, i, i, value=1e40), NO_ROOM),
    "an integer beyond int64": (lambda o, i: cltorch.addcmul(i, i, i, value=2**63), NO_ROOM),
    "NaN among integers": (lambda o, i: F.threshold(i, 0.5, math.nan), NO_ROOM),
    "a complex threshold": (lambda o, i: F.threshold(o, 1j, 0.5), NO_ROOM),
    "a threshold beyond int64": (lambda o, i: F.threshold(i, 2**64, 0.5), NO_ROOM),
    "a threshold for truth values": (lambda o, i: F.threshold(i > 0, 1, 0.5), "threshold.*Bool"),
    "a dilation": (
        lambda o, i: F.conv_transpose2d(o, o[None].mT.reshape(2, 1, 2, 2), dilation=2**62),
        "Storage size calculation",
    ),
    "a window": (lambda o, i: F.avg_pool2d(o, 2**62, ceil_mode=True), NO_ROOM),
    "more windows than can be": (lambda o, i: F.adaptive_avg_pool1d(o, 2**62), "Storage size calculation"),
    "more largest than can be": (lambda o, i: F.adaptive_max_pool2d(o, 2**62), "Storage size calculation"),
    "an order of mvlgamma": (lambda o, i: cltorch.mvlgamma(o, 2**62), "Storage size calculation"),
    "more views than there is room for": (lambda o, i: o[:, :, :0].tensor_split(2**62, 2), "no room"),
    "a product's factor": (lambda o, i: cltorch.addmm(o[0], o[0], o[0], beta=1j), NO_ROOM),
    "a matrix beyond all memory": (lambda o, i: cltorch.eye(2**50, m=2, device=o.device), "memory|cannot hold"),
    "frequencies beyond all memory": (lambda o, i: cltorch.fft.fftfreq(2**50), "the host is out of memory"),
    "windows of no size": (lambda o, i: F.fractional_max_pool2d(o, 0, 1), "kernel sizes must be greater than zero"),
    "a negative size to expand to": (lambda o, i: o[:1].expand(-5, 2, 2), "negative dimension -5"),
    "complex elements in order": (lambda o, i: cltorch.unique(o * 1j), "\"unique\" not implemented for 'ComplexFloat'"),
    "a negative size": (lambda o, i: o.resize_(2, -3), "negative dimension -3: \\[2, -3\\]"),
    "NaN times integers": (lambda o, i: i.index_add(0, i[0, 0], i, alpha=math.nan), NO_ROOM),
    "a cell's input": (lambda o, i: cltorch.rnn_tanh_cell(o, o[0], o[0], o[0]), "Expected input to be 2-dim"),
    "a cell's weights": (lambda o, i: cltorch.gru_cell(o[0], o[0], o[0], o[0]), "weight_ih first dim must be 3 \\* "),
    "a cell's bias": (lambda o, i: cltorch.rnn_relu_cell(o[0], o[0], o[0], o[0], o[0]), "Expected b_ih to have the"),
    "a cell of truth values": (lambda o, i: cltorch.rnn_relu_cell(o[0] > 0, *[o[0]] * 3), "bool != float"),
    "a cell of integers": (lambda o, i: cltorch.rnn_tanh_cell(*[i[0]] * 4), "not implemented for 'Long'"),
    "dropout of integers": (lambda o, i: cltorch.native_dropout(i, 0.5, True), "can't be cast to the desired"),
    "a loss in the dtype of whole inputs": (lambda o, i: F.huber_loss(i, o), "can't be cast to the desired"),
    "a loss in the dtype of whole targets": (
        lambda o, i: F.binary_cross_entropy_with_logits(o, i),
        "can't be cast to the desired",
    ),
    "a mean of whole distances": (lambda o, i: F.hinge_embedding_loss(i, i), "could not infer output dtype"),
    "a window of more dimensions": (lambda o, i: F.max_unpool1d(o, i, (2, 2)), "elements in output_size, but got 2"),
    "a target of another shape": (lambda o, i: F.soft_margin_loss(o[0], o[0].expand(3, 2, 2)), "doesn't match the"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what, device):
    call, message = REFUSED[what]
    with pytest.raises(RuntimeError, match=message):
        call(cltorch.ones(2, 2, 2, device=device), cltorch.ones(2, 2, 2, dtype=cltorch.int64, device=device))


@pytest.mark.parametrize("call", [
    lambda x: cltorch.rand(1, out=()), lambda x: cltorch.normal(mean=x, out=cltorch.int64),
    lambda x: cltorch.trapezoid(x, x=...), lambda x: cltorch.histogramdd(x, 1, weight=1.5),
    lambda x: cltorch.lu_unpack((), x), lambda x: cltorch.scatter([[1]], 0, x.long(), 1.0, reduce="multiply"),
    lambda x: F.grouped_mm(x, x, offs=[2, 2]), lambda x: F.interpolate("text", size=2),
    lambda x: F.batch_norm(None, None, None, training=True), lambda x: F.hinge_embedding_loss(1.0, x),
])  # fmt: skip
def test_a_tensor_is_asked_for(call):
    with pytest.raises(TypeError, match="must be Tensor"):
        call(cltorch.ones(2, 2))


def test_results_at_the_edges(device):
    x, none = cltorch.ones(2, 2, device=device), cltorch.ones(0, 2, 3, device=device)
    assert cltorch.tril_indices(1, 2**62, 2).tolist() == [[0, 0, 0], [0, 1, 2]]
    assert cltorch.triu_indices(2**62, 2, -1).tolist() == [[0, 0, 1, 1, 2], [0, 1, 0, 1, 1]]
    assert F.adaptive_max_pool1d(none, 2).shape == (0, 2, 2)
    assert cltorch.gradient(x, dim=()) == () and x.chunk(np.int64(2))[1].shape == (1, 2)
    assert cltorch.round(x, decimals=-(2**62)).isnan().all() and cltorch.logit(x, eps=2**64).isnan().all()
    assert cltorch.median(none.to(cltorch.complex64)).isnan()
    assert cltorch.trapezoid(none.int(), dim=0).dtype is cltorch.int32
    assert cltorch.arange(4, out=x).shape == (2, 2) and x.tolist() == [[0, 1], [2, 3]]
    hist, edges = cltorch.histogramdd(x[:, :0], 2)
    assert hist.item() == 0 and edges == ()
    assert cltorch.triangular_solve(x.expand(2, 2, 2), x)[1].shape == (2, 2, 2)
    assert cltorch.tensor([2**63], dtype=cltorch.complex64).item() == 2**63


def test_factors_of_integers_are_whole(device):
    x, at = cltorch.ones(2, dtype=cltorch.int8, device=device), cltorch.tensor([0], device=device)
    assert x.index_add(0, at, x[:1], alpha=1.5).tolist() == [2, 1]
    assert cltorch.equal(x.float().polygamma(x[1].clone()), cltorch.polygamma(1, x.float()))
    with pytest.raises(TypeError, match="must be Number, not list"):
        cltorch.normal(mean=[], size=(1,), device=device)
    with pytest.raises(TypeError, match="must be int, not float"):
        F.group_norm(cltorch.ones(2, 4, device=device), 2.0)


def test_one_bias_of_a_cell_is_enough(device):
    x, w, b = (cltorch.ones(*shape, device=device) for shape in ((2, 2), (6, 2), (6,)))
    for biases in ((b, None), (None, b)):
        both = [cltorch.zeros_like(b) if v is None else v for v in biases]
        assert cltorch.equal(cltorch.gru_cell(x, x, w, w, *biases), cltorch.gru_cell(x, x, w, w, *both))


def test_dtypes_of_losses(device):
    half, one = (cltorch.ones(2, dtype=t, device=device) for t in (cltorch.float16, cltorch.float32))
    wide = cltorch.ones((), dtype=cltorch.float64)
    assert F.binary_cross_entropy_with_logits(half, half, weight=one).dtype is cltorch.float16
    assert F.binary_cross_entropy_with_logits(half, half, pos_weight=one).dtype is cltorch.float16
    assert F.soft_margin_loss(half, one).dtype is cltorch.float16
    for loss in (F.mse_loss, F.l1_loss):  # sizes are made equal before dtypes are compared
        with pytest.warns(UserWarning, match="target size"):
            assert loss(cltorch.ones(2), wide).dtype is cltorch.float64
    with pytest.raises(RuntimeError, match="elements of target should be between"):
        F.binary_cross_entropy(cltorch.ones(2), cltorch.ones(2) * 3)


def test_some_losses_are_stored_as_one_of_their_operands(device):
    half, one = (cltorch.full((2,), 0.25, dtype=t, device=device) for t in (cltorch.float16, cltorch.float32))
    for reduction in ("none", "mean", "sum"):
        assert F.huber_loss(half, one, reduction=reduction).dtype is cltorch.float16
        assert F.huber_loss(one, half, reduction=reduction).dtype is cltorch.float32
        assert F.binary_cross_entropy_with_logits(half, one, reduction=reduction).dtype is cltorch.float32
        assert F.binary_cross_entropy_with_logits(one, half, reduction=reduction).dtype is cltorch.float16
    whole = cltorch.tensor([3, -1], device=device)
    each = F.hinge_embedding_loss(whole, cltorch.tensor([1, -1], device=device), margin=2.5, reduction="none")
    assert each.dtype is cltorch.int64 and each.tolist() == [3, 3]


def test_numbers_that_are_given_otherwise(device):
    x = cltorch.ones(4, 2, device=device)
    assert [part.shape for part in x.split(cltorch.tensor(2.5))] == [(2, 2), (2, 2)]
    assert [part.shape for part in x.split(np.int64(3))] == [(3, 2), (1, 2)]
    for sizes in (2.5, True, "2", None, cltorch.tensor([2, 2])):
        with pytest.raises(TypeError, match="must be tuple of ints"):
            x.split(sizes)
    assert cltorch.equal(cltorch.polygamma(np.int64(1), x), cltorch.polygamma(1, x))
    for order in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="argument 'n' .position 1. must be int"):
            cltorch.polygamma(order, x)
        with pytest.raises(TypeError, match="argument 'p' .position 2. must be int"):
            cltorch.mvlgamma(x, order)
    two, one = cltorch.tensor(2), cltorch.tensor(1)
    assert cltorch.equal(cltorch.polygamma(one, x), cltorch.polygamma(1, x)) and x[0].repeat(two).shape == (4,)
    twice = x.repeat_interleave(cltorch.tensor([2, 0, 0, 0], device=device), 0, output_size=two)
    assert twice.tolist() == [[1, 1], [1, 1]] and type(twice.shape[0]) is int
    assert cltorch.equal(x.roll(one), x) and x.isclose(x + 0.5, one, two).all() and x.isclose(x, np.float32(0)).all()
    with pytest.raises(TypeError, match="argument 'rtol' .position 3. must be float, not Tensor"):
        x.isclose(x, cltorch.tensor(1.0, requires_grad=True))
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        one.clone().apply_(lambda k: "one")
    for shape in (None, 2.5, "ab"):
        with pytest.raises(RuntimeError, match="Input shapes should be of type ints"):
            cltorch.broadcast_shapes(3, shape)


def test_places_and_masks_of_other_shapes(device):
    x, at = (cltorch.ones(1, 2, 3, dtype=t, device=device) for t in (cltorch.float32, cltorch.int64))
    assert F.max_unpool1d(x, at, 2, padding=(1, 3)).shape == (1, 2, 4)
    with pytest.raises(IndexError):
        F.max_unpool2d(x, at, 2, stride=(1,))
    assert cltorch.fft.fftfreq(2, out=cltorch.zeros(2, 1, device=device)).tolist() == [[0.0], [-0.5]]
    assert cltorch.native_dropout(x[:0], 0.5)[1].dtype is cltorch.float32


def test_a_refused_embedding_bag_leaves_its_rows():
    rows = cltorch.full((2, 2), 5.0)
    with pytest.raises(NotImplementedError):
        F.embedding_bag(cltorch.tensor([[0, 1]]), rows, max_norm=1.0, sparse=True)
    assert rows.tolist() == [[5, 5], [5, 5]]


def test_arithmetic_of_two_numbers():
    for found, expected in (
        (cltorch.add(8, 3), cltorch.tensor(11)),
        (cltorch.sub(8, 3, alpha=2), cltorch.tensor(2)),
        (cltorch.mul(2.0, 3), cltorch.tensor(6.0)),
        (cltorch.add(True, 1j), cltorch.tensor(1 + 1j)),
        (cltorch.div(8, 3), cltorch.tensor(8 / 3)),
        (cltorch.div(-8, 3, rounding_mode="trunc"), cltorch.tensor(-2)),
        (cltorch.div(-8, 3, rounding_mode="floor"), cltorch.tensor(-3)),
        (cltorch.floor_divide(-8, 3), cltorch.tensor(-3)),
    ):
        assert found.dtype is expected.dtype and found.shape == () and found.item() == expected.item()
    for refused in (cltorch.remainder, cltorch.maximum, cltorch.eq):
        with pytest.raises(TypeError, match="must be Tensor, not int"):
            refused(8, 3)
