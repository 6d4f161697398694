"""Activations, each one kernel forward and one backward.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.functions.activation import prelu, rrelu_
from cltorch.functions.aliases import gelu
from cltorch.functions.arguments import SCALAR_NAMES, need_array, need_limits
from cltorch.shapes import wrap_dim

__all__ = [
    "celu", "celu_", "elu", "elu_", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_",
    "leaky_relu", "leaky_relu_", "logsigmoid", "mish", "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu",
    "selu_", "sigmoid", "silu", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold", "threshold_",
]  # fmt: skip

Function = Callable[..., Any]
# rows of the pointwise table
celu_: Function = functions.celu_
elu_: Function = functions.elu_
hardshrink: Function = functions.hardshrink
hardtanh_: Function = functions.hardtanh_
leaky_relu_: Function = functions.leaky_relu_
logsigmoid: Function = functions.logsigmoid
relu_: Function = functions.relu_
selu_: Function = functions.selu_
softplus: Function = functions.softplus
threshold_: Function = functions.threshold_


def sigmoid(input: Any) -> Any:
    """Return 1 / (1 + exp(-x)) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.sigmoid.html

    >>> import cltorch as torch
    >>> torch.nn.functional.sigmoid(torch.zeros(1))
    tensor([0.5000])
    """
    return functions.sigmoid(input)


def tanh(input: Any) -> Any:
    """Return tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.tanh.html

    >>> import cltorch as torch
    >>> torch.nn.functional.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return functions.tanh(input)


def tanhshrink(input: Any) -> Any:
    """Return x - tanh(x) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.tanhshrink.html

    >>> import cltorch as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.2384])
    """
    return functions.tanhshrink(input)


def softsign(input: Any) -> Any:
    """Return x / (1 + |x|) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softsign.html

    >>> import cltorch as torch
    >>> torch.nn.functional.softsign(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5000])
    """
    return functions.softsign(input)


def relu(input: Any, inplace: bool = False) -> Any:
    """Return max(x, 0) elementwise, in place if asked for.

    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.relu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return relu_(input) if inplace else functions.relu(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """Return min(max(x, 0), 6) elementwise.

    A. Howard et al., MobileNets, 2017.
    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.relu6.html

    >>> import cltorch as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    return functions.relu6_(input) if inplace else functions.relu6(input)


