"""Memory of the host that a device copies from quickly (pinned), or that processes share.

Source: https://docs.pytorch.org/docs/2.13/notes/multiprocessing.html and generated/torch.Tensor.pin_memory.html
"""

from __future__ import annotations

import importlib
import mmap
from typing import Any

import numpy as np

from cltorch.device import Storage
from cltorch.device import device as Device
from cltorch.device.storage import PINNED, owner_of
from cltorch.layout import Layout
from cltorch.ops.array import Array

__all__ = ["is_pinned", "is_shared", "pin_memory", "share_memory_"]


def pin_memory(x: Any, device: Any = None) -> Any:
    """Return a host tensor in memory that the OpenCL driver has allocated, from which it copies without a detour.

    Returns the tensor itself when it is pinned already. Raises RuntimeError for a tensor on a device, and where there
    is no OpenCL device.

    >>> import cltorch as torch
    >>> not torch.cl.is_available() or torch.ones(2).pin_memory().is_pinned()
    True
    """
    if x.device.type != "cpu":
        raise RuntimeError(f"cannot pin '{x.type()}' only dense CPU tensors can be pinned")
    if is_pinned(x):
        return x
    if not importlib.import_module("cltorch.device.discovery").devices():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    layout, n = x.layout, x.dtype.itemsize
    start, stop = layout.offset * n, layout.extent() * n
    storage = Storage.wrap(Device("cl").context.pinned(max(stop - start, 0)))
    storage.array[:] = x._storage.array[start : max(start, stop)]
    storage._owner = PINNED
    return Array.new(storage, Layout.make(layout.shape, layout.strides, 0), x.dtype)


def is_pinned(x: Any, device: Any = None) -> bool:
    """Return whether a tensor lies in pinned memory."""
    return owner_of(x._storage) is PINNED


def share_memory_(x: Any) -> Any:
    """Move a host tensor's bytes into memory that processes forked from this one share, and return the tensor.

    Its views move with it; tensors detached from it before keep the old bytes. Nothing happens for a tensor on a
    device, as in PyTorch, whose memory no other process sees here.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.share_memory_.html
    """
    storage = x._storage
    if storage.array is None or is_shared(x):
        return x
    pages = mmap.mmap(-1, max(storage.nbytes, 1))
    shared = np.frombuffer(pages, np.uint8, storage.nbytes)
    shared[:] = storage.array
    storage.array, storage._owner = shared, pages
    return x


def is_shared(x: Any) -> bool:
    """Return whether a tensor's memory is shared between processes; always so on a device, as in PyTorch."""
    return x._storage.array is None or isinstance(owner_of(x._storage), mmap.mmap)
