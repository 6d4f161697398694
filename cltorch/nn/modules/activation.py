"""Activations as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#non-linear-activations-weighted-sum-nonlinearity
"""

from __future__ import annotations

from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.multihead import MultiheadAttention
from cltorch.nn.modules.rectifiers import (
    Hardshrink,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Softshrink,
    Threshold,
    _Inplace,
)
from cltorch.nn.modules.softmax import LogSoftmax, Softmax, Softmax2d, Softmin

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "MultiheadAttention", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax",
    "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class SELU(_Inplace):
    """Return scale · elu(x, alpha) with the constants that keep mean 0 and variance 1.

    y = scale · x for x > 0, scale · alpha · (exp(x) - 1) elsewhere, scale = 1.0507…, alpha = 1.6733….
    G. Klambauer et al., Self-Normalizing Neural Networks, 2017.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.SELU.html

    >>> import cltorch as torch
    >>> torch.nn.SELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.1113,  0.0000,  2.1014])
    """

    def forward(self, input: Any) -> Any:
        return F.selu(input, self.inplace)


class SiLU(_Inplace):
    """Return x · sigmoid(x) elementwise, also called swish.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.SiLU.html

    >>> import cltorch as torch
    >>> torch.nn.SiLU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2689,  0.0000,  1.7616])
    """

    def forward(self, input: Any) -> Any:
        return F.silu(input, self.inplace)


class Mish(_Inplace):
    """Return x · tanh(softplus(x)) elementwise.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Mish.html

    >>> import cltorch as torch
    >>> torch.nn.Mish()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3034,  0.0000,  1.9440])
    """

    def forward(self, input: Any) -> Any:
        return F.mish(input, self.inplace)


class Hardswish(_Inplace):
    """Return x · min(max(x + 3, 0), 6) / 6 elementwise.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Hardswish.html

    >>> import cltorch as torch
    >>> torch.nn.Hardswish()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.3333,  0.0000,  1.6667])
    """

    def extra_repr(self) -> str:
        return ""  # unlike its kin, in PyTorch too

    def forward(self, input: Any) -> Any:
        return F.hardswish(input, self.inplace)


class _Exponential(Module):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class ELU(_Exponential):
    """Return x where it is positive, alpha · (exp(x) - 1) elsewhere.

    D. Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2015.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ELU.html

    >>> import cltorch as torch
    >>> torch.nn.ELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Exponential):
    """Return x where it is positive, alpha · (exp(x / alpha) - 1) elsewhere.

    J. Barron, Continuously Differentiable Exponential Linear Units, 2017.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.CELU.html

    >>> import cltorch as torch
    >>> torch.nn.CELU()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.6321,  0.0000,  2.0000])
    """

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class Sigmoid(Module):
    """Return 1 / (1 + exp(-x)) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Sigmoid.html

    >>> import cltorch as torch
    >>> torch.nn.Sigmoid()(torch.zeros(1))
    tensor([0.5000])
    """

    def forward(self, input: Any) -> Any:
        return functions.sigmoid(input)


class LogSigmoid(Module):
    """Return log(sigmoid(x)) elementwise, without overflow.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LogSigmoid.html

    >>> import cltorch as torch
    >>> torch.nn.LogSigmoid()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.3133, -0.6931, -0.1269])
    """

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Tanh(Module):
    """Return tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Tanh.html

    >>> import cltorch as torch
    >>> torch.nn.Tanh()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.7616,  0.0000,  0.9640])
    """

    def forward(self, input: Any) -> Any:
        return functions.tanh(input)


class Tanhshrink(Module):
    """Return x - tanh(x) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Tanhshrink.html

    >>> import cltorch as torch
    >>> torch.nn.Tanhshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.2384,  0.0000,  1.0360])
    """

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)


class Softsign(Module):
    """Return x / (1 + |x|) elementwise.

    Shape: (*) to (*), of floating or complex numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softsign.html

    >>> import cltorch as torch
    >>> torch.nn.Softsign()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  0.6667])
    """

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Softplus(Module):
    """Return log(1 + exp(beta · x)) / beta, and x itself where beta · x exceeds the threshold.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softplus.html

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


class GELU(Module):
    """Return x · Φ(x), with the tanh approximation of Φ for ``approximate="tanh"``.

    D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GELU.html

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
    """Return a · sigmoid(b), the input cut into halves a and b along ``dim``.

    Shape: (*, 2 n, *) to (*, n, *), of a floating dtype. Raises RuntimeError for an odd size.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GLU.html

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
