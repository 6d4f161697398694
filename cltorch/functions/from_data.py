"""Tensors from data that exists already: Python numbers and lists, NumPy arrays, buffers, other tensors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import CPU, Storage, chosen_device, resolve
from cltorch.dtypes import dtype as DType
from cltorch.dtypes import from_numpy_dtype, promote_types
from cltorch.functions.arguments import SCALAR_NAMES, finish, need_array, no_room, read_dtype
from cltorch.layout import Layout
from cltorch.ops.array import Array, from_host, values
from cltorch.ops.fallback import callers_level
from cltorch.ops.plan import like_layout
from cltorch.shapes import Size

__all__ = ["as_tensor", "asarray", "from_numpy", "frombuffer", "new_tensor", "tensor"]

_NUMBERS = (bool, int, float, complex)
_OVERFLOW = "Overflow when unpacking long long"


# ---- values and their natural dtype ------------------------------------------------------------------------------
def _is_sequence(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return True
    if isinstance(x, (str, bytes, Mapping, Set, Array)) or not hasattr(x, "__getitem__"):
        return False
    return hasattr(x, "__len__") and getattr(x, "ndim", 1) != 0


def _lengths(data: Any) -> list[int]:
    """Return the shape of nested sequences, read along their first elements."""
    shape = []
    while _is_sequence(data):
        shape.append(len(data))
        if not len(data):
            break
        data = data[0]
    return shape


def _leaf(x: Any) -> tuple[Any, DType]:
    """Return one number of a list and the dtype that it stands for."""
    if isinstance(x, Array):
        if x.lay.numel != 1:
            if x.dtype.family in "ui":
                raise TypeError("only integer tensors of a single element can be converted to an index")
            raise ValueError("only one element tensors can be converted to Python scalars")
        return values(x).reshape(()).item(), x.dtype
    if isinstance(x, np.generic):
        return x.item(), from_numpy_dtype(x.dtype)
    if isinstance(x, _NUMBERS):
        return x, dtypes.scalar_dtype(x)
    if isinstance(x, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(x).__name__}'")
    raise RuntimeError(f"Could not infer dtype of {type(x).__name__}")


def _flatten(data: Any, shape: list[int], dim: int, leaves: list[Any], kinds: set[DType]) -> None:
    for item in data:
        if dim + 1 < len(shape):
            if not _is_sequence(item):
                raise TypeError(
                    f"new(): invalid data type '{type(item).__name__}'" if isinstance(item, str) else "not a sequence"
                )
            if len(item) != shape[dim + 1]:
                raise ValueError(f"expected sequence of length {shape[dim + 1]} at dim {dim + 1} (got {len(item)})")
            _flatten(item, shape, dim + 1, leaves, kinds)
        else:
            if _is_sequence(item):
                raise TypeError(f"'{type(item).__name__}' object cannot be interpreted as an integer")
            value, t = _leaf(item)
            leaves.append(value)
            kinds.add(t)


def _plain_numbers(data: Any, shape: list[int]) -> np.ndarray | None:
    """Return nested lists of Python numbers as NumPy reads them, or None where a closer look is needed."""
    first = data
    for _ in shape:
        first = first[0]
    if type(first) not in _NUMBERS:
        return None
    try:
        found = np.array(data)
    except (ValueError, TypeError, RuntimeError):
        return None
    if type(first) is int and found.dtype.kind == "f" and abs(found).max() >= 2.0**63:
        return None  # integers that no one type of NumPy holds
    return found if list(found.shape) == shape and found.dtype.kind in "bifc" else None


def read_values(data: Any) -> tuple[Any, DType, bool]:
    """Return data as NumPy values, its natural dtype, and whether the numbers are Python's (and must be checked)."""
    if isinstance(data, Array):
        return values(data), data.dtype, False
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        t = from_numpy_dtype(array.dtype)
        if any(s < 0 for s in array.strides):
            raise ValueError(_NEGATIVE)
        return array, t, False
    if not _is_plain_list(data) and not isinstance(data, (str, bytes)) and hasattr(data, "__dlpack__"):
        return read_values(np.from_dlpack(data))
    if not _is_sequence(data):
        if not isinstance(data, (*_NUMBERS, str, bytes)) and hasattr(data, "__array__"):
            return read_values(np.asarray(data))
        value, t = _leaf(data)
        large = t.family in "ui" and not -(2**63) <= value < 2**63
        return np.asarray(value, object if large else None), t, True
    shape = _lengths(data)
    if 0 in shape:
        return np.empty(shape), dtypes.get_default_dtype(), False
    found = _plain_numbers(data, shape)
    if found is not None:
        return found, _natural(found.dtype.kind), True
    leaves: list[Any] = []
    kinds: set[DType] = set()
    _flatten(data, shape, 0, leaves, kinds)
    natural = kinds.pop()
    for t in kinds:
        natural = promote_types(natural, t)
    whole = natural.family in "ui" and all(-(2**63) <= v < 2**63 for v in leaves)
    dtype = np.int64 if whole else object if natural.family in "ui" else bool if natural.family == "b" else np.float64
    if natural.is_complex:
        dtype = np.complex128
    return np.array(leaves, dtype).reshape(shape), natural, True


