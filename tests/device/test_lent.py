"""What goes back when it dies: once, whoever lets it go, and without a signal being lost on the way."""

from __future__ import annotations

import _thread
import gc
import signal
from collections import deque
from functools import partial
from operator import methodcaller

import numpy as np
import pytest

import cltorch
from cltorch.device import CPU, Storage
from cltorch.device.host_pool import HostPool
from cltorch.device.lent import Lent


class Book(Lent):
    __slots__ = ("friend", "give_back")

    def __init__(self, give_back):
        self.give_back = give_back


def test_what_is_lent_goes_back_with_the_last_reference():
    back = []
    book = same = Book(partial(back.append, "book"))
    del book
    assert not back
    del same
    assert back == ["book"]


def test_what_is_lent_goes_back_out_of_a_cycle():
    back = []
    book = Book(partial(back.append, "book"))
    book.friend = book
    del book
    gc.collect()
    assert back == ["book"]


@pytest.fixture
def interruptible():
    """Let Ctrl-C raise, also where the tests were started with its signal ignored, as shells do in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pooled():
    pool = HostPool(partial(np.empty, dtype=np.uint8), 1 << 20)
    return pool.take(4096), lambda: pool.cached


def on_device():
    if not cltorch.cl.is_available():
        pytest.skip("needs an OpenCL device")
    dev = cltorch.device("cl").resolve()
    before = dev.context.allocator.allocated
    return Storage.allocate(100_000, dev), lambda: dev.context.allocator.allocated == before


def on_the_host():
    return Storage.allocate(100, CPU), lambda: True


@pytest.mark.parametrize("make", [pooled, on_device, on_the_host])
def test_a_signal_is_not_lost_while_memory_goes_back(make, interruptible):
    held, came_back = make()
    holders = [held]
    del held
    # both are called by code in C, so that the signal still waits when the last reference goes
    calls = map(methodcaller("__call__"), (_thread.interrupt_main, holders.clear))
    with pytest.raises(KeyboardInterrupt):
        deque(calls, maxlen=0)
    assert came_back() and not holders


def test_a_signal_is_not_lost_while_borrowed_memory_goes_back(interruptible):
    torch = pytest.importorskip("torch")
    holders = [cltorch.from_dlpack(torch.ones(4))]
    with pytest.raises(KeyboardInterrupt):
        deque(map(methodcaller("__call__"), (_thread.interrupt_main, holders.clear)), maxlen=0)
    assert not holders


def test_a_pool_keeps_no_more_than_its_limit():
    made = []

    def make(nbytes):
        made.append(nbytes)
        return np.empty(nbytes, np.uint8)

    pool = HostPool(make, 16_384)
    blocks = [pool.take(4096) for _ in range(8)]
    del blocks
    assert pool.cached == 16_384 and made == [4096] * 8
    again = [pool.take(4000) for _ in range(4)]
    assert len(made) == 8 and pool.cached == 0
    del again
    large = pool.take(8192)  # new: what waits together with it is more than the limit
    del large
    pool.take(1024)
    assert pool.cached <= 16_384
    pool.empty()
    pool.take(40_000)  # more than the limit alone
    assert pool.cached == 0


def test_a_block_stays_with_its_last_view():
    pool = HostPool(partial(np.empty, dtype=np.uint8), 1 << 20)
    view = pool.take(5000)[100:200]
    assert pool.cached == 0
    view[:] = 7
    other = pool.take(5000)
    assert not np.shares_memory(view, other)
    del view
    assert pool.cached > 0
