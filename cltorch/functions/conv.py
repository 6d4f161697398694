"""Convolutions and transposed convolutions of one to three dimensions: PyTorch's arguments and checks.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#convolution-functions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.complex_parts import complex, imag, real
from cltorch.functions.join import cat
from cltorch.functions.parts import narrow
from cltorch.functions.shape import reshape, squeeze, unsqueeze
from cltorch.ops import conv as ops
from cltorch.ops.conv_shape import Geometry
from cltorch.ops.notices import warn_once
from cltorch.shapes import Size

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_at", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "conv_transpose_at", "conv_weight_at", "convolution",
]  # fmt: skip

# how PyTorch's messages about convolutions name the types of C++
_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex32": "c10::complex<c10::Half>", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def conv_at(input: Any, weight: Any, bias: Any, geometry: Geometry, shape: Sequence[int]) -> Any:
    """Convolve with checked sizes."""
    return apply(ops.Convolution, input, weight, bias, geometry, shape)


def conv_transpose_at(input: Any, weight: Any, bias: Any, geometry: Geometry, shape: Sequence[int]) -> Any:
    """Convolve transposed with checked sizes; ``geometry`` is that of the convolution of which this is the adjoint."""
    return apply(ops.TransposedConvolution, input, weight, bias, geometry, shape)


def conv_weight_at(input: Any, grad: Any, geometry: Geometry, shape: Sequence[int]) -> Any:
    """Return the gradient of a convolution's weight, given that of its result."""
    return apply(ops.ConvolutionWeight, input, grad, geometry, shape)


def _ints(name: str, argument: str, value: Any, dims: int) -> tuple[int, ...]:
    """Return one number per dimension from an int or a sequence of one or all."""
    if value.__class__ is int:
        return (value,) * dims
    if value.__class__ is not tuple:
        value = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for n in value:
        if n.__class__ is not int and not (hasattr(n, "__index__") and not isinstance(n, bool)):
            raise TypeError(f"{name}(): argument '{argument}' must be tuple of ints, not {type(n).__name__}")
    if len(value) == 1:
        return tuple(map(int, value)) * dims
    if len(value) != dims:
        raise RuntimeError(
            f"expected {argument} to be a single integer value or a list of {dims} values to match the convolution "
            f"dimensions, but got {argument}={list(value)}"
        )
    return tuple(map(int, value))


def _check(name: str, input: Any, weight: Any, bias: Any) -> None:
    """Raise where the operands are no tensors of one device and one dtype."""
    need_array(name, "input", 1, input)
    need_array(name, "weight", 2, weight)
    rest = [("weight", weight)]
    if bias is not None:
        rest.insert(0, ("bias", need_array(name, "bias", 3, bias)))
    t = input.dtype
    for argument, x in rest:
        if x._storage.device is not input._storage.device:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but got {argument} is on {x.device}, different from "
                f"other tensors on {input.device} (when checking argument in method {name})"
            )
        if x.dtype is not t:
            raise RuntimeError(
                f"Input type ({_C_NAMES[t.name]}) and {argument} type ({_C_NAMES[x.dtype.name]}) should be the same"
            )
    if t is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES['bool']}'")


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def _check_sizes(
    x: Size, w: Size, bias: Size | None, stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...],
    groups: int, transposed: bool,
) -> None:  # fmt: skip
    """Raise RuntimeError where batched operands and settings do not fit each other."""
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if any(p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if len(x) != len(w):
        raise RuntimeError(
            f"Expected {len(w)}-dimensional input for {len(w)}-dimensional weight {list(w)}, but got "
            f"{len(x)}-dimensional input of size {list(x)} instead"
        )
    given = "transposed=1" if transposed else f"groups={groups}"
    if w[0] < groups or w[0] % groups:
        which = f"divisible by {groups}" if w[0] >= groups else f"at least {groups}"
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be {which} at dimension 0, but got weight of size {list(w)} "
            "instead"
        )
    wanted = w[0] if transposed else w[1] * groups
    if x[1] != wanted:
        raise RuntimeError(
            f"Given {given}, weight of size {list(w)}, expected input{list(x)} to have {wanted} channels, but got "
            f"{x[1]} channels instead"
        )
    channels = w[1] * groups if transposed else w[0]
    if bias is not None and bias != (channels,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {list(w)}, expected bias to be "
            f"1-dimensional with {channels} elements, but got bias of size {list(bias)} instead"
        )
    if 0 in w[2:]:
        raise RuntimeError(f"kernel size should be greater than zero, but got kernel size {list(w[2:])}")


