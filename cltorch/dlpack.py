"""DLPack: tensors handed to other libraries and taken from them, without a copy.

Memory of the host goes to every library that knows DLPack; a buffer of an OpenCL device to those that work in the same
OpenCL context, as tensors here do. What is queued for a device has run before its memory is handed out.

The structures are those of https://dmlc.github.io/dlpack/latest/c_api.html, in the form before version 1.0 and in the
one since, which a taker asks for by ``max_version``. A capsule called "dltensor" (since 1.0: "dltensor_versioned") owns
its tensor; whoever takes it over puts "used_" before the name and calls the deleter in the end.
"""

from __future__ import annotations

import ctypes
import enum
import sys
from functools import partial
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.device import Storage
from cltorch.device import device as Device
from cltorch.device.lent import NOTHING, Lent
from cltorch.dtypes import dtype as DType
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.turned import turns
from cltorch.shapes import Size

__all__ = ["DLDeviceType", "dlpack", "dlpack_device", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """Number the kinds of device as DLPack does."""

    kDLCPU = 1
    kDLOpenCL = 4


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    name, used = b"dltensor", b"used_dltensor"
    _fields_ = [("dl_tensor", _DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    name, used = b"dltensor_versioned", b"used_dltensor_versioned"
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", _DLTensor),
    ]


_CODES = {"i": 0, "u": 1, "f": 2, "c": 5}
_BFLOAT, _BOOL = 4, 6
_DTYPES: dict[tuple[int, int], DType] = {
    (_BFLOAT, 16): dtypes.bfloat16,
    (_BOOL, 8): dtypes.bool_,
    **{(_CODES[t.family], t.itemsize * 8): t for t in dtypes.TYPE_NAMES if t.family in "iuf" and not t.opaque},
    # DLPack's numbers of the fractions of 8 bits
    (10, 8): dtypes.float8_e4m3fn,
    (11, 8): dtypes.float8_e4m3fnuz,
    (12, 8): dtypes.float8_e5m2,
    (13, 8): dtypes.float8_e5m2fnuz,
    (14, 8): dtypes.float8_e8m0fnu,
    (5, 64): dtypes.complex64,
    (5, 128): dtypes.complex128,
}
_CODE_OF = {t: code for (code, _), t in _DTYPES.items()}

_python = ctypes.pythonapi
_CapsuleDestructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new = _python.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, _CapsuleDestructor]
_pointer = _python.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_valid = _python.PyCapsule_IsValid
_valid.restype, _valid.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
_rename = _python.PyCapsule_SetName
_rename.restype, _rename.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
# In a destructor the capsule must not be referenced any more, so there it goes by its address.
_valid_at = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_pointer_at = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))

# What is handed out lives here until its taker calls the deleter.
_lent: dict[int, tuple[Any, ...]] = {}
# Capsules of devices' memory. They have no destructor: NumPy, which does not know such memory, lets a capsule die while
# an exception is under way, where no Python may run. Those that only stand here any more are looked through instead.
_capsules: list[tuple[Any, int, Any]] = []


@_Deleter
def _give_back(address: int) -> None:
    _lent.pop(address, None)


@_CapsuleDestructor
def _capsule_dies(capsule: int) -> None:
    for form in (_Managed, _Versioned):
        if _valid_at(capsule, form.name):  # nobody took it over
            _lent.pop(_pointer_at(capsule, form.name), None)


def _sweep() -> None:
    kept = []
    while _capsules:
        capsule, address, form = _capsules.pop()
        if sys.getrefcount(capsule) > 2:  # the name here, and the argument of the call
            kept.append((capsule, address, form))
        elif _valid(capsule, form.name):  # nobody took it over, and nobody can any more
            _lent.pop(address, None)
    _capsules.extend(kept)


def dlpack_device(x: Any) -> tuple[int, int]:
    """Return DLPack's number of a tensor's kind of device, and its index."""
    if x.device.type == "cpu":
        return (DLDeviceType.kDLCPU, 0)
    if x.device.type == "meta":
        raise BufferError("Cannot pack tensors on meta")
    return (DLDeviceType.kDLOpenCL, x.device.index)


