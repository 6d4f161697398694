"""Losses over many classes: margins of several labels, a softmax in clusters, a linear layer with its cross entropy."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch import nn


def sample(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_margins_of_several_labels(device):
    x, y = sample(3, 5), np.array([[3, 0, -1, 1, 2], [-1, 0, 0, 0, 0], [1, 1, 4, -1, -1]])
    wanted = []
    for row, labels in zip(x, ([3, 0], [], [1, 1, 4]), strict=True):
        wanted.append(sum(max(0, 1 - row[j] + row[i]) for j in labels for i in range(5) if i not in labels) / 5)
    a, b = cltorch.tensor(x, device=device), cltorch.tensor(y, device=device)
    found = nn.MultiLabelMarginLoss(reduction="none")(a, b)
    np.testing.assert_allclose(found.cpu().numpy(), wanted, rtol=1e-5)
    alone = nn.MultiLabelMarginLoss(reduction="sum")(a[0], b[0])
    assert alone.shape == () and alone.item() == pytest.approx(wanted[0], rel=1e-5)


def test_gradients_of_margins_are_pytorchs(peer):
    grads = []
    for library in (cltorch, peer):
        x = library.tensor(sample(3, 5)).requires_grad_()
        y = library.tensor([[3, 0, -1, 1, 2], [-1, 0, 0, 0, 0], [1, 2, 4, 0, -1]])
        library.nn.functional.multilabel_margin_loss(x, y).backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-5, atol=1e-6)


def test_clusters_of_classes():
    cltorch.manual_seed(0)
    m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0, head_bias=True)
    x = cltorch.tensor(sample(6, 8))
    y = cltorch.tensor([0, 3, 4, 12, 19, 9])
    output, loss = m(x, y)
    every = m.log_prob(x)
    np.testing.assert_allclose(every.exp().sum(1).detach().cpu().numpy(), np.ones(6), rtol=1e-5)
    chosen = every.detach().cpu().numpy()[np.arange(6), y.cpu().numpy()]
    np.testing.assert_allclose(output.detach().cpu().numpy(), chosen, rtol=1e-5)
    assert loss.item() == pytest.approx(-chosen.mean(), rel=1e-5)
    assert m.predict(x).tolist() == every.argmax(1).tolist()
    loss.backward()
    assert all(p.grad is not None for p in m.parameters())


def test_clusters_are_pytorchs(peer):
    ours, theirs = (lib.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0) for lib in (cltorch, peer))
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)
    ours.load_state_dict({k: cltorch.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    for lib, m in ((cltorch, ours), (peer, theirs)):
        m(lib.tensor(sample(6, 8)), lib.tensor([0, 3, 4, 12, 19, 9])).loss.backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_a_linear_layer_and_its_cross_entropy(lib):
    w, b, x = lib.tensor(sample(4, 2, 3)), lib.tensor(sample(4, 2, seed=1)), lib.tensor(sample(5, 3, seed=2))
    target = lib.tensor(np.arange(10).reshape(5, 2) % 4)
    f = lib.nn.functional
    found = f.linear_cross_entropy(x, w, target, linear_bias=b, reduction="none", ignore_index=1)
    logits = (x @ w.reshape(8, 3).T + b.reshape(-1)).reshape(5, 4, 2)
    wanted = f.cross_entropy(logits, target, reduction="none", ignore_index=1)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5)
    loss = lib.nn.LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True)
    assert list(loss.state_dict()) == ["linear.weight", "linear.bias"] and loss(x, target).shape == ()


def margins(t):
    return t.nn.MultiLabelMarginLoss()


def clusters(t):
    return t.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5])


def several(t):
    return t.nn.LinearCrossEntropyLoss(3, 4, out_features=(2,))


REFUSED = [
    (RuntimeError, "inconsistent target size", lambda t: margins(t)(t.ones(2, 3), t.ones(2, 2).long())),
    (RuntimeError, "non-empty vector or matrix", lambda t: margins(t)(t.ones(1, 2, 3), t.ones(2).long())),
    (ValueError, "unique, positive integers", lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 5])),
    (ValueError, "larger than 0", lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(4, 9, [])),
    (RuntimeError, "0, 8", lambda t: clusters(t)(t.ones(1, 4), t.tensor([9]))),
    (RuntimeError, "same size in the batch", lambda t: clusters(t)(t.ones(1, 4), t.tensor([1, 2]))),
    (RuntimeError, "last dimensions", lambda t: t.nn.LinearCrossEntropyLoss(3, 4)(t.ones(2, 2), t.tensor([0, 1]))),
    (RuntimeError, "weight shape to be", lambda t: t.nn.LinearCrossEntropyLoss(3, 4, weight=t.ones(3))),
    (RuntimeError, "requires batched input", lambda t: several(t)(t.ones(3), t.tensor([0, 1]))),
]


@pytest.mark.parametrize(("kind", "words", "call"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refusals(lib, kind, words, call):
    with pytest.raises(kind, match=words):
        call(lib)


def test_the_old_name_of_a_loss_warns(lib):
    with pytest.warns(FutureWarning, match="`NLLLoss2d` has been deprecated"):
        loss = lib.nn.NLLLoss2d(ignore_index=3)
    assert isinstance(loss, lib.nn.NLLLoss) and loss.ignore_index == 3
