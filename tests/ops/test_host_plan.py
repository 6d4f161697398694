"""What is remembered about operands of a kind must not be taken for what differs from call to call."""

import sys
import threading
import warnings

import numpy as np
import pytest

import cltorch as torch
from cltorch.device import debug
from cltorch.ops.host_plan import READY as HOST_READY
from cltorch.ops.quiet import quietly


def test_numpy_does_not_warn_and_keeps_its_own_settings():
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
        assert np.isinf(quietly(np.divide, one, none)).all()
        assert np.isnan(quietly(lambda: quietly(np.divide, none, none))).all()  # one within another
        with pytest.raises(RuntimeWarning):
            np.divide(one, none)
    assert np.geterr() == before
    with pytest.raises(ZeroDivisionError):
        quietly(lambda: 1 // 0)


def test_threads_compute_at_the_same_time():
    inside, seen = threading.Barrier(2), []

    def work():
        with warnings.catch_warnings():
            seen.append(quietly(lambda: (inside.wait(10), np.geterr()["over"])[1]))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == ["ignore", "ignore"]


def test_numbers_and_values_are_those_of_the_call(device):
    for value in (2, -3):
        x = torch.full((3,), float(value), device=device)
        assert (x + value).tolist() == [2.0 * value] * 3
        assert (1 - x).tolist() == [1.0 - value] * 3
        assert x.add_(value).tolist() == [2.0 * value] * 3
        assert torch.where(x > 0, x, value).tolist() == [4.0 if value > 0 else -3.0] * 3


def test_a_result_has_memory_of_its_own(device):
    for _ in range(2):
        for shape in ((4,), (), (0, 2), (2, 1)):
            x = torch.ones(shape, device=device)
            y = torch.clone(x)
            y.add_(1)
            assert bool((x == 1).all()) and bool((y == 2).all())


def test_the_dtype_of_a_quotient_follows_the_default(device):
    x = torch.tensor([1, 2], device=device)
    assert (x / 2).dtype is torch.float32 and (x / 2).dtype is torch.float32
    torch.set_default_dtype(torch.float16)
    try:
        assert (x / 2).dtype is torch.float16
    finally:
        torch.set_default_dtype(torch.float32)
    assert (x / 2).dtype is torch.float32


def test_the_dtype_of_a_product_with_a_complex_number_follows_the_default(device):
    x = torch.tensor([1, 2], device=device)
    assert (x * 1j).dtype is torch.complex64 and (x * 2j).tolist() == [2j, 4j]
    torch.set_default_dtype(torch.float16)
    try:
        assert (x * 1j).dtype is torch.complex32
    finally:
        torch.set_default_dtype(torch.float32)
    assert (x * 1j).dtype is torch.complex64


def test_complex_operands_numbers_and_parameters_are_those_of_the_call(device):
    a = np.array([[1 + 2j, 3 - 1j, -2j], [0.5, 2 + 2j, -1 + 1j]], np.complex64)
    r = np.array([1.0, -2.0, 0.5], np.float32)
    x, y = torch.tensor(a, device=device), torch.tensor(r, device=device)
    for number, first in ((2.0, 0), (3, 1), (1 - 2j, 2), (-1j, 0), (True, 1)):
        part, here = x[:, first:], a[:, first:]  # other offsets
        one, that = x[:, first], a[:, first]
        np.testing.assert_allclose((part * number).cpu().numpy(), here * number, rtol=1e-6)
        np.testing.assert_allclose((one * one).cpu().numpy(), that * that, rtol=1e-6)
        np.testing.assert_allclose((x * y * number).cpu().numpy(), a * r * number, rtol=1e-6)
        np.testing.assert_allclose(part.abs().cpu().numpy(), np.abs(here), rtol=1e-6)
        np.testing.assert_allclose((part.conj() * part).cpu().numpy(), here.conj() * here, rtol=1e-6)
        np.testing.assert_allclose(torch.where(part == number, 0, part).cpu().numpy(), here * (here != number))
        if number is not True:
            found = torch.add(x, x, alpha=number).cpu().numpy()
            np.testing.assert_allclose(found, a + number * a, rtol=1e-6)
            v = x.clone().requires_grad_()
            (g,) = torch.autograd.grad(torch.sub(x, v, alpha=number), v, x * number)
            np.testing.assert_allclose(g.cpu().numpy(), -np.conj(number) * a * number, rtol=1e-6)
        w = y.clone().requires_grad_()
        v = x.clone().requires_grad_()
        gv, gw = torch.autograd.grad(v * w, (v, w), x * number)
        np.testing.assert_allclose(gv.cpu().numpy(), a * number * r, rtol=1e-6)
        np.testing.assert_allclose(gw.cpu().numpy(), (a * number * a.conj()).real.sum(0), rtol=1e-5, atol=1e-6)


def test_no_more_plans_are_remembered_than_the_limit(device, monkeypatch):
    ready = HOST_READY if device == "cpu" else torch.device(device).resolve().context.ready
    monkeypatch.setattr(type(ready), "LIMIT", len(ready) + 20)
    for n in range(1, 60):
        assert (torch.ones(n, dtype=torch.int64, device=device) / 2).dtype is torch.float32
        assert len(ready.by_default_dtype) <= len(ready) <= ready.LIMIT
    torch.set_default_dtype(torch.float16)
    try:
        assert not ready.by_default_dtype and (torch.ones(59, dtype=torch.int64, device=device) / 2).dtype is torch.half
    finally:
        torch.set_default_dtype(torch.float32)


def test_strides_and_broadcasting_are_part_of_what_is_remembered(device):
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = torch.tensor(a, device=device)
    for _ in range(2):
        assert (x.t() + x.t()).tolist() == (a.T + a.T).tolist() and (x.t() + x.t()).stride() == (1, 4)
        assert (x + x[0]).tolist() == (a + a[0]).tolist()
        assert (x[1:] * x[:2, :1]).tolist() == (a[1:] * a[:2, :1]).tolist()
        assert (x[:, 1::2] + x[:, ::2]).tolist() == (a[:, 1::2] + a[:, ::2]).tolist()


def test_derivatives_take_the_values_of_the_call(device):
    """Numbers, parameters, offsets and which gradients are wanted differ between calls of the same geometry."""
    a = np.arange(1, 25, dtype=np.float32).reshape(4, 6)
    b = np.array([1.0, 2.0, -3.0], np.float32)
    for number, first in ((2.0, 0), (3, 1), (-1.5, 3)):
        x = torch.tensor(a, device=device, requires_grad=True)
        y = torch.tensor(b, device=device, requires_grad=True)
        part = x[:, first : first + 3]  # other offsets, the same strides
        here = a[:, first : first + 3]
        g = torch.full((4, 3), number, device=device)
        gx, gy = torch.autograd.grad(part * y, (x, y), g)
        wanted = np.zeros_like(a)
        wanted[:, first : first + 3] = number * b
        assert gx.tolist() == wanted.tolist() and gy.tolist() == (number * here).sum(0).tolist()
        assert torch.autograd.grad(part * y, y, g)[0].tolist() == (number * here).sum(0).tolist()
        assert torch.autograd.grad(y * number, y, torch.ones_like(y))[0].tolist() == [number] * 3
        (gy,) = torch.autograd.grad(torch.sub(part, y, alpha=number), y, torch.ones_like(part))
        assert gy.tolist() == [-4.0 * number] * 3
        (gy,) = torch.autograd.grad(y[:, None] * torch.tensor(float(number)), y, torch.ones(3, 1, device=device))
        assert gy.tolist() == [number] * 3  # the 0-d tensor is on the host
        mask = torch.tensor(here > 10, device=device)
        gx, gy = torch.autograd.grad(torch.where(mask, y, part.half()), (x, y), g)
        assert gy.tolist() == (number * (here > 10)).sum(0).tolist()
        wanted[:, first : first + 3] = number * (here <= 10)
        assert gx.tolist() == wanted.tolist()


def test_gradients_of_broadcast_operands_have_the_operands_shapes(device):
    a = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    dense = torch.tensor(a, device=device)
    for shape in ((3,), (1, 3), (4, 1), (1, 1), (1,), (), (2, 1, 3), (1, 4, 1), (1, 1, 1, 3)):
        x = torch.ones(shape, device=device, requires_grad=True)
        padded = (1,) * (3 - len(shape)) + shape
        dims = tuple(d for d in range(3) if padded[-3:][d] == 1)
        wanted = (2 * a * a).sum(dims).reshape(shape).tolist()
        for w in (dense, dense.transpose(1, 2).contiguous().transpose(1, 2)):
            (g,) = torch.autograd.grad(x * w, x, (w * 2).expand(padded[:-3] + w.shape))
            assert g.tolist() == wanted and g.shape == shape and g.is_contiguous()
            (g,) = torch.autograd.grad(x.square() * w, x, (w * 2).expand(padded[:-3] + w.shape), create_graph=True)
            assert g.tolist() == (2 * np.array(wanted)).tolist() and g.requires_grad
    empty = torch.ones(0, 3, device=device)
    x = torch.ones(3, device=device, requires_grad=True)
    for _ in range(2):
        assert torch.autograd.grad(x * empty, x, empty)[0].tolist() == [0.0] * 3


def test_what_does_not_fit_is_refused_each_time(device):
    x = torch.ones(3, dtype=torch.uint8, device=device)
    for _ in range(2):
        assert (x + 1).tolist() == [2, 2, 2]
        with pytest.raises((OverflowError, RuntimeError)):
            x + 2**70
        with pytest.raises(RuntimeError, match="can't be cast"):
            x.add_(0.5)
        base = torch.ones(4, device=device)
        with pytest.raises(RuntimeError, match="single memory location"):
            base[1:].add_(base[:-1])
        with pytest.raises(RuntimeError, match="single memory location"):
            base[:1].expand(4).add_(1)


def _calls(fn):
    """Return how many Python functions a call enters, once everything is remembered."""
    for _ in range(3):
        fn()
    entered = []
    sys.setprofile(lambda frame, event, _: entered.append(frame.f_code.co_qualname) if event == "call" else None)
    try:
        fn()
    finally:
        sys.setprofile(None)
    return len(entered)


def test_small_operations_enter_few_functions(device):
    """The time of small operations is that of Python, which this counts: it is the same on every machine.

    Four more are entered once the process has seen a subclass of Tensor.
    """
    if device != "cpu" and debug.wanted():
        pytest.skip("launches are watched, which takes its time")
    x, y = torch.ones(64, device=device), torch.ones(64, device=device)
    mask, i = x > 1, torch.arange(64, device=device)
    assert _calls(lambda: x + y) <= 26
    assert _calls(lambda: x.exp()) <= 25
    assert _calls(lambda: x / 255) <= 30
    assert _calls(lambda: x.add_(y)) <= 35
    assert _calls(lambda: torch.where(mask, x, y)) <= 38
    assert _calls(lambda: i.float()) <= 38


def test_derivatives_of_small_operations_enter_few_functions(device):
    """As above, with the some hundred that a backward pass of one node enters besides.

    Eight more are entered once the process has seen a subclass of Tensor.
    """
    if device != "cpu" and debug.wanted():
        pytest.skip("launches are watched, which takes its time")
    x, row = torch.ones(8, 64, device=device, requires_grad=True), torch.ones(64, device=device, requires_grad=True)
    ones = torch.ones(8, 64, device=device)

    def calls(operand):
        y = operand * ones
        return _calls(lambda: y.backward(ones, retain_graph=True, inputs=[operand]))

    assert calls(x) <= (146 if device == "cpu" else 118)
    assert calls(row) <= (170 if device == "cpu" else 136)
