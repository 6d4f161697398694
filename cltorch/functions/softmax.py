"""softmax, log_softmax and their kin."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.grad_mode import is_grad_enabled
from cltorch.autograd.record import apply
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions import convert, reduce
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, numpy_names
from cltorch.functions.pointwise import into_out
from cltorch.ops.softmax import LogSoftmax, Softmax
from cltorch.shapes import wrap_dim

__all__ = ["is_grad_enabled", "log_softmax", "softmax", "softmin"]


def need_floating(name: str, input: Any, dim: int) -> None:
    """Raise NotImplementedError where the softmax of a dtype is asked for that has none; PyTorch's kernels by name."""
    if not input.dtype.is_floating_point:
        last = "_lastdim" if wrap_dim(dim, input.lay.ndim) == max(input.lay.ndim, 1) - 1 else ""
        raise NotImplementedError(f"\"{name}{last}_kernel_impl\" not implemented for '{TYPE_NAMES[input.dtype]}'")


def _apply(op: Any, name: str, input: Any, dim: int, dtype: Any, out: Any) -> Any:
    if dtype is not None:
        input = input.to(dtype)
    need_floating(name, input, dim)
    result = apply(op, input, wrap_dim(dim, input.lay.ndim))
    return result if out is None else into_out(name, out, result)


@numpy_names
def softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """Normalise exponentials along a dimension so that they sum to 1.

    exp(xᵢ) / Σⱼ exp(xⱼ).
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softmax.html

    >>> import cltorch as torch
    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    need_array("softmax", "input", 1, input)
    return _apply(Softmax, "softmax", input, dim, dtype, out)


@numpy_names
def log_softmax(input: Any, dim: int, dtype: Any = None, *, out: Any = None) -> Any:
    """Return the logarithm of softmax, computed without overflow.

    log(exp(xᵢ) / Σⱼ exp(xⱼ)).
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.log_softmax.html

    >>> import cltorch as torch
    >>> torch.log_softmax(torch.zeros(2), 0)
    tensor([-0.6931, -0.6931])
    """
    need_array("log_softmax", "input", 1, input)
    return _apply(LogSoftmax, "log_softmax", input, dim, dtype, out)


def softmin(input: Any, dim: int, dtype: Any = None) -> Any:
    """Return softmax of the negated input."""
    return softmax(p.neg(input), dim, dtype or (None if input.dtype.differentiable else dtypes.float32))


def softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """Return the gradient of softmax from the incoming one and the result, in the input's dtype.

    >>> import cltorch as torch
    >>> y = torch.tensor([0.25, 0.75])
    >>> torch._softmax_backward_data(torch.tensor([1.0, 0.0]), y, 0, torch.float32)
    tensor([ 0.1875, -0.1875])
    """
    need_array("_softmax_backward_data", "grad_output", 1, grad_output)
    need_array("_softmax_backward_data", "output", 2, output)
    weighed = p.mul(grad_output, output)
    return convert.to(p.sub(weighed, p.mul(output, reduce.sum(weighed, dim, True))), input_dtype)


def log_softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """Return the gradient of log_softmax from the incoming one and the result, in the input's dtype.

    >>> import cltorch as torch
    >>> y = torch.tensor([0.25, 0.75]).log()
    >>> torch._log_softmax_backward_data(torch.tensor([1.0, 0.0]), y, 0, torch.float32)
    tensor([ 0.7500, -0.7500])
    """
    need_array("_log_softmax_backward_data", "grad_output", 1, grad_output)
    need_array("_log_softmax_backward_data", "output", 2, output)
    lost = p.mul(p.exp(output), reduce.sum(grad_output, dim, True))
    return convert.to(p.sub(grad_output, lost), input_dtype)
