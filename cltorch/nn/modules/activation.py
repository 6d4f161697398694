"""Activations as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#non-linear-activations-weighted-sum-nonlinearity
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init as initial
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.multihead import MultiheadAttention
from cltorch.nn.parameter import Parameter

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "MultiheadAttention", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax",
    "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class _Inplace(Module):
    """Hold the one argument that many activations have."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """Return max(x, 0) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Any) -> Any:
        return F.relu(input, self.inplace)


class SELU(_Inplace):
    """Return scale · elu(x, alpha) with the constants that keep mean 0 and variance 1.

    G. Klambauer et al., Self-Normalizing Neural Networks, 2017.

    >>> import cltorch as torch
    >>> torch.nn.SELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.1113,  0.0000,  2.1014])
    """

    def forward(self, input: Any) -> Any:
        return F.selu(input, self.inplace)


class SiLU(_Inplace):
    """Return x · sigmoid(x) elementwise, also called swish.

    >>> import cltorch as torch
    >>> torch.nn.SiLU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2689,  0.0000,  1.7616])
    """

    def forward(self, input: Any) -> Any:
        return F.silu(input, self.inplace)


class Mish(_Inplace):
    """Return x · tanh(softplus(x)) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Mish()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3034,  0.0000,  1.9440])
    """

    def forward(self, input: Any) -> Any:
        return F.mish(input, self.inplace)


class Hardswish(_Inplace):
    """Return x · min(max(x + 3, 0), 6) / 6 elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Hardswish()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3333,  0.0000,  1.6667])
    """

    def extra_repr(self) -> str:
        return ""  # unlike its kin, in PyTorch too

    def forward(self, input: Any) -> Any:
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_Inplace):
    """Return min(max(x + 3, 0), 6) / 6 elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Hardsigmoid()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0.3333, 0.5000, 0.8333])
    """

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class Hardtanh(_Inplace):
    """Limit elements to [min_val, max_val].

    >>> import cltorch as torch
    >>> torch.nn.Hardtanh(0, 2)(torch.tensor([-1.0, 1.0, 3.0]))
    tensor([0., 1., 2.])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        if min_value is not None:
            _renamed("min_value", "min_val")
            min_val = min_value
        if max_value is not None:
            _renamed("max_value", "max_val")
            max_val = max_value
        self.min_val, self.max_val = min_val, max_val
        if max_val <= min_val:
            raise AssertionError(f"max_val ({max_val}) must be greater than min_val ({min_val})")

    def forward(self, input: Any) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{', inplace=True' if self.inplace else ''}"


def _renamed(old: str, new: str) -> None:
    warnings.warn(f"keyword argument `{old}` is deprecated and renamed to `{new}`", FutureWarning, stacklevel=3)


class ReLU6(Hardtanh):
    """Return min(max(x, 0), 6) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.ReLU6()(torch.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Any) -> Any:
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Threshold(Module):
    """Return x where it is greater than ``threshold``, ``value`` elsewhere.

    >>> import cltorch as torch
    >>> torch.nn.Threshold(0.5, 9.0)(torch.tensor([0.0, 1.0]))
    tensor([9., 1.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Any) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{', inplace=True' if self.inplace else ''}"


class LeakyReLU(Module):
    """Multiply negative elements by a slope.

    >>> import cltorch as torch
    >>> torch.nn.LeakyReLU(0.5)(torch.tensor([-1.0, 2.0]))
    tensor([-0.5000,  2.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class RReLU(Module):
    """Multiply negative elements by slopes drawn evenly from [lower, upper); by their middle after ``eval()``.

    B. Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.

    >>> import cltorch as torch
    >>> torch.nn.RReLU(0.25, 0.25)(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2500,  0.0000,  2.0000])
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"


class ELU(Module):
    """Return x where it is positive, alpha · (exp(x) - 1) elsewhere.

    D. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015.

    >>> import cltorch as torch
    >>> torch.nn.ELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class CELU(ELU):
    """Return x where it is positive, alpha · (exp(x / alpha) - 1) elsewhere.

    J. Barron, Continuously Differentiable Exponential Linear Units, 2017.

    >>> import cltorch as torch
    >>> torch.nn.CELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class Sigmoid(Module):
    """Return 1 / (1 + exp(-x)) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Sigmoid()(torch.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input: Any) -> Any:
        return functions.sigmoid(input)


class LogSigmoid(Module):
    """Return log(sigmoid(x)) elementwise, without overflow.

    >>> import cltorch as torch
    >>> torch.nn.LogSigmoid()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.3133, -0.6931, -0.1269])
    """

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Tanh(Module):
    """Return the hyperbolic tangent elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Tanh()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.7616,  0.0000,  0.9640])
    """

    def forward(self, input: Any) -> Any:
        return functions.tanh(input)


class Tanhshrink(Module):
    """Return x - tanh(x) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Tanhshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2384,  0.0000,  1.0360])
    """

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)


class Softsign(Module):
    """Return x / (1 + |x|) elementwise.

    >>> import cltorch as torch
    >>> torch.nn.Softsign()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  0.6667])
    """

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Softplus(Module):
    """Return log(1 + exp(beta · x)) / beta, and x itself where beta · x exceeds the threshold.

    >>> import cltorch as torch
    >>> torch.nn.Softplus()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0.3133, 0.6931, 2.1269])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class _Shrink(Module):
    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """Return 0 where |x| <= lambd, x elsewhere.

    >>> import cltorch as torch
    >>> torch.nn.Hardshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.,  0.,  2.])
    """

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """Return 0 where |x| <= lambd, and x moved towards 0 by lambd elsewhere.

    >>> import cltorch as torch
    >>> torch.nn.Softshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  1.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)


class GELU(Module):
    """Return x · Φ(x), with the tanh approximation of Φ for ``approximate="tanh"``.

    D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016.

    >>> import cltorch as torch
    >>> torch.nn.GELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.1587,  0.0000,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """Multiply the first half along a dimension by the sigmoid of the second half.

    >>> import cltorch as torch
    >>> torch.nn.GLU()(torch.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5000, 1.0000])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class PReLU(Module):
    """Multiply negative elements by a learned weight: one for all, or one for each channel.

    K. He et al., Delving deep into rectifiers, 2015.

    >>> import cltorch as torch
    >>> torch.nn.PReLU()(torch.tensor([-4.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(functions.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weights to ``init``."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _Softmax(Module):
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)  # files of versions without the argument

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Softmax):
    """Normalise exponentials along a dimension so that they sum to 1.

    >>> import cltorch as torch
    >>> torch.nn.Softmax(dim=1)(torch.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim, 5)


class LogSoftmax(_Softmax):
    """Return the logarithm of softmax, computed without overflow.

    >>> import cltorch as torch
    >>> torch.nn.LogSoftmax(dim=0)(torch.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim, 5)


class Softmin(_Softmax):
    """Return softmax of the negated input.

    >>> import cltorch as torch
    >>> torch.nn.Softmin(dim=0)(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim, 5)


class Softmax2d(Module):
    """Apply softmax over the channels of (N, C, H, W) or (C, H, W); raise ValueError for another rank.

    >>> import cltorch as torch
    >>> torch.nn.Softmax2d()(torch.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Any) -> Any:
        if input.layout.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.layout.ndim}D instead")
        return F.softmax(input, -3)
