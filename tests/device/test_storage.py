"""Storages: bytes on the host or on a device, given back to the allocator with the last reference."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import cltorch
from cltorch.device import CPU, Storage
from cltorch.errors import OutOfMemoryError


def filled(device, n=16):
    dev = cltorch.device(device).resolve()
    s = Storage.allocate(n, dev)
    data = np.arange(n, dtype=np.uint8)
    if s.array is not None:
        s.array[:] = data
    else:
        dev.context.write(s.buf, data)
    return s


def test_bytes_come_back_as_they_were_written(device):
    s = filled(device)
    assert s.bytes().tolist() == list(range(16)) and len(s) == s.nbytes == 16
    assert Storage.allocate(0, s.device).bytes().size == 0


def test_an_alias_shares_the_bytes_and_counts_versions_apart(device):
    s = filled(device)
    other = s.alias()
    other.version += 1
    assert other.data_ptr() == s.data_ptr() and s.version == 0
    del s
    gc.collect()
    assert other.bytes().tolist() == list(range(16))  # an alias keeps the memory


def test_an_alias_keeps_the_bytes_that_a_resized_storage_had(device):
    s = filled(device)
    aliases = [s.alias(), s.alias()]
    s.resize(100_000)
    others = [Storage.allocate(16, s.device) for _ in range(4)]  # none of which may be what the aliases have
    assert len({x.data_ptr() for x in (s, aliases[0], *others)}) == 6
    del s, others
    assert all(x.bytes().tolist() == list(range(16)) for x in aliases)


@pytest.mark.parametrize("n", [0, 5, 16, 100_000])
def test_resizing_keeps_the_bytes_in_front(device, n):
    s = filled(device)
    s.resize(n)
    assert s.nbytes == n and s.bytes()[:16].tolist() == list(range(16))[:n]


def test_the_addresses_of_living_storages_differ(device):
    storages = [filled(device) for _ in range(4)]
    assert len({s.data_ptr() for s in storages}) == 4


def test_a_dead_storage_goes_back_to_the_allocator(cl_device):
    dev = cltorch.device(cl_device).resolve()
    pool = dev.context.allocator
    before = pool.allocated, pool.live
    s = Storage.allocate(100_000, dev)
    alias = s.alias()
    assert pool.allocated - before[0] >= 100_000 and pool.live == before[1] + 1
    del s
    assert pool.live == before[1] + 1
    del alias
    assert (pool.allocated, pool.live) == before


def test_a_resized_storage_gives_back_what_it_had(cl_device):
    dev = cltorch.device(cl_device).resolve()
    pool = dev.context.allocator
    before = pool.allocated
    s = Storage.allocate(100_000, dev)
    s.resize(1000)
    assert pool.allocated - before == 1024
    del s
    assert pool.allocated == before


def test_wrapping_an_array_copies_nothing():
    a = np.arange(3, dtype=np.float32)
    s = Storage.wrap(a)
    s.array[:4] = 0xFF
    assert np.isnan(a[0]) and a[1] == 1 and s.nbytes == 12 and s.device is CPU


def test_the_host_out_of_memory_is_the_same_error():
    with pytest.raises(OutOfMemoryError, match="the host is out of memory. Tried to allocate"):
        Storage.allocate(1 << 60, CPU)


def test_a_device_without_float64_says_so(cl_device, monkeypatch):
    context = cltorch.device(cl_device).resolve().context
    monkeypatch.setattr(context, "caps", context.caps.__class__(**{**vars(context.caps), "fp64": False}))
    monkeypatch.setattr(context, "ready", type(context.ready)())  # what is planned for such a device
    for make in (
        lambda: cltorch.ones(2, dtype=cltorch.float64, device=cl_device),
        lambda: cltorch.ones(2, device=cl_device).double(),
        lambda: cltorch.tensor([1.0], dtype=cltorch.float64).to(cl_device),
    ):
        with pytest.raises(cltorch.DeviceError, match=r"cl:\d .* has no double precision \(cl_khr_fp64\)"):
            make()
    assert (cltorch.ones(2, device=cl_device) * 0.1).dtype is cltorch.float32