def softshrink(input: Any, lambd: float = 0.5, *, out: Any = None) -> Any:
    """Return x moved towards zero by ``lambd``, zero where it is nearer than that.

    y = x - lambd where x > lambd, x + lambd where x < -lambd, 0 elsewhere.
    Raises RuntimeError for a ``lambd`` below 0 or above the dtype's largest number.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softshrink.html

    >>> import cltorch as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  1.5000])
    """
    need_array("softshrink", "input", 1, input)
    if input.is_floating_point():
        most, kind = dtypes.finfo(input.dtype).max, SCALAR_NAMES[input.dtype.name]
        if not 0 <= lambd <= most:
            raise RuntimeError(f"lambda must be in range [0, {most:g}] for input dtype {kind}, but found {lambd:g}")
    return functions.softshrink(input, lambd, out=out)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Return x where it is greater than ``threshold``, ``value`` elsewhere.

    y = x if x > threshold, else value.
    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.threshold.html

    >>> import cltorch as torch
    >>> torch.nn.functional.threshold(torch.tensor([-1.0, 0.0, 2.0]), 0.5, -3.0)
    tensor([-3., -3.,  2.])
    """
    return threshold_(input, threshold, value) if inplace else functions.threshold(input, threshold, value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Return min(max(x, min_val), max_val) elementwise; raise ValueError for bounds in the wrong order.

    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.hardtanh.html

    >>> import cltorch as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.,  0.,  1.])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    t = need_array("hardtanh", "input", 1, input).dtype
    if t is dtypes.bool_:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    need_limits(t, min_val, max_val)
    if t.family == "u" and (min_val < 0 or max_val < 0):
        raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
    return hardtanh_(input, min_val, max_val) if inplace else functions.hardtanh(input, min_val, max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """Return min(max(x + 3, 0), 6) / 6 elementwise.

    M. Courbariaux et al., BinaryConnect, 2015.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.hardsigmoid.html

    >>> import cltorch as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0.3333, 0.5000, 0.8333])
    """
    return functions.hardsigmoid_(input) if inplace else functions.hardsigmoid(input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """Return x · hardsigmoid(x) elementwise.

    A. Howard et al., Searching for MobileNetV3, 2019.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.hardswish.html

    >>> import cltorch as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3333,  0.0000,  1.6667])
    """
    return functions.hardswish_(input) if inplace else functions.hardswish(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Return x where it is positive, negative_slope · x elsewhere.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.leaky_relu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5000,  2.0000])
    """
    return leaky_relu_(input, negative_slope) if inplace else functions.leaky_relu(input, negative_slope)


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """Multiply negative elements by slopes drawn evenly from [lower, upper); by their middle unless ``training``.

    y = x where x >= 0, a · x elsewhere, with a drawn from [lower, upper) for each element, or (lower + upper) / 2.
    B. Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.rrelu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-1.0, 0.0, 2.0]), 0.25, 0.25)
    tensor([-0.2500,  0.0000,  2.0000])
    """
    return (rrelu_ if inplace else functions.rrelu)(input, lower, upper, training)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where it is positive, alpha · (exp(x) - 1) elsewhere.

    D. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.elu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """
    return elu_(input, alpha) if inplace else functions.elu(input, alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """Return scale · elu(x, alpha) with the constants that keep mean 0 and variance 1.

    y = scale · x for x > 0, scale · alpha · (exp(x) - 1) elsewhere, scale = 1.0507…, alpha = 1.6733….
    G. Klambauer et al., Self-Normalizing Neural Networks, 2017.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.selu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.selu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.1113,  0.0000,  2.1014])
    """
    return selu_(input) if inplace else functions.selu(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where it is positive, alpha · (exp(x / alpha) - 1) elsewhere.

    J. Barron, Continuously Differentiable Exponential Linear Units, 2017.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.celu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.celu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return celu_(input, alpha) if inplace else functions.celu(input, alpha)


def silu(input: Any, inplace: bool = False) -> Any:
    """Return x · sigmoid(x) elementwise, also called swish.

    S. Elfwing et al., Sigmoid-Weighted Linear Units, 2017.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.silu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.silu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2689,  0.0000,  1.7616])
    """
    return functions.silu_(input) if inplace else functions.silu(input)


def mish(input: Any, inplace: bool = False) -> Any:
    """Return x · tanh(softplus(x)) elementwise.

    D. Misra, Mish: A Self Regularized Non-Monotonic Activation Function, 2019.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.mish.html

    >>> import cltorch as torch
    >>> torch.nn.functional.mish(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3034,  0.0000,  1.9440])
    """
    return functions.mish_(input) if inplace else functions.mish(input)


def glu(input: Any, dim: int = -1) -> Any:
    """Return a · sigmoid(b), the input cut into halves a and b along ``dim``.

    Raises RuntimeError where the size is odd. Y. Dauphin et al., Language Modeling with Gated Convolutional Networks,
    2016.
    Shape: (*, 2 n, *) to (*, n, *), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.glu.html

    >>> import cltorch as torch
    >>> torch.nn.functional.glu(torch.tensor([2.0, 4.0, 0.0, 0.0]))
    tensor([1., 2.])
    """
    need_array("glu", "input", 1, input)
    if input.lay.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    d = wrap_dim(dim, input.lay.ndim)
    n = input.lay.shape[d]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {n}")
    return functions.gated(*functions.split_with_sizes(input, [n // 2, n // 2], d))
