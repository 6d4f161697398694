"""Making tensors from what a checkpoint says about them, after checking it against the storage.

The functions here stand for those that PyTorch's files name (``torch._utils._rebuild_tensor_v2``, …); they take the
arguments in the files' order.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cltorch import functions
from cltorch.device import Storage, device
from cltorch.dtype_names import named_dtype
from cltorch.dtypes import dtype as DType
from cltorch.layout import Layout
from cltorch.nn.parameter import Parameter
from cltorch.ops.array import Array, check_dtype
from cltorch.storage_types import TypedStorage, UntypedStorage
from cltorch.tensor import Tensor

_MAX_NUMEL = 2**62
_MAX_DIMS = 64


class StorageType:
    """Stand for a storage class that files name: ``torch.FloatStorage`` holds float32, ``UntypedStorage`` bytes."""

    __slots__ = ("name", "dtype")

    def __init__(self, name: str, dtype: DType | None) -> None:
        self.name, self.dtype = name, dtype

    @property
    def itemsize(self) -> int:
        """Return the bytes of one element."""
        return 1 if self.dtype is None else self.dtype.itemsize

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class StorageView(TypedStorage):
    """View a storage whose bytes may follow later, from ``offset`` elements on, as files before PyTorch 1.6 hold it."""

    offset = 0
    later: list[Callable[[], Any]] | None = None  # what to do once the bytes are there

    def shorten(self, start: int, count: int) -> None:
        """Become the part that the file means, once the tensors are made, which count from the whole one's start.

        It shares the host's memory with the whole; a device's buffers have no parts, so there it is a copy.
        """
        first, last = start * self.dtype.itemsize, (start + count) * self.dtype.itemsize
        whole = self._raw
        if whole.array is not None:
            self._raw = Storage.wrap(whole.array[first:last])
        else:
            part = UntypedStorage(_raw=Storage.wrap(whole.bytes()[first:last].copy()))
            self._raw = part.to(whole.device)._raw


def storage_object(raw: UntypedStorage, dtype: DType | None) -> TypedStorage | UntypedStorage:
    """Return the object that a file's reference to a storage stands for."""
    return raw if dtype is None else TypedStorage(wrap_storage=raw, dtype=dtype)


def rebuild_tensor(storage: Any, storage_offset: Any, size: Any, stride: Any) -> Tensor:
    """Return a tensor that views a storage; raise RuntimeError where it would reach outside."""
    if not isinstance(storage, TypedStorage):
        raise RuntimeError(f"a tensor needs a typed storage to view, not {type(storage).__name__}")
    return _view(storage, storage.dtype, storage_offset, size, stride)


def rebuild_tensor_v2(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    metadata: Any = None,
) -> Tensor:
    """Return a tensor that views a storage, with its ``requires_grad``."""
    tensor = _with_metadata(rebuild_tensor(storage, storage_offset, size, stride), metadata)
    return _finish(tensor, requires_grad, backward_hooks)


