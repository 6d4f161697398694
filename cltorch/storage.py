"""The classes FloatStorage, ByteStorage … and what torch.storage holds besides: TypedStorage, UntypedStorage, tables.

Source: https://docs.pytorch.org/docs/2.13/storage.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.dtypes import dtype as DType
from cltorch.storage_types import STORAGE_NAMES, TypedStorage, UntypedStorage, is_storage, need_untyped, wrong_call

__all__ = ["StorageClass", "TypedStorage", "UntypedStorage", "is_storage", "storage_class"]

_FORMS = ("no arguments", "(int size)", "(Sequence data)", "(*, UntypedStorage wrap_storage)")


class StorageClass(type):
    """The class of FloatStorage and the others: calling one makes a TypedStorage of its dtype on its device."""

    dtype: DType
    device_type: str

    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, TypedStorage) and obj.dtype is cls.dtype and obj.device.type == cls.device_type

    def __call__(
        cls, *args: Any, wrap_storage: UntypedStorage | None = None, dtype: Any = None, device: Any = None
    ) -> TypedStorage:
        for name, given in (("dtype", dtype), ("device", device)):
            if given is not None:
                raise wrong_call(cls, _FORMS, f"Keyword argument '{name}' cannot be specified")
        if wrap_storage is None:
            return TypedStorage(*args, dtype=cls.dtype, device=cls.device_type)
        if args:
            raise wrong_call(cls, _FORMS, "No positional arguments should be given when using 'wrap_storage'")
        need_untyped(cls, _FORMS, wrap_storage)
        if wrap_storage.device.type != cls.device_type:
            raise wrong_call(
                cls, _FORMS, f"Device of 'wrap_storage' must be {cls.device_type}, but got {wrap_storage.device.type}"
            )
        return TypedStorage(wrap_storage=wrap_storage, dtype=cls.dtype)

    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        """Return a storage of ``size`` elements on the bytes of a file; see UntypedStorage.from_file."""
        raw = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return TypedStorage(wrap_storage=raw, dtype=cls.dtype)

    @property
    def is_cuda(cls) -> bool:
        """Return whether the bytes lie on an OpenCL device."""
        return cls.device_type == "cl"

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


def _dtype_to_storage_type_map() -> dict[DType, str]:
    """Return the names of the classes by dtype."""
    return {t: f"{name}Storage" for t, name in STORAGE_NAMES.items()}


def _storage_type_to_dtype_map() -> dict[str, DType]:
    """Return the dtypes by the names of the classes."""
    return {name: t for t, name in _dtype_to_storage_type_map().items()}
