"""The typed tensor classes: ``FloatTensor`` … on the host, ``cl.FloatTensor`` … on an OpenCL device.

They are constructors and types for isinstance(); the tensors they make are plain tensors.
https://docs.pytorch.org/docs/2.13/tensors.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.record import view as record_view
from cltorch.device import device as Device
from cltorch.device import resolve, set_default_device
from cltorch.dtypes import dtype as DType
from cltorch.functions.arguments import read_size
from cltorch.functions.create import empty
from cltorch.functions.from_data import tensor
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.notices import warn_once
from cltorch.shapes import Size
from cltorch.storage_types import STORAGE_NAMES, TypedStorage, UntypedStorage

__all__ = [
    "TensorClass", "legacy_tensor", "set_default_tensor_type", "tensor_class", "tensor_type", "type_name", "typename",
]  # fmt: skip


def legacy_tensor(args: tuple[Any, ...], t: DType, dev: Device, of_any: bool = False) -> Any:
    """Return what ``FloatTensor(*args)`` makes: of a size, of a sequence's values, of a storage, or of a tensor itself.

    Raises TypeError for a tensor of another dtype or device, unless it may be ``of_any``, and for a single number that
    is no integer.
    """
    if not args:
        return empty(0, dtype=t, device=dev)
    first = args[0]
    if len(args) == 1:
        if isinstance(first, Array):
            if not of_any and (first.dtype is not t or first.device.type != dev.type):
                raise TypeError(f"expected {class_name(t, dev.type)} (got {type_name(first)})")
            return record_view(first, first.lay, "AliasBackward0", lambda m, g: g)
        if isinstance(first, (TypedStorage, UntypedStorage)):
            if isinstance(first, TypedStorage) and first.dtype is not t:
                raise RuntimeError(
                    f"Expected a Storage of type {STORAGE_NAMES[t]} or an UntypedStorage, "
                    f"but got type {STORAGE_NAMES[first.dtype]}"
                )
            return Array.new(first._raw, Layout.of((first.nbytes() // t.itemsize,)), t)
        if isinstance(first, (Sequence, np.ndarray)) and not isinstance(first, Size):
            return tensor(first, dtype=t, device=dev)
        if isinstance(first, bool) or not isinstance(first, (int, np.integer, Size)):
            raise TypeError(f"new(): data must be a sequence (got {type(first).__name__})")
    return empty(*read_size("new", args), dtype=t, device=dev) if args != (Size(),) else empty((), dtype=t, device=dev)


class TensorClass(type):
    """The class of FloatTensor and the others."""

    dtype: DType
    device_type: str

    @property
    def is_cuda(cls) -> bool:
        """Return whether the tensors lie on an OpenCL device."""
        return cls.device_type == "cl"

    def __new__(meta, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        """Return a class; raise TypeError for one that is derived from another."""
        if bases:
            raise TypeError(f"type 'torch.{bases[0].__name__}' is not an acceptable base type")
        return super().__new__(meta, name, bases, members)

    def __instancecheck__(cls, obj: Any) -> bool:
        return isinstance(obj, Array) and obj.dtype is cls.dtype and obj.device.type == cls.device_type

    def __call__(cls, *args: Any, device: Any = None) -> Any:
        dev = resolve(cls.device_type if device is None else device)
        if dev.type != cls.device_type:
            raise RuntimeError(
                f"legacy constructor expects device type: {cls.device_type} but device type: {dev.type} was passed"
            )
        return legacy_tensor(args, cls.dtype, dev)

    def __repr__(cls) -> str:
        return f"<class '{class_name(cls.dtype, cls.device_type)}'>"


def class_name(t: DType, device_type: str) -> str:
    """Return 'torch.FloatTensor' or 'torch.cl.FloatTensor'."""
    return f"torch.{'' if device_type == 'cpu' else 'cl.'}{dtypes.TYPE_NAMES[t]}Tensor"


def type_name(x: Any) -> str:
    """Return the name of the typed class that a tensor belongs to."""
    return class_name(x.dtype, x.device.type)


def typename(obj: Any, /) -> str:
    """Return the name of an object's type, or of a class or function itself, with its module.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.typename.html

    >>> import cltorch as torch
    >>> torch.typename(torch.ones(1)), torch.typename(torch.nn.Module), torch.typename(3)
    ('torch.FloatTensor', 'cltorch.nn.modules.module.Module', 'int')
    """
    if isinstance(obj, Array):
        return type_name(obj)
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None) or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"


def _make(t: DType, device_type: str) -> TensorClass:
    where = "on the host" if device_type == "cpu" else "on an OpenCL device"
    members = {
        "dtype": t,
        "device_type": device_type,
        "__module__": "cltorch" if device_type == "cpu" else "cltorch.cl",
        "__doc__": f"Make {t.name} tensors {where}: of a size, or from a sequence of values.",
    }
    return TensorClass(f"{dtypes.TYPE_NAMES[t]}Tensor", (), members)


# PyTorch has names of all of them, and attributes of the modules for those that had a class of storages
_CLASSES = {(t, d): _make(t, d) for t in dtypes.TYPE_NAMES if t is not dtypes.complex32 for d in ("cpu", "cl")}
_BY_NAME = {class_name(t, d): c for (t, d), c in _CLASSES.items()}
_BY_NAME.update({name.replace("torch.cl.", "torch.cuda."): c for name, c in _BY_NAME.items()})


def tensor_class(t: DType, device_type: str) -> TensorClass:
    """Return the class called FloatTensor, ByteTensor … of a dtype on 'cpu' or 'cl'."""
    return _CLASSES[t, device_type]


def _class_named(name: str) -> TensorClass:
    found = _BY_NAME.get(name)
    if found is None:
        raise ValueError(f"invalid type: '{name}'")
    return found


def tensor_type(x: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Return the name of a tensor's type, or the tensor converted to a type: the body of ``Tensor.type``.

    ``dtype`` is a dtype (the device stays), a typed class, or the name of one such as 'torch.cl.FloatTensor'.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.type.html

    >>> import cltorch as torch
    >>> torch.ones(2).type(), torch.ones(2).type("torch.LongTensor")
    ('torch.FloatTensor', tensor([1, 1]))
    """
    if dtype is None:
        return type_name(x)
    if isinstance(dtype, DType):
        return x.to(dtype=dtype)
    if isinstance(dtype, str):
        dtype = _class_named(dtype)
    if not isinstance(dtype, TensorClass):
        raise TypeError("dtype must be a type, str, or dtype object")
    dev = x.device if x.device.type == dtype.device_type else resolve(dtype.device_type)
    return x.to(device=dev, dtype=dtype.dtype)