def _natural(kind: str) -> DType:
    if kind == "c":
        return dtypes.get_default_dtype().to_complex()
    return {"b": dtypes.bool_, "i": dtypes.int64}.get(kind) or dtypes.get_default_dtype()


def _checked(found: np.ndarray, t: DType) -> np.ndarray:
    """Return Python's numbers as a dtype can hold them; raise where an integer type cannot."""
    if found.dtype.kind == "c" and not t.is_complex:
        raise TypeError(
            "must be real number, not complex"
            if t.is_floating_point
            else "'complex' object cannot be interpreted as an integer"
        )
    if t is dtypes.uint64 and found.dtype.kind != "b" and found.size:
        return _long(found)
    if found.dtype == object:
        if not (t.is_floating_point or t.is_complex):
            raise ValueError(_OVERFLOW)
        return found.astype(np.float64)
    if t.family not in "ui" or found.dtype.kind == "b" or not found.size:
        return found
    limits = dtypes.iinfo(t)
    lowest = -limits.max if t.family == "u" else limits.min
    # the largest int64 is no float64: 2**63 would pass a comparison with it
    low, high = float(found.min()), float(found.max())
    if not (low >= lowest and (high <= limits.max if t.itemsize < 8 else high < 2.0**63)):
        if found.dtype.kind == "i" and t.itemsize == 8:
            return found
        raise no_room(t)
    return found


def _long(found: np.ndarray) -> np.ndarray:
    """Return Python's integers as uint64, in whose range they must lie: the one type that no number wraps into."""
    if found.dtype.kind not in "iO":
        raise TypeError("an integer is required")
    if found.min() < 0:
        raise OverflowError("can't convert negative int to unsigned")
    if found.max() >= 2**64:
        raise OverflowError("int too big to convert")
    return found.astype(np.uint64)


