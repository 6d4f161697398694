"""Initial values of parameters; every function works in place, outside autograd, and returns its tensor.

Source: https://docs.pytorch.org/docs/2.13/nn.init.html
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions, public_forms
from cltorch.autograd import no_grad
from cltorch.functions.matmul import matmul

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
    "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse", "uniform",
    "xavier_normal", "xavier_uniform",
]  # fmt: skip

_LINEAR = frozenset("linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d sigmoid".split())


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights in front of a nonlinearity should be larger.

    1 for linear layers and sigmoid, 5/3 tanh, sqrt(2) relu, sqrt(2 / (1 + slope²)) leaky_relu (``param`` is the slope,
    0.01 by default), 3/4 selu. Raises ValueError for another name or a slope that is no number.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.calculate_gain

    >>> from cltorch.nn import init
    >>> init.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


@no_grad()
def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Fill with values drawn evenly from [a, b).

    w ~ U(a, b), with w = a + (b - a) u, u ~ U(0, 1).
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.uniform_

    >>> import cltorch as torch
    >>> w = torch.nn.init.uniform_(torch.empty(100), 2.0, 3.0)
    >>> bool(((w >= 2) & (w <= 3)).all())
    True
    """
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill with values of a normal distribution.

    w ~ N(mean, std²), so that mean(w) = mean and var(w) = std² in many draws.
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.normal_

    >>> import cltorch as torch
    >>> torch.nn.init.normal_(torch.empty(2), 1.0, 0.0)
    tensor([1., 1.])
    """
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    """Fill with values of a normal distribution cut off to [a, b].

    w = mean + std · Φ⁻¹(u) with u ~ U(Φ((a - mean) / std), Φ((b - mean) / std)).
    The inverse of the distribution function is taken of even draws, in place of drawing again what lies outside.
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.trunc_normal_

    >>> import cltorch as torch
    >>> float(torch.nn.init.trunc_normal_(torch.empty(1000)).abs().max()) <= 2
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=3,
        )

    def share_below(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    low, high = share_below((a - mean) / std), share_below((b - mean) / std)
    # halves are drawn in single precision: their few values between 0 and 1 would show
    drawn = tensor if tensor.dtype.itemsize >= 4 else functions.empty_like(tensor, dtype=dtypes.float32)
    drawn.uniform_(2 * low - 1, 2 * high - 1, generator=generator)
    drawn.erfinv_().mul_(std * math.sqrt(2.0)).add_(mean).clamp_(min=a, max=b)
    return tensor if drawn is tensor else tensor.copy_(drawn)


@no_grad()
def constant_(tensor: Any, val: float) -> Any:
    """Fill with one value.

    w = val everywhere.
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.constant_

    >>> import cltorch as torch
    >>> torch.nn.init.constant_(torch.empty(2), 3.0)
    tensor([3., 3.])
    """
    return tensor.fill_(val)


@no_grad()
def ones_(tensor: Any) -> Any:
    """Fill with ones.

    w = 1 everywhere.
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.ones_

    >>> import cltorch as torch
    >>> torch.nn.init.ones_(torch.empty(2))
    tensor([1., 1.])
    """
    return tensor.fill_(1.0)


@no_grad()
def zeros_(tensor: Any) -> Any:
    """Fill with zeros.

    w = 0 everywhere.
    Shape: (*), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.zeros_

    >>> import cltorch as torch
    >>> torch.nn.init.zeros_(torch.empty(2))
    tensor([0., 0.])
    """
    return tensor.zero_()


@no_grad()
def eye_(tensor: Any) -> Any:
    """Make a matrix the identity; raise ValueError for another number of dimensions.

    w[i, j] = 1 if i = j, else 0.
    Shape: (n, m), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.eye_

    >>> import cltorch as torch
    >>> torch.nn.init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(functions.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


@no_grad()
def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Make the weights of a convolution hand its channels through unchanged, as many as there are.

    w[g · C_out / groups + c, c, K // 2, …] = 1 for each group g and its channels c < min(C_out / groups, C_in), 0
    elsewhere.
    For 3, 4 or 5 dimensions (Conv1d to Conv3d); with ``groups`` in each group. Raises ValueError otherwise.
    Shape: (C_out, C_in, K), (C_out, C_in, K, K) or (C_out, C_in, K, K, K), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.dirac_

    >>> import cltorch as torch
    >>> torch.nn.init.dirac_(torch.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    tensor.zero_()
    for g in range(groups):
        for d in range(min(per_group, tensor.shape[1])):
            at = (g * per_group + d, d, *middle)
            tensor[at] = 1
    return tensor


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill evenly from [-a, a] with a = gain * sqrt(6 / (fan_in + fan_out)).

    X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.
    Shape: (C_out, C_in, *) of two dimensions at least, filled in place and returned; fan_in is C_in, fan_out C_out,
    both times the elements of a kernel.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.xavier_uniform_

    >>> import cltorch as torch
    >>> w = torch.nn.init.xavier_uniform_(torch.empty(3, 3))
    >>> bool((w.abs() <= 1).all())
    True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill from a normal distribution of deviation gain * sqrt(2 / (fan_in + fan_out)).

    X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.
    Shape: (C_out, C_in, *) of two dimensions at least, filled in place and returned; fan_in is C_in, fan_out C_out,
    both times the elements of a kernel.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.xavier_normal_

    >>> import cltorch as torch
    >>> torch.nn.init.xavier_normal_(torch.empty(2, 3)).shape
    torch.Size([2, 3])
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _kaiming(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill evenly from [-b, b] with b = gain * sqrt(3 / fan); ``a`` is the negative slope of a leaky_relu.

    K. He et al., Delving deep into rectifiers, 2015.
    Shape: (C_out, C_in, *) of two dimensions at least, filled in place and returned; fan_in is C_in, fan_out C_out,
    both times the elements of a kernel.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.kaiming_uniform_

    >>> import cltorch as torch
    >>> w = torch.nn.init.kaiming_uniform_(torch.empty(3, 6), nonlinearity="relu")
    >>> bool((w.abs() <= 1).all())
    True
    """
    std = _kaiming(tensor, a, mode, nonlinearity)
    bound = None if std is None else math.sqrt(3.0) * std
    return tensor if bound is None else uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill from a normal distribution of deviation gain / sqrt(fan); ``a`` is the negative slope of a leaky_relu.

    K. He et al., Delving deep into rectifiers, 2015.
    Shape: (C_out, C_in, *) of two dimensions at least, filled in place and returned; fan_in is C_in, fan_out C_out,
    both times the elements of a kernel.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.kaiming_normal_

    >>> import cltorch as torch
    >>> torch.nn.init.kaiming_normal_(torch.empty(2, 3)).shape
    torch.Size([2, 3])
    """
    std = _kaiming(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


@no_grad()
def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """Make rows or columns (whichever are fewer) orthonormal, times ``gain``; dimensions after the first count as one.

    w wᵀ = gain² I for a matrix of no more rows than columns, wᵀ w = gain² I else.
    The Q of the one QR decomposition of normal draws whose R has a positive diagonal.
    A. Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, 2013.
    Shape: (n, *) of two dimensions at least, filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.orthogonal_

    >>> import cltorch as torch
    >>> w = torch.nn.init.orthogonal_(torch.empty(2, 4))
    >>> bool(torch.allclose(w @ w.t(), torch.eye(2), atol=1e-5))
    True
    """
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    flat = functions.empty(rows, columns, dtype=tensor.dtype, device=tensor.device).normal_(0, 1, generator=generator)
    q = _orthonormal(flat) if rows <= columns else _orthonormal(flat.t().contiguous()).t()
    return tensor.copy_(q.reshape(tensor.shape)).mul_(gain)


def _orthonormal(rows: Any) -> Any:
    """Make the rows of a matrix orthonormal, in place, by Gram and Schmidt's process.

    Every row is freed twice of those before it: once is not enough, twice leaves errors of the last digits only.
    """
    for i in range(rows.shape[0]):
        row, before = rows[i], rows[:i]
        for _ in range(2 if i else 0):
            row.sub_(matmul(matmul(before, row), before))
        row.div_(functions.vector_norm(row))
    return rows


@no_grad()
def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Fill a matrix from a normal distribution and set a share of each column to zero.

    w ~ N(0, std²), and ceil(sparsity · n) elements of each column = 0.
    J. Martens, Deep learning via Hessian-free optimization, 2010. Raises ValueError unless there are 2 dimensions.
    Shape: (n, m), filled in place and returned.
    Source: https://docs.pytorch.org/docs/2.13/nn.init.html#torch.nn.init.sparse_

    >>> import cltorch as torch
    >>> int((torch.nn.init.sparse_(torch.empty(4, 3), 0.5) == 0).sum())
    6
    """
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        at = functions.randperm(rows, generator=generator)[:zeros].to(tensor.device)
        tensor[at, column] = 0
    return tensor


# the names of PyTorch's inner functions, which libraries call for tensors that want gradients
_no_grad_uniform_, _no_grad_normal_, _no_grad_fill_, _no_grad_zero_ = uniform_, normal_, constant_, zeros_


def _no_grad_trunc_normal_(tensor: Any, mean: float, std: float, a: float, b: float, generator: Any = None) -> Any:
    return trunc_normal_(tensor, mean, std, a, b, generator)


def _deprecated(fn: Callable[..., Any]) -> Callable[..., Any]:
    new, old = fn.__name__, fn.__name__[:-1]

    def renamed(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return fn(*args, **kwargs)

    renamed.__name__ = old
    renamed.__doc__ = (
        f"Do what ``{new}`` does, under a name that PyTorch has deprecated.\n\n"
        "Source: https://docs.pytorch.org/docs/2.13/nn.init.html\n"
    )
    return renamed


uniform, normal, constant, eye, dirac = map(_deprecated, (uniform_, normal_, constant_, eye_, dirac_))
xavier_uniform, xavier_normal = _deprecated(xavier_uniform_), _deprecated(xavier_normal_)
kaiming_uniform, kaiming_normal = _deprecated(kaiming_uniform_), _deprecated(kaiming_normal_)
orthogonal, sparse = _deprecated(orthogonal_), _deprecated(sparse_)
public_forms.functions([n for n in __all__ if n.endswith("_")], globals(), "cltorch.nn.init", "torch.nn.init")
