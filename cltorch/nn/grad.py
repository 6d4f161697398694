"""The gradients of convolutions by themselves.

Source: https://docs.pytorch.org/docs/2.13/nn.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.autograd import enable_grad, grad
from cltorch.functions.conv import conv1d, conv2d, conv3d

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]

_CONV = {1: conv1d, 2: conv2d, 3: conv3d}


def _gradient(of: str, dims: int, x: Any, w: Any, grad_output: Any, settings: tuple[Any, ...]) -> Any:
    """Return the gradient of ``of``, of whose values a convolution's gradient does not depend on."""
    missing = x if of == "input" else w
    other = w if of == "input" else x
    with enable_grad():
        variable = functions.zeros(tuple(missing), dtype=other.dtype, device=other.device, requires_grad=True)
        y = _CONV[dims](*((variable, w) if of == "input" else (x, variable)), None, *settings)
    if y.shape != grad_output.shape:
        raise RuntimeError(
            f"conv{dims}d_{of}: expected grad_output of shape {list(y.shape)}, got {list(grad_output.shape)}"
        )
    return grad(y, variable, grad_output, create_graph=other.requires_grad or grad_output.requires_grad)[0]


def conv1d_input(
    input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv1d`` with respect to its input, of shape ``input_size``.

    out[c, j] = Σ weight[o, c, k] · grad_output[o, i] over all o, i and k with j = i · stride + k · dilation - padding.
    Shape: weight (C_out, C_in / groups, k) and grad_output (N, C_out, L') to (N, C_in, L), which is ``input_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv1d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv1d_input((1, 1, 4), torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1, 3))
    tensor([[[1., 3., 3., 2.]]])
    """
    return _gradient("input", 1, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv1d_weight(
    input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv1d`` with respect to its weight, of shape ``weight_size``.

    out[o, c, k] = Σ grad_output[o, i] · input[c, i · stride + k · dilation - padding] over samples and i.
    Shape: input (N, C_in, L) and grad_output (N, C_out, L') to (C_out, C_in / groups, k), which is ``weight_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv1d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv1d_weight(torch.tensor([[[1.0, 2.0, 3.0]]]), (1, 1, 2), torch.ones(1, 1, 2))
    tensor([[[3., 5.]]])
    """
    return _gradient("weight", 1, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv2d_input(
    input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv2d`` with respect to its input, of shape ``input_size``.

    out[c, j] = Σ weight[o, c, k] · grad_output[o, i] over all o, i and k with j = i · stride + k · dilation - padding,
    so in each dimension.
    Shape: weight (C_out, C_in / groups, kh, kw) and grad_output (N, C_out, H', W') to (N, C_in, H, W), which is
    ``input_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv2d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv2d_input((1, 1, 2, 2), torch.ones(1, 1, 1, 2), torch.ones(1, 1, 2, 1))
    tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    return _gradient("input", 2, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv2d_weight(
    input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv2d`` with respect to its weight, of shape ``weight_size``.

    out[o, c, k] = Σ grad_output[o, i] · input[c, i · stride + k · dilation - padding] over samples and i, so in each
    dimension.
    Shape: input (N, C_in, H, W) and grad_output (N, C_out, H', W') to (C_out, C_in / groups, kh, kw), which is
    ``weight_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv2d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv2d_weight(torch.ones(1, 1, 3, 3), (1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _gradient("weight", 2, input, weight_size, grad_output, (stride, padding, dilation, groups))


def conv3d_input(
    input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv3d`` with respect to its input, of shape ``input_size``.

    out[c, j] = Σ weight[o, c, k] · grad_output[o, i] over all o, i and k with j = i · stride + k · dilation - padding,
    so in each dimension.
    Shape: weight (C_out, C_in / groups, kd, kh, kw) and grad_output (N, C_out, D', H', W') to (N, C_in, D, H, W), which
    is ``input_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv3d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv3d_input((1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 1)).flatten()
    tensor([1., 1.])
    """
    return _gradient("input", 3, input_size, weight, grad_output, (stride, padding, dilation, groups))


def conv3d_weight(
    input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    """Return the gradient of ``conv3d`` with respect to its weight, of shape ``weight_size``.

    out[o, c, k] = Σ grad_output[o, i] · input[c, i · stride + k · dilation - padding] over samples and i, so in each
    dimension.
    Shape: input (N, C_in, D, H, W) and grad_output (N, C_out, D', H', W') to (C_out, C_in / groups, kd, kh, kw), which
    is ``weight_size``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv3d.html

    >>> import cltorch as torch
    >>> torch.nn.grad.conv3d_weight(torch.ones(1, 1, 2, 2, 2), (1, 1, 1, 1, 1), torch.ones(1, 1, 2, 2, 2)).flatten()
    tensor([8.])
    """
    return _gradient("weight", 3, input, weight_size, grad_output, (stride, padding, dilation, groups))
