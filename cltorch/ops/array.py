"""Array: a storage seen through a layout as elements of a dtype; the value that operators take and return.

Tensor is its subclass. Operators make results with ``Array.new``, in whose place Tensor puts its own constructor, so
that no wrapper object stands between a kernel and the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cltorch.device import CPU, Storage, device, host_memory
from cltorch.dtypes import complex128, dtype, float64, uint64
from cltorch.dtypes import dtype as DType
from cltorch.errors import DeviceError
from cltorch.layout import Layout
from cltorch.ops.quiet import quietly
from cltorch.shapes import Size


class Array:
    """Pair a storage with a layout and a dtype."""

    _storage: Any
    lay: Layout
    dtype: DType

    if TYPE_CHECKING:  # an Array that reaches the layers above is a Tensor, with Tensor's attributes

        def __getattr__(self, name: str) -> Any: ...

    @staticmethod
    def new(storage: Storage, layout: Layout, dtype: DType) -> Any:
        """Return the result object of an operator."""
        a = Array()
        a._storage, a.lay, a.dtype = storage, layout, dtype
        return a

    @property
    def device(self) -> device:
        """Return the device of the storage."""
        return self._storage.device

    @property
    def shape(self) -> Size:
        """Return the sizes of the dimensions."""
        return self.lay.shape


def two_devices(first: Any, other: Any, where: str = "") -> RuntimeError:
    """Return the error for operands that lie on two devices; ``where`` names the operator."""
    suffix = f" (in {where})" if where else ""
    return RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {first} and {other}!{suffix}"
    )


def check_dtype(t: dtype, dev: device) -> None:
    """Raise DeviceError where a device cannot hold a dtype."""
    if (t is float64 or t is complex128) and dev.type == "cl" and not dev.context.caps.fp64:
        raise DeviceError(
            f"{dev.context.name} has no double precision (cl_khr_fp64): {t.name} tensors are not possible on it"
        )


def empty(shape: Sequence[int], dtype: dtype, dev: device) -> Any:
    """Return an uninitialised Array."""
    layout = Layout.of(shape)
    if dev.type != "cpu":
        if dtype is float64 or dtype is complex128:
            check_dtype(dtype, dev)
        return Array.new(dev.context.alloc(layout.numel * dtype.itemsize), layout, dtype)
    return Array.new(Storage.allocate(layout.numel * dtype.itemsize, CPU), layout, dtype)


def empty_layout(layout: Layout, dtype: dtype, dev: device) -> Any:
    """Return an uninitialised Array of a given (possibly permuted) layout."""
    return Array.new(Storage.allocate(layout.extent() * dtype.itemsize, dev), layout, dtype)


MOST_DIMS = 64  # of NumPy's arrays, and of what PyTorch's operators take


def arrays_in(tree: Any) -> list[Any]:
    """Return the Arrays in nested lists, tuples and dictionaries, in order."""
    if isinstance(tree, Array):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [x for part in tree for x in arrays_in(part)] if isinstance(tree, (list, tuple)) else []


def host(x: Any) -> np.ndarray:
    """Return a NumPy view of a host Array: shared memory, what NumPy has no type for as raw integers."""
    lay, t = x.lay, x.dtype
    if lay.numel == 0:
        return np.empty(lay.shape, t.np)
    n = t.itemsize
    try:
        if lay.contiguous:
            return np.ndarray(lay.shape, t.np, x._storage.array, lay.offset * n)
        return np.ndarray(lay.shape, t.np, x._storage.array, lay.offset * n, tuple([s * n for s in lay.strides]))
    except ValueError:
        if lay.ndim > MOST_DIMS:
            raise RuntimeError(f"only tensors with up to {MOST_DIMS} dims are supported, but got {lay.ndim}") from None
        raise


def host_line(x: Any) -> np.ndarray:
    """Return the elements of a contiguous host Array, of however many dimensions, one after the other."""
    return np.ndarray((x.lay.numel,), x.dtype.np, x._storage.array, x.lay.offset * x.dtype.itemsize)


def host_compute(x: Any) -> np.ndarray:
    """Return the values of a host Array in the type the host computes in: small fractions widened to float32."""
    a = host(x)
    if x.dtype.opaque:
        return x.dtype.widen(a)
    return a if x.dtype.wide is x.dtype.np else a.astype(x.dtype.wide)


def cast_host(a: Any, t: dtype) -> np.ndarray:
    """Return NumPy values as the stored bits of a dtype (rounded, wrapped or tested against zero as PyTorch does)."""
    a = np.asarray(a)
    if a.dtype.kind == "c" and t.family != "c":
        a = a != 0 if t.family == "b" else a.real
    if t.opaque:
        return quietly(t.round, a)
    if a.dtype == t.np:
        return a
    if t is uint64 and a.dtype.kind == "f":
        return quietly(_wrapped, a)
    if t.family in "ui" and a.dtype.kind == "f" and t.itemsize < 8:
        # through int64, so that the value wraps instead of being undefined
        a = quietly(a.astype, np.int64)
    bits: np.ndarray = quietly(a.astype, t.np)
    return bits


def _wrapped(a: np.ndarray) -> np.ndarray:
    """Return floating-point numbers as uint64, negative ones from its end on, and 0 for what is too large."""
    high = a >= 2.0**63
    bits: np.ndarray = np.where(high, a - np.asarray(2.0**63, a.dtype), a).astype(np.int64).view(np.uint64)
    return np.where(high, bits ^ np.uint64(2**63), bits)


def on_memory_of(bits: np.ndarray, layout: Layout, t: dtype) -> Any:
    """Return a host Array of a dense layout on the memory of stored bits where that is theirs alone, or on a copy."""
    bits = np.ascontiguousarray(bits)
    if bits.base is not None or not bits.flags.writeable:
        bits = bits.copy()
    return Array.new(Storage.wrap(bits), layout, t)


def from_host(a: Any, t: dtype, dev: device) -> Any:
    """Return an Array of NumPy values on a device; the host takes over the array where its dtype fits."""
    bits = cast_host(a, t)
    layout = Layout.of(bits.shape)
    if dev is CPU:
        return on_memory_of(bits, layout, t)
    check_dtype(t, dev)
    bits = np.ascontiguousarray(bits)
    out = dev.context.alloc(bits.nbytes)
    dev.context.write(out.buf, bits.reshape(-1).view(np.uint8), owned=bits is not a and bits.base is None)
    return Array.new(out, layout, t)


def to_numpy(x: Any) -> np.ndarray:
    """Return a copy of the stored bits in NumPy, from any device; waits for the device."""
    try:
        return _copied(x)
    except MemoryError:
        pass
    return host_memory.again("copy to the host", lambda: _copied(x))


def _copied(x: Any) -> np.ndarray:
    if x._storage.array is not None:
        return np.array(host(x))
    lay, t = x.lay, x.dtype
    if lay.numel == 0:
        return np.empty(lay.shape, t.np)
    if lay.contiguous:
        out = np.empty(lay.shape, t.np)
        x.device.context.read(x._storage.buf, out.reshape(-1).view(np.uint8), lay.offset * t.itemsize)
        return out
    span = np.empty(lay.extent() - lay.offset, t.np)
    x.device.context.read(x._storage.buf, span.view(np.uint8), lay.offset * t.itemsize)
    return np.array(as_strided(span, tuple(lay.shape), tuple(s * t.itemsize for s in lay.strides)))


def values(x: Any) -> np.ndarray:
    """Return a copy of the values in NumPy (small fractions that it lacks as float32); waits for the device."""
    return x.dtype.widen(to_numpy(x))


def view(x: Any, layout: Layout) -> Any:
    """Return another layout of the same storage, outside the autograd graph."""
    return Array.new(x._storage, layout, x.dtype)
