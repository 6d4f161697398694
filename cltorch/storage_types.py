"""Storages as PyTorch shows them: UntypedStorage (bytes) and TypedStorage (elements).

They wrap the device layer's Storage, which tensors share, so that a change through one shows in the other.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import CPU, Storage, resolve
from cltorch.dtypes import dtype as DType
from cltorch.functions.from_data import tensor
from cltorch.functions.mapped import mapped_storage
from cltorch.ops.array import cast_host, to_numpy, values
from cltorch.storage_bytes import Common, copied, deepcopied, element_of, flat_of

__all__ = ["STORAGE_NAMES", "TypedStorage", "UntypedStorage", "is_storage"]

STORAGE_NAMES = {
    dtypes.float32: "Float", dtypes.float64: "Double", dtypes.float16: "Half", dtypes.bfloat16: "BFloat16",
    dtypes.uint8: "Byte", dtypes.int8: "Char", dtypes.int16: "Short", dtypes.int32: "Int", dtypes.int64: "Long",
    dtypes.bool_: "Bool", dtypes.complex64: "ComplexFloat", dtypes.complex128: "ComplexDouble",
}  # fmt: skip


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


class UntypedStorage(Common):
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
        return int(to_numpy(element_of(flat_of(self._raw, self.dtype), operator.index(index)))[0])

    def resize_(self, size: int) -> UntypedStorage:
        """Grow or shrink to a number of bytes, keeping those in front, and return self."""
        self._raw.resize(size)
        return self

    def clone(self) -> UntypedStorage:
        """Return a copy on the same device."""
        return UntypedStorage(_raw=copied(self._raw, self.device))

    def to(self, device: Any) -> UntypedStorage:
        """Return self if it lies on a device, else a copy there."""
        dev = resolve(device)
        return self if dev is self.device else UntypedStorage(_raw=copied(self._raw, dev))

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


class TypedStorage(Common):
    """Hold elements of a dtype: ``TypedStorage(size, dtype=…)`` uninitialised, or ``TypedStorage(sequence, dtype=…)``.

    ``wrap_storage`` takes over an UntypedStorage. https://docs.pytorch.org/docs/2.13/storage.html

    >>> import cltorch as torch
    >>> torch.FloatStorage([1, 2]).tolist()
    [1.0, 2.0]
    """

    _typed = True

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
        return values(element_of(flat_of(self._raw, self.dtype), operator.index(index)))[0].item()

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
        found = cast_host(values(flat_of(self._raw, self.dtype)), t)
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
    _size, _nbytes, _element_size, _data_ptr = Common.size, Common.nbytes, Common.element_size, Common.data_ptr
    _is_shared, _share_memory_, _setitem = Common.is_shared, Common.share_memory_, Common.__setitem__
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
    return isinstance(obj, Common)
