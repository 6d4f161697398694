"""Copies and conversions: clone, to, copy_, fill_, detach, and the adjoints of strided views."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes, formats, settings
from cltorch.autograd.batches import room, wrap
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import check_inplace, needs_grad
from cltorch.autograd.layers import active
from cltorch.autograd.record import apply, inplace
from cltorch.autograd.renaming import uncopied
from cltorch.device import device, resolve
from cltorch.device.storage import PINNED, owner_of
from cltorch.dtypes import TYPE_NAMES, dtype
from cltorch.formats import follows
from cltorch.functions.arguments import fit_number, need_array, read_dtype, read_number
from cltorch.layout import Layout
from cltorch.ops import strided
from cltorch.ops.array import Array, cast_host, check_dtype, empty, empty_layout, host, to_numpy, values
from cltorch.ops.create import fill_memory
from cltorch.ops.notices import warn_once
from cltorch.ops.op import Op
from cltorch.ops.overlap import check_overlap
from cltorch.ops.plan import like_layout
from cltorch.shapes import broadcast_shapes, contiguous_strides


class ToCopy(Op):
    """Copy to another dtype or device."""

    name = "to_copy"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, t: dtype, dev: device, later: bool = False) -> Any:
        c.dtype, c.device = x.dtype, x.device
        return converted(x, t, dev, later)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.to_copy(g, c.dtype, c.device), None, None, None


def converted(x: Any, t: dtype, dev: device, later: bool = False) -> Any:
    """Return a copy of an Array in another dtype and on another device, outside the graph.

    ``later`` is PyTorch's ``non_blocking``: pinned bytes are not copied away first, so the caller must leave them as
    they are until the device was waited for.
    """
    if x._storage.device is dev:
        return strided.cast(x, t)
    check_dtype(t, dev)
    if x.dtype is not t and x.dtype.itemsize > t.itemsize or x.dtype is dtypes.float64:
        x = converted(x, t, x.device)  # convert before the transfer: fewer bytes, and no double where there is none
    if x.layout.contiguous:
        moved = empty(x.layout.shape, x.dtype, dev)
        _transfer(x, moved, later)
    else:
        # the order of dimensions in memory is kept, as PyTorch keeps it: what moves are packed bytes
        if not x.layout.packed():
            x = _dense(x, formats.preserve_format)
        lay = x.layout
        moved = empty((lay.numel,), x.dtype, dev)
        _transfer(Array.new(x._storage, Layout((lay.numel,), (1,), lay.offset), x.dtype), moved, later)
        moved = Array.new(moved._storage, like_layout(lay), x.dtype)
    return moved if x.dtype is t else converted(moved, t, dev)


def _dense(x: Any, wanted: Any = None) -> Any:
    if wanted is formats.preserve_format:
        return strided.cast(x, x.dtype)
    if wanted is None:
        out = empty(x.layout.shape, x.dtype, x.device)
    else:
        out = empty_layout(wanted.lay(x.shape), x.dtype, x.device)
    strided.copy_into(out, x)
    return out


def _transfer(x: Any, out: Any, later: bool = False) -> None:
    """Copy the bytes of a contiguous Array into a contiguous one on another device."""
    if x.layout.numel == 0 or out.device.type == "meta":
        return
    start = out.layout.offset * out.dtype.itemsize
    if out.device.type == "cpu":
        if later and x.device.type == "cl" and owner_of(out._storage) is PINNED:
            place = out._storage.array[start : start + x.layout.numel * x.dtype.itemsize]
            x.device.context.fetch(x._storage.buf, place, x.layout.offset * x.dtype.itemsize)
        else:
            bits = np.ascontiguousarray(to_numpy(x)).reshape(-1).view(np.uint8)
            out._storage.array[start : start + bits.size] = bits
        return
    still = x.device.type != "cpu" or (later and owner_of(x._storage) is PINNED)
    bits = host(x) if x.device.type == "cpu" else to_numpy(x)
    bits = np.ascontiguousarray(bits).reshape(-1).view(np.uint8)
    out.device.context.write(out._storage.buf, bits, start, owned=still)


def to_copy(x: Any, t: dtype, dev: device) -> Any:
    """Return a tensor in a dtype and on a device; the tensor itself where it already is."""
    if x.dtype is t and x.device is dev:
        return x
    return apply(ToCopy, x, t, dev)


def _kind(x: Any) -> str:
    return type(x).__name__


def parse_to(
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
    other: Any = None,
) -> tuple[Any, Any, bool, Any, bool]:
    """Read the arguments of ``to``: (device, dtype, non_blocking, memory_format, copy), None for what was not given.

    Raises TypeError for anything that is no device, dtype, tensor or flag.
    """
    t, dev = dtype, device
    if len(args) > 1 and isinstance(args[1], bool) and not isinstance(args[0], (Array, dtypes.dtype, type)):
        raise TypeError(f"to() received an invalid combination of arguments - got ({', '.join(map(_kind, args))})")
    flags = []
    for a in (*args, other):
        if isinstance(a, Array):
            t, dev = a.dtype, a.device
        elif isinstance(a, dtypes.dtype):
            t = a
        elif isinstance(a, bool):
            flags.append(a)
        elif isinstance(a, type):
            t = a
        elif a is not None:
            dev = a
    if len(flags) > 2:
        raise TypeError(f"to() received an invalid combination of arguments: {len(flags)} flags")
    non_blocking, copy = (*flags, *(non_blocking, copy)[len(flags) :])
    if t is not None:
        t = read_dtype("to", t)
    return None if dev is None else resolve(dev), t, non_blocking, memory_format, copy


def to(
    self: Any,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return the tensor with another dtype, on another device, or both (or like another tensor).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.to.html

    >>> import cltorch as torch
    >>> torch.tensor([1, 2]).to(torch.float32)
    tensor([1., 2.])
    """
    dev, t, later, wanted, copy = parse_to(
        *args, dtype=dtype, device=device, non_blocking=non_blocking, copy=copy, memory_format=memory_format
    )
    if wanted is not None:
        formats.need_format(wanted)
    t = self.dtype if t is None else t
    dev = self.device if dev is None else dev
    _warn_lost(self.dtype, t)
    if t is self.dtype and dev is self.device:
        moved = clone(self, memory_format=wanted) if copy else self
    else:
        moved = apply(ToCopy, self, t, dev, later)
    if wanted is None or wanted is formats.preserve_format:
        return moved
    if moved is self and formats.suggested(self.layout) is wanted:
        return self
    exact = wanted.lay(moved.layout.shape).strides  # of dimensions of size 1 too
    return moved if moved is not self and moved.layout.strides == exact else contiguous_copy(moved, wanted)


