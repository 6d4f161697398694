"""Bags of embeddings: against loops in NumPy on every device, and gradients against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F

LINE, OFFSETS = [1, 2, 4, 5, 4, 3, 2, 9], [0, 3, 3, 7]


def table(rows=10, width=3):
    return np.random.default_rng(0).standard_normal((rows, width)).astype(np.float32)


@pytest.mark.parametrize("padding", [None, 4])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_are_what_loops_say(mode, padding, device):
    w = table()
    wanted = []
    for start, end in zip(OFFSETS, [*OFFSETS[1:], len(LINE)], strict=True):
        rows = [w[i] for i in LINE[start:end] if i != padding]
        wanted.append(getattr(np, mode)(rows, 0) if rows else np.zeros(3))
    line, offsets, weight = (cltorch.tensor(v, device=device) for v in (LINE, OFFSETS, w))
    found = F.embedding_bag(line, weight, offsets, mode=mode, padding_idx=padding)
    np.testing.assert_allclose(found.cpu().numpy(), np.array(wanted), rtol=1e-5)
    # one line that ends with the last offset, and bags of one length
    ended = F.embedding_bag(line, weight, offsets, mode=mode, padding_idx=padding, include_last_offset=True)
    np.testing.assert_allclose(ended.cpu().numpy(), np.array(wanted[:-1]), rtol=1e-5)
    square = F.embedding_bag(line.reshape(2, 4), weight, mode=mode)
    np.testing.assert_allclose(square.cpu().numpy(), getattr(w[np.array(LINE).reshape(2, 4)], mode)(1), rtol=1e-5)


CASES = [
    {"mode": "sum"},
    {"mode": "sum", "weights": True, "padding_idx": 2},
    {"mode": "mean", "padding_idx": -6},
    {"mode": "max", "padding_idx": 5},
    {"mode": "sum", "max_norm": 1.0},
]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("case", [*CASES, {"mode": "mean"}], ids=str)
def test_gradients_are_pytorchs(peer, case, last, device):
    options = {**case, "include_last_offset": last}
    weighted = options.pop("weights", False)
    results = []
    for library, where in ((cltorch, device), (peer, "cpu")):
        w = library.tensor(table()).to(where).requires_grad_()
        s = library.tensor(np.linspace(0.5, 2, len(LINE)).astype(np.float32)) if weighted else None
        s = s.to(where).requires_grad_() if weighted else None
        line, offsets = library.tensor(LINE).to(where), library.tensor([*OFFSETS, *[len(LINE)] * last]).to(where)
        out = library.nn.functional.embedding_bag(line, w, offsets, per_sample_weights=s, **options)
        (out * library.arange(12.0).reshape(4, 3).to(where)).sum().backward()
        results.append([v.detach().cpu().numpy() for v in (out, w, w.grad, *([s.grad] if weighted else []))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [*CASES, {"mode": "mean"}], ids=str)
def test_bags_of_one_length(peer, case, device):
    options = dict(case)
    weighted = options.pop("weights", False)
    results = []
    for library, where in ((cltorch, device), (peer, "cpu")):
        w = library.tensor(table()).to(where).requires_grad_()
        s = np.linspace(0.5, 2, len(LINE), dtype=np.float32).reshape(2, -1)
        s = library.tensor(s).to(where).requires_grad_() if weighted else None
        bags = library.tensor(LINE).reshape(2, -1).to(where)
        out = library.nn.functional.embedding_bag(bags, w, per_sample_weights=s, **options)
        (out * library.arange(6.0).reshape(2, 3).to(where)).sum().backward()
        results.append([v.detach().cpu().numpy() for v in (out, w, w.grad, *([s.grad] if weighted else []))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    empty = F.embedding_bag(cltorch.zeros(2, 0, dtype=cltorch.int64), cltorch.ones(4, 3), mode=options["mode"])
    assert empty.tolist() == [[0.0] * 3] * 2


def test_gradients_are_divided_by_how_often_a_row_is_looked_up():
    """As PyTorch documents it; its release 2.13 divides by the counts of other rows on the CPU."""
    grads = []
    for scale in (False, True):
        w = cltorch.tensor(table()).requires_grad_()
        bags = F.embedding_bag(cltorch.tensor(LINE), w, cltorch.tensor(OFFSETS), scale_grad_by_freq=scale)
        bags.sum().backward()
        grads.append(w.grad.numpy())
    np.testing.assert_allclose(grads[1], grads[0] / np.maximum(np.bincount(LINE, minlength=10), 1)[:, None])


def test_the_first_of_equals_gets_the_gradient(device):
    w = cltorch.ones(4, 2, device=device).requires_grad_()
    line, offsets = cltorch.tensor([3, 1, 2], device=device), cltorch.tensor([0], device=device)
    F.embedding_bag(line, w, offsets, mode="max").sum().backward()
    assert w.grad.tolist() == [[0, 0], [0, 0], [0, 0], [1, 1]]


def test_what_is_no_number_is_the_largest_where_it_comes_first(lib):
    w = lib.tensor([[1.0, np.nan], [np.nan, 2.0], [3.0, 1.0], [-np.inf, -np.inf]])
    found = lib.nn.functional.embedding_bag(lib.tensor([0, 1, 2, 1, 0, 3]), w, lib.tensor([0, 3, 5]), mode="max")
    np.testing.assert_array_equal(found.numpy(), [[3, np.nan], [np.nan, 2], [-np.inf, -np.inf]])


def test_layers(lib):
    layer = lib.nn.EmbeddingBag(10, 3, max_norm=1.0, norm_type=1.0, mode="sum", padding_idx=-7)
    assert repr(layer) == "EmbeddingBag(10, 3, max_norm=1.0, norm_type=1.0, mode='sum', padding_idx=3)"
    assert list(layer.state_dict()) == ["weight"] and not layer.weight[3].any()
    made = lib.nn.EmbeddingBag.from_pretrained(lib.tensor([[1.0, 2.0], [3.0, 4.0]]), mode="sum")
    assert not made.weight.requires_grad and made(lib.tensor([[0, 1]])).tolist() == [[4.0, 6.0]]
    with pytest.raises(AssertionError, match="padding_idx must be within num_embeddings"):
        lib.nn.EmbeddingBag(10, 3, padding_idx=12)


REFUSED = [
    (ValueError, "if input is 2D, then offsets has to be None", {"input": [[1, 2]]}),
    (ValueError, "offsets has to be a 1D Tensor but got None", {"offsets": None}),
    (ValueError, "offsets has to be a 1D Tensor", {"offsets": [[0, 2]]}),
    (ValueError, "input has to be 1D or 2D", {"input": [[[1]]]}),
    (ValueError, "mode has to be one of", {"mode": "x"}),
    (ValueError, "by the frequency", {"mode": "max", "scale_grad_by_freq": True}),
    (ValueError, "does not support sparse", {"mode": "max", "sparse": True}),
    (NotImplementedError, "only supported for mode='sum'", {"per_sample_weights": [1.0] * 8}),
    (ValueError, "same shape as the input", {"mode": "sum", "per_sample_weights": [1.0]}),
    (RuntimeError, "-10 through 9, but got 11", {"padding_idx": 11}),
    (RuntimeError, "has to be 0", {"offsets": [1, 2]}),
    (RuntimeError, "input's length 8 but got", {"offsets": [0, 9]}),
    (RuntimeError, "Long, Int; but got torch.FloatTensor", {"input": [1.0, 2.0]}),
]


@pytest.mark.parametrize(("kind", "words", "change"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refusals(lib, kind, words, change):
    given = {"input": LINE, "offsets": OFFSETS, **change}
    given = {k: lib.tensor(v) if isinstance(v, list) else v for k, v in given.items()}
    if "Float" in words:
        given["offsets"] = lib.tensor([0])
    with pytest.raises(kind, match=words):
        lib.nn.functional.embedding_bag(weight=lib.ones(10, 3), **given)


def test_offsets_are_whole_numbers_and_may_be_none(lib):
    bag, weight = lib.nn.functional.embedding_bag, lib.ones(10, 3)
    with pytest.raises(RuntimeError, match="Long, Int; but got torch.FloatTensor"):
        bag(lib.tensor(LINE), weight, lib.tensor([0.0]))
    assert bag(lib.tensor(LINE), weight, lib.tensor([], dtype=lib.int64)).shape == (0, 3)


def test_the_old_order_of_arguments_warns(lib):
    with pytest.warns(UserWarning, match="Argument order of nn.functional.embedding_bag was changed"):
        out = lib.nn.functional.embedding_bag(lib.ones(10, 3), lib.tensor(LINE), lib.tensor(OFFSETS), mode="sum")
    assert out[:, 0].tolist() == [3.0, 0.0, 4.0, 1.0]


def test_sparse_gradients_are_refused():
    with pytest.raises(NotImplementedError):
        nn.EmbeddingBag(4, 2, mode="sum", sparse=True)(cltorch.tensor([[1]]))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_empty_bags_leave_a_gradient_of_zeros(mode, device):
    w = cltorch.tensor(table(), device=device, requires_grad=True)
    none = cltorch.tensor([], dtype=cltorch.int64, device=device)
    out = F.embedding_bag(none, w, cltorch.tensor([0, 0], device=device), mode=mode)
    assert out.tolist() == [[0.0] * 3] * 2
    out.sum().backward()
    assert not w.grad.any()


@pytest.mark.parametrize("padding", [None, 4])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_the_plain_function_tells_what_bags_are_made_of(mode, padding, device):
    w, line = table(), np.array(LINE)
    number, bag = ["sum", "mean", "max"].index(mode), np.array([0, 0, 0, 2, 2, 2, 2, 3])
    tensors = [cltorch.tensor(v, device=device) for v in (w, line, OFFSETS)]
    found = cltorch.embedding_bag(*tensors, False, number, False, None, False, padding)
    wanted = F.embedding_bag(tensors[1], tensors[0], tensors[2], mode=mode, padding_idx=padding)
    assert found[0].tolist() == wanted.tolist() and found[1].tolist() == bag.tolist()
    counted = [[i for i in line[bag == b] if i != padding] for b in range(4)]
    assert found[2].tolist() == [len(rows) for rows in counted] and {x.dtype for x in found[1:]} == {cltorch.int64}
    if mode == "max":
        rows = [[max(rows, key=lambda i: w[i, d]) if rows else 0 for d in range(3)] for rows in counted]
        assert found[3].tolist() == rows
    assert cltorch.ops.aten._embedding_bag(*tensors, mode=number)[0].shape == (4, 3)
    with pytest.raises(RuntimeError, match="only supported with mode='sum'"):
        cltorch.embedding_bag(*tensors, mode=1, per_sample_weights=cltorch.ones(8, device=device))
    with pytest.raises(RuntimeError, match="`mode` must be sum, mean, or max."):
        cltorch.embedding_bag(*tensors, mode=3)


def test_bags_of_one_length_keep_what_is_no_number_where_it_comes_first(device):
    w = cltorch.tensor([[1.0], [float("nan")], [3.0]], device=device, requires_grad=True)
    out = F.embedding_bag(cltorch.tensor([[0, 1, 2], [1, 0, 2]], device=device), w, mode="max")
    np.testing.assert_array_equal(out.detach().cpu().numpy(), [[3], [np.nan]])
    out.backward(cltorch.tensor([[2.0], [5.0]], device=device))
    assert w.grad.tolist() == [[0], [5], [2]]


def test_weights_of_padding_have_no_gradient_even_where_its_row_is_no_number(device):
    w = cltorch.tensor([[1.0], [float("nan")], [3.0]], device=device)
    share = cltorch.ones(2, 3, device=device, requires_grad=True)
    index = cltorch.tensor([[0, 1, 2], [1, 0, 2]], device=device)
    F.embedding_bag(index, w, mode="sum", per_sample_weights=share, padding_idx=1).sum().backward()
    assert share.grad.tolist() == [[1, 0, 3], [0, 1, 3]]
