"""What writes values into a tensor: copy_, fill_, zero_, and Python functions applied to every element."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import inplace
from cltorch.autograd.renaming import uncopied
from cltorch.dtypes import dtype
from cltorch.functions.arguments import also_named, fit_number, need_array, read_number
from cltorch.functions.convert import clone, converted, dense_copy, transfer, warn_lost
from cltorch.ops import strided
from cltorch.ops.array import Array, cast_host, host, values
from cltorch.ops.op import Op
from cltorch.ops.overlap import check_overlap
from cltorch.shapes import broadcast_shapes


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


def copy_(input: Any, other: Any, non_blocking: bool = False) -> Any:
    """Copy values into a tensor, converting dtype and device; ``other`` broadcasts.

    With ``non_blocking`` a copy between a device and pinned memory waits for nothing: what is copied must not change,
    and what it is copied into must not be read, before the device was waited for.

    Raises RuntimeError where the shapes do not fit.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.copy_.html
    """
    if not isinstance(other, Array):
        if isinstance(other, (int, float, complex)):
            return fill_(input, other)
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}")
    if tuple(broadcast_shapes(input.shape, other.shape)) != tuple(input.shape):
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(broadcast_shapes(input.shape, other.shape))}"
        )
    if input is other:
        return input
    warn_lost(other.dtype, input.dtype)
    check_overlap(input, (other,))

    def write() -> None:
        alike = other.dtype is input.dtype and other.lay.shape == input.lay.shape
        if other.device is not input.device and alike and other.lay.contiguous and input.lay.contiguous:
            transfer(other, input, non_blocking)
            return
        value = other if other.device is input.device else converted(other, input.dtype, input.device)
        if value._storage is input._storage and not value.lay.same(input.lay):
            value = dense_copy(value)
        strided.copy_into(input, value)

    return inplace(input, _Copy, input, other, write=write)


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
        if value.lay.ndim:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.lay.ndim} dimensions."
            )
        return copy_(input, value)
    value, t = read_number("fill_", "value", 1, value), input.dtype
    # one element of a byte or two overflows, several are refused: as in PyTorch
    small = input.lay.numel == 1 and t.family == "f" and t.itemsize < 4
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


def _a_number(value: Any, t: dtype) -> Any:
    if isinstance(value, (str, bytes)):
        raise TypeError(
            f"must be real number, not {type(value).__name__}"
            if t.differentiable
            else f"'{type(value).__name__}' object cannot be interpreted as an integer"
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


@also_named(other="tensor")
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


__all__ = ["apply_", "copy_", "fill", "fill_", "map2_", "map_", "zero_"]