def _warn_lost(old: dtype, new: dtype) -> None:
    if old.is_complex and new.family not in "cb":
        warn_once("Casting complex values to real discards the imaginary part")


class ContiguousCopy(Op):
    """Copy into a dense layout."""

    name = "clone"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, wanted: Any = None) -> Any:
        return _dense(x, wanted)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return g, None


def contiguous_copy(x: Any, memory_format: Any = None) -> Any:
    """Return a densely packed copy."""
    return apply(ContiguousCopy, x, memory_format)


def contiguous(input: Any, memory_format: Any = formats.contiguous_format) -> Any:
    """Return the tensor itself where it is densely packed in the order asked for, else a copy that is.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.contiguous.html
    """
    if memory_format is formats.preserve_format and not input.layout.contiguous:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if input.layout.contiguous if memory_format is formats.contiguous_format else follows(input.layout, memory_format):
        return input
    return apply(ContiguousCopy, input, memory_format)


def clone(input: Any, *, memory_format: Any = None) -> Any:
    """Return a copy that gradients flow through.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.clone.html

    >>> import cltorch as torch
    >>> torch.clone(torch.tensor([1.0]))
    tensor([1.])
    """
    need_array("clone", "input", 1, input)
    wanted = formats.preserve_format if memory_format is None else formats.need_format(memory_format)
    return apply(ContiguousCopy, input, wanted)


def writable_copy(x: Any, *others: Any, memory_format: Any = None) -> Any:
    """Return a copy to write other tensors into: under vmap a batch where one of them is."""
    return clone(room(x, others) if active else x, memory_format=memory_format)


def old_value(x: Any, *others: Any) -> Any:
    """Return a tensor that is about to be changed, or a copy of it where a derivative will read what it was."""
    reads = mode.enabled and any(isinstance(y, Array) and needs_grad(y) for y in (x, *others))
    return clone(x) if reads else x


def gradient_copy(g: Any, x: Any) -> Any:
    """Return a copy of a gradient, laid out as its leaf is where that is packed, and contiguous otherwise."""
    if x.layout.contiguous or not x.layout.packed():
        return contiguous_copy(g)
    out = empty_layout(like_layout(x.layout), g.dtype, g.device)
    strided.copy_into(out, g)
    return out


def detach(input: Any) -> Any:
    """Return a tensor of the same memory outside the graph; in-place changes of either count for both.

    >>> import cltorch as torch
    >>> torch.detach(torch.ones(1, requires_grad=True)).requires_grad
    False
    """
    need_array("detach", "input", 1, input)
    return input._detached()


def detach_(input: Any) -> Any:
    """Cut a tensor from the graph that made it."""
    need_array("detach_", "input", 1, input)
    if input._base is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) "
            "for training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and "
            "hence detach_() cannot be called on these gradients. To fix this error, please refer to the "
            "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
        )
    input._grad_fn, input._output_nr, input._requires_grad, input._tangents = None, 0, False, None
    return input


