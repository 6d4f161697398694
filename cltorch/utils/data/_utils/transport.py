"""Sending batches between processes: structure through a pipe, tensors and arrays through shared memory.

One anonymous file holds all arrays of a batch. Its descriptor travels with the message, the receiver maps it, and it
disappears with the last mapping: nothing is left behind, however a process ends.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.device.shared_memory import SHARES, anonymous_file
from cltorch.layout import Layout
from cltorch.ops.array import Array, host
from cltorch.tensor import Tensor

_ALIGNMENT = 64


class _Packer(pickle.Pickler):
    """Pickle a batch and set its arrays aside, noting where in the shared file each will lie."""

    def __init__(self, f: Any) -> None:
        super().__init__(f, protocol=pickle.HIGHEST_PROTOCOL)
        self.parts: list[tuple[int, np.ndarray]] = []
        self.size = 0

    def persistent_id(self, obj: Any) -> Any:
        """Return a description of a tensor or array, None for anything else."""
        if isinstance(obj, Tensor):
            if obj.device.type != "cpu":
                raise RuntimeError(
                    f"a DataLoader worker made a tensor on {obj.device}; workers can return host tensors only: move "
                    "the batch to the device in the main process"
                )
            if obj.grad_fn is not None:
                raise RuntimeError(
                    f"a DataLoader worker made a tensor of shape {list(obj.shape)} that requires a gradient and is not "
                    "a leaf; no gradient flows from one process into another: detach() it"
                )
            if type(obj) is not Tensor:
                return None
            return "tensor", self._place(host(obj)), obj.dtype.name, tuple(obj.shape), obj.requires_grad
        if type(obj) is np.ndarray and not obj.dtype.hasobject and obj.dtype.names is None:
            return "array", self._place(obj), obj.dtype.str, obj.shape, False
        return None

    def _place(self, array: np.ndarray) -> int:
        at = self.size
        self.parts.append((at, array))
        self.size = -(-(at + array.nbytes) // _ALIGNMENT) * _ALIGNMENT
        return at


class _Unpacker(pickle.Unpickler):
    """Rebuild a batch whose arrays view the shared memory."""

    def __init__(self, f: Any, memory: Any) -> None:
        super().__init__(f)
        self._memory = memory

    def persistent_load(self, pid: Any) -> Any:
        """Return the tensor or array of a description."""
        kind, at, name, shape, requires_grad = pid
        t = dtypes.by_name(name).np if kind == "tensor" else np.dtype(name)
        count = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(self._memory, t, count, at) if count else np.empty(0, t)
        if kind == "array":
            return flat.reshape(shape)
        made = Array.new(Storage.wrap(flat), Layout.of(shape), dtypes.by_name(name))
        return made.requires_grad_() if requires_grad else made


def send(connection: Connection, message: Any) -> None:
    """Send an object; its tensors and arrays are copied into shared memory."""
    f = io.BytesIO()
    packer = _Packer(f)
    packer.dump(message)
    # without descriptors that can be sent, the bytes go through the pipe
    size = packer.size if SHARES else -packer.size
    connection.send_bytes(size.to_bytes(8, "little", signed=True) + f.getbuffer())
    if size > 0:
        descriptor = anonymous_file(size)
        try:
            with mmap.mmap(descriptor, size) as memory:
                _fill(memory, packer.parts)
            reduction.send_handle(connection, descriptor, None)
        finally:
            os.close(descriptor)
    elif size < 0:
        copied = bytearray(-size)
        _fill(copied, packer.parts)
        connection.send_bytes(copied)


def receive(connection: Connection) -> Any:
    """Return the object that ``send`` sent; raise EOFError where the other side is gone."""
    data = connection.recv_bytes()
    size = int.from_bytes(data[:8], "little", signed=True)
    memory: Any = None
    if size > 0:
        descriptor = reduction.recv_handle(connection)
        try:
            memory = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
    elif size < 0:
        memory = bytearray(connection.recv_bytes())
    return _Unpacker(io.BytesIO(memoryview(data)[8:]), memory).load()


def _fill(memory: Any, parts: list[tuple[int, np.ndarray]]) -> None:
    for at, array in parts:
        if array.size:
            target = np.frombuffer(memory, array.dtype, array.size, at).reshape(array.shape)
            np.copyto(target, array)
            del target  # a mapping cannot be closed while an array views it
