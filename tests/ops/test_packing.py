"""Weights laid out for convolutions: kept while nobody changes them, given back with them."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import cltorch
from cltorch.nn import functional
from cltorch.ops import packing

pytestmark = pytest.mark.usefixtures("processor_kernels")
# a direct convolution, and Winograd's way
CASES = {"direct": ((1, 8, 6, 6), (40, 8, 2, 2)), "winograd": ((8, 32, 16, 16), (64, 32, 3, 3))}


def integers(shape, device, seed):
    values = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)
    return cltorch.tensor(values, device=device)


def expected(x, w, b=None):
    y = functional.conv2d(x.cpu().double(), w.cpu().double(), None if b is None else b.cpu().double())
    return y.float().numpy()


def check(x, w, b=None):
    got, want = functional.conv2d(x, w, b).cpu().numpy(), expected(x, w, b)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * (1 + np.abs(want).max()))  # Winograd's rounding


@pytest.fixture
def made(cl_device, monkeypatch):
    """The forms that were made since, as a list that grows."""
    found = []
    before = packing.Packing._made

    def noted(self, *arguments):
        found.append(self)
        return before(self, *arguments)

    monkeypatch.setattr(packing.Packing, "_made", noted)
    return found


@pytest.fixture(params=list(CASES))
def operands(request, cl_device):
    x_shape, w_shape = CASES[request.param]
    return integers(x_shape, cl_device, 0), integers(w_shape, cl_device, 1), integers(w_shape[:1], cl_device, 2)


def test_a_form_is_kept_from_the_second_time_on(operands, made):
    x, w, b = operands
    for n, forms in enumerate((1, 2, 2, 2)):
        check(x + n, w, b)
        assert len(made) == forms


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.mul_(-1), lambda w: w.data.mul_(-1), lambda w: w.detach()[3:5].zero_(), lambda w: w[0].copy_(w[1]),
        lambda w: w.untyped_storage().copy_((w + 1).untyped_storage()), lambda w: w.view(-1)[::2].fill_(2),
        lambda w: cltorch.add(w, 1, out=w), lambda w: cltorch._foreach_add_([w], 1), lambda w: w.set_(w + 1),
        lambda w: setattr(w, "data", w + 1), lambda w: w.index_fill_(0, cltorch.tensor([1], device=w.device), 3),
        lambda w: cltorch.nn.init.ones_(w), lambda w: w.uniform_(), lambda w: w.untyped_storage().fill_(1),
        lambda w: cltorch.autograd._unsafe_preserve_version_counter(w).__enter__() or w.zero_(),
    ],
)  # fmt: skip
def test_every_change_of_a_weight_is_seen(operands, made, change):
    x, w, b = operands
    w.data = w.clone()  # as a network's after cuda()
    for _ in range(3):
        check(x, w, b)
    with cltorch.no_grad():
        change(w)
    check(x, w, b)
    assert len(made) == 3


def test_a_change_of_the_memory_that_a_weight_shares_is_seen(operands):
    x, w, b = operands
    other = w + 1
    w.data = other
    for _ in range(3):
        check(x, w, b)
    other.mul_(2)
    check(x, w, b)
    other.untyped_storage().resize_(0)
    check(x, w, b)  # an alias keeps the bytes


def test_a_change_of_the_bias_is_seen(operands, made):
    x, w, b = operands
    for _ in range(3):
        check(x, w, b)
    b.data.add_(1)
    for _ in range(3):
        check(x, w, b)
    check(x, w)
    check(x, w, integers(b.shape, b.device, 5))
    assert len(made) == 6


def test_weights_in_one_memory_have_forms_of_their_own(operands):
    x, w, _ = operands
    flat = cltorch.cat([w.flatten(), (w + 1).flatten()])
    first, second = flat[: w.numel()].view(w.shape), flat[w.numel() :].view(w.shape)
    for _ in range(3):
        check(x, first)
        check(x, second)
    flat.mul_(2)
    check(x, first)
    check(x, second)


def test_an_optimizer_step_is_seen(operands):
    x, w, b = operands
    w.requires_grad_()
    for optimizer in (cltorch.optim.SGD([w], 1.0), cltorch.optim.Adam([w], 1.0)):
        for _ in range(2):
            for _ in range(2):
                y = functional.conv2d(x, w, b)
            y.sum().backward()
            optimizer.step()
            check(x, w.detach(), b)


def test_the_gradient_of_the_input_has_a_form_too(cl_device, made):
    x, w = integers((1, 8, 6, 6), cl_device, 0).requires_grad_(), integers((40, 8, 2, 2), cl_device, 1)
    y = functional.conv2d(x, w)
    grads = [cltorch.autograd.grad(y, x, cltorch.ones_like(y), retain_graph=True)[0] for _ in range(3)]
    assert len(made) == 3
    assert all((g == grads[0]).all() for g in grads)
    w.data.zero_()
    assert not cltorch.autograd.grad(functional.conv2d(x, w), x, cltorch.ones_like(y))[0].any()


def test_a_form_goes_with_its_weight_and_all_forms_are_bounded(operands, monkeypatch):
    x, first, b = operands
    context = x.device.context
    total = context.ready.setdefault("bytes of packed weights", packing._Total())
    w, other = first + 1, first + 2
    gc.collect()
    before = total.nbytes, context.allocator.live
    for _ in range(3):
        check(x, w, b)
    kept = total.nbytes - before[0]
    assert kept >= w.numel() * 4 and context.allocator.live == before[1] + 1
    for place in w._storage.contents.kept:
        monkeypatch.setattr(place[0], "_limit", total.nbytes)  # as if that were all
    for _ in range(3):
        check(x, other, b)
    assert total.nbytes == before[0] + kept and context.allocator.live == before[1] + 1
    del w
    assert total.nbytes == before[0] and context.allocator.live == before[1] - 1


def test_memory_that_others_may_write_to_keeps_no_form(operands, made):
    x, w, b = operands
    for _ in range(3):
        check(x, w, b)
    other = cltorch.from_dlpack(w)
    other.mul_(2)  # the importer's count of changes, not the weight's
    check(x, w, b)
    other.mul_(2)
    check(x, w, b)
    v = w.clone()
    assert v.data_ptr()
    del made[:]
    for _ in range(3):
        check(x, v, b)
    assert len(made) == 3
