"""Storages as PyTorch shows them: UntypedStorage (bytes) and TypedStorage (elements).

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

__all__ = ["STORAGE_NAMES", "TypedStorage", "UntypedStorage", "deepcopied", "is_storage"]

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


def wrong_call(what: Any, forms: Sequence[str], why: str, error: type[Exception] = RuntimeError) -> Exception:
    """Return the error for arguments that make no storage."""
    name = "TypedStorage.__init__" if what is TypedStorage else f"{what}.__new__"
    listed = "\n".join(f" * {form}" for form in forms)
    return error(f"{name} received an invalid combination of arguments. Expected one of:\n{listed}\n{why}")


def need_untyped(what: Any, forms: Sequence[str], given: Any) -> None:
    """Raise TypeError for what is no UntypedStorage."""
    if not isinstance(given, UntypedStorage):
        why = f"Argument 'wrap_storage' must be UntypedStorage, but got {type(given)}"
        raise wrong_call(what, forms, why, TypeError)


def deepcopied(raw: Storage, memo: dict[int, Any]) -> Storage:
    """Return the copy of some bytes that one deepcopy makes, the same each time it meets them."""
    found = memo.get(id(raw))
    if found is None:
        found = memo[id(raw)] = _copy(raw, raw.device)
        memo[id(memo)] = [*memo.get(id(memo), []), raw]  # keep the key's object alive
    return found


def _copy(raw: Storage, dev: Device) -> Storage:
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
    if isinstance(value, (_Common, str)):
        raise RuntimeError(f"cannot set item with value type {type(value)}")


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
        _need_value(value)
        fill(_flat(self._raw, self.dtype), value)
        self._raw.version += 1
        return self

    def copy_(self, source: Any, non_blocking: bool | None = None) -> Any:
        """Copy the elements of a storage of the same size, converting them, and return self."""
        if source.size() != self.size():
            raise RuntimeError(
                f"size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
            )
        _flat(self._raw, self.dtype).copy_(_flat(source._raw, source.dtype))
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

    def byteswap(self, dtype: DType) -> None:
        """Turn round the bytes of every element of a dtype, of every part of a complex one."""
        if not isinstance(dtype, DType):
            raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
        width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
        if self.nbytes() % width:
            raise RuntimeError(f"the length of data is not a multiple of {width}")
        swapped = self._raw.bytes().reshape(-1, width)[:, ::-1].reshape(-1)
        self.copy_(UntypedStorage(_raw=Storage.wrap(np.ascontiguousarray(swapped))).to(self.device))

    def __copy__(self) -> UntypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> UntypedStorage:
        return UntypedStorage(_raw=deepcopied(self._raw, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return UntypedStorage, (self._raw.bytes().tolist(),)


_int = int  # the classes have methods called int and float
_FORMS = (
    "(*, torch.device device, torch.dtype dtype)", "(int size, *, torch.device device, torch.dtype dtype)",
    "(Sequence data, *, torch.device device, torch.dtype dtype)", "(*, UntypedStorage wrap_storage, torch.dtype dtype)",
)  # fmt: skip


def _wrong(why: str, error: type[Exception] = RuntimeError) -> Exception:
    return wrong_call(TypedStorage, _FORMS, why, error)


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
        if wrap_storage is not None:
            if args:
                raise _wrong("No positional arguments should be given when using 'wrap_storage'")
            if dtype is None:
                raise _wrong("Argument 'dtype' must be specified")
            if not isinstance(dtype, DType):
                raise _wrong(f"Argument 'dtype' must be torch.dtype, not {type(dtype)}", TypeError)
            if device is not None:
                raise _wrong("Argument 'device' should not be specified when 'wrap_storage' is given")
            need_untyped(TypedStorage, _FORMS, wrap_storage)
            self.dtype, self._raw = dtype, wrap_storage._raw
            return
        self.dtype = dtype or dtypes.get_default_dtype()
        if len(args) > 1:
            raise _wrong("Too many positional arguments")
        if not args or isinstance(args[0], int):
            count = args[0] if args else 0
            self._raw = Storage.allocate(count * self.dtype.itemsize, resolve(device))
        elif isinstance(args[0], (Sequence, np.ndarray)):
            self._raw = tensor(args[0], dtype=self.dtype, device=device)._storage
        else:
            raise _wrong(f"Argument type not recognized: {type(args[0])}", TypeError)

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

    def complex_float(self) -> TypedStorage:
        """Return the elements as complex64."""
        return self._converted(dtypes.complex64)

    def complex_double(self) -> TypedStorage:
        """Return the elements as complex128."""
        return self._converted(dtypes.complex128)

    # what PyTorch calls for itself, without the warning that these classes will go
    _size, _nbytes, _element_size, _data_ptr = _Common.size, _Common.nbytes, _Common.element_size, _Common.data_ptr
    _is_shared, _share_memory_, _setitem = _Common.is_shared, _Common.share_memory_, _Common.__setitem__
    _pickle_storage_type, _resize_, _getitem = pickle_storage_type, resize_, __getitem__

    def __copy__(self) -> TypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: dict[_int, Any]) -> TypedStorage:
        return TypedStorage(wrap_storage=UntypedStorage(_raw=deepcopied(self._raw, memo)), dtype=self.dtype)

    _deepcopy = __deepcopy__

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.dtype, self._raw.bytes().tobytes())


def _unpickled(t: DType, raw: bytes) -> TypedStorage:
    return TypedStorage(wrap_storage=UntypedStorage(_raw=Storage.wrap(np.frombuffer(raw, np.uint8).copy())), dtype=t)


def is_storage(obj: Any) -> bool:
    """Return whether an object is a typed or an untyped storage.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_storage.html

    >>> import cltorch as torch
    >>> torch.is_storage(torch.FloatStorage(2))
    True
    """
    return isinstance(obj, _Common)