def _check_planes(x: Size) -> None:
    """Raise RuntimeError for planes without elements."""
    if 0 in x[2:]:
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x)}")


def _three(values: Sequence[int], fill: int) -> Any:
    return (*(fill,) * (3 - len(values)), *values)


@lru_cache(4096)
def _plan(
    x: Size, w: Size, bias: Size | None, stride: tuple[int, ...], padding: tuple[int, ...] | str,
    dilation: tuple[int, ...], groups: int,
) -> tuple[Geometry, Size]:  # fmt: skip
    """Return the geometry and the result's shape of a convolution; raise RuntimeError where sizes do not fit."""
    dims = len(w) - 2
    sides = padding if isinstance(padding, tuple) else (0,) * dims
    _check_sizes(x, w, bias, stride, sides, dilation, groups, False)
    reach = [d * (k - 1) for d, k in zip(dilation, w[2:], strict=True)]
    if padding == "same":
        # the larger half of an odd total goes behind
        sides, outs = tuple(n // 2 for n in reach), tuple(x[2:])
    else:
        padded = [n + 2 * p for n, p in zip(x[2:], sides, strict=True)]
        if any(n <= r for n, r in zip(padded, reach, strict=True)):
            raise RuntimeError(
                f"Calculated padded input size per channel: ({_by(padded)}). Kernel size: "
                f"({_by([r + 1 for r in reach])}). Kernel size can't be greater than actual input size"
            )
        outs = tuple((n - r - 1) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))
    _check_planes(x)
    geometry = Geometry(
        x[0], groups, w[1], w[0] // groups, _three(x[2:], 1), _three(outs, 1), _three(w[2:], 1), _three(stride, 1),
        _three(sides, 0), _three(dilation, 1),
    )  # fmt: skip
    return geometry, Size((x[0], w[0], *outs))


@lru_cache(4096)
def _plan_transposed(
    x: Size, w: Size, bias: Size | None, stride: tuple[int, ...], padding: tuple[int, ...],
    output_padding: tuple[int, ...], dilation: tuple[int, ...], groups: int,
) -> tuple[Geometry, Size]:  # fmt: skip
    """Return the geometry of the convolution whose adjoint is asked for, and the result's shape."""
    _check_sizes(x, w, bias, stride, padding, dilation, groups, True)
    _check_planes(x)
    if any(o < 0 for o in output_padding):
        raise RuntimeError("negative output_padding is not supported")
    if any(o >= s and o >= d for o, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got output_padding: "
            f"{list(output_padding)} stride: {list(stride)} dilation: {list(dilation)}"
        )
    outs = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + o + 1
        for n, s, p, d, k, o in zip(x[2:], stride, padding, dilation, w[2:], output_padding, strict=True)
    )
    if any(n <= 0 for n in outs):
        raise RuntimeError(
            f"Given input size per channel: ({_by(x[2:])}). Calculated output size per channel: ({_by(outs)}). "
            "Output size is too small"
        )
    geometry = Geometry(
        x[0], groups, w[1], w[0] // groups, _three(outs, 1), _three(x[2:], 1), _three(w[2:], 1), _three(stride, 1),
        _three(padding, 0), _three(dilation, 1),
    )  # fmt: skip
    return geometry, Size((x[0], w[1] * groups, *outs))


def _batched(name: str, dims: int, input: Any) -> Any:
    """Return the input with a dimension of samples, and raise RuntimeError where it has too many or too few."""
    if input.lay.ndim == dims + 2:
        return input
    if input.lay.ndim != dims + 1:
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.lay.shape)}"
        )
    return unsqueeze(input, 0)


