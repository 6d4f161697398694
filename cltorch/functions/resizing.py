"""What gives a tensor other memory or another size in place: set_, resize_ and assignment to ``.data``."""

from __future__ import annotations

from typing import Any

from cltorch import formats, settings
from cltorch.autograd.batch_levels import wrap
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import check_inplace, needs_grad
from cltorch.dtypes import TYPE_NAMES
from cltorch.formats import follows
from cltorch.functions.arguments import need_array
from cltorch.layout import Layout
from cltorch.ops.array import Array, empty
from cltorch.ops.create import fill_memory
from cltorch.shapes import contiguous_strides


def set_data(x: Any, value: Any) -> None:
    """Let a tensor refer to another's memory (assignment to ``.data``)."""
    if not isinstance(value, Array):
        raise TypeError("Variable data has to be a tensor, but got " + type(value).__name__)
    if x._requires_grad and not value.dtype.differentiable:
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    # the version goes on counting: what was kept for a derivative has not changed in place
    version = x._storage.version
    x._storage, x.lay, x.dtype = value._storage.alias(), value.lay, value.dtype
    x._storage.version = version


def set_(input: Any, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Any:
    """Let a tensor refer to another's memory, or to a storage from an offset on, in place.

    Without a source the tensor becomes empty. Raises RuntimeError where the sizes reach beyond the storage.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.set_.html
    """
    check_inplace(input, mode.enabled and needs_grad(input))
    if source is None:
        found = empty((0,), input.dtype, input.device)
        input._storage, input.lay = found._storage, found.lay
        return input
    if isinstance(source, Array):
        if source.dtype is not input.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {input.dtype.name} to a tensor of type {source.dtype.name}"
            )
        storage, layout = source._storage, source.lay
    else:
        kind = source.dtype if hasattr(source, "pickle_storage_type") else None
        if kind is not None and kind is not input.dtype:
            raise RuntimeError(
                f"Expected a Storage of type {input.dtype.name} or an UntypedStorage, but got type {TYPE_NAMES[kind]} "
                "for argument 1 'storage'"
            )
        storage = getattr(source, "_raw", source)
        storage = getattr(storage, "_raw", storage)
        layout = Layout.of((storage.nbytes // input.dtype.itemsize,))
    if size is not None:
        strides = contiguous_strides(size) if stride is None else stride
        layout = layout.as_strided(tuple(size), tuple(strides), storage_offset)
        if layout.numel and layout.extent() * input.dtype.itemsize > storage.nbytes:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(strides)}, storage offset {storage_offset}, and "
                f"itemsize {input.dtype.itemsize} requiring a storage size of "
                f"{layout.extent() * input.dtype.itemsize} are out of bounds for storage of size {storage.nbytes}"
            )
    if storage.device is not input.device:
        raise RuntimeError(
            f'Attempted to set the storage of a tensor on device "{input.device}" to a storage on different device '
            f'"{storage.device}". This is no longer allowed; the devices must match.'
        )
    input._storage, input.lay = storage, layout
    storage.version += 1
    input._accumulate = None  # a graph of what the tensor was before has another end
    return input


def resize_(input: Any, *sizes: Any, size: Any = None, memory_format: Any = None) -> Any:
    """Change the shape in place, growing the storage where needed; new elements are uninitialised.

    With ``memory_format`` the elements then stand in that order.
    """
    if mode.enabled and needs_grad(input):
        raise RuntimeError("cannot resize variables that require grad")
    if size is not None:
        sizes = (*sizes, size)
    shape = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    shape = tuple(int(n) for n in shape)
    if min(shape, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    layout = Layout.of(shape)
    if input._batch:
        return _resized_batch(input, shape)
    if memory_format is not None:
        if memory_format is formats.preserve_format:
            raise RuntimeError("Unsupported memory format Preserve")
        layout = formats.need_format(memory_format).lay(shape)
    elif layout.shape == input.lay.shape:
        return input
    check_inplace(input, False)
    if input.lay.offset:
        layout = Layout.make(layout.shape, layout.strides, input.lay.offset)
    need = (layout.offset + layout.numel) * input.dtype.itemsize
    had = input._storage.nbytes
    if need > had:
        input._storage.resize(need)
        if settings.fills_memory():
            fill_memory(input, had // input.dtype.itemsize)
    input.lay = layout
    input._storage.version += 1
    return input


def _resized_batch(input: Any, shape: tuple[int, ...]) -> Any:
    """Resize all of a batch: the slices lie one after another, so that elements may move from one to the next."""
    inner = input._inner
    if not inner.lay.contiguous:
        raise RuntimeError(f"vmap: resize_ needs slices that lie one after another, not those of {inner.lay.words()}")
    resize_(inner, (inner.lay.shape[0], *shape))
    input.lay = wrap(inner, input._batch).lay
    return input


def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """Change the shape in place to that of another tensor, in its order too for ``torch.preserve_format``."""
    need_array("resize_as_", "input", 1, input)
    need_array("resize_as_", "the_template", 2, the_template)
    if memory_format is formats.preserve_format:
        last = formats.channels_last, formats.channels_last_3d
        memory_format = next((f for f in last if follows(the_template.lay, f)), formats.contiguous_format)
    return resize_(input, the_template.lay.shape, memory_format=memory_format)


__all__ = ["resize_", "resize_as_", "set_", "set_data"]