class _Copy(Op):
    """The derivative of ``copy_``: the old value gets none (zeros where it is all of a tensor), the source all."""

    name = "copy"
    complex = True
    one_device = False
    node = "CopyBackwards"

    @staticmethod
    def forward(c: Any, x: Any, src: Any) -> Any:
        c.shape, c.dtype, c.device = src.shape, src.dtype, src.device
        c.whole = x._base is None  # where a view was written, zeros are put into the base's gradient

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        old = m.zeros_like(g) if c.needs[0] and c.whole else None
        return old, m.to_copy(m.sum_to_size(g, c.shape), c.dtype, c.device) if c.needs[1] else None


def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    """Copy values into a tensor, converting dtype and device; ``src`` broadcasts.

    With ``non_blocking`` a copy between a device and pinned memory waits for nothing: what is copied must not change,
    and what it is copied into must not be read, before the device was waited for.

    Raises RuntimeError where the shapes do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.copy_.html
    """
    if not isinstance(src, Array):
        if isinstance(src, (int, float, complex)):
            return fill_(input, src)
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}")
    if tuple(broadcast_shapes(input.shape, src.shape)) != tuple(input.shape):
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(input.shape, src.shape))}"
        )
    if input is src:
        return input
    _warn_lost(src.dtype, input.dtype)
    check_overlap(input, (src,))

    def write() -> None:
        alike = src.dtype is input.dtype and src.layout.shape == input.layout.shape
        if src.device is not input.device and alike and src.layout.contiguous and input.layout.contiguous:
            _transfer(src, input, non_blocking)
            return
        value = src if src.device is input.device else converted(src, input.dtype, input.device)
        if value._storage is input._storage and not value.layout.same(input.layout):
            value = _dense(value)
        strided.copy_into(input, value)

    return inplace(input, _Copy, input, src, write=write)


class _Fill(Op):
    """The derivative of filling with a number: no gradient reaches the old value."""

    name = "fill"
    form = 2
    complex = True

    @staticmethod
    def forward(c: Any, x: Any, value: Any) -> Any:
        return None

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return m.zeros_like(g), None


class _Zero(_Fill):
    """The derivative of filling with zeros."""

    name = "zero"
    form = 0


def fill_(input: Any, value: Any) -> Any:
    """Set every element to a number (or the value of a 0-d tensor)."""
    need_array("fill_", "input", 1, input)
    if isinstance(value, Array):
        if value.layout.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.layout.ndim} dimensions."
            )
        return copy_(input, value)
    value, t = read_number("fill_", "value", 1, value), input.dtype
    # one element of a byte or two overflows, several are refused: as in PyTorch
    small = input.layout.numel == 1 and t.family == "f" and t.itemsize < 4
    if (value or t.few) and not (small and isinstance(value, (int, float))):
        value = fit_number(value, t)
    return inplace(input, _Fill, input, value, write=lambda: strided.fill(input, value))


def zero_(input: Any) -> Any:
    """Set every element to zero."""
    need_array("zero_", "input", 1, input)
    return inplace(input, _Zero, input, 0, write=lambda: strided.fill(input, 0))


def fill(input: Any, value: Any) -> Any:
    """Return a tensor like ``input`` with every element set to a value.

    >>> import cltorch as torch
    >>> torch.fill(torch.zeros(2), 3)
    tensor([3., 3.])
    """
    need_array("fill", "input", 1, input)
    return uncopied(fill_(clone(input), value), f"FillBackward{int(isinstance(value, Array))}")


def set_data(x: Any, value: Any) -> None:
    """Let a tensor refer to another's memory (assignment to ``.data``)."""
    if not isinstance(value, Array):
        raise TypeError("Variable data has to be a tensor, but got " + type(value).__name__)
    if x._requires_grad and not value.dtype.differentiable:
        raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
    # the version goes on counting: what was kept for a derivative has not changed in place
    version = x._storage.version
    x._storage, x.layout, x.dtype = value._storage.alias(), value.layout, value.dtype
    x._storage.version = version