def _conv(
    name: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    _check(name, input, weight, bias)
    x = _batched(name, dims, input)
    (groups,) = _ints(name, "groups", groups, 1)
    stride, dilation = _ints(name, "stride", stride, dims), _ints(name, "dilation", dilation, dims)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        if padding == "same" and any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
    else:
        padding = _ints(name, "padding", padding, dims)
    w = weight.lay.shape
    if len(w) != dims + 2:
        raise RuntimeError(
            f"Expected {dims + 2}-dimensional weight for {name} (output channels, input channels / groups, kernel), "
            f"but got weight of size {list(w)}"
        )
    if padding == "same" and any(d * (k - 1) % 2 for d, k in zip(dilation, w[2:], strict=True)):
        warn_once(
            "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy of the "
            "input be created"
        )
    b = None if bias is None else bias.lay.shape
    geometry, shape = _plan(x.lay.shape, w, b, stride, padding, dilation, groups)
    if x.dtype.is_complex:
        rest = stride, padding, dilation, groups
        result = _of_complex(lambda a, b: _conv(name, dims, a, b, None, *rest), x, weight, bias)
    else:
        result = apply(ops.Convolution, x, weight, bias, geometry, shape)
    return result if x is input else squeeze(result, 0)


def _of_complex(of_reals: Callable[[Any, Any], Any], x: Any, weight: Any, bias: Any) -> Any:
    """Convolve complex batches by two convolutions of reals, each of real and imaginary parts as one batch."""
    n = x.lay.shape[0]
    parts = cat([real(x), imag(x)], 0)
    a, b = of_reals(parts, real(weight)), of_reals(parts, imag(weight))
    re = p.sub(narrow(a, 0, 0, n), narrow(b, 0, n, n))
    im = p.add(narrow(a, 0, n, n), narrow(b, 0, 0, n))
    result = complex(re, im)
    return result if bias is None else p.add(result, reshape(bias, (-1, *(1,) * (x.lay.ndim - 2))))


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a window over signals (n, channels, length), or one without n.

    out[o, i] = bias[o] + Σ weight[o, c, k] · input[c, i · stride + k · dilation - padding] over c and k.
    The weight is (output channels, input channels / groups, window). The padding is a number, or "valid" (none) or
    "same" (as much as keeps the length). Raises RuntimeError where sizes, dtypes or devices do not fit.
    Shape: input (N, C_in, L) or (C_in, L), weight (C_out, C_in / groups, k), bias (C_out) to (N, C_out, L') or (C_out,
    L'), with L' = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv1d.html

    >>> import cltorch as torch
    >>> torch.conv1d(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.tensor([[[1.0, -1.0]]]))
    tensor([[[-1., -1., -1.]]])
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a window over images (n, channels, height, width), or one without n.

    out[o, i] = bias[o] + Σ weight[o, c, k] · input[c, i · stride + k · dilation - padding] over c and k, so in each
    dimension.
    The weight is (output channels, input channels / groups, height, width). Settings are a number or one per dimension;
    the padding may be "valid" (none) or "same" (as much as keeps the size). float16 and bfloat16 sum in float32. Raises
    RuntimeError where sizes, dtypes or devices do not fit.
    Shape: input (N, C_in, H, W) or (C_in, H, W), weight (C_out, C_in / groups, kh, kw), bias (C_out) to (N, C_out, H',
    W') or (C_out, H', W'), with L' = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1 for each dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv2d.html

    >>> import cltorch as torch
    >>> torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)
    tensor([[[[4., 6., 4.],
              [6., 9., 6.],
              [4., 6., 4.]]]])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Slide a window over volumes (n, channels, depth, height, width), or one without n.

    out[o, i] = bias[o] + Σ weight[o, c, k] · input[c, i · stride + k · dilation - padding] over c and k, so in each
    dimension.
    The weight is (output channels, input channels / groups, depth, height, width); settings as in conv2d.
    Shape: input (N, C_in, D, H, W) or (C_in, D, H, W), weight (C_out, C_in / groups, kd, kh, kw), bias (C_out) to (N,
    C_out, D', H', W') or (C_out, D', H', W'), with L' = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1 for
    each dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv3d.html

    >>> import cltorch as torch
    >>> torch.conv3d(torch.ones(1, 2, 4, 4, 4), torch.ones(3, 2, 2, 2, 2), stride=2).shape
    torch.Size([1, 3, 2, 2, 2])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    name: str, dims: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Any:  # fmt: skip
    _check(name, input, weight, bias)
    x = _batched(name, dims, input)
    if isinstance(padding, str):
        raise TypeError(f"{name}(): argument 'padding' must be tuple of ints, not str")
    w = weight.lay.shape
    if len(w) != dims + 2:
        raise RuntimeError(
            f"Expected {dims + 2}-dimensional weight for {name} (input channels, output channels / groups, kernel), "
            f"but got weight of size {list(w)}"
        )
    (groups,) = _ints(name, "groups", groups, 1)
    geometry, shape = _plan_transposed(
        x.lay.shape, w, None if bias is None else bias.lay.shape, _ints(name, "stride", stride, dims),
        _ints(name, "padding", padding, dims), _ints(name, "output_padding", output_padding, dims),
        _ints(name, "dilation", dilation, dims), groups,
    )  # fmt: skip
    if x.dtype.is_complex:
        rest = stride, padding, output_padding, groups, dilation
        result = _of_complex(lambda a, b: _conv_transpose(name, dims, a, b, None, *rest), x, weight, bias)
    else:
        result = apply(ops.TransposedConvolution, x, weight, bias, geometry, shape)
    return result if x is input else squeeze(result, 0)


def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Apply the adjoint of ``conv1d`` to signals (n, channels, length), or to one without n.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation.
    The weight is (input channels, output channels / groups, window). ``output_padding`` lengthens the result.
    Shape: input (N, C_in, L) or (C_in, L), weight (C_in, C_out / groups, k), bias (C_out) to (N, C_out, L') or (C_out,
    L'), with L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv_transpose1d.html

    >>> import cltorch as torch
    >>> torch.conv_transpose1d(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, -1.0]]]))
    tensor([[[ 1.,  1., -2.]]])
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Apply the adjoint of ``conv2d`` to images (n, channels, height, width), or to one without n.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation, so in each dimension.
    The weight is (input channels, output channels / groups, height, width).
    Shape: input (N, C_in, H, W) or (C_in, H, W), weight (C_in, C_out / groups, kh, kw), bias (C_out) to (N, C_out, H',
    W') or (C_out, H', W'), with L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1 for each
    dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv_transpose2d.html

    >>> import cltorch as torch
    >>> torch.conv_transpose2d(torch.ones(1, 3, 4, 4), torch.ones(3, 2, 2, 2), stride=2).shape
    torch.Size([1, 2, 8, 8])
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """Apply the adjoint of ``conv3d`` to volumes (n, channels, depth, height, width), or to one without n.

    out[o, j] = bias[o] + Σ weight[c, o, k] · input[c, i] over all c, i and k with j = i · stride - padding + k ·
    dilation, so in each dimension.
    Shape: input (N, C_in, D, H, W) or (C_in, D, H, W), weight (C_in, C_out / groups, kd, kh, kw), bias (C_out) to (N,
    C_out, D', H', W') or (C_out, D', H', W'), with L' = (L - 1) stride - 2 padding + dilation (k - 1) + output_padding
    + 1 for each dimension.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.conv_transpose3d.html

    >>> import cltorch as torch
    >>> torch.nn.functional.conv_transpose3d(torch.ones(1, 2, 3, 3, 3), torch.ones(2, 4, 2, 2, 2), stride=2).shape
    torch.Size([1, 4, 6, 6, 6])
    """
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    """Convolve a batch of one to three dimensions, or transposed: what all convolutions come down to.

    >>> import cltorch as torch
    >>> torch.convolution(torch.ones(1, 2, 4), torch.ones(3, 2, 3), None, [1], [0], [1], False, [0], 1).shape
    torch.Size([1, 3, 2])
    """
    _check("convolution", input, weight, bias)
    dims = weight.lay.ndim - 2
    if not 1 <= dims <= 3:
        raise RuntimeError(f"convolution: a weight of 3 to 5 dimensions is supported, but it has {weight.lay.ndim}")
    if input.lay.ndim != dims + 2:
        raise RuntimeError(
            f"Expected {dims + 2}-dimensional input for {dims + 2}-dimensional weight {list(weight.lay.shape)}, "
            f"but got {input.lay.ndim}-dimensional input of size {list(input.lay.shape)} instead"
        )
    if transposed:
        return _conv_transpose(
            "convolution", dims, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv("convolution", dims, input, weight, bias, stride, padding, dilation, groups)
