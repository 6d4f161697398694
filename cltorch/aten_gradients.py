"""Operators of torch.ops.aten that are the derivatives of others: ``native_layer_norm_backward`` and its like.

Most run their operator once more and take its derivative, so that shapes, dtypes and devices are its own.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cltorch import autograd, functions
from cltorch.aten import OPERATORS, derivative
from cltorch.autograd.grad_mode import enable_grad
from cltorch.nn import functional

__all__ = ["OPERATORS"]


def _gradients(f: Callable[..., Any], grad: Any, operands: Sequence[Any], mask: Sequence[bool]) -> tuple[Any, ...]:
    """Return those gradients of a function's operands that a mask asks for, None for others and where there is none."""
    with enable_grad():
        leaves = [None if x is None else x.detach().requires_grad_() for x in operands]
        wanted = [x for x, asked in zip(leaves, mask, strict=True) if asked and x is not None]
        found = iter(autograd.grad(f(*leaves), wanted, grad) if wanted else ())
    return tuple(next(found) if asked and x is not None else None for x, asked in zip(leaves, mask, strict=True))


def _at_zero(f: Callable[..., Any], grad: Any, sizes: Sequence[int], *args: Any, **named: Any) -> Any:
    """Return the derivative of a linear function of a tensor of these sizes, times a gradient."""
    return derivative(f, grad, _zeros(grad, sizes), *args, **named)


def _zeros(grad: Any, sizes: Sequence[int]) -> Any:
    return functions.zeros(tuple(sizes), dtype=grad.dtype, device=grad.device)


