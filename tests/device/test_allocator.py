"""The caching allocator: reuse, rounding, what it does when memory runs out, and threads."""

from __future__ import annotations

import sys
import threading

import pytest

from cltorch.device import allocator
from cltorch.device.allocator import Allocator, readable, size_class
from cltorch.errors import OutOfMemoryError


class Buffer:
    """Stand for a buffer of a driver that has ``room`` bytes."""

    def __init__(self, driver, nbytes):
        self.driver, self.nbytes = driver, nbytes

    def release(self):
        self.driver.room += self.nbytes


class Driver:
    def __init__(self, room=1 << 30):
        self.room, self.settled = room, 0

    def create(self, nbytes):
        if nbytes > self.room:
            raise MemoryError
        self.room -= nbytes
        return Buffer(self, nbytes)

    def settle(self):
        self.settled += 1


def make(room=1 << 30, limit=1 << 40, max_alloc=1 << 40):
    driver = Driver(room)
    return Allocator(driver.create, limit, max_alloc, "cl:0 (test)", driver.settle), driver


@pytest.mark.parametrize("nbytes", [0, 1, 511, 512, 513, 4095, 4096, 4097, 5000, 10**6, 2**20, 2**20 + 1, 10**9])
def test_size_classes_hold_the_request_and_waste_little(nbytes):
    size = size_class(nbytes)
    assert size >= max(nbytes, 1) and size % 512 == 0
    assert size <= max(nbytes + 511, nbytes * 1.126, 512)
    assert size_class(size) == size


def test_byte_counts_read_as_in_torch():
    assert [readable(n) for n in (0, 512, 1536, 3 << 30)] == ["0 bytes", "512 bytes", "1.50 KiB", "3.00 GiB"]


def test_a_buffer_that_was_given_back_is_used_again():
    a, _ = make()
    buf, give_back = a.take(1000)
    assert (a.allocated, a.reserved, a.live, a.driver_calls) == (1024, 1024, 1, 1)
    give_back()
    assert (a.allocated, a.reserved, a.live) == (0, 1024, 0)
    again, _ = a.take(900)  # of the same class
    assert again is buf and (a.driver_calls, a.requests) == (1, 2)
    other, _ = a.take(900)
    assert other is not buf and a.allocated == 2048 == a.allocated_peak


def test_peaks_start_anew():
    a, _ = make()
    for _, give_back in [a.take(4096), a.take(4096)]:
        give_back()
    assert (a.allocated_peak, a.reserved_peak) == (8192, 8192)
    a.empty_cache()
    a.reset_peaks()
    assert (a.allocated_peak, a.reserved_peak, a.reserved) == (0, 0, 0)


def test_emptying_the_cache_gives_everything_unused_back_to_the_driver():
    a, driver = make(room=10_000)
    held, _ = a.take(2000)
    a.take(3000)[1]()
    assert driver.room == 10_000 - 2048 - 3072
    a.empty_cache()
    assert driver.room == 10_000 - 2048 == 10_000 - a.reserved


@pytest.mark.parametrize("by", ["driver", "limit"])
def test_cached_buffers_make_room_when_memory_runs_out(by):
    a, driver = make(room=10_240) if by == "driver" else make(limit=10_240)
    a.take(8192)[1]()
    buf, _ = a.take(4096)
    assert buf.nbytes == 4096 and (a.retries, a.failures) == (1, 0)
    assert driver.settled > 0  # a driver frees memory only once the commands that use it are done


@pytest.mark.parametrize("by", ["driver", "limit"])
def test_a_request_that_fits_only_unrounded_is_served(by):
    a, driver = make(room=100_000) if by == "driver" else make(limit=100_000)
    assert size_class(99_000) > 100_000
    buf, give_back = a.take(99_000)
    assert buf.nbytes == a.allocated == 99_000
    give_back()
    again, give_back = a.take(99_000)
    assert again is buf  # found again under its own size
    give_back()
    assert a.take(98_500)[0].nbytes >= 98_500  # another of the same class does not get what is too small or big


@pytest.mark.parametrize("by", ["driver", "limit"])
def test_the_error_says_what_was_asked_and_where_memory_is(by):
    a, _ = make(room=10_240) if by == "driver" else make(limit=10_240)
    held, _ = a.take(8192)
    with pytest.raises(OutOfMemoryError, match=r"cl:0 \(test\) out of memory. Tried to allocate 4.00 KiB.*8.00 KiB is"):
        a.take(4096)
    assert (a.failures, a.live, a.allocated) == (1, 1, 8192)


def test_the_limit_of_one_buffer_is_never_exceeded():
    a, _ = make(max_alloc=100_000)
    with pytest.raises(OutOfMemoryError, match="in one buffer: its limit for one allocation is 97.66 KiB"):
        a.take(100_001)
    small, give_back = a.take(99_000)  # whose class is larger than one buffer may be
    give_back()
    large, _ = a.take(100_000)
    assert (small.nbytes, large.nbytes) == (99_000, 100_000)


@pytest.mark.parametrize("gil", [True, False])
def test_two_threads_share_an_allocator(monkeypatch, gil):
    """Without the GIL every call takes the lock, which is tried here with it."""
    monkeypatch.setattr(allocator, "_has_gil", lambda: gil)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        a, driver = make(limit=60_000)  # so that some requests have to empty the cache
        room, errors = driver.room, []

        def work(seed):
            try:
                mine = []
                for i in range(4000):
                    nbytes = 512 * (1 + (i * seed) % 9)
                    buf, give_back = a.take(nbytes)
                    assert nbytes <= buf.nbytes
                    mine.append(give_back)
                    if len(mine) > 2:
                        mine.pop(0)()
                for give_back in mine:
                    give_back()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    assert (a.requests, a.returns, a.live, a.allocated) == (12_000, 12_000, 0, 0)
    assert a.reserved == room - driver.room == sum(size * len(free) for size, free in a._free.items())
    a.empty_cache()
    assert driver.room == room