def set_(input: Any, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Any:
    """Let a tensor refer to another's memory, or to a storage from an offset on, in place.

    Without a source the tensor becomes empty. Raises RuntimeError where the sizes reach beyond the storage.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.set_.html
    """
    check_inplace(input, mode.enabled and needs_grad(input))
    if source is None:
        found = empty((0,), input.dtype, input.device)
        input._storage, input.layout = found._storage, found.layout
        return input
    if isinstance(source, Array):
        if source.dtype is not input.dtype:
            raise RuntimeError(
                f"Could not set tensor of type {input.dtype.name} to a tensor of type {source.dtype.name}"
            )
        storage, layout = source._storage, source.layout
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
    input._storage, input.layout = storage, layout
    storage.version += 1
    input._accumulate = None  # a graph of what the tensor was before has another end
    return input


def _a_number(value: Any, t: dtype) -> Any:
    if isinstance(value, (str, bytes)):
        raise TypeError(
            f"must be real number, not {_kind(value)}"
            if t.differentiable
            else f"'{_kind(value)}' object cannot be interpreted as an integer"
        )
    return value


def apply_(input: Any, callable: Any) -> Any:
    """Replace every element by what a Python function makes of it: slow, and for host tensors only."""
    if input.device.type != "cpu":
        raise TypeError("apply_ is only implemented on CPU tensors")
    if mode.enabled and needs_grad(input):
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    changed = [_a_number(callable(v), input.dtype) for v in values(input).reshape(-1).tolist()]
    host(input)[...] = cast_host(np.asarray(changed).reshape(tuple(input.shape)), input.dtype)
    input._storage.version += 1
    return input


def map_(input: Any, tensor: Any, callable: Any) -> Any:
    """Replace every element by ``callable(element, element of tensor)``: slow, and for host tensors only."""
    return _mapped("map_", input, (tensor,), callable)


def map2_(input: Any, x: Any, y: Any, callable: Any) -> Any:
    """Replace every element by ``callable(element, element of x, element of y)``: slow, and for host tensors only."""
    return _mapped("map2_", input, (x, y), callable)


def _mapped(name: str, input: Any, others: tuple[Any, ...], callable: Any) -> Any:
    if any(x.device.type != "cpu" for x in (input, *others)):
        raise TypeError(f"{name} is only implemented on CPU tensors")
    if mode.enabled and any(needs_grad(x) for x in (input, *others)):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    lines = [np.broadcast_to(values(x), tuple(input.shape)).reshape(-1).tolist() for x in (input, *others)]
    changed = np.asarray([callable(*row) for row in zip(*lines, strict=True)])
    host(input)[...] = cast_host(changed.reshape(tuple(input.shape)), input.dtype)
    input._storage.version += 1
    return input


def resize_(input: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Change the shape in place, growing the storage where needed; new elements are uninitialised.

    With ``memory_format`` the elements then stand in that order.
    """
    if mode.enabled and needs_grad(input):
        raise RuntimeError("cannot resize variables that require grad")
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
    elif layout.shape == input.layout.shape:
        return input
    check_inplace(input, False)
    if input.layout.offset:
        layout = Layout.make(layout.shape, layout.strides, input.layout.offset)
    need = (layout.offset + layout.numel) * input.dtype.itemsize
    had = input._storage.nbytes
    if need > had:
        input._storage.resize(need)
        if settings.fills_memory():
            fill_memory(input, had // input.dtype.itemsize)
    input.layout = layout
    input._storage.version += 1
    return input


def _resized_batch(input: Any, shape: tuple[int, ...]) -> Any:
    """Resize all of a batch: the slices lie one after another, so that elements may move from one to the next."""
    inner = input._inner
    if not inner.layout.contiguous:
        raise RuntimeError(
            f"vmap: resize_ needs slices that lie one after another, not those of {inner.layout.words()}"
        )
    resize_(inner, (inner.layout.shape[0], *shape))
    input.layout = wrap(inner, input._batch).layout
    return input


def resize_as_(input: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """Change the shape in place to that of another tensor, in its order too for ``torch.preserve_format``."""
    need_array("resize_as_", "input", 1, input)
    need_array("resize_as_", "the_template", 2, the_template)
    if memory_format is formats.preserve_format:
        last = formats.channels_last, formats.channels_last_3d
        memory_format = next((f for f in last if follows(the_template.layout, f)), formats.contiguous_format)
    return resize_(input, the_template.layout.shape, memory_format=memory_format)


def scatter_into_layout(g: Any, base: Layout, part: Layout) -> Any:
    """Put a tensor at a strided place of zeros."""
    return apply(strided.ScatterIntoLayout, g, base, part)


def gather_from_layout(g: Any, base: Layout, part: Layout) -> Any:
    """Take the elements of a strided place."""
    return apply(strided.GatherFromLayout, g, base, part)


def replace_in_layout(g: Any, part: Any, base: Layout, at: Layout) -> Any:
    """Replace a strided place of a tensor by another tensor, or by zeros for None."""
    return apply(strided.ReplaceInLayout, g, part, base, at)


__all__ = [
    "clone", "contiguous", "contiguous_copy", "copy_", "detach", "detach_", "fill", "fill_",
    "gather_from_layout", "gradient_copy", "parse_to", "replace_in_layout", "resize_", "resize_as_",
    "apply_", "map2_", "map_", "scatter_into_layout", "set_", "set_data", "to", "to_copy", "zero_",
]  # fmt: skip
