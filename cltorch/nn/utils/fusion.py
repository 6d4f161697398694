"""Batch normalisation folded into the layer before it, for inference.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.fuse_conv_bn_eval.html
"""

from __future__ import annotations

import copy
from typing import Any

from cltorch.autograd import no_grad
from cltorch.functions import public as functions
from cltorch.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


@no_grad()
def _fused(w: Any, b: Any, mean: Any, var: Any, eps: float, scale: Any, shift: Any, dim: int) -> tuple[Any, Any]:
    factor = functions.rsqrt(functions.add(var, eps))
    if scale is not None:
        factor = functions.mul(factor, scale)
    bias = functions.mul(functions.neg(mean) if b is None else functions.sub(b, mean), factor)
    if shift is not None:
        bias = functions.add(bias, shift)
    shape = [1] * w.ndim
    shape[dim] = -1
    weight = functions.mul(w, functions.reshape(factor, shape)).to(w.dtype)
    return (
        Parameter(weight, w.requires_grad),
        Parameter(bias.to(w.dtype if b is None else b.dtype), b is not None and b.requires_grad),
    )


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """Return a copy of a convolution that does what it and a batch normalisation after it do.

    weight · γ / √(var + eps) and (bias - mean) · γ / √(var + eps) + β for each output, γ and β being the
    normalisation's weight and bias.
    ``transpose`` says that it is a transposed one. Raises AssertionError for layers in training and statistics that are
    not kept.
    Shape: weight (C_out, C_in, *), or (C_in, C_out, *) if transposed, all others (C_out), to the same two.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.fuse_conv_bn_eval.html

    >>> import cltorch as torch
    >>> conv, bn = torch.nn.Conv2d(1, 2, 3).eval(), torch.nn.BatchNorm2d(2).eval()
    >>> x = torch.randn(1, 1, 5, 5)
    >>> torch.allclose(torch.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-5)
    True
    """
    _check(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Any, Any]:
    """Return weight and bias of a convolution with a batch normalisation's mean, variance, weight and bias in them.

    weight · γ / √(var + eps) and (bias - mean) · γ / √(var + eps) + β for each output, γ and β being the
    normalisation's weight and bias.
    Shape: weight (C_out, C_in, *), or (C_in, C_out, *) if transposed, all others (C_out), to the same two.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.fuse_conv_bn_weights.html

    >>> import cltorch as torch
    >>> one = torch.ones(1)
    >>> torch.nn.utils.fuse_conv_bn_weights(torch.ones(1, 1, 1), None, one, one, 0.0, 2 * one, one)[0]
    Parameter containing:
    tensor([[[2.]]])
    """
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """Return a copy of a linear layer that does what it and a batch normalisation after it do.

    weight · γ / √(var + eps) and (bias - mean) · γ / √(var + eps) + β for each output, γ and β being the
    normalisation's weight and bias.
    Raises AssertionError for layers in training and where the numbers of features do not fit.
    Shape: weight (out, in), all others (out), to the same two.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.fuse_linear_bn_eval.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.fuse_linear_bn_eval(torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval())
    >>> net
    Linear(in_features=2, out_features=3, bias=True)
    """
    _check(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got linear.out_features="
            f"{linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Any, Any]:
    """Return weight and bias of a linear layer with a batch normalisation's mean, variance, weight and bias in them.

    weight · γ / √(var + eps) and (bias - mean) · γ / √(var + eps) + β for each output, γ and β being the
    normalisation's weight and bias.
    Shape: weight (out, in), all others (out), to the same two.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.fuse_linear_bn_weights.html

    >>> import cltorch as torch
    >>> one = torch.ones(1)
    >>> torch.nn.utils.fuse_linear_bn_weights(torch.ones(1, 1), None, one, one, 0.0, 2 * one, one)[0]
    Parameter containing:
    tensor([[2.]])
    """
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)