def _of_storage(data: Any, t: DType | None) -> tuple[Any, DType]:
    """Return the elements of a storage in a dtype, which must be its own where it has one."""
    t, raw = t or dtypes.get_default_dtype(), data._raw
    if hasattr(data, "pickle_storage_type") and data.dtype is not t:
        raise RuntimeError(
            f"Expected a Storage of type {dtypes.TYPE_NAMES[t]} or an UntypedStorage, but got "
            f"{dtypes.TYPE_NAMES[data.dtype]}"
        )
    return Array.new(raw, Layout.of((raw.nbytes // t.itemsize,)), t), t


def _make(name: str, data: Any, dtype: Any, device: Any) -> Any:
    t = read_dtype(name, dtype)
    if hasattr(data, "_raw"):
        data, t = _of_storage(data, t)
    found, natural, python = read_values(data)
    t = t or natural
    dev = resolve(device)
    if python:
        found = _checked(found, t)
    elif dev is CPU and not isinstance(data, Array) and found.flags.c_contiguous:
        found = np.array(found)  # the host would take over the caller's own array
    if found.flags.c_contiguous:
        return from_host(found, t, dev)
    # the copy keeps the order of dimensions
    kept = like_layout(Layout(found.shape, [s // found.itemsize for s in found.strides]))
    order = sorted(range(found.ndim), key=lambda d: -kept.strides[d])
    made = from_host(found.transpose(order), t, dev)
    made.lay = made.lay.permute([order.index(d) for d in range(found.ndim)])
    return made


# ---- the functions -----------------------------------------------------------------------------------------------
def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Any:
    """Return a tensor with a copy of some data, which has no history.

    ``data`` is a number, nested lists or tuples of numbers, a NumPy array or scalar, or anything that converts to one.
    Without ``dtype``, Python's floats become the default floating type, its integers int64 and its truth values bool,
    and NumPy's types stay what they are. Raises ValueError for lists of unequal length, TypeError or RuntimeError for
    what is no number, RuntimeError for a number that an integer type cannot hold.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.tensor.html

    >>> import cltorch as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Array):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=callers_level(),
        )
        return finish(_copied("tensor", data, dtype, device), requires_grad)
    return finish(_make("tensor", data, dtype, device), requires_grad)


def _copied(name: str, x: Any, dtype: Any, device: Any) -> Any:
    return x.detach().to(device=_place(x, device), dtype=read_dtype(name, dtype, x.dtype), copy=True)


def _place(x: Any, device: Any) -> Any:
    # a tensor stays where it is unless the program has chosen a device, for these calls or for all
    return resolve(device) if device is not None else chosen_device() or x.device


def new_tensor(self: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor with a copy of some data and, unless given, with this tensor's dtype and device."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Any:
    """Return data as a tensor, sharing memory and history where dtype and device allow it.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.as_tensor.html

    >>> import cltorch as torch
    >>> a = torch.ones(2); torch.as_tensor(a) is a
    True
    """
    if isinstance(data, Array):
        t = read_dtype("as_tensor", dtype, data.dtype)
        return data.to(device=_place(data, device), dtype=t)
    if isinstance(data, np.ndarray):
        t = read_dtype("as_tensor", dtype)
        shared = _share(data)
        dev = resolve(device)
        return shared if (t in (None, shared.dtype) and dev is CPU) else shared.to(device=dev, dtype=t or shared.dtype)
    return _make("as_tensor", data, dtype, device)


def asarray(
    obj: Any, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Any:
    """Return an object as a tensor: ``copy=True`` always copies, ``False`` never, None only where it must.

    ``obj`` is a tensor, a NumPy array or scalar, an object with DLPack or with a buffer, a number or nested sequences.
    Raises ValueError where ``copy=False`` cannot be had.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.asarray.html

    >>> import cltorch as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    t = read_dtype("asarray", dtype)
    shared = _aliased(obj, t)
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return finish(_make("asarray", obj, t, device), requires_grad)
    dev = _place(shared, device)
    t = t or shared.dtype
    if copy is False:
        if dev is not shared.device:
            raise ValueError(f"can't alias tensor from device '{shared.device}' to '{dev}'.")
        if t is not shared.dtype:
            raise ValueError(
                f"can't alias tensor with dtype '{SCALAR_NAMES[shared.dtype.name]}' "
                f"into dtype '{SCALAR_NAMES[t.name]}'."
            )
    if copy:
        return finish(_copied("asarray", shared, t, dev), requires_grad)
    if not requires_grad and getattr(shared, "requires_grad", False):
        shared = shared.detach()
    result = shared if (t is shared.dtype and dev is shared.device) else shared.to(device=dev, dtype=t)
    return finish(result, requires_grad)


def _aliased(obj: Any, t: Any) -> Any:
    """Return a tensor on an object's own memory, or None where it has none that a tensor can use."""
    if isinstance(obj, Array):
        return obj
    if isinstance(obj, np.ndarray):
        return _share(obj)
    if isinstance(obj, (np.generic, str)) or _is_plain_list(obj):
        return None
    raw = getattr(obj, "_raw", None)
    if isinstance(raw, Storage):  # a storage as PyTorch shows it
        return Array.new(raw, Layout.of((raw.nbytes // obj.dtype.itemsize,)), obj.dtype)
    if hasattr(obj, "__dlpack__"):
        return _share(np.from_dlpack(obj))
    try:
        memoryview(obj)
    except TypeError:
        return None
    return frombuffer(obj, dtype=t or dtypes.get_default_dtype())


def _is_plain_list(obj: Any) -> bool:
    return isinstance(obj, (list, tuple, range, *_NUMBERS))


_NEGATIVE = (
    "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
    "currently supported. (You can probably work around this by making a copy of your array  with array.copy().) "
)


def from_numpy(ndarray: np.ndarray) -> Any:
    """Return a tensor on the host that shares the memory of a NumPy array; a change of one shows in the other.

    Raises TypeError for an object that is no array or a type that has no counterpart, ValueError for negative strides
    or foreign byte order. Warns where the array is read-only.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.from_numpy.html

    >>> import numpy as np, cltorch as torch
    >>> a = np.zeros(2); t = torch.from_numpy(a); a[0] = 1; t
    tensor([1., 0.], dtype=torch.float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return _share(ndarray)


def _share(array: np.ndarray) -> Any:
    quick = dtypes.of_numpy(array.dtype)
    if quick is not None and array.flags.writeable and array.size:
        dense = Layout.of(array.shape)
        n = quick.itemsize
        if array.strides == tuple([s * n for s in dense.strides]):
            return Array.new(Storage.wrap(array), dense, quick)
    if array.dtype.kind not in "SUOVMm" and not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. "
            "Conversion between byte orders is currently not supported."
        )
    t, size = from_numpy_dtype(array.dtype), array.itemsize
    if any(s < 0 for s in array.strides):
        raise ValueError(_NEGATIVE)
    if any(s % size for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. "
            "Copy the numpy array to reallocate the memory."
        )
    if not array.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means "
            "writing to this tensor will result in undefined behavior. You may want to copy the array to protect its "
            "data or make it writable before converting it to a tensor.",
            UserWarning,
            stacklevel=callers_level(),
        )
    layout = Layout.make(Size(array.shape), [s // size for s in array.strides], 0)
    # one run over all the memory that the strides reach
    flat = np.lib.stride_tricks.as_strided(array, (layout.extent(),), (size,), writeable=array.flags.writeable)
    return Array.new(Storage.wrap(flat), layout, t)


def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Any:
    """Return a 1-d tensor on the memory of an object with Python's buffer protocol.

    ``count`` elements (-1: all that there are) from byte ``offset`` on. Raises ValueError where they do not fit.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.frombuffer.html

    >>> import array, cltorch as torch
    >>> torch.frombuffer(array.array("i", [1, 2]), dtype=torch.int32)
    tensor([1, 2], dtype=torch.int32)
    """
    t = read_dtype("frombuffer", dtype)
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, t.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % size:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) "
                f"must be a multiple of element size ({size})"
            )
        count = (length - offset) // size
    if offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) "
            f"must not be greater than actual buffer length ({length} bytes)"
        )
    if view.readonly:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor.",
            UserWarning,
            stacklevel=callers_level(),
        )
    flat = np.frombuffer(buffer, t.np, count, offset)
    return finish(Array.new(Storage.wrap(flat), Layout.of((count,)), t), requires_grad)


def shape_as_tensor(input: Any) -> Any:
    """Return the sizes of a tensor as a tensor of int64 on the host: torch._shape_as_tensor."""
    need_array("_shape_as_tensor", "input", 1, input)
    return tensor(list(input.shape), dtype=dtypes.int64, device=CPU)