def set_default_tensor_type(t: Any) -> None:
    """Set default dtype and device at once by a typed class of floating type, or by its name; deprecated in PyTorch.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_default_tensor_type.html

    >>> import cltorch as torch
    >>> torch.set_default_tensor_type(torch.DoubleTensor); torch.ones(1).dtype
    torch.float64
    >>> torch.set_default_tensor_type("torch.FloatTensor")
    """
    warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() instead."
    )
    if isinstance(t, str):
        t = _class_named(t)
    if not isinstance(t, TensorClass):
        raise TypeError("invalid type object")
    if not t.dtype.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    dtypes.set_default_dtype(t.dtype)
    set_default_device(None if t.device_type == "cpu" else t.device_type)


FloatTensor = tensor_class(dtypes.float32, "cpu")
DoubleTensor = tensor_class(dtypes.float64, "cpu")
HalfTensor = tensor_class(dtypes.float16, "cpu")
BFloat16Tensor = tensor_class(dtypes.bfloat16, "cpu")
ByteTensor = tensor_class(dtypes.uint8, "cpu")
CharTensor = tensor_class(dtypes.int8, "cpu")
ShortTensor = tensor_class(dtypes.int16, "cpu")
IntTensor = tensor_class(dtypes.int32, "cpu")
LongTensor = tensor_class(dtypes.int64, "cpu")
BoolTensor = tensor_class(dtypes.bool_, "cpu")
