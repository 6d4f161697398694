"""Padding: torch.nn.functional.pad, its constant form that is also torch's, and what their derivatives call.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pad.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.functions.arguments import fit_number, need_array, read_number
from cltorch.functions.convert import clone
from cltorch.ops import pad as ops
from cltorch.ops.few import refuse

__all__ = ["constant_pad_nd", "pad", "pad_adjoint", "pad_dims", "pad_edges"]

_SUPPORTED = (
    "Supported combinations for non-constant padding:\n"
    "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
    "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
    "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
)


_NODES = {"reflect": "ReflectionPad", "replicate": "ReplicationPad"}


def pad_dims(x: Any, pads: ops.Pads, mode: str, value: Any) -> Any:
    """Pad by (before, after) of every dimension, without checks."""
    return apply(ops.Pad, x, pads, mode, value)


def pad_edges(x: Any, pads: ops.Pads, mode: str) -> Any:
    """Pad by what is at the edges: a function of its own, since autocast on the host takes float32 for it alone."""
    return apply(ops.Pad, x, pads, mode, 0)


def pad_adjoint(g: Any, shape: Sequence[int], pads: ops.Pads, mode: str) -> Any:
    """Sum, for every element of the unpadded shape, over its copies."""
    return apply(ops.PadAdjoint, g, shape, pads, mode)


def _by_dimension(ndim: int, given: Sequence[int]) -> ops.Pads:
    """Return (before, after) for every dimension from first to last; PyTorch's argument begins with the last."""
    pads = [(0, 0)] * ndim
    for i in range(len(given) // 2):
        pads[ndim - 1 - i] = (int(given[2 * i]), int(given[2 * i + 1]))
    return tuple(pads)


def constant_pad_nd(input: Any, pad: Sequence[int], value: Any = 0) -> Any:
    """Put a constant before and after the last dimensions; negative numbers cut off.

    ``pad`` holds (before, after) of the last dimension, then of the last but one, and so on. Raises RuntimeError for
    an odd count, for more dimensions than there are, and for sizes that would be negative.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pad.html

    >>> import cltorch as torch
    >>> torch.constant_pad_nd(torch.ones(2), (1, 2), 7)
    tensor([7., 1., 1., 7., 7.])
    """
    need_array("constant_pad_nd", "input", 1, input)
    shape = input.lay.shape
    if len(pad) % 2:
        raise RuntimeError("Length of pad must be even")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {len(shape)} dimensions."
        )
    pads = _by_dimension(len(shape), pad)
    for d, (n, (before, after)) in enumerate(zip(shape, pads, strict=True)):
        if n + before + after < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {before} and {after}, resulted in a negative output size, "
                f"which is invalid. Check dimension {d} of your input."
            )
    if not any(before or after for before, after in pads):
        return clone(input)
    value = fit_number(read_number("constant_pad_nd", "value", 3, value), input.dtype)
    return called(pad_dims(input, pads, "constant", value), "ConstantPadNdBackward0")


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Put elements before and after the last dimensions; negative numbers cut off.

    out[i] = x[i - before] or, outside of it, "constant": ``value``, "circular": x[(i - before) mod L], "replicate": the
    nearest element, "reflect": x[j] with j = |i - before|, or 2 (L - 1) - j where that exceeds L - 1.
    ``pad`` holds (before, after) of the last dimension, then of the last but one, and so on. ``mode`` is "constant"
    (``value``, 0 by default), "reflect" (mirrored, the edge not repeated), "replicate" (the edge repeated) or
    "circular" (from the other end); all but the first pad one to three dimensions behind one or two others.
    Shape: (*, L) to (*, before + L + after), and so for each dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pad.html

    >>> import cltorch as torch
    >>> torch.nn.functional.pad(torch.tensor([[1, 2, 3]]), (2, 1), "reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    need_array("pad", "input", 1, input)
    shape = input.lay.shape
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {len(shape)}"
        )
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode != "circular":
        refuse(mode, input.dtype)
    spatial = len(pad) // 2
    if not 1 <= spatial <= 3 or len(shape) not in (spatial + 1, spatial + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {len(shape)}D input tensor.\n{_SUPPORTED}"
        )
    pads = _by_dimension(len(shape), pad)
    check = _check_circular if mode == "circular" else _check_reflect_or_replicate
    check(shape, pads, spatial, mode)
    if mode == "circular" and any(before < 0 or after < 0 for before, after in pads):
        # what is cut off does not come back at the other end
        input = pad_dims(input, tuple((min(before, 0), min(after, 0)) for before, after in pads), "constant", 0)
        pads = tuple((max(before, 0), max(after, 0)) for before, after in pads)
        _check_circular(input.lay.shape, pads, spatial, mode)
    if mode == "circular":
        return pad_dims(input, pads, mode, 0)
    return called(pad_edges(input, pads, mode), f"{_NODES[mode]}{spatial}DBackward0")


def _check_reflect_or_replicate(shape: Sequence[int], pads: ops.Pads, spatial: int, mode: str) -> None:
    if 0 in shape[-spatial - 1 :]:
        raise RuntimeError(
            f"Expected {spatial + 1}D or {spatial + 2}D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )
    for i in range(1, spatial + 1):
        n, (before, after) = shape[-i], pads[-i]
        if mode == "reflect" and (before >= n or after >= n):
            raise RuntimeError(
                f"Argument #{2 * i + 2}: Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({before}, {after}) at dimension {len(shape) - i} of input {list(shape)}"
            )
        size = (n + before + after + 2**63) % 2**64 - 2**63  # goes round, as numbers of 64 bits do
        if size < 1:
            letter = "WHD"[i - 1]
            raise RuntimeError(f"input ({letter}: {n}) is too small. Calculated output {letter}: {size}")


def _check_circular(shape: Sequence[int], pads: ops.Pads, spatial: int, mode: str) -> None:
    for n, (before, after) in zip(shape[-spatial:], pads[-spatial:], strict=True):
        if before > n or after > n:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if n + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
