"""Memory of the host that a device copies from quickly (pinned), or that processes share.

Source: https://docs.pytorch.org/docs/2.13/notes/multiprocessing.html and generated/torch.Tensor.pin_memory.html
"""

from __future__ import annotations

import importlib
from typing import Any

from cltorch.device import Storage
from cltorch.device import device as Device
from cltorch.device.storage import PINNED, mapping_of, owner_of
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.turned import plain

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
    layout, n = x.lay, x.dtype.itemsize
    start, stop = layout.offset * n, layout.extent() * n
    storage = Storage.wrap(Device("cl").context.pinned(max(stop - start, 0)))
    storage.array[:] = x._storage.array[start : max(start, stop)]
    storage._owner = PINNED
    return Array.new(storage, Layout.make(layout.shape, layout.strides, 0), x.dtype)


def is_pinned(x: Any, device: Any = None) -> bool:
    """Return whether a tensor lies in pinned memory."""
    return owner_of(x._storage) is PINNED


def share_memory_(x: Any) -> Any:
    """Move a host tensor's bytes into memory that other processes share, and return the tensor.

    Processes forked from this one share it, and those that get the tensor as an argument or through a queue or pipe.
    Its views move with it; tensors detached from it before keep the old bytes. Nothing happens for a tensor on a
    device, as in PyTorch, whose memory no other process sees here.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.share_memory_.html
    """
    share(plain(x._storage))
    return x


def share(storage: Storage) -> None:
    """Move a storage's bytes into memory that other processes share, if they lie on the host."""
    if storage.array is not None:
        # its imports take a tenth of the whole package's time
        importlib.import_module("cltorch.device.shared_memory").share(storage)


def is_shared(x: Any) -> bool:
    """Return whether a tensor's memory is shared between processes; always so on a device, as in PyTorch."""
    return lies_shared(plain(x._storage))


def lies_shared(storage: Storage) -> bool:
    """Return whether processes share a storage's memory; always so on a device, as in PyTorch."""
    return storage.array is None or mapping_of(storage) is not None
