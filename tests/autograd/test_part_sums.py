"""Gradients of many parts of one tensor: one tensor of zeros, to whose places they are added."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.ops import strided


@pytest.fixture
def zeroed(monkeypatch):
    """Return a list that grows by the shape of each gradient of a part that is put into zeros."""
    made, real = [], strided.ScatterIntoLayout.forward
    monkeypatch.setattr(
        strided.ScatterIntoLayout, "forward", staticmethod(lambda c, g, *how: made.append(g.shape) or real(c, g, *how))
    )
    return made


def numbers(device, *shape):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) % 7 - 3
    return values, cltorch.tensor(values, device=device)


def test_parts_of_one_tensor_are_zeroed_once(device, zeroed):
    w, weight = numbers(device, 6, 5, 4)
    x = cltorch.ones(5, 6, 4, device=device, requires_grad=True)
    sum((x[:, k] * weight[k]).sum() for k in range(6)).backward()
    np.testing.assert_array_equal(x.grad.cpu().numpy(), w.transpose(1, 0, 2))
    assert len(zeroed) == 1


def test_parts_that_overlap_and_the_whole_add_up(device, zeroed):
    x = cltorch.ones(5, 6, device=device, requires_grad=True)
    y = x * 1
    (y[0] * 2).sum().backward(retain_graph=True)
    ((y[1:4] * 3).sum() + (y * 5).sum() + y[2, 1:].sum() + y.diagonal().sum() + y[::2].sum()).backward()
    expected = np.full((5, 6), 5, np.float32)
    expected[0] += 2
    expected[1:4] += 3
    expected[2, 1:] += 1
    expected[np.arange(5), np.arange(5)] += 1
    expected[::2] += 1
    np.testing.assert_array_equal(x.grad.cpu().numpy(), expected)
    assert len(zeroed) <= 1 + 2  # the first part of each pass, and one more after the whole's gradient came between


def test_turned_tensors_have_their_own_strides(device):
    w, weight = numbers(device, 6, 5)
    x = cltorch.ones(5, 6, device=device, requires_grad=True)
    turned = (x * 1).t()
    sum((turned[k] * weight[k]).sum() for k in range(6)).backward()
    np.testing.assert_array_equal(x.grad.cpu().numpy(), w.T)


def test_expanded_tensors_add_up_what_shares_an_element(device):
    w, weight = numbers(device, 4, 3)
    x = cltorch.ones(3, device=device, requires_grad=True)
    rows = x.expand(4, 3)
    sum((rows[k] * weight[k]).sum() for k in range(4)).backward()
    np.testing.assert_array_equal(x.grad.cpu().numpy(), w.sum(0))


def test_complex_parts(device):
    x = cltorch.ones(3, 2, dtype=cltorch.complex64, device=device, requires_grad=True)
    sum((x[k].conj() * (k + 1j)).real.sum() for k in range(3)).backward()
    np.testing.assert_array_equal(x.grad.cpu().numpy(), np.repeat(np.arange(3) + 1j, 2).reshape(3, 2))


def test_what_a_program_holds_stays_as_it_is(device):
    x = cltorch.ones(4, 3, device=device, requires_grad=True)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g) or None)
    loss = sum((y[k] * (k + 1)).sum() for k in range(4))
    loss.backward(retain_graph=True)
    (first,) = cltorch.autograd.grad(loss, y, retain_graph=True)
    loss.backward()
    expected = np.repeat(np.arange(1, 5, dtype=np.float32), 3).reshape(4, 3)
    for g in (*seen, first):
        np.testing.assert_array_equal(g.cpu().numpy(), expected)
    np.testing.assert_array_equal(x.grad.cpu().numpy(), 2 * expected)


def test_second_derivatives_of_parts(device):
    x = cltorch.tensor([[1.0, 2.0], [3.0, 4.0]], device=device, requires_grad=True)
    (g,) = cltorch.autograd.grad((x[0] ** 3).sum() + (x[1] ** 2).sum() + x[0].prod(), x, create_graph=True)
    g.sum().backward()
    np.testing.assert_allclose(x.grad.cpu().numpy(), [[7.0, 13.0], [2.0, 2.0]])


def test_parts_without_gradients_leave_what_others_hold_alone(device):
    class Nothing(cltorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return None

    x = cltorch.zeros(2, 3, device=device, requires_grad=True)
    other = cltorch.zeros(2, 3, device=device, requires_grad=True)
    y = x * 1
    first, unused = y[1], Nothing.apply(y[0])
    given = cltorch.ones(2, 3, device=device)
    # the gradient of the sum is both operands', and waits at y when the part comes that has none
    cltorch.autograd.backward([y + other * 1, unused.sum(), first.sum()], [given, None, None])
    np.testing.assert_array_equal(given.cpu().numpy(), np.ones((2, 3)))
    np.testing.assert_array_equal(other.grad.cpu().numpy(), np.ones((2, 3)))
    np.testing.assert_array_equal(x.grad.cpu().numpy(), [[1, 1, 1], [2, 2, 2]])
