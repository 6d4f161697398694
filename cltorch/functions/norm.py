"""Normalisation over batches and layers.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#normalization-functions

torch.* and torch.nn.functional have functions of the same name whose arguments stand in another order; the latter's are
called functional_… here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cltorch.autograd.dual_levels import tangents
from cltorch.autograd.grad_mode import no_grad
from cltorch.autograd.record import apply
from cltorch.dtypes import finfo
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array, no_gradient, read_int
from cltorch.functions.convert import clone, to
from cltorch.functions.moments import var
from cltorch.functions.overwrite import copy_
from cltorch.functions.parts import select
from cltorch.functions.reduce import mean
from cltorch.functions.shape import reshape
from cltorch.layout import Layout
from cltorch.ops.array import Array, two_devices
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.norm_batch import NativeBatchNorm
from cltorch.ops.norm_rows import FusedRmsNorm, NativeLayerNorm, Rows

__all__ = [
    "batch_norm",
    "batch_norm_update_stats",
    "functional_batch_norm",
    "functional_layer_norm",
    "layer_norm",
    "native_batch_norm",
    "native_layer_norm",
    "rms_norm",
]


def check(name: str, x: Any, complex: bool = False, **params: Any) -> None:
    """Raise for dtypes and devices that do not go together: one dtype for all, or float32 beside the halves."""
    need_array(name, "input", 1, x)
    if not (x.dtype.is_floating_point or (complex and x.dtype.is_complex)):
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")
    found = None
    for argument, a in params.items():
        if a is None:
            continue
        need_array(name, argument, 2, a)
        if a.device is not x.device:
            raise two_devices(x.device, a.device, f"{name}, argument {argument}")
        if found is not None and a.dtype is not found:
            raise RuntimeError(
                f"mixed dtype: expected scalar type {SCALAR_NAMES[found.name]} for {argument} but found "
                f"{SCALAR_NAMES[a.dtype.name]}"
            )
        found = a.dtype
    if found is None or found is x.dtype:
        return
    wide = compute_dtype(x.dtype)
    if found is not wide:
        raise RuntimeError(
            "mixed dtype: all inputs must share same datatype."
            if x.dtype.itemsize == 8
            else "mixed dtype: expect parameter to have scalar type of Float"
        )


# ---- batches -----------------------------------------------------------------------------------------------------
def _empty(x: Any, weight: Any, bias: Any) -> Any:
    """Return what PyTorch makes of an input without elements, which it neither checks nor normalises."""
    y = clone(x)
    if weight is not None:
        y = p.mul(y, select(weight, 0, 0))
    return y if bias is None else p.add(y, select(bias, 0, 0))


def _batch(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Any:
    check(name, x, weight=weight, bias=bias, running_mean=running_mean, running_var=running_var)
    if x.lay.shape == (0,):  # PyTorch takes it for samples without channels
        x = reshape(x, (0, 0))
        result, mu, rstd = _batch(name, x, weight, bias, running_mean, running_var, training, momentum, eps)
        return reshape(result, (0,)), mu, rstd
    channels = x.lay.shape[1] if x.lay.ndim > 1 else 0
    if x.lay.ndim < 2 and not any(a is not None and a.lay.numel for a in (running_mean, running_var, weight, bias)):
        n = max(x.lay.ndim, 1)
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got 1)")
    if not training:
        for argument, a in (("running_mean", running_mean), ("running_var", running_var)):
            if a is None:
                raise RuntimeError(f"{argument} must be defined in evaluation mode")
    elif (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    for argument, a in (
        ("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias),
    ):  # fmt: skip
        if a is not None and a.lay.numel != channels:
            raise RuntimeError(f"{argument} should contain {channels} elements not {a.lay.numel}")
    no_gradient("native_batch_norm", running_mean=running_mean, running_var=running_var)
    if tangents(x) and any(a is not None and tangents(a) for a in (running_mean, running_var)):
        raise RuntimeError(
            "batch_norm is not differentiable wrt running_mean and running_var, they cannot have forward grad defined"
        )
    if not isinstance(momentum, (int, float)):
        raise TypeError(f"{name}(): argument 'momentum' (position 7) must be float, not {type(momentum).__name__}")
    return apply(
        NativeBatchNorm, x, weight, bias, running_mean, running_var, bool(training), float(momentum), float(eps)
    )


def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """Normalise each channel (the second dimension) over the batch and all positions.

    In training by the batch's mean and variance, which move the running ones by ``momentum`` (the variance without
    bias); else by the running ones. ``input`` is (N, C, …), the others (C,) or None; float16 and bfloat16 are computed
    in float32. Raises RuntimeError for sizes that do not fit.
    S. Ioffe, C. Szegedy, Batch Normalization, 2015.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.batch_norm.html

    >>> import cltorch as torch
    >>> torch.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, None, None, True, 0.1, 0.0, False)
    tensor([[-1.],
            [ 1.]])
    """
    if not need_array("batch_norm", "input", 1, input).lay.numel:
        return _empty(input, weight, bias)
    return _batch("batch_norm", input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *,
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """Return the result of batch_norm, the batch's means and its reciprocal deviations (empty without ``training``).

    Both have the dtype of the parameters, or the input's where there are none.

    >>> import cltorch as torch
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)[0]
    tensor([[-1.0000],
            [ 1.0000]])
    """
    name = "native_batch_norm"
    result, mu, rstd = _batch(name, input, weight, bias, running_mean, running_var, training, momentum, eps)
    if not training:
        mu, rstd = (Array.new(a._storage, Layout.of((0,)), a.dtype) for a in (mu, rstd))
    t = parameters_dtype(input, weight, bias, running_mean, running_var)
    results = result, to(mu, t), to(rstd, t)
    return results if out is None else p.into_outs(name, out, results)


def parameters_dtype(input: Any, *params: Any) -> Any:
    return next((a.dtype for a in params if a is not None), input.dtype)


def batch_norm_update_stats(
    input: Any, running_mean: Any, running_var: Any, momentum: float, *, out: Any = None
) -> tuple[Any, Any]:
    """Return the batch's means and variances of each channel, and move the running ones by ``momentum``, in place.

    mean = Σ x / n, var = Σ (x - mean)² / n over the batch and all positions; the running variance moves towards
    n / (n - 1) times that. ``running_mean`` and ``running_var`` may be None; the results have their dtype, or the
    input's. Raises RuntimeError for an input without elements.
    Shape: (N, C, *) to two of (C).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.batch_norm.html

    >>> import cltorch as torch
    >>> running = torch.zeros(1), torch.ones(1)
    >>> torch.batch_norm_update_stats(torch.tensor([[1.0], [3.0]]), *running, 0.5)
    (tensor([2.]), tensor([1.]))
    >>> running
    (tensor([1.]), tensor([1.5000]))
    """
    name = "batch_norm_update_stats"
    check(name, input, running_mean=running_mean, running_var=running_var)
    if not isinstance(momentum, (int, float)):
        raise TypeError(f"{name}(): argument 'momentum' (position 4) must be float, not {type(momentum).__name__}")
    shape = input.lay.shape
    if len(shape) < 2:
        n = max(len(shape), 1)
        raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got 1)")
    if not input.lay.numel:
        raise RuntimeError(f"input tensor must have at least one element, but got input_sizes = {list(shape)}")
    t = parameters_dtype(input, running_mean, running_var)
    x = to(input, compute_dtype(input.dtype))
    dims = [d for d in range(len(shape)) if d != 1]
    mu, n = mean(x, dims), input.lay.numel // shape[1]
    variance = var(x, dims, correction=0)
    results = to(mu, t), to(variance, t)
    if out is not None:  # before the running ones move: it may be refused
        results = p.into_outs(name, out, results)
    with no_grad():
        for old, new in ((running_mean, mu), (running_var, p.mul(variance, n / (n - 1) if n > 1 else math.nan))):
            if old is not None:
                copy_(old, p.add(p.mul(old, 1 - momentum), p.mul(new, momentum)))
    return results


def functional_batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel: batch_norm with the arguments of torch.nn.functional.

    Raises ValueError for a batch of one value per channel, and for an ``eps`` below zero, or of zero in training, and
    IndexError for a weight of no channels.
    y = (x - mean) / √(var + eps) · weight + bias, by the batch's statistics where ``training``, else by the running
    ones.
    Shape: (N, C, *) to the same, all others (C).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.batch_norm.html

    >>> import cltorch as torch
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.nn.functional.batch_norm(x, None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    lay = need_array("batch_norm", "input", 1, input).lay
    if training:
        shape = lay.shape
        if shape[0] * math.prod(shape[2:]) == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {shape}")
        if eps <= 0:
            raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    elif eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    if not lay.numel:
        return _empty(input, weight, bias)
    return _batch("batch_norm", input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


# ---- layers ------------------------------------------------------------------------------------------------------
def _layer(name: str, x: Any, normalized_shape: Any, weight: Any, bias: Any, rms: bool) -> Rows:
    check(name, x, rms, weight=weight, bias=bias)
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(
            f"{name}(): argument 'normalized_shape' (position 2) must be tuple of ints, not "
            f"{type(normalized_shape).__name__}"
        )
    sizes = [read_int(name, "normalized_shape", 2, n) for n in normalized_shape]
    if not sizes:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for argument, a in (("weight", weight), ("bias", bias)):
        if a is not None and list(a.lay.shape) != sizes:
            raise RuntimeError(
                f"Expected {argument} to be of same shape as normalized_shape, but got {argument} of shape "
                f"{list(a.lay.shape)} and normalized_shape = {sizes}"
            )
    shape = list(x.lay.shape)
    if rms and len(shape) < len(sizes):
        raise ValueError(f"Input tensor must have at least {len(sizes)} dimensions, but got {len(shape)}")
    if shape[-len(sizes) :] != sizes:
        raise RuntimeError(
            f"Given normalized_shape={sizes}, expected input with shape [*, {', '.join(map(str, sizes))}], but got "
            f"input of size{shape}"
        )
    n = math.prod(sizes)
    return Rows(math.prod(shape[: -len(sizes)]), n, 1, n, rms)


def layer_norm(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """Normalise over the last dimensions, which ``normalized_shape`` names by their sizes.

    ``weight`` and ``bias`` have that shape. Raises RuntimeError where shapes do not fit.
    J. Ba et al., Layer Normalization, 2016.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.layer_norm.html

    >>> import cltorch as torch
    >>> torch.layer_norm(torch.tensor([[1.0, 3.0]]), (2,), eps=0)
    tensor([[-1.,  1.]])
    """
    w = _layer("layer_norm", input, normalized_shape, weight, bias, False)
    return apply(NativeLayerNorm, input, weight, bias, w, float(eps))[0]


def functional_layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Normalise over the last dimensions: layer_norm with the arguments of torch.nn.functional.

    y = (x - mean) / √(var + eps) · weight + bias.
    Shape: (N, *) that ends with ``normalized_shape``, to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.layer_norm.html

    >>> import cltorch as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return layer_norm(input, normalized_shape, weight, bias, eps)


def native_layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """Return the result of layer_norm, and means and reciprocal deviations of the rows, of the parameters' dtype.

    >>> import cltorch as torch
    >>> torch.native_layer_norm(torch.tensor([[1.0, 3.0]]), (2,), None, None, 1e-5)[1]
    tensor([[2.]])
    """
    w = _layer("native_layer_norm", input, normalized_shape, weight, bias, False)
    out, mu, rstd = apply(NativeLayerNorm, input, weight, bias, w, float(eps))
    lead = input.lay.ndim - len(normalized_shape)
    t, shape = parameters_dtype(input, weight, bias), (*input.lay.shape[:lead], *(1 for _ in normalized_shape))
    return out, to(reshape(mu, shape), t), to(reshape(rstd, shape), t)


def rms_norm(input: Any, normalized_shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Any:
    """Divide by the root of the mean square over the last dimensions, which ``normalized_shape`` names by their sizes.

    ``eps`` is by default the epsilon of the dtype it is computed in (float32 for float16 and bfloat16).
    B. Zhang, R. Sennrich, Root Mean Square Layer Normalization, 2019.
    y = x / √(mean(x²) + eps) · weight.
    Shape: (*) that ends with ``normalized_shape``, to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.rms_norm.html

    >>> import cltorch as torch
    >>> torch.rms_norm(torch.tensor([[3.0, -3.0]]), (2,))
    tensor([[ 1., -1.]])
    """
    w = _layer("rms_norm", input, normalized_shape, weight, None, True)
    if eps is None:
        eps = finfo(compute_dtype(input.dtype)).eps
    if input.dtype.is_complex:  # the mean of the squares, not of the absolute values', as PyTorch has it
        dims = list(range(-len(normalized_shape), 0))
        result = p.mul(input, p.rsqrt(p.add(mean(p.square(input), dims, True), float(eps))))
        return result if weight is None else p.mul(result, weight)
    return apply(FusedRmsNorm, input, weight, None, w, float(eps))[0]
