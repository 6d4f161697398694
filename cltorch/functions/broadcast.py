"""The adjoint of broadcasting: sum a gradient back to the shape its operand had."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings

__all__ = ["sum_to_size"]


def sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over the dimensions along which a tensor of ``size`` would have been broadcast to this one.

    Raises RuntimeError where ``size`` does not broadcast to the tensor's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.sum_to_size.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    target = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = input.layout.shape
    if tuple(target) == tuple(shape):
        # PyTorch reads no size at all as the sum of everything, which of integers is int64
        return input if target or input.dtype.differentiable else input.to(dtypes.int64)
    lead = len(shape) - len(target)
    if lead < 0 or any(n not in (1, k) for n, k in zip(target, shape[lead:], strict=True)):
        raise RuntimeError(f"size {{{list(target)}}} is not expandable to size {{{list(shape)}}}.")
    dims = [*range(lead), *(lead + i for i, n in enumerate(target) if n == 1 and shape[lead + i] != 1)]
    functions = Settings.functions
    out = functions.sum(input, dims, True) if dims else input
    return functions.reshape(out, target) if lead else out
