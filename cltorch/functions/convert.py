"""Copies and conversions: clone, to, contiguous, detach, and the adjoints of strided views."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes, formats
from cltorch.autograd.batch_levels import room
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.layers import active
from cltorch.autograd.record import apply
from cltorch.device import device, resolve
from cltorch.device.storage import PINNED, owner_of
from cltorch.dtypes import dtype
from cltorch.formats import follows
from cltorch.functions.arguments import need_array, read_dtype
from cltorch.layout import Layout
from cltorch.ops import strided
from cltorch.ops.array import Array, check_dtype, empty, empty_layout, host, to_numpy
from cltorch.ops.notices import warn_once
from cltorch.ops.op import Op
from cltorch.ops.plan import like_layout


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
    if x.lay.contiguous:
        moved = empty(x.lay.shape, x.dtype, dev)
        transfer(x, moved, later)
    else:
        # the order of dimensions in memory is kept, as PyTorch keeps it: what moves are packed bytes
        if not x.lay.packed():
            x = dense_copy(x, formats.preserve_format)
        lay = x.lay
        moved = empty((lay.numel,), x.dtype, dev)
        transfer(Array.new(x._storage, Layout((lay.numel,), (1,), lay.offset), x.dtype), moved, later)
        moved = Array.new(moved._storage, like_layout(lay), x.dtype)
    return moved if x.dtype is t else converted(moved, t, dev)


def dense_copy(x: Any, wanted: Any = None) -> Any:
    if wanted is formats.preserve_format:
        return strided.cast(x, x.dtype)
    if wanted is None:
        out = empty(x.lay.shape, x.dtype, x.device)
    else:
        out = empty_layout(wanted.lay(x.shape), x.dtype, x.device)
    strided.copy_into(out, x)
    return out


def transfer(x: Any, out: Any, later: bool = False) -> None:
    """Copy the bytes of a contiguous Array into a contiguous one on another device."""
    if x.lay.numel == 0 or out.device.type == "meta":
        return
    start = out.lay.offset * out.dtype.itemsize
    if out.device.type == "cpu":
        if later and x.device.type == "cl" and owner_of(out._storage) is PINNED:
            place = out._storage.array[start : start + x.lay.numel * x.dtype.itemsize]
            x.device.context.fetch(x._storage.buf, place, x.lay.offset * x.dtype.itemsize)
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
    warn_lost(self.dtype, t)
    if t is self.dtype and dev is self.device:
        moved = clone(self, memory_format=wanted) if copy else self
    else:
        moved = apply(ToCopy, self, t, dev, later)
    if wanted is None or wanted is formats.preserve_format:
        return moved
    if moved is self and formats.suggested(self.lay) is wanted:
        return self
    exact = wanted.lay(moved.lay.shape).strides  # of dimensions of size 1 too
    return moved if moved is not self and moved.lay.strides == exact else contiguous_copy(moved, wanted)


def warn_lost(old: dtype, new: dtype) -> None:
    if old.is_complex and new.family not in "cb":
        warn_once("Casting complex values to real discards the imaginary part")


class ContiguousCopy(Op):
    """Copy into a dense layout."""

    name = "clone"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, wanted: Any = None) -> Any:
        return dense_copy(x, wanted)

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
    if memory_format is formats.preserve_format and not input.lay.contiguous:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if input.lay.contiguous if memory_format is formats.contiguous_format else follows(input.lay, memory_format):
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
    if x.lay.contiguous or not x.lay.packed():
        return contiguous_copy(g)
    out = empty_layout(like_layout(x.lay), g.dtype, g.device)
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
    "clone", "contiguous", "contiguous_copy", "detach", "detach_", "gather_from_layout", "gradient_copy", "parse_to",
    "replace_in_layout", "scatter_into_layout", "to", "to_copy",
]  # fmt: skip