def rebuild_tensor_v3(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Tensor:
    """Return a tensor of an explicit dtype that views an untyped storage."""
    if not isinstance(storage, (TypedStorage, UntypedStorage)) or not isinstance(dtype, DType):
        kinds = f"{type(storage).__name__} and {type(dtype).__name__}"
        raise RuntimeError(f"a tensor needs a storage and a dtype, not {kinds}")
    tensor = _with_metadata(_view(storage, dtype, storage_offset, size, stride), metadata)
    return _finish(tensor, requires_grad, backward_hooks)


def rebuild_meta_tensor(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """Return a tensor on the meta device, of which a file holds no bytes."""
    if not isinstance(dtype, DType):
        raise RuntimeError(f"a tensor needs a dtype, not {type(dtype).__name__}")
    layout = _layout(size, stride, 0)
    storage = Storage.allocate(layout.extent() * dtype.itemsize, device("meta"))
    return _finish(Array.new(storage, layout, dtype), requires_grad, None)


def rebuild_parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> Parameter:
    """Return a Parameter of a tensor."""
    if not isinstance(data, Tensor):
        raise RuntimeError(f"a Parameter needs a tensor, not {type(data).__name__}")
    _warn_hooks(backward_hooks)
    return Parameter(data, bool(requires_grad))


def rebuild_parameter_with_state(data: Any, requires_grad: Any, backward_hooks: Any, state: Any) -> Parameter:
    """Return a Parameter of a tensor, with the Python attributes it had."""
    return _with_attributes(rebuild_parameter(data, requires_grad, backward_hooks), state)


def rebuild_from_type_v2(func: Any, new_type: Any, args: Any, state: Any) -> Any:
    """Return a tensor with Python attributes, or of a subclass of Tensor."""
    if not any(func is f for f in REBUILDERS):
        raise RuntimeError(f"{type(func).__name__} is not a function that rebuilds tensors")
    tensor = func(*args)
    if isinstance(new_type, type) and issubclass(new_type, Tensor) and type(tensor) is not new_type:
        tensor = tensor.as_subclass(new_type)
    return _with_attributes(tensor, state)


def set_tensor_state(tensor: Tensor, state: Any) -> bool:
    """Give a tensor the attributes of a BUILD instruction, or what it views, as PyTorch wrote it before 0.2.

    Returns whether it was the latter.
    """
    if isinstance(state, tuple) and len(state) == 4:
        seen = rebuild_tensor(*state)
        tensor._storage, tensor.lay, tensor.dtype = seen._storage, seen.lay, seen.dtype
        return True
    _with_attributes(tensor, state)
    return False


REBUILDERS = (
    rebuild_tensor, rebuild_tensor_v2, rebuild_tensor_v3, rebuild_meta_tensor, rebuild_parameter,
    rebuild_parameter_with_state,
)  # fmt: skip


def _view(loaded: TypedStorage | UntypedStorage, t: DType, offset: Any, size: Any, stride: Any) -> Any:
    if isinstance(t, named_dtype):
        raise NotImplementedError(f"a tensor of {t!r}, a dtype that has no counterpart here")
    storage = loaded._raw
    layout = _layout(size, stride, offset, getattr(loaded, "offset", 0))
    if layout.extent() * t.itemsize > storage.nbytes:
        raise RuntimeError(
            f"setStorage: sizes {list(layout.shape)}, strides {list(layout.strides)}, storage offset {layout.offset}, "
            f"and itemsize {t.itemsize} requiring a storage size of {layout.extent() * t.itemsize} are out of bounds "
            f"for storage of size {storage.nbytes}"
        )
    check_dtype(t, storage.device)
    return Array.new(storage, layout, t)


def _layout(size: Any, stride: Any, offset: Any, start: int = 0) -> Layout:
    """Return a layout of what a file says, checked; ``start`` is the offset of a part of a storage."""
    sizes, strides = _ints("size", size), _ints("stride", stride)
    (first,) = _ints("storage offset", (offset,))
    if len(sizes) != len(strides):
        raise RuntimeError(f"mismatch in length of strides and shape: size {list(sizes)}, stride {list(strides)}")
    if len(sizes) > _MAX_DIMS:
        raise RuntimeError(f"a tensor of {len(sizes)} dimensions, of which {_MAX_DIMS} is the most there can be")
    count = 1
    for n in sizes:
        count *= n
        if count > _MAX_NUMEL:
            raise RuntimeError(f"a tensor of size {list(sizes)} has more elements than can be addressed")
    return Layout.make(sizes, strides, first + start)


def _ints(what: str, values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or any(type(v) is not int or not 0 <= v < 2**63 for v in values):
        raise RuntimeError(f"the {what} of a tensor must be non-negative integers, got {values!r:.80}")
    return tuple(values)


def _with_metadata(tensor: Any, metadata: Any) -> Any:
    """Return a tensor that PyTorch saved as a view which conjugates or negates what its storage holds."""
    if metadata is None:
        return tensor
    if not isinstance(metadata, dict) or any(type(key) is not str for key in metadata):
        raise RuntimeError(f"the metadata of a tensor must be a dict, not {type(metadata).__name__}")
    if metadata.get("conj") is True:
        tensor = functions.conj(tensor)
    return (functions.neg_view(tensor) if metadata.get("neg") is True else tensor).detach()


def _finish(tensor: Tensor, requires_grad: Any, backward_hooks: Any) -> Tensor:
    _warn_hooks(backward_hooks)
    if requires_grad is True:
        tensor.requires_grad_(True)
    return tensor


def _warn_hooks(backward_hooks: Any) -> None:
    if isinstance(backward_hooks, OrderedDict) and backward_hooks:
        warnings.warn("the backward hooks of a tensor in this file are not restored", stacklevel=2)


def _with_attributes(tensor: Any, state: Any) -> Any:
    # a pair is (__dict__, __slots__); names of the class itself must not be replaced by data
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    for part in parts:
        if part is None:
            continue
        if not isinstance(part, dict):
            raise RuntimeError(f"the state of a tensor must be a dict, not {type(part).__name__}")
        for name, value in part.items():
            if not isinstance(name, str) or name.startswith("__") or hasattr(tensor, name):
                raise RuntimeError(f"the state of a tensor sets {name!r:.80}, which is no free attribute")
            setattr(tensor, name, value)
    return tensor
