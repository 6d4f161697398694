"""Storages as PyTorch shows them: UntypedStorage (bytes), TypedStorage (elements) and the classes FloatStorage … of it.

They wrap the device layer's Storage, which tensors share, so that a change through one shows in the other.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import CPU, Storage, resolve
from cltorch.device import device as Device
from cltorch.dtypes import dtype as DType
from cltorch.functions.from_data import tensor
from cltorch.functions.host_memory import lies_shared, share
from cltorch.functions.mapped import mapped_storage
from cltorch.layout import Layout
from cltorch.ops.array import Array, cast_host, to_numpy, values
from cltorch.ops.create import fill

__all__ = ["STORAGE_NAMES", "StorageClass", "TypedStorage", "UntypedStorage", "storage_class"]

STORAGE_NAMES = {
    dtypes.float32: "Float", dtypes.float64: "Double", dtypes.float16: "Half", dtypes.bfloat16: "BFloat16",
    dtypes.uint8: "Byte", dtypes.int8: "Char", dtypes.int16: "Short", dtypes.int32: "Int", dtypes.int64: "Long",
    dtypes.bool_: "Bool", dtypes.complex64: "ComplexFloat", dtypes.complex128: "ComplexDouble",
}  # fmt: skip


def _flat(raw: Storage, t: DType) -> Any:
    """Return all elements of a storage as one flat tensor on the same memory."""
    return Array.new(raw, Layout.of((raw.nbytes // t.itemsize,)), t)


def _element(flat: Any, index: int) -> Any:
    size = flat.layout.numel
    i = index + size if index < 0 else index
    if not 0 <= i < size:
        raise IndexError(f"index {index} out of range for storage of size {size}")
    return Array.new(flat._storage, Layout.make((1,), (1,), i), flat.dtype)


def _copy(raw: Storage, dev: Device) -> Storage:
    out = Storage.allocate(raw.nbytes, dev)
    if raw.array is None and out.array is None and raw.device is dev:
        dev.context.copy_bytes(raw.buf, out.buf, 0, 0, raw.nbytes)
    elif out.array is None:
        dev.context.write(out.buf, np.ascontiguousarray(raw.bytes()))
    else:
        out.array[...] = raw.bytes()
    return out


class _Common:
    """What typed and untyped storages have in common; ``_raw`` is the device layer's storage."""

    _raw: Storage
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
        return list(values(_flat(self._raw, self.dtype)).tolist())

    def _readable(self) -> None:
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device type")

    def fill_(self, value: Any) -> Any:
        """Write one value to every element and return self."""
        fill(_flat(self._raw, self.dtype), value)
        self._raw.version += 1
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Copy the elements of a storage of the same size, converting them, and return self."""
        if source.size() != self.size():
            raise RuntimeError(f"size mismatch: {self.size()} elements here, {source.size()} in the source")
        _flat(self._raw, self.dtype).copy_(_flat(source._raw, source.dtype))
        return self

    def is_shared(self) -> bool:
        """Return whether processes share the memory; always so on a device, as in PyTorch."""
        return lies_shared(self._raw)

    def share_memory_(self) -> Any:
        """Move the bytes into memory that other processes share, and return self."""
        share(self._raw)
        return self

    def __len__(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __setitem__(self, index: int | slice, value: Any) -> None:
        flat = _flat(self._raw, self.dtype)
        if isinstance(index, slice):
            start, stop, step = index.indices(flat.layout.numel)
            if step != 1:
                raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
            target = Array.new(self._raw, Layout.make((max(0, stop - start),), (1,), start), self.dtype)
        else:
            target = _element(flat, operator.index(index))
        fill(target, value)
        self._raw.version += 1

    def __str__(self) -> str:
        rows = ["..."] if self.device.type == "meta" else [f" {v}" for v in self.tolist()]
        if len(rows) > 1000:
            rows = [*rows[:20], " ...", *rows[-20:]]
        kind = type(self).__name__ if isinstance(self, UntypedStorage) else "TypedStorage"
        dtype = "" if isinstance(self, UntypedStorage) else f"dtype={self.dtype}, "
        return "\n".join([*rows, f"[torch.storage.{kind}({dtype}device={self.device}) of size {self.size()}]"])

    __repr__ = __str__


class UntypedStorage(_Common):
    """Hold bytes: ``UntypedStorage(size)`` uninitialised, or ``UntypedStorage(sequence of bytes)``.

    Source: https://docs.pytorch.org/docs/2.13/storage.html

    >>> import cltorch as torch
    >>> torch.UntypedStorage([1, 2]).tolist()
    [1, 2]
    """

    dtype = dtypes.uint8

    def __init__(self, data: Any = 0, *, device: Any = None, _raw: Storage | None = None) -> None:
        if _raw is not None:
            self._raw = _raw
        elif isinstance(data, int):
            self._raw = Storage.allocate(data, resolve(device))
        else:
            self._raw = tensor(data, dtype=dtypes.uint8, device=device)._storage

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """Return a storage on the bytes of a file on the host; changes are written to it if it is shared, else not.

        Raises RuntimeError where the file cannot be opened or is too short.
        """
        return cls(_raw=mapped_storage(filename, shared, nbytes))

    def type(self) -> str:
        """Return the name of the class."""
        return "torch.storage.UntypedStorage"

    def untyped(self) -> UntypedStorage:
        """Return self."""
        return self

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise RuntimeError(f"Trying to slice with a step of {index.step}, but only a step of 1 is supported")
            return UntypedStorage(_raw=Storage.wrap(self._raw.bytes()[index].copy()))
        return int(to_numpy(_element(_flat(self._raw, self.dtype), operator.index(index)))[0])

    def resize_(self, size: int) -> UntypedStorage:
        """Grow or shrink to a number of bytes, keeping those in front, and return self."""
        self._raw.resize(size)
        return self

    def clone(self) -> UntypedStorage:
        """Return a copy on the same device."""
        return UntypedStorage(_raw=_copy(self._raw, self.device))

    def to(self, device: Any) -> UntypedStorage:
        """Return self if it lies on a device, else a copy there."""
        dev = resolve(device)
        return self if dev is self.device else UntypedStorage(_raw=_copy(self._raw, dev))

    def cpu(self) -> UntypedStorage:
        """Return self or a copy on the host."""
        return self.to(CPU)

    def cl(self, device: Any = None) -> UntypedStorage:
        """Return self or a copy on an OpenCL device."""
        return self.to("cl" if device is None else device)

    cuda = cl

    def __reduce__(self) -> tuple[Any, ...]:
        return UntypedStorage, (self._raw.bytes().tolist(),)


class TypedStorage(_Common):
    """Hold elements of a dtype: ``TypedStorage(size, dtype=…)`` uninitialised, or ``TypedStorage(sequence, dtype=…)``.

    ``wrap_storage`` takes over an UntypedStorage. https://docs.pytorch.org/docs/2.13/storage.html

    >>> import cltorch as torch
    >>> torch.FloatStorage([1, 2]).tolist()
    [1.0, 2.0]
    """

    def __init__(
        self, *args: Any, wrap_storage: UntypedStorage | None = None, dtype: DType | None = None, device: Any = None
    ) -> None:
        self.dtype = dtype or dtypes.get_default_dtype()
        if wrap_storage is not None:
            if args:
                raise RuntimeError("No positional arguments should be given when using 'wrap_storage'")
            self._raw = wrap_storage._raw
        elif len(args) > 1:
            raise TypeError(f"TypedStorage takes at most one positional argument, but got {len(args)}")
        elif not args or isinstance(args[0], int):
            count = args[0] if args else 0
            self._raw = Storage.allocate(count * self.dtype.itemsize, resolve(device))
        elif isinstance(args[0], (Sequence, np.ndarray)):
            self._raw = tensor(args[0], dtype=self.dtype, device=device)._storage
        else:
            raise TypeError(
                f"TypedStorage takes no arguments, a size, a sequence or wrap_storage, but got {type(args[0]).__name__}"
            )

    def untyped(self) -> UntypedStorage:
        """Return the same bytes without a type."""
        return UntypedStorage(_raw=self._raw)

    _untyped_storage = property(untyped)

    def type(self, dtype: Any = None) -> Any:
        """Return the name of the class, or the elements converted to the class that is named."""
        if dtype is None:
            module = "torch" if self.device.type == "cpu" else "torch.cl"
            return f"{module}.{STORAGE_NAMES[self.dtype]}Storage"
        t = dtype if isinstance(dtype, DType) else dtype.dtype
        return self._converted(t)

    def pickle_storage_type(self) -> str:
        """Return the name under which checkpoints know the class."""
        return STORAGE_NAMES[self.dtype] + "Storage"

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return values(_element(_flat(self._raw, self.dtype), operator.index(index)))[0].item()

    def resize_(self, size: int) -> None:
        """Grow or shrink to a number of elements, keeping those in front."""
        self._raw.resize(size * self.dtype.itemsize)

    def clone(self) -> TypedStorage:
        """Return a copy on the same device."""
        return TypedStorage(wrap_storage=self.untyped().clone(), dtype=self.dtype)

    def to(self, device: Any) -> TypedStorage:
        """Return self if it lies on a device, else a copy there."""
        return (
            self
            if resolve(device) is self.device
            else TypedStorage(wrap_storage=self.untyped().to(device), dtype=self.dtype)
        )

    def cpu(self) -> TypedStorage:
        """Return self or a copy on the host."""
        return self.to(CPU)

    def cl(self, device: Any = None) -> TypedStorage:
        """Return self or a copy on an OpenCL device."""
        return self.to("cl" if device is None else device)

    cuda = cl

    def _converted(self, t: DType) -> TypedStorage:
        found = cast_host(values(_flat(self._raw, self.dtype)), t)
        out = TypedStorage(wrap_storage=UntypedStorage(_raw=Storage.wrap(np.array(found))), dtype=t)
        return out.to(self.device)

    def float(self) -> TypedStorage:
        """Return the elements as float32."""
        return self._converted(dtypes.float32)

    def double(self) -> TypedStorage:
        """Return the elements as float64."""
        return self._converted(dtypes.float64)

    def half(self) -> TypedStorage:
        """Return the elements as float16."""
        return self._converted(dtypes.float16)

    def bfloat16(self) -> TypedStorage:
        """Return the elements as bfloat16."""
        return self._converted(dtypes.bfloat16)

    def long(self) -> TypedStorage:
        """Return the elements as int64."""
        return self._converted(dtypes.int64)

    def int(self) -> TypedStorage:
        """Return the elements as int32."""
        return self._converted(dtypes.int32)

    def short(self) -> TypedStorage:
        """Return the elements as int16."""
        return self._converted(dtypes.int16)

    def char(self) -> TypedStorage:
        """Return the elements as int8."""
        return self._converted(dtypes.int8)

    def byte(self) -> TypedStorage:
        """Return the elements as uint8."""
        return self._converted(dtypes.uint8)

    def bool(self) -> TypedStorage:
        """Return the elements as bool."""
        return self._converted(dtypes.bool_)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.dtype, self._raw.bytes().tobytes())


def _unpickled(t: DType, raw: bytes) -> TypedStorage:
    return TypedStorage(wrap_storage=UntypedStorage(_raw=Storage.wrap(np.frombuffer(raw, np.uint8).copy())), dtype=t)


class StorageClass(type):
    """The class of FloatStorage and the others: calling one makes a TypedStorage of its dtype on its device."""

    dtype: DType
    device_type: str

    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, TypedStorage) and obj.dtype is cls.dtype and obj.device.type == cls.device_type

    def __call__(cls, *args: Any, wrap_storage: UntypedStorage | None = None) -> TypedStorage:
        return TypedStorage(*args, wrap_storage=wrap_storage, dtype=cls.dtype, device=cls.device_type)

    def from_buffer(cls, buffer: Any, byte_order: str = "native") -> TypedStorage:
        """Return a copy of a buffer's elements; ``byte_order`` is 'native', 'little' or 'big'."""
        orders: dict[str, Any] = {"native": "=", "little": "<", "big": ">"}
        order = orders.get(byte_order)
        if order is None:
            raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big', 'little' or 'native')")
        found = np.frombuffer(buffer, cls.dtype.np.newbyteorder(order)).astype(cls.dtype.np)
        raw = UntypedStorage(_raw=Storage.wrap(found))
        return TypedStorage(wrap_storage=raw, dtype=cls.dtype).to(cls.device_type)


