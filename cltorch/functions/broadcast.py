"""The shape that operands have together, and its adjoint: a gradient summed back to the shape of one of them."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import Settings
from cltorch.autograd.layers import active
from cltorch.autograd.record import apply
from cltorch.functions.reduce import Sum
from cltorch.layout import Layout
from cltorch.ops.array import Array
from cltorch.ops.reduce import SUM
from cltorch.shapes import Size
from cltorch.shapes import broadcast_shapes as _common_shape

__all__ = ["broadcast_shapes", "gradient_sum", "sum_to_size"]


def broadcast_shapes(*shapes: Any) -> Size:
    """Return the common shape of operands, aligned at their last dimension.

    Raises RuntimeError that names the first shape that does not fit the ones before it, and ValueError for a negative
    size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.broadcast_shapes.html

    >>> import cltorch as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    given = [(s,) if isinstance(s, int) else s for s in shapes]
    if any(isinstance(n, int) and n < 0 for s in given if isinstance(s, (tuple, list)) for n in s):
        raise ValueError("Attempting to broadcast a dimension with negative length!")
    try:
        return _common_shape(*shapes)
    except RuntimeError:
        common = [1] * max((len(s) for s in given if isinstance(s, (tuple, list))), default=0)
        for argument, shape in enumerate(given):
            if not isinstance(shape, (tuple, list)):
                raise
            for d in range(-1, -len(shape) - 1, -1):
                n = shape[d]
                if n not in (1, common[d]) and common[d] != 1:
                    raise RuntimeError(
                        f"Attempting to broadcast a dimension of length {n} at {d}! Mismatching argument at index "
                        f"{argument} had {shape}; but expected shape should be broadcastable to {common}"
                    ) from None
                if n != 1:
                    common[d] = n
        raise


def sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over the dimensions along which a tensor of ``size`` would have been broadcast to this one.

    Raises RuntimeError where ``size`` does not broadcast to the tensor's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.sum_to_size.html

    >>> import cltorch as torch
    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    target = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = input.lay.shape
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


def gradient_sum(g: Any, shape: Size) -> Any:
    """Return a gradient summed to the shape of an operand, which was broadcast to the gradient's.

    Where nothing is recorded, as in most backward passes, there is nothing to read or check before the operator runs.
    """
    if mode.enabled or active:
        return sum_to_size(g, shape)
    have = g.lay.shape
    lead = len(have) - len(shape)
    dims = (*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1 and have[lead + i] != 1])
    out = apply(Sum, g, SUM, dims, False, g.dtype, ())
    return out if out.lay.shape == shape else Array.new(out._storage, Layout.of(shape), out.dtype)
