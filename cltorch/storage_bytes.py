"""What storages with and without a type have in common: bytes of the device layer, seen as elements of a dtype."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from cltorch.device import Storage
from cltorch.device import device as Device
from cltorch.dtypes import dtype as DType
from cltorch.functions.host_memory import lies_shared, share
from cltorch.layout import Layout
from cltorch.ops.array import Array, values
from cltorch.ops.create import fill


def flat_of(raw: Storage, t: DType) -> Any:
    """Return all elements of a storage as one flat tensor on the same memory."""
    return Array.new(raw, Layout.of((raw.nbytes // t.itemsize,)), t)


def element_of(flat: Any, index: int) -> Any:
    """Return one element of a flat tensor as a view; raise IndexError where there is none."""
    size = flat.lay.numel
    i = index + size if index < 0 else index
    if not 0 <= i < size:
        raise IndexError(f"index {index} out of range for storage of size {size}")
    return Array.new(flat._storage, Layout.make((1,), (1,), i), flat.dtype)


def deepcopied(raw: Storage, memo: dict[int, Any]) -> Storage:
    """Return the copy of some bytes that one deepcopy makes, the same each time it meets them."""
    found = memo.get(id(raw))
    if found is None:
        found = memo[id(raw)] = copied(raw, raw.device)
        memo[id(memo)] = [*memo.get(id(memo), []), raw]  # keep the key's object alive
    return found


def copied(raw: Storage, dev: Device) -> Storage:
    """Return the same bytes in memory of their own on a device."""
    out = Storage.allocate(raw.nbytes, dev)
    if not raw.nbytes:
        return out
    if raw.array is None and out.array is None and raw.device is dev:
        dev.context.copy_bytes(raw.buf, out.buf, 0, 0, raw.nbytes)
    elif out.array is None:
        dev.context.write(out.buf, np.ascontiguousarray(raw.bytes()))
    else:
        out.array[...] = raw.bytes()
    return out


def _need_value(value: Any) -> None:
    if isinstance(value, (Common, str)):
        raise RuntimeError(f"cannot set item with value type {type(value)}")


class Common:
    """What typed and untyped storages have in common; ``_raw`` is the device layer's storage."""

    _raw: Storage
    _typed = False
    dtype: DType

    @property
    def device(self) -> Device:
        """Return where the bytes lie."""
        return self._raw.device

    @property
    def is_cuda(self) -> bool:
        """Return whether the bytes lie on an OpenCL device."""
        return self._raw.device.type == "cl"

    is_cl = is_cuda
    is_sparse = is_sparse_csr = is_hpu = False

    def is_pinned(self, device: Any = None) -> bool:
        """Return whether the bytes lie in page-locked memory of the host: never."""
        return False

    def nbytes(self) -> int:
        """Return the number of bytes."""
        return self._raw.nbytes

    def element_size(self) -> int:
        """Return the number of bytes of an element."""
        return self.dtype.itemsize

    def size(self) -> int:
        """Return the number of elements."""
        return self._raw.nbytes // self.dtype.itemsize

    def data_ptr(self) -> int:
        """Return a number that tells storages apart: an address on the host, a handle on a device; 0 on meta."""
        return 0 if self.device.type == "meta" else self._raw.data_ptr()

    def tolist(self) -> list[Any]:
        """Return the elements as Python numbers."""
        self._readable()
        return list(values(flat_of(self._raw, self.dtype)).tolist())

    def _readable(self) -> None:
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device type")

    def fill_(self, value: Any) -> Any:
        """Write one value to every element and return self."""
        _need_value(value)
        fill(flat_of(self._raw, self.dtype), value)
        self._raw.version += 1
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Copy the elements of a storage of the same size, converting them, and return self."""
        if source.size() != self.size():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
            )
        flat_of(self._raw, self.dtype).copy_(flat_of(source._raw, source.dtype))
        return self

    def is_shared(self) -> bool:
        """Return whether processes share the memory; always so on a device, as in PyTorch."""
        return lies_shared(self._raw)

    def share_memory_(self) -> Any:
        """Move the bytes into memory that other processes share, and return self."""
        if self.device.type == "meta":
            raise RuntimeError("_share_fd_: only available on CPU")
        share(self._raw)
        return self

    def get_device(self) -> int:
        """Return the index of the OpenCL device, -1 on the host."""
        return -1 if self.device.index is None else self.device.index

    @property
    def _cdata(self) -> int:
        return id(self._raw)  # the same for all storages of the same bytes

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def __len__(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __setitem__(self, index: int | slice, value: Any) -> None:
        _need_value(value)
        flat = flat_of(self._raw, self.dtype)
        if isinstance(index, slice):
            start, stop, step = index.indices(flat.lay.numel)
            if step != 1:
                raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
            target = Array.new(self._raw, Layout.make((max(0, stop - start),), (1,), start), self.dtype)
        else:
            target = element_of(flat, operator.index(index))
        fill(target, value)
        self._raw.version += 1

    def __str__(self) -> str:
        rows = ["..."] if self.device.type == "meta" else [f" {v}" for v in self.tolist()]
        if len(rows) > 1000:
            rows = [*rows[:20], " ...", *rows[-20:]]
        kind = "TypedStorage" if self._typed else type(self).__name__
        dtype = f"dtype={self.dtype}, " if self._typed else ""
        return "\n".join([*rows, f"[torch.storage.{kind}({dtype}device={self.device}) of size {self.size()}]"])

    __repr__ = __str__
