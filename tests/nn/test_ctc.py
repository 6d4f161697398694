"""Connectionist temporal classification against a sum over all alignments, known numbers, and PyTorch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.ops import ctc as ops

STEPS, CLASSES = 5, 4


def scores(batch=3, seed=0):
    a = np.random.default_rng(seed).standard_normal((STEPS, batch, CLASSES)).astype(np.float32)
    return a - np.log(np.exp(a).sum(2, keepdims=True))


def by_alignments(logp, label, blank):
    """Return -log of the probability of all paths that become the label without repetitions and blanks."""
    total = 0.0
    for path in itertools.product(range(logp.shape[1]), repeat=len(logp)):
        if [c for c, _ in itertools.groupby(path) if c != blank] == list(label):
            total += math.exp(sum(logp[t, c] for t, c in enumerate(path)))
    return -math.log(total) if total else math.inf


LABELS = [[1, 2, 3], [3, 3], []]
BLANKS = [(0, LABELS), (2, [[1, 0, 3], [3, 3], [0, 1, 0]])]


@pytest.mark.parametrize(("blank", "labels"), BLANKS)
def test_the_loss_is_the_sum_over_alignments(blank, labels, device):
    logp, times = scores(), (5, 4, 3)
    flat = cltorch.tensor(sum(labels, []), device=device)
    found = F.ctc_loss(
        cltorch.tensor(logp, device=device), flat, times, [len(x) for x in labels], blank, reduction="none"
    )
    wanted = [by_alignments(logp[:t, n], x, blank) for n, (t, x) in enumerate(zip(times, labels, strict=True))]
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-5)


def test_the_gradient_is_that_of_differences(device):
    """Behind log_softmax the gradient is the derivative, which differences of the sum over alignments tell."""
    raw = np.random.default_rng(3).standard_normal((4, 1, 3))

    def loss(a):
        lp = a[:, 0] - np.log(np.exp(a[:, 0]).sum(1, keepdims=True))
        return by_alignments(lp, [1, 1], 0)

    x = cltorch.tensor(raw.astype(np.float32), device=device).requires_grad_()
    out = F.ctc_loss(x.log_softmax(2), cltorch.tensor([[1, 1]], device=device), (4,), (2,), reduction="sum")
    out.backward()
    wanted = np.zeros_like(raw)
    for at in np.ndindex(raw.shape):
        moved = raw.copy()
        moved[at] += 1e-5
        wanted[at] = (loss(moved) - loss(raw)) / 1e-5
    np.testing.assert_allclose(x.grad.cpu().numpy(), wanted, atol=2e-4)


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_both_variants_of_the_kernels_are_right(kind, cl_device):
    labels = [[1, 2, 3], [3, 3], [2]]
    targets, counts = np.zeros((3, 4), np.int64), [len(x) for x in labels]
    for row, x in zip(targets, labels, strict=True):
        row[: len(x)] = x
    lengths, logp = ops.Lengths((5, 4, 0), tuple(counts), (0, 4, 8)), scores()
    g = np.array([1.0, 2.0, 3.0], np.float32)
    results = []
    for device in (cl_device, "cpu"):
        x, t, up = (cltorch.tensor(v, device=device) for v in (logp, targets, g))
        if device == "cpu":
            leaf = x.requires_grad_()
            loss = F.ctc_loss(leaf, t, (5, 4, 0), counts, reduction="none", zero_infinity=True)
            loss.backward(up)
            results.append((loss.detach().numpy(), leaf.grad.numpy()))
        else:
            loss, alpha = ops.forward(x, t, lengths, 0, kind)
            grad = ops.backward(up, x, t, lengths, 0, loss, alpha, True, kind)
            results.append((loss.cpu().numpy(), grad.cpu().numpy()))
    (loss, grad), (host_loss, host_grad) = results
    assert np.isinf(loss[2])
    np.testing.assert_allclose(loss[:2], host_loss[:2], rtol=1e-5)
    np.testing.assert_allclose(grad, host_grad, rtol=1e-4, atol=1e-6)
    assert not grad[:, 2].any() and not grad[4, 1].any()


def test_known_numbers(device):
    """Two times, even odds of three classes: 3 of 9 paths are the label 1; no path of one time is two labels."""
    logp = cltorch.zeros(2, 2, 3, device=device).log_softmax(2)
    targets = cltorch.tensor([[1, 0], [1, 2]], device=device)
    each = nn.CTCLoss(reduction="none")(logp, targets, (2, 1), (1, 2))
    assert each.tolist() == [pytest.approx(math.log(3)), math.inf]
    assert nn.CTCLoss(zero_infinity=True)(logp, targets, (2, 1), (1, 2)).item() == pytest.approx(math.log(3) / 2)
    alone = F.ctc_loss(logp[:, 0], targets[0, :1], cltorch.tensor(2), cltorch.tensor(1), reduction="none")
    assert alone.shape == () and alone.item() == pytest.approx(math.log(3))


def test_labels_of_one_sample_fill_its_line(lib):
    logp = lib.zeros(6, 5).log_softmax(1)
    with pytest.raises(RuntimeError, match="Expected tensor to have size 2 at dimension 0, but got size 3"):
        lib.nn.functional.ctc_loss(logp, lib.tensor([1, 2, 3]), (6,), (2,))


def test_there_is_no_second_derivative(lib):
    x = lib.zeros(2, 1, 3).requires_grad_()
    loss = lib.nn.functional.ctc_loss(x.log_softmax(2), lib.tensor([[1]]), (2,), (1,))
    (g,) = lib.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::_ctc_loss_backward is not implemented"):
        g.sum().backward()


REFUSED = [
    ("input_lengths must be of size batch_size", {"input_lengths": (5,)}),
    ("target_lengths must be of size batch_size", {"target_lengths": (2,)}),
    ("input_lengths must be of size batch_size", {"input_lengths": (5,), "target_lengths": (2,)}),
    ("at most 5, but got value 6", {"input_lengths": (6, 5)}),
    ("at least 0, but got value -1", {"target_lengths": (-1, 2)}),
    ("size at least 3 at dimension 1", {"target_lengths": (3, 2)}),
    ("blank must be in label range", {"blank": 4}),
    ("Expected 1 to 2 dimensions", {"targets": [[[1, 2], [3, 1]]]}),
    ("Expected tensor to have size 3 at dimension 0", {"targets": [1, 2, 3, 1], "target_lengths": (2, 1)}),
    ("Expected tensor to have size 2 at dimension 0", {"targets": [[1, 2]]}),
]


@pytest.mark.parametrize(("words", "change"), REFUSED)
def test_refusals(lib, words, change):
    given = {"targets": [[1, 2], [3, 1]], "input_lengths": (5, 5), "target_lengths": (2, 2), **change}
    given["targets"] = lib.tensor(given["targets"])
    with pytest.raises(RuntimeError, match=words):
        lib.nn.functional.ctc_loss(lib.tensor(scores(2)), **given)
    with pytest.raises(NotImplementedError, match="ctc_loss_cpu.*Half"):
        lib.nn.functional.ctc_loss(lib.tensor(scores(2)).half(), given["targets"], (5, 5), (2, 2))
