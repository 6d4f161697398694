"""Normalisation of groups of channels and of single ones, sample by sample.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#normalization-functions
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import need_array, read_int
from cltorch.functions.convert import contiguous, to
from cltorch.functions.norm import batch_norm, check, parameters_dtype
from cltorch.functions.reduce import mean
from cltorch.functions.shape import reshape
from cltorch.ops.norm_rows import NativeGroupNorm, Rows

__all__ = [
    "functional_group_norm", "functional_instance_norm", "group_norm", "instance_norm", "native_group_norm",
]  # fmt: skip


def _group(name: str, x: Any, num_groups: int, weight: Any, bias: Any) -> Rows:
    check(name, x, weight=weight, bias=bias)
    num_groups = read_int(name, "num_groups", 2, num_groups)
    shape = x.lay.shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    channels = shape[1]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    for argument, a in (("weight", weight), ("bias", bias)):
        if a is not None and tuple(a.lay.shape) != (channels,):
            raise RuntimeError(
                f"Expected {argument} to be a vector of size equal to the number of channels in input, but got "
                f"{argument} of shape {list(a.lay.shape)} and input of shape {list(shape)}"
            )
    each = channels // num_groups
    return Rows(shape[0] * num_groups, each * math.prod(shape[2:]), num_groups, each)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
) -> Any:
    """Normalise groups of channels of each sample of (N, C, …).

    ``weight`` and ``bias`` are (C,). Raises RuntimeError where the channels cannot be divided so.
    Y. Wu, K. He, Group Normalization, 2018.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.group_norm.html

    >>> import cltorch as torch
    >>> torch.group_norm(torch.tensor([[1.0, 3.0, 4.0, 8.0]]), 2, eps=0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    w = _group("group_norm", input, num_groups, weight, bias)
    return apply(NativeGroupNorm, input, weight, bias, w, float(eps))[0]


def functional_group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise groups of channels: group_norm with the arguments of torch.nn.functional.

    Raises ValueError for groups of one value.
    y = (x - mean) / √(var + eps) · weight + bias over each group.
    Shape: (N, C, *) to the same, weight and bias (C).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.group_norm.html

    >>> import cltorch as torch
    >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    need_array("functional_group_norm", "input", 1, input)
    shape = input.lay.shape
    if len(shape) >= 2 and shape[0] * shape[1] // num_groups * math.prod(shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(shape)}")
    return group_norm(input, num_groups, weight, bias, eps)


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Any, Any, Any]:
    """Return the result of group_norm, and means and reciprocal deviations (N, group), of the parameters' dtype.

    >>> import cltorch as torch
    >>> torch.native_group_norm(torch.tensor([[[1.0, 3.0]]]), None, None, 1, 1, 2, 1, 1e-5)[1]
    tensor([[2.]])
    """
    w = _group("native_group_norm", input, group, weight, bias)
    if (w.rows, w.n) != (N * group, C // group * HxW):
        raise RuntimeError(f"native_group_norm: sizes {[N, C, HxW]} do not fit input of shape {list(input.shape)}")
    out, mu, rstd = apply(NativeGroupNorm, input, weight, bias, w, float(eps))
    t = parameters_dtype(input, weight, bias)
    if input._tangents is not None or (mode.enabled and needs_grad(input)):  # the operator's own are not differentiable
        rows = to(reshape(input, (N, group, w.n)), mu.dtype)
        mu = mean(rows, -1, True)
        rstd = p.rsqrt(p.add(mean(p.square(p.sub(rows, mu)), -1), float(eps)))
    return out, to(reshape(mu, (N, group)), t), to(reshape(rstd, (N, group)), t)


def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """Normalise each channel of each sample of (N, C, …) over its positions.

    With ``use_input_stats`` by its own mean and variance, whose averages over the batch move the running ones by
    ``momentum``; without it by the running ones. Raises RuntimeError for sizes that do not fit.
    D. Ulyanov et al., Instance Normalization, 2016.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.instance_norm.html

    >>> import cltorch as torch
    >>> x = torch.tensor([[[1.0, 3.0]]])
    >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[[-1.0000,  1.0000]]])
    """
    shape = need_array("instance_norm", "input", 1, input).lay.shape
    input = contiguous(input)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps)
    for argument, a in (("running_mean", running_mean), ("running_var", running_var)):
        if a is not None:
            need_array("instance_norm", argument, 4, a)
    channels = shape[1] if len(shape) > 1 else 0
    if running_mean is None and running_var is None and channels:
        for argument, a in (("weight", weight), ("bias", bias)):
            if a is not None and need_array("instance_norm", argument, 2, a).lay.numel != channels:
                raise RuntimeError(f"{argument} should contain {channels} elements not {a.lay.numel}")
        return group_norm(input, channels, weight, bias, eps)
    # all instances stand side by side as the channels of one batch, and their running statistics are averaged
    m = Settings.functions
    w, b = (None if a is None else m.repeat(a, (shape[0],)) for a in (weight, bias))
    with no_grad():
        mu, var = (None if a is None else m.repeat(a, (shape[0],)) for a in (running_mean, running_var))
    line = reshape(input, (1, shape[0] * channels, *shape[2:]))
    out = batch_norm(line, w, b, mu, var, True, momentum, eps)
    with no_grad():
        for old, new in ((running_mean, mu), (running_var, var)):
            if old is not None:
                m.copy_(old, mean(reshape(new, (shape[0], channels)), 0))
    return reshape(out, shape)


def functional_instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel of each sample: instance_norm with the arguments of torch.nn.functional.

    Raises ValueError for a single position per channel.
    y = (x - mean) / √(var + eps) · weight + bias.
    Shape: (N, C, *) to the same, weight and bias (C).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.instance_norm.html

    >>> import cltorch as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0], [0.0, 2.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    need_array("functional_instance_norm", "input", 1, input)
    if running_mean is not None:
        need_array("functional_instance_norm", "running_mean", 2, running_mean)
    if running_var is not None:
        need_array("functional_instance_norm", "running_var", 3, running_var)
    if bias is not None:
        need_array("functional_instance_norm", "bias", 5, bias)
    if use_input_stats and math.prod(input.lay.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.lay.shape}")
    return instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps)
