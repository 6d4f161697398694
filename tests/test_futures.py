"""Futures: results that come later, and what waits for them."""

import threading

import pytest

from cltorch.futures import Future, collect_all, wait_all


def test_a_result_is_waited_for_and_handed_on():
    future = Future()
    seen = []
    future.add_done_callback(lambda f: seen.append(f.value()))
    chained = future.then(lambda f: f.value() + 1).then(lambda f: f.value() * 2)
    assert not future.done() and not chained.done()
    with pytest.raises(RuntimeError, match="completed"):
        future.value()
    threading.Timer(0.01, future.set_result, [3]).start()
    assert chained.wait() == 8 and future.wait() == 3 and seen == [3]
    future.add_done_callback(lambda f: seen.append("at once"))
    assert seen[-1] == "at once"
    with pytest.raises(RuntimeError, match="completed once"):
        future.set_result(4)


def test_an_exception_is_raised_where_it_is_asked_for():
    future, other = Future(), Future()
    chained = future.then(lambda f: f.value())
    future.set_exception(ValueError("bad"))
    for f in (future, chained):
        with pytest.raises(ValueError, match="bad"):
            f.wait()
    with pytest.raises(AssertionError, match="not an Exception"):
        other.set_exception("bad")
    other.set_result(1)
    both = collect_all([other, future])
    assert both.done() and [f.done() for f in both.value()] == [True, True]
    with pytest.raises(ValueError, match="bad"):
        wait_all([other, future])
    assert wait_all([other, other]) == [1, 1] and collect_all([]).wait() == []


def test_it_does_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for module in (Future, torch.futures.Future):
        future = module()
        chained = future.then(lambda f: 1 / f.value())
        future.set_result(0)
        assert future.done() and future.value() == 0
        with pytest.raises((ZeroDivisionError, RuntimeError), match="division by zero"):
            chained.wait()