# ---- layers ------------------------------------------------------------------------------------------------------
def _layer_norm(
    grad_out: Any, input: Any, normalized_shape: Sequence[int], mean: Any, rstd: Any, weight: Any, bias: Any,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:  # fmt: skip
    shape = tuple(normalized_shape)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    whole = tuple(range(input.ndim - len(shape)))
    x = (input - mean) * rstd  # as it was normalized, with the eps of then
    gi = gw = gb = None
    if output_mask[0]:
        g = grad_out if weight is None else grad_out * weight
        gi = (g - g.mean(axes, True) - x * (g * x).mean(axes, True)) * rstd
    if output_mask[1] and weight is not None:
        gw = (grad_out * x).sum(whole) if whole else grad_out * x
    if output_mask[2] and bias is not None:
        gb = grad_out.sum(whole) if whole else grad_out
    return gi, gw, gb


def _group_norm(
    grad_out: Any, input: Any, mean: Any, rstd: Any, weight: Any, N: int, C: int, HxW: int, group: int,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:  # fmt: skip
    shape = (N, group, C // group, HxW)
    x, g = input.reshape(shape), grad_out.reshape(shape)
    x = (x - mean.reshape(N, group, 1, 1)) * rstd.reshape(N, group, 1, 1)
    gi = gw = gb = None
    if output_mask[0]:
        scaled = g if weight is None else g * weight.reshape(1, group, C // group, 1)
        spread = scaled - scaled.mean((2, 3), True) - x * (scaled * x).mean((2, 3), True)
        gi = (spread * rstd.reshape(N, group, 1, 1)).reshape(input.shape)
    if output_mask[1] and weight is not None:
        gw = (g * x).sum((0, 3)).reshape(C)
    if output_mask[2]:
        gb = g.sum((0, 3)).reshape(C)
    return gi, gw, gb


def _batch_norm(
    grad_out: Any, input: Any, weight: Any, running_mean: Any, running_var: Any, save_mean: Any, save_invstd: Any,
    train: bool, eps: float, output_mask: Sequence[bool],
) -> tuple[Any, ...]:  # fmt: skip
    row = (1, -1, *(1 for _ in range(input.ndim - 2)))
    axes = (0, *range(2, input.ndim))
    mean, scale = (save_mean, save_invstd) if train else (running_mean, functions.rsqrt(running_var + eps))
    x = (input - mean.reshape(row)) * scale.reshape(row)
    gi = None
    if output_mask[0]:
        g = grad_out if weight is None else grad_out * weight.reshape(row)
        gi = (g - g.mean(axes, True) - x * (g * x).mean(axes, True) if train else g) * scale.reshape(row)
    return gi, (grad_out * x).sum(axes) if output_mask[1] else None, grad_out.sum(axes) if output_mask[2] else None


def _dropout(grad_output: Any, mask: Any, scale: float) -> Any:
    return grad_output * mask * scale


def _linear(self: Any, grad_output: Any, weight: Any, output_mask: Sequence[bool]) -> tuple[Any, ...]:
    rows, out = self.reshape(-1, self.shape[-1]), grad_output.reshape(-1, weight.shape[0])
    return (
        grad_output @ weight if output_mask[0] else None,
        out.mT @ rows if output_mask[1] else None,
        out.sum(0) if output_mask[2] else None,
    )


def _embedding(
    grad_output: Any, indices: Any, num_weights: int, padding_idx: int, scale_grad_by_freq: bool, sparse: bool = False
) -> Any:
    sizes = (num_weights, grad_output.shape[-1])
    return _at_zero(
        lambda table: functions.embedding(table, indices, padding_idx, scale_grad_by_freq, sparse), grad_output, sizes
    )


def _elu(grad_output: Any, alpha: Any, scale: Any, input_scale: Any, is_result: bool, self_or_result: Any) -> Any:
    x = self_or_result
    low = (x + alpha * scale) * input_scale if is_result else (x * input_scale).exp() * (input_scale * alpha * scale)
    return grad_output * functions.where(x <= 0, low, scale)


def _log_sigmoid(grad_output: Any, self: Any, buffer: Any) -> Any:
    return derivative(functional.logsigmoid, grad_output, self)


def _prelu(grad_output: Any, self: Any, weight: Any) -> tuple[Any, Any]:
    above = self > 0
    return functions.where(above, grad_output, weight * grad_output), functions.where(above, 0, self * grad_output)


def _grid_sampler(
    grad_output: Any, input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool,
    output_mask: Sequence[bool],
) -> tuple[Any, ...]:  # fmt: skip
    def run(x: Any, places: Any) -> Any:
        return functions.grid_sampler(x, places, interpolation_mode, padding_mode, align_corners)

    return _gradients(run, grad_output, (input, grid), output_mask)


def _resampled(name: str, grad_output: Any, output_size: Any, input_size: Any, *rest: Any, **named: Any) -> Any:
    return _at_zero(lambda x: OPERATORS[name](x, output_size, *rest, **named), grad_output, input_size)


# ---- losses ------------------------------------------------------------------------------------------------------
def _loss(name: str, grad_output: Any, self: Any, target: Any, *rest: Any, **named: Any) -> Any:
    return derivative(lambda x: OPERATORS[name](x, target, *rest, **named), grad_output, self)


def _nll_loss(
    grad_output: Any, self: Any, target: Any, weight: Any, reduction: int, ignore_index: int, total_weight: Any
) -> Any:
    return derivative(lambda x: OPERATORS["nll_loss"](x, target, weight, reduction, ignore_index), grad_output, self)


# ---- parts of tensors --------------------------------------------------------------------------------------------
def _select(grad_output: Any, input_sizes: Sequence[int], dim: int, index: int) -> Any:
    return functions.select_scatter(_zeros(grad_output, input_sizes), grad_output, dim, index)


def _slice(grad_output: Any, input_sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> Any:
    return functions.slice_scatter(_zeros(grad_output, input_sizes), grad_output, dim, start, end, step)


def _diagonal(grad_output: Any, input_sizes: Sequence[int], offset: int, dim1: int, dim2: int) -> Any:
    return functions.diagonal_scatter(_zeros(grad_output, input_sizes), grad_output, offset, dim1, dim2)


def _trace(grad: Any, sizes: Sequence[int]) -> Any:
    return functions.eye(*sizes, dtype=grad.dtype, device=grad.device) * grad


def _index_select(grad: Any, self_sizes: Sequence[int], dim: int, index: Any) -> Any:
    return functions.index_add(_zeros(grad, self_sizes), dim, index, grad)


def _gather(grad: Any, self: Any, dim: int, index: Any, sparse_grad: bool) -> Any:
    return functions.scatter_add(functions.zeros_like(self), dim, index, grad)


def _masked_select(grad: Any, input: Any, mask: Any) -> Any:
    return derivative(functions.masked_select, grad, input, mask)


def _chosen(grad: Any, dim: int, indices: Any, sizes: Sequence[int], keepdim: bool) -> Any:
    if not keepdim and len(sizes):
        grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
    return functions.scatter(_zeros(grad, sizes), dim, indices, grad) if len(sizes) else grad


OPERATORS |= {
    "native_layer_norm_backward": _layer_norm, "native_group_norm_backward": _group_norm,
    "native_batch_norm_backward": _batch_norm, "native_dropout_backward": _dropout, "linear_backward": _linear,
    "embedding_dense_backward": _embedding, "embedding_backward": _embedding, "elu_backward": _elu,
    "log_sigmoid_backward": _log_sigmoid, "_prelu_kernel_backward": _prelu, "nll_loss_backward": _nll_loss,
    "nll_loss2d_backward": _nll_loss, "select_backward": _select, "slice_backward": _slice,
    "diagonal_backward": _diagonal, "trace_backward": _trace, "index_select_backward": _index_select,
    "gather_backward": _gather, "masked_select_backward": _masked_select,
    "value_selecting_reduction_backward": _chosen,
    "unfold_backward": partial(_at_zero, functions.unfold),
}  # fmt: skip
for _name in "mse_loss smooth_l1_loss huber_loss binary_cross_entropy soft_margin_loss multi_margin_loss".split():
    OPERATORS[f"{_name}_backward"] = partial(_loss, _name)
for _n in (2, 3):
    OPERATORS[f"grid_sampler_{_n}d_backward"] = _grid_sampler
    OPERATORS[f"avg_pool{_n}d_backward"] = partial(derivative, getattr(functional, f"avg_pool{_n}d"))
    OPERATORS[f"_adaptive_avg_pool{_n}d_backward"] = OPERATORS[f"adaptive_avg_pool{_n}d_backward"] = (
        lambda grad_output, self, n=_n: derivative(
            getattr(functional, f"adaptive_avg_pool{n}d"), grad_output, self, tuple(grad_output.shape[-n:])
        )
    )
for _n in (1, 2, 3):
    for _name in ("reflection", "replication"):
        OPERATORS[f"{_name}_pad{_n}d_backward"] = partial(derivative, OPERATORS[f"{_name}_pad{_n}d"])
for _name in [name for name in OPERATORS if name.lstrip("_").startswith("upsample_")]:
    OPERATORS[f"{_name}_backward"] = partial(_resampled, _name)