def storage_class(t: DType, device_type: str) -> StorageClass:
    """Return the class called FloatStorage, ByteStorage … of a dtype on 'cpu' or 'cl'."""
    return _CLASSES[t, device_type]


def _make(t: DType, device_type: str) -> StorageClass:
    module = "cltorch" if device_type == "cpu" else "cltorch.cl"
    name = f"{STORAGE_NAMES[t]}Storage"
    doc = (
        f"Hold {t.name} elements {'on the host' if device_type == 'cpu' else 'on an OpenCL device'}; see TypedStorage."
    )
    return StorageClass(name, (), {"dtype": t, "device_type": device_type, "__module__": module, "__doc__": doc})


_CLASSES = {(t, d): _make(t, d) for t in STORAGE_NAMES for d in ("cpu", "cl")}

FloatStorage = storage_class(dtypes.float32, "cpu")
DoubleStorage = storage_class(dtypes.float64, "cpu")
HalfStorage = storage_class(dtypes.float16, "cpu")
BFloat16Storage = storage_class(dtypes.bfloat16, "cpu")
ByteStorage = storage_class(dtypes.uint8, "cpu")
CharStorage = storage_class(dtypes.int8, "cpu")
ShortStorage = storage_class(dtypes.int16, "cpu")
IntStorage = storage_class(dtypes.int32, "cpu")
LongStorage = storage_class(dtypes.int64, "cpu")
BoolStorage = storage_class(dtypes.bool_, "cpu")
ComplexFloatStorage = storage_class(dtypes.complex64, "cpu")
ComplexDoubleStorage = storage_class(dtypes.complex128, "cpu")


def is_storage(obj: Any) -> bool:
    """Return whether an object is a typed or an untyped storage.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_storage.html

    >>> import cltorch as torch
    >>> torch.is_storage(torch.FloatStorage(2))
    True
    """
    return isinstance(obj, _Common)
