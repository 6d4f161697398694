"""Indices out of range: the host raises at once, a device when the program waits; nothing waits in order to check."""

import re

import pytest

import cltorch
from cltorch.nn import functional as F

_ON_THE_HOST = (
    "out of|invalid max index|smaller than num_classes|non-negative|can not be greater|has to be 0|in the range|indices"
)


def _told(index, dim, size):
    return f"index {index} is out of bounds for dimension {dim} with size {size}"


def _ops(device):
    """Return for each operator a call with one index out of range, and what its error says on a device."""
    x = cltorch.arange(12.0, device=device).reshape(3, 4)
    bad, low, targets = cltorch.tensor([[1, 7, 0], [0, -1, 2], [1, 5, 0]], device=device)
    rows, ones, few = bad.unsqueeze(1).expand(3, 4), cltorch.ones(3, 4, device=device), bad.clamp(max=2)
    pooled = cltorch.tensor([[[[1, 99], [0, 2]]]], device=device)
    row, column, flat = _told(7, 0, 3), _told(7, 1, 4), _told(14, 0, 12)
    return {
        "index": (lambda: x[bad], row),
        "index of columns": (lambda: x[:, bad], column),
        "index of both": (lambda: x[few, (low * 8).clamp(max=3)], _told(-8, 1, 4)),
        "index_put_": (lambda: ones.clone().__setitem__(bad, 2.0), row),
        "index_put_ that adds": (lambda: ones.clone().index_put_((bad,), x, accumulate=True), row),
        "index_put_ of columns": (lambda: ones.clone().__setitem__((slice(None), bad), 2.0), column),
        "index_select": (lambda: x.index_select(1, bad), column),
        "index_select below": (lambda: x.index_select(0, low), _told(-1, 0, 3)),
        "index_add_": (lambda: ones.clone().index_add_(1, bad, x[:, :3]), column),
        "index_copy_": (lambda: ones.clone().index_copy_(0, bad, x), row),
        "index_fill_": (lambda: ones.clone().index_fill_(0, bad, 1.0), row),
        "index_reduce": (lambda: x.index_reduce(0, bad, ones, "amax"), row),
        "take": (lambda: x.take(bad * 2), flat),
        "put_": (lambda: ones.clone().put_(bad * 2, bad.float()), flat),
        "gather": (lambda: x.gather(0, rows), row),
        "gather of take_along_dim": (lambda: x.take_along_dim(rows, 0), row),
        "scatter": (lambda: ones.scatter(0, rows, 2.0), row),
        "scatter_": (lambda: ones.clone().scatter_(0, rows, x), row),
        "scatter_add": (lambda: ones.scatter_add(0, rows, x), row),
        "scatter_reduce": (lambda: ones.scatter_reduce(0, rows, x, "amax"), row),
        "max_unpool2d": (lambda: F.max_unpool2d(ones[:1].reshape(1, 1, 2, 2), pooled, 2), _told(99, 2, 16)),
        "embedding": (lambda: F.embedding(bad, x), row),
        "one_hot": (lambda: F.one_hot(bad, 4), column),
        "one_hot of a negative class": (lambda: F.one_hot(low, 4), _told(-1, 1, 4)),
        "embedding_bag": (lambda: F.embedding_bag(bad, x, bad[2:]), row),
        "embedding_bag of a last offset": (lambda: F.embedding_bag(few, x, bad.flip(0)[:2]), _told(7, 0, 4)),
        "embedding_bag of a first offset": (lambda: F.embedding_bag(few, x, few[:1]), _told(1, 0, 1)),
        "multi_margin_loss": (lambda: F.multi_margin_loss(x, targets), _told(5, 1, 4)),
        "multilabel_margin_loss": (lambda: F.multilabel_margin_loss(x.T[:3, :3], -rows[:, :3]), _told(-7, 1, 3)),
        "quantile": (lambda: x.quantile(cltorch.tensor([0.5, 1.5], device=device)), _told(16, 0, 12)),
        "ctc_loss": (lambda: F.ctc_loss(ones.reshape(3, 1, 4), bad[None], (3,), (3,)), "Target 7 is out of bounds"),
        "ctc_loss of more": (
            lambda: F.ctc_loss(ones.reshape(3, 1, 4), bad[None] + 2**32, (3,), (2,)),
            "Target 4294967",
        ),
        "cross_entropy_loss": (lambda: F.cross_entropy(x, targets), "Target 5 is out of bounds for 4 classes"),
        "nll_loss": (lambda: F.nll_loss(x, targets, reduction="none"), "Target 5 is out of bounds for 4 classes"),
    }


def test_the_host_raises_at_once():
    for what, (call, _) in _ops("cpu").items():
        try:
            call()
        except (IndexError, RuntimeError) as error:
            assert re.search(_ON_THE_HOST, str(error)), (what, error)
        else:
            raise AssertionError(f"{what} raises nothing")


def test_a_device_raises_when_it_is_waited_for(cl_device):
    context = cltorch.device(cl_device).context
    ops = _ops(cl_device)
    context.synchronize()
    syncs = context.syncs
    for what, (call, told) in ops.items():
        call()
        assert context.syncs == syncs, f"{what} waits"
        with pytest.raises(cltorch.DeviceIndexError, match=re.escape(f"{what.split()[0]}(): {told}")) as caught:
            cltorch.cl.synchronize(cl_device)
        assert isinstance(caught.value, IndexError) and isinstance(caught.value, RuntimeError)
        context.synchronize()  # it is told once
        syncs = context.syncs


def test_reading_a_value_raises_too_and_the_first_index_counts(cl_device):
    x = cltorch.zeros(4, device=cl_device)
    read = [x[cltorch.tensor([i], device=cl_device)] for i in (9, 8)]
    with pytest.raises(IndexError, match="index 9 is out of bounds for dimension 0 with size 4"):
        read[1].item()
    assert cltorch.isnan(read[1]).item() and x.tolist() == [0] * 4


def test_an_event_that_is_waited_for_raises_too(cl_device):
    with cltorch.cl.device(cl_device):
        event = cltorch.cl.Event()
        cltorch.zeros(4, device=cl_device)[cltorch.tensor([6], device=cl_device)]
        event.record()
        with pytest.raises(cltorch.DeviceIndexError, match="index 6"):
            event.synchronize()
        event.synchronize()  # it is told once
    cltorch.cl.synchronize(cl_device)


def test_a_loss_leaves_out_what_it_is_told_to(device):
    x = cltorch.zeros(3, 4, device=device, requires_grad=True)
    for loss in (F.cross_entropy, F.nll_loss):
        with pytest.raises(IndexError, match="Target 17 is out of bounds"):
            loss(x, cltorch.tensor([-100, 2, 17], device=device)).item()
        value = loss(x, cltorch.tensor([17, 2, 17], device=device), ignore_index=17)
        (grad,) = cltorch.autograd.grad(value, x)
        assert cltorch.isfinite(value).item() and (grad[[0, 2]] == 0).all().item() and grad[1, 2].item() < 0


def test_a_read_back_asks_only_after_an_index(cl_device):
    context = cltorch.device(cl_device).context
    y = cltorch.ones(3, device=cl_device) + 1
    y.tolist()
    copies = context.copies
    y.tolist()
    assert context.copies == copies + 1
    z = y[cltorch.tensor([0, 2], device=cl_device)]
    copies = context.copies
    assert z.tolist() == [2, 2] and context.copies == copies + 2
