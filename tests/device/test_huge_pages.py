"""Huge pages: large buffers of a processor's device are marked for them, small ones are not."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import pytest

import cltorch
from cltorch.device import huge_pages

pytestmark = pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="this system has no huge pages to ask for"
)


def asked_for(address):
    """Return whether the stretch of memory that holds an address is marked for huge pages, by Linux's own account."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = line.split()[0]
        if "-" in head and not head.endswith(":"):
            first, end = (int(n, 16) for n in head.split("-"))
            inside = first <= address < end
        elif inside and head == "VmFlags:":
            return "hg" in line.split()
    raise AssertionError(f"nothing lies at {address:#x}")


def test_a_stretch_is_marked_by_its_whole_pages():
    with mmap.mmap(-1, 4 * mmap.PAGESIZE) as memory:
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        assert not asked_for(address)
        assert not huge_pages.ask(address + 1, mmap.PAGESIZE)  # a part of one page and a part of the next
        assert not asked_for(address)
        assert huge_pages.ask(address + 1, 3 * mmap.PAGESIZE)
        assert asked_for(address + mmap.PAGESIZE) and asked_for(address + 3 * mmap.PAGESIZE - 1)
        assert not asked_for(address) and not asked_for(address + 3 * mmap.PAGESIZE)


def test_large_buffers_have_them(cl_device):
    context = cltorch.device(cl_device).resolve().context
    if "asleep_between_launches" not in context.caps.quirks:
        pytest.skip("only PoCL is known to give a buffer's own memory when it is mapped")
    syncs = context.syncs
    nbytes = huge_pages.LEAST
    buf = context.create_buffer(nbytes)
    assert asked_for(context._mapped(buf, nbytes).ctypes.data + nbytes // 2)
    assert context.syncs == syncs


def test_a_system_without_them_is_left_alone(monkeypatch):
    monkeypatch.setattr(huge_pages, "_call", None)
    assert not huge_pages.ask(1 << 20, 1 << 20)
