"""Activations made of straight lines, as modules.

Source: https://docs.pytorch.org/docs/2.13/nn.html#non-linear-activations-weighted-sum-nonlinearity
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init as initial
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = [
    "Hardshrink", "Hardsigmoid", "Hardtanh", "LeakyReLU", "PReLU", "RReLU", "ReLU", "ReLU6", "Softshrink", "Threshold",
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

    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReLU.html

    >>> import cltorch as torch
    >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Any) -> Any:
        return F.relu(input, self.inplace)


class Hardsigmoid(_Inplace):
    """Return min(max(x + 3, 0), 6) / 6 elementwise.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Hardsigmoid.html

    >>> import cltorch as torch
    >>> torch.nn.Hardsigmoid()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0.3333, 0.5000, 0.8333])
    """

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as PyTorch prints it


class Hardtanh(_Inplace):
    """Return min(max(x, min_val), max_val) elementwise.

    Shape: (*) to (*), of real numbers. Raises AssertionError unless max_val > min_val.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Hardtanh.html

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

    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ReLU6.html

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

    y = x if x > threshold, else value.
    Shape: (*) to (*), of real numbers.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Threshold.html

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
    """Return x where it is positive, negative_slope · x elsewhere.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LeakyReLU.html

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

    y = x where x >= 0, a · x elsewhere, with a drawn from [lower, upper) for each element, or (lower + upper) / 2.
    B. Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RReLU.html

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


class _Shrink(Module):
    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """Return 0 where |x| <= lambd, x elsewhere.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Hardshrink.html

    >>> import cltorch as torch
    >>> torch.nn.Hardshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-1.,  0.,  2.])
    """

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """Return 0 where |x| <= lambd, and x moved towards 0 by lambd elsewhere.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Softshrink.html

    >>> import cltorch as torch
    >>> torch.nn.Softshrink()(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([-0.5000,  0.0000,  1.5000])
    """

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)


class PReLU(Module):
    """Multiply negative elements by a learned weight: one for all, or one for each channel.

    K. He et al., Delving deep into rectifiers, 2015.
    max(x, 0) + weight · min(x, 0).
    Shape: (N, C, *) to the same; ``weight`` is (num_parameters), which is 1 or C, and begins at ``init``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.PReLU.html

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
