"""Embedding and one_hot."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F

TABLE = np.arange(15, dtype=np.float32).reshape(5, 3)
INDEX = np.array([[0, 4, 1], [1, 1, 2]])


@pytest.mark.parametrize("dtype", [cltorch.int64, cltorch.int32])
@pytest.mark.parametrize("index", [INDEX, np.array(3), np.zeros((0, 2), int)])
def test_rows_are_looked_up(index, dtype, device):
    out = F.embedding(cltorch.tensor(index, device=device, dtype=dtype), cltorch.tensor(TABLE, device=device))
    np.testing.assert_array_equal(out.cpu().numpy(), TABLE[index])


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_gradients_add_up_by_row(padding_idx, by_frequency, device):
    w = cltorch.tensor(TABLE, device=device, requires_grad=True)
    g = np.random.default_rng(0).standard_normal((*INDEX.shape, 3)).astype(np.float32)
    out = F.embedding(cltorch.tensor(INDEX, device=device), w, padding_idx, scale_grad_by_freq=by_frequency)
    assert out.tolist() == TABLE[INDEX].tolist()
    (found,) = cltorch.autograd.grad(out, w, cltorch.tensor(g, device=device))
    expected = np.zeros_like(TABLE)
    np.add.at(expected, INDEX, g)
    if by_frequency:
        expected /= np.maximum(np.bincount(INDEX.reshape(-1), minlength=5), 1)[:, None]
    if padding_idx is not None:
        expected[padding_idx] = 0
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_right_to_the_second_order(device, fp64):
    if not fp64:
        pytest.skip("the device has no float64")
    w = cltorch.tensor(TABLE, dtype=cltorch.float64, device=device, requires_grad=True)
    index = cltorch.tensor(INDEX, device=device)

    def call(w):
        return F.embedding(index, w, 2, scale_grad_by_freq=False) ** 2

    # the row that gets no gradient is not looked up here but for its square
    index = cltorch.tensor(np.where(INDEX == 2, 3, INDEX), device=device)
    assert cltorch.autograd.gradcheck(call, [w]) and cltorch.autograd.gradgradcheck(call, [w])


@pytest.mark.parametrize("norm_type", [1.0, 2.0])
def test_long_rows_that_are_looked_up_are_shortened_in_place(norm_type, device, peer):
    tables = []
    for library, kw in ((peer, {}), (cltorch, {"device": device})):
        w = library.tensor(TABLE, **kw).requires_grad_()
        out = library.nn.functional.embedding(library.tensor(INDEX, **kw), w, max_norm=5.0, norm_type=norm_type)
        tables.append((w.detach().cpu().numpy(), out.detach().cpu().numpy()))
    for ours, theirs in zip(*tables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert tables[1][0][3].tolist() == TABLE[3].tolist()  # was not looked up


def test_rows_of_a_batch_of_tables_are_shortened_by_slices(device):
    w = cltorch.tensor(np.stack([TABLE, TABLE * 2]), device=device)
    index = cltorch.tensor([[0, 4], [1, 1]], device=device)
    found = cltorch.vmap(lambda i, w: F.embedding(i, w, max_norm=5.0))(index, w)
    for i in range(2):
        alone = cltorch.tensor(TABLE * (i + 1), device=device)
        assert found[i].tolist() == F.embedding(index[i], alone, max_norm=5.0).tolist()
        assert w[i].tolist() == alone.tolist()
    with pytest.raises(RuntimeError, match="being vmapped over"):
        cltorch.vmap(lambda i: F.embedding(i, w[0], max_norm=5.0))(index)


def test_looking_up_does_not_wait_for_the_device(cl_device):
    m = nn.Embedding(5, 3, padding_idx=0, max_norm=1.0, device=cl_device)
    index = cltorch.tensor(INDEX, device=cl_device)
    context = cltorch.device(cl_device).context
    before = context.syncs
    m(index).sum().backward()
    F.one_hot(index, 5)
    assert context.syncs == before


def test_pretrained_vectors_are_frozen_unless_asked(device):
    w = cltorch.tensor(TABLE, device=device)
    m = nn.Embedding.from_pretrained(w, padding_idx=1)
    assert not m.weight.requires_grad and m.weight.data_ptr() == w.data_ptr() and m.padding_idx == 1
    assert m(cltorch.tensor([4], device=device)).tolist() == [TABLE[4].tolist()]
    assert nn.Embedding.from_pretrained(w, freeze=False).weight.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda L: L.nn.Embedding(3, 2, 3), AssertionError, "Padding_idx must be within num_embeddings"),
        (lambda L: L.nn.Embedding(3, 2, _weight=L.ones(2, 2)), AssertionError, "Shape of weight does not match"),
        (lambda L: L.nn.Embedding.from_pretrained(L.ones(3)), AssertionError, "expected to be 2-dimensional"),
        (lambda L: L.nn.functional.embedding(L.tensor([0]), L.ones(3, 2), -4), AssertionError, "must be within"),
        (lambda L: L.nn.functional.embedding(L.tensor([0]), L.ones(3)), RuntimeError, "'weight' must be 2-D"),
        (lambda L: L.nn.functional.embedding(L.ones(1), L.ones(3, 2)), RuntimeError, "types: Long, Int; but got"),
        (lambda L: L.nn.functional.embedding(L.tensor([3]), L.ones(3, 2)), IndexError, "index out of range in self"),
        (lambda L: L.nn.functional.embedding(L.tensor([-1]), L.ones(3, 2)), IndexError, "index out of range in self"),
        (lambda L: L.nn.functional.one_hot(L.tensor([-1])), RuntimeError, "Class values must be non-negative"),
        (lambda L: L.nn.functional.one_hot(L.tensor([2]), 2), RuntimeError, "must be smaller than num_classes"),
        (lambda L: L.nn.functional.one_hot(L.ones(2)), RuntimeError, "only applicable to index tensor of type"),
        (lambda L: L.nn.functional.one_hot(L.ones(0).long()), RuntimeError, "Can not infer total number of classes"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_pytorchs_messages(call, error, message, lib):
    with pytest.raises(error, match=message):
        call(lib)


def test_sparse_gradients_are_not_built():
    with pytest.raises(NotImplementedError, match="sparse gradients"):
        F.embedding(cltorch.tensor([0]), cltorch.ones(3, 2), sparse=True)


def test_one_hot_vectors(device):
    index = cltorch.tensor(INDEX, device=device)
    for classes in (-1, 5, 7):
        out = F.one_hot(index, classes)
        assert out.dtype is cltorch.int64
        assert out.tolist() == np.eye(5 if classes == -1 else classes, dtype=int)[INDEX].tolist()
    assert F.one_hot(cltorch.zeros(0, device=device).long(), 3).shape == (0, 3)
    assert F.one_hot(cltorch.tensor(2, device=device)).tolist() == [0, 0, 1]