def dlpack(
    x: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    """Return a capsule with a tensor: the body of ``Tensor.__dlpack__``.

    A tensor on a device is handed out as its cl_mem and an offset, after a wait for the device. Where ``dl_device``
    names another place the capsule has a copy there. Raises BufferError for a tensor that requires a gradient and for
    a kind of device that is not here, ValueError where ``copy=False`` forbids the copy.
    """
    if x.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    for bit, on in zip(("conjugate", "negative"), turns(x), strict=True):
        if on:
            raise BufferError(f"Can't export tensors with the {bit} bit set")
    if stream is not None and type(stream) is not int:
        raise TypeError("stream must be ``int`` or ``none``")
    if stream not in (None, -1) and x.device.type == "cpu":
        raise AssertionError("stream should be None on cpu.")
    place = dlpack_device(x)
    if dl_device is not None and tuple(dl_device) != place:
        x, place = _moved(x, tuple(dl_device), copy), tuple(dl_device)
    elif copy:
        x = x.clone()
    layout, t = x.lay, x.dtype
    shape = (ctypes.c_int64 * max(1, layout.ndim))(*layout.shape)
    strides = (ctypes.c_int64 * max(1, layout.ndim))(*layout.strides)
    form = _Versioned if max_version is not None and max_version[0] >= 1 else _Managed
    managed = form()
    if form is _Versioned:
        managed.major, managed.minor, managed.flags = 1, 0, 0
    d = managed.dl_tensor
    start = layout.offset * t.itemsize
    if place[0] == DLDeviceType.kDLCPU:
        d.data, d.byte_offset = x._storage.array.ctypes.data + start, 0
    else:
        x.device.context.synchronize()
        x._storage.contents.seen = False
        d.data, d.byte_offset = x._storage.buf.int_ptr, start
    d.device_type, d.device_id, d.ndim = *place, layout.ndim
    d.code, d.bits, d.lanes = _CODE_OF[t], t.itemsize * 8, 1
    d.shape, d.strides = shape, strides
    managed.deleter = _give_back
    address = ctypes.addressof(managed)
    _lent[address] = (managed, shape, strides, x._storage)
    if place[0] == DLDeviceType.kDLCPU:
        return _new(address, form.name, _capsule_dies)
    _sweep()
    capsule = _new(address, form.name, _CapsuleDestructor())
    _capsules.append((capsule, address, form))
    return capsule


def _moved(x: Any, place: tuple[int, int], copy: bool | None) -> Any:
    kind, index = place
    if kind not in (DLDeviceType.kDLCPU, DLDeviceType.kDLOpenCL):
        raise BufferError(f"Can't export a tensor on {x.device} to DLPack device {(int(kind), int(index))}")
    device = Device("cpu") if kind == DLDeviceType.kDLCPU else Device("cl", index)
    if copy is False:
        raise ValueError(f"cannot move (i.e. copy=False) tensor from {x.device} to {device} without copying.")
    return x.to(device)


def to_dlpack(tensor: Any) -> Any:
    """Return a DLPack capsule of a tensor; it can be taken over once.

    Source: https://docs.pytorch.org/docs/2.13/dlpack.html

    >>> import cltorch as torch
    >>> torch.from_dlpack(torch.to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    return dlpack(tensor)


class _Taken(Lent):
    """Memory that another library lent: it is given back when the last view of it dies."""

    __slots__ = ("give_back",)

    def __init__(self, managed: Any) -> None:
        self.give_back = partial(managed.deleter, ctypes.addressof(managed)) if managed.deleter else NOTHING


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return a tensor on the memory of another library's array (anything with ``__dlpack__``, or a capsule).

    Memory of the host, and of an OpenCL device where it belongs to the same OpenCL context. Raises BufferError for
    other devices, RuntimeError for what is no DLPack object, for an element type that has no counterpart and for a
    capsule that was used before.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.from_dlpack.html

    >>> import numpy as np, cltorch as torch
    >>> torch.from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if isinstance(ext_tensor, Array) and ext_tensor.device.type == "cl":  # ours: nothing to exchange
        result = ext_tensor.detach()
    else:
        capsule = ext_tensor
        if hasattr(ext_tensor, "__dlpack__"):
            kind, _ = ext_tensor.__dlpack_device__()
            _check_kind(kind)
            try:
                capsule = ext_tensor.__dlpack__(max_version=(1, 0))
            except TypeError:  # made before there were versions
                capsule = ext_tensor.__dlpack__()
        result = _take(capsule)
    if device is not None:
        result = result.to(device)
    return result.clone() if copy else result


def _check_kind(kind: int) -> None:
    if kind not in (DLDeviceType.kDLCPU, DLDeviceType.kDLOpenCL):
        raise BufferError(
            f"from_dlpack() takes memory of the host (DLPack device 1) or of OpenCL (4), but got device {int(kind)}"
        )


def _take(capsule: Any) -> Any:
    form = next((form for form in (_Managed, _Versioned) if _valid(capsule, form.name)), None)
    if form is None:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, "
            "so you might have already constructed a tensor from it once."
        )
    managed = form.from_address(_pointer(capsule, form.name))
    d = managed.dl_tensor
    t = _DTYPES.get((d.code, d.bits))
    if t is None or d.lanes != 1:
        raise RuntimeError(f"DLPack type (code {d.code}, {d.bits} bits, {d.lanes} lanes) is not supported")
    _check_kind(d.device_type)
    shape = Size(d.shape[i] for i in range(d.ndim))
    layout = Layout.of(shape) if not d.strides else Layout.make(shape, [d.strides[i] for i in range(d.ndim)], 0)
    if any(s < 0 for s in layout.strides):
        raise ValueError("tensors with negative strides are not supported, copy the array first")
    nbytes = layout.extent() * t.itemsize
    if d.device_type == DLDeviceType.kDLOpenCL:
        return _take_buffer(capsule, form, managed, layout, t)
    _rename(capsule, form.used)
    owner = _Taken(managed)
    if nbytes == 0:
        memory: np.ndarray = np.empty(0, np.uint8)
    else:
        raw: Any = (ctypes.c_uint8 * nbytes).from_address(d.data + d.byte_offset)
        raw.owner = owner  # the array below keeps `raw`, and `raw` what it was lent
        memory = np.frombuffer(raw, np.uint8)
    return Array.new(Storage.wrap(memory), layout, t)


def _take_buffer(capsule: Any, form: Any, managed: Any, layout: Layout, t: DType) -> Any:
    """Return a tensor on an OpenCL buffer; raise BufferError where its offset is no whole number of elements."""
    d = managed.dl_tensor
    start, rest = divmod(d.byte_offset, t.itemsize)
    if rest:
        raise BufferError(f"the offset of {d.byte_offset} bytes is no multiple of the {t.itemsize} of an element")
    layout = Layout.make(layout.shape, layout.strides, start)
    context = Device("cl", d.device_id).context
    storage = context.adopt(d.data, layout.extent() * t.itemsize)
    _rename(capsule, form.used)
    storage._owner = _Taken(managed)
    return Array.new(storage, layout, t)
