"""Whether tensors are equal or close, by element and as a whole; numel and the kind of a dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.grad_mode import no_grad
from cltorch.dtypes import dtype
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, also_named, need_array
from cltorch.functions.reduce import all as all_true
from cltorch.ops import promotion
from cltorch.ops.array import Array

__all__ = [
    "allclose", "equal", "is_complex", "is_floating_point", "is_nonzero", "is_same_size", "is_signed", "isclose",
    "isreal", "numel", "result_type",
]  # fmt: skip


def equal(input: Any, other: Any) -> bool:
    """Return whether two tensors have the same shape and the same elements; waits for the device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.equal.html

    >>> import cltorch as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    need_array("equal", "input", 1, input)
    need_array("equal", "other", 2, other)
    if input.lay.shape != other.lay.shape:
        return False
    with no_grad():
        return bool(all_true(p.eq(input, other)).item())


def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Return whether all elements lie within ``atol + rtol * |other|`` of each other; waits for the device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.allclose.html

    >>> import cltorch as torch
    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-9]))
    True
    """
    with no_grad():
        return bool(all_true(isclose(input, other, rtol, atol, equal_nan)).item())


def is_nonzero(input: Any) -> bool:
    """Return whether the one element of a tensor is not zero; raise RuntimeError for more or fewer elements.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_nonzero.html

    >>> import cltorch as torch
    >>> torch.is_nonzero(torch.tensor([0.0]))
    False
    """
    need_array("is_nonzero", "input", 1, input)
    if input.lay.numel != 1:
        what = "no values" if input.lay.numel == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(input.item())


def numel(input: Any) -> int:
    """Return the number of elements.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.numel.html

    >>> import cltorch as torch
    >>> torch.numel(torch.zeros(2, 3))
    6
    """
    return int(need_array("numel", "input", 1, input).lay.numel)


def is_floating_point(input: Any) -> bool:
    """Return whether the dtype is a floating-point type.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_floating_point.html

    >>> import cltorch as torch
    >>> torch.is_floating_point(torch.tensor([1]))
    False
    """
    need_array("is_floating_point", "input", 1, input)
    return bool(input.dtype.is_floating_point)


def is_complex(input: Any) -> bool:
    """Return whether the dtype is complex.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_complex.html

    >>> import cltorch as torch
    >>> torch.is_complex(torch.tensor([1j]))
    True
    """
    need_array("is_complex", "input", 1, input)
    return bool(input.dtype.is_complex)


def is_signed(input: Any) -> bool:
    """Return whether the dtype has a sign.

    >>> import cltorch as torch
    >>> torch.is_signed(torch.tensor([1], dtype=torch.uint8))
    False
    """
    need_array("is_signed", "input", 1, input)
    return bool(input.dtype.is_signed)


def is_same_size(input: Any, other: Any) -> bool:
    """Return whether two tensors have the same shape.

    >>> import cltorch as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    need_array("is_same_size", "input", 1, input)
    need_array("is_same_size", "other", 2, other)
    return bool(input.lay.shape == other.lay.shape)


@also_named(tensor="tensor2", scalar="tensor1", scalar1="tensor1", scalar2="tensor2", other="tensor1")
def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """Return the dtype that an operation on two tensors or numbers has.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.result_type.html

    >>> import cltorch as torch
    >>> torch.result_type(torch.tensor([1, 2], dtype=torch.int), 1.0)
    torch.float32
    """
    for x in (tensor1, tensor2):
        if not isinstance(x, (Array, int, float, complex, np.generic)):
            raise TypeError(
                "result_type() received an invalid combination of arguments: expected tensors or numbers, got "
                f"{type(x).__name__}"
            )
    return promotion.result_type([tensor1, tensor2])


def isreal(input: Any) -> Any:
    """Return whether each element is real: its imaginary part is zero.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.isreal.html

    >>> import cltorch as torch
    >>> torch.isreal(torch.tensor([1 + 1j, 2 + 0j]))
    tensor([False,  True])
    """
    need_array("isreal", "input", 1, input)
    if input.dtype.is_complex:
        return p.eq(input.imag, 0)
    return p.ge(p.isnan(input), 0)


def _tolerance(name: str, position: int, value: Any) -> float:
    if isinstance(value, Array) and value._requires_grad or not isinstance(value, (int, float, np.generic, Array)):
        raise TypeError(f"isclose(): argument '{name}' (position {position}) must be float, not {type(value).__name__}")
    value = float(value)
    if value < 0:
        raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    return value


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Compare elementwise within ``atol + rtol * |other|``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.isclose.html

    >>> import cltorch as torch
    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0 + 1e-9, 2.5]))
    tensor([ True, False])
    """
    need_array("isclose", "input", 1, input)
    need_array("isclose", "other", 2, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{SCALAR_NAMES[input.dtype.name]} did not match {SCALAR_NAMES[other.dtype.name]}")
    rtol, atol = _tolerance("rtol", 3, rtol), _tolerance("atol", 4, atol)
    same = p.eq(input, other)
    if equal_nan and input.dtype.differentiable:
        same = p.logical_or(same, p.logical_and(p.isnan(input), p.isnan(other)))
    wide = (
        input.dtype if input.dtype.differentiable else dtypes.float64 if input.device.type == "cpu" else dtypes.float32
    )
    a, b = input.to(wide), other.to(wide)
    distance = p.abs(p.sub(a, b))
    near = p.logical_and(p.le(distance, p.add(p.mul(p.abs(b), rtol), atol)), p.isfinite(distance))
    return p.logical_or(same, near)
