"""The part of Tensor that says what it is: its sizes, its dtype's kind, its device and the storage behind it."""

from __future__ import annotations

from typing import Any

from cltorch import formats, functions
from cltorch.formats import follows, need_format
from cltorch.ops.array import Array
from cltorch.ops.turned import plain
from cltorch.storage import storage_class
from cltorch.storage_types import TypedStorage, UntypedStorage


class Facts(Array):
    """Give Tensor what is asked about its elements without reading them."""

    @property
    def layout(self) -> formats.layout:
        """Return how values are stored: ``torch.strided``."""
        return formats.strided

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        return self.lay.shape if dim is None else self.lay.shape[functions.wrap_dim(dim, self.lay.ndim)]

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or the stride of one dimension."""
        return self.lay.strides if dim is None else self.lay.strides[functions.wrap_dim(dim, self.lay.ndim)]

    def storage_offset(self) -> int:
        """Return the position of the first element in the storage."""
        return self.lay.offset

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.lay.ndim

    ndimension = dim
    ndim = property(dim)

    def numel(self) -> int:
        """Return the number of elements."""
        return self.lay.numel

    nelement = numel

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.dtype.itemsize

    itemsize = property(element_size)
    nbytes = property(lambda self: self.lay.numel * self.dtype.itemsize)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        if memory_format is not None and need_format(memory_format)._ndim is not None:
            return follows(self.lay, memory_format)
        return self.lay.contiguous

    def data_ptr(self) -> int:
        """Return the address of the first element (on a device: of its buffer, plus the offset in bytes; 0 on meta)."""
        if not self.lay.numel or self.is_meta:
            return 0
        return self._storage.data_ptr() + self.lay.offset * self.dtype.itemsize

    def untyped_storage(self) -> Any:
        """Return the bytes behind the tensor, shared by its views."""
        return UntypedStorage(_raw=plain(self._storage))

    def storage(self) -> Any:
        """Return the elements behind the tensor, shared by its views, as a TypedStorage of this dtype."""
        return TypedStorage(wrap_storage=self.untyped_storage(), dtype=self.dtype)

    _typed_storage = storage

    def _fix_weakref(self) -> None:
        """Do nothing: a weak reference to a tensor finds it as long as anything has it."""

    def storage_type(self) -> Any:
        """Return the class FloatStorage, ByteStorage … of the storage."""
        return storage_class(self.dtype, self.device.type)

    def get_device(self) -> int:
        """Return the index of the OpenCL device, -1 on the host."""
        index = self.device.index
        return -1 if index is None else index

    def is_floating_point(self) -> bool:
        """Return whether the dtype is a floating-point type."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Return whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Return whether the dtype has a sign."""
        return self.dtype.is_signed

    def is_conj(self) -> bool:
        """Return whether this is a view that shows its memory conjugated."""
        return functions.is_conj(self)

    def is_neg(self) -> bool:
        """Return whether this is a view that shows its memory negated."""
        return functions.is_neg(self)

    @property
    def is_cl(self) -> bool:
        """Return whether the tensor lies on an OpenCL device."""
        return self._storage.device.type == "cl"

    is_cuda = is_cl
    is_cpu = property(lambda self: self._storage.device.type == "cpu")
    is_meta = property(lambda self: self._storage.device.type == "meta")
