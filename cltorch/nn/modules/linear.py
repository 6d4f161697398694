"""Linear, Bilinear, Identity.

Source: https://docs.pytorch.org/docs/2.13/nn.html#linear-layers
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.modules.lazy import LazyLayer
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """Return the input as it is; all arguments of the constructor are ignored.

    y = x.
    Shape: (*) to (*), any dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Identity.html

    >>> import cltorch as torch
    >>> torch.nn.Identity(3, unused=True)(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """Return ``x @ weight.T + bias``.

    ``weight`` (out, in) and ``bias`` (out) begin evenly distributed in ±1/√in.
    Shape: (*, in_features) to (*, out_features).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Linear.html

    >>> import cltorch as torch
    >>> torch.nn.Linear(20, 30)(torch.randn(128, 20)).shape
    torch.Size([128, 30])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(functions.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(functions.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and bias anew."""
        # with this slope the bound of kaiming_uniform_ is 1 / sqrt(fan_in)
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear that is printed under the name PyTorch has for this one."""


class Bilinear(Module):
    """Return ``x1 @ weight[k] @ x2 + bias[k]`` for every output ``k``.

    ``weight`` (out, in1, in2) and ``bias`` (out) begin evenly distributed in ±1/√in1.
    Shape: (*, in1_features) and (*, in2_features) to (*, out_features).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Bilinear.html

    >>> import cltorch as torch
    >>> torch.nn.Bilinear(20, 30, 40)(torch.randn(128, 20), torch.randn(128, 30)).shape
    torch.Size([128, 40])
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(functions.empty((out_features, in1_features, in2_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(functions.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and bias anew."""
        bound = 1 / math.sqrt(self.weight.size(1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Any, input2: Any) -> Any:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class LazyLinear(LazyLayer, Linear):
    """Be a Linear that takes ``in_features`` from the last size of its first input.

    Shape: (*, in_features) to (*, out_features).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LazyLinear.html

    >>> import cltorch as torch
    >>> layer = torch.nn.LazyLinear(30)
    >>> layer(torch.randn(128, 20)).shape
    torch.Size([128, 30])
    >>> layer
    Linear(in_features=20, out_features=30, bias=True)
    """

    cls_to_become = Linear
    _learned = "in_features"

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self._parameters_without_shape(bias, device, dtype)

    def _size_of(self, input: Any) -> int:
        return int(input.shape[-1])

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}

    def initialize_parameters(self, input: Any) -> None:
        """Take ``in_features`` from the input; AssertionError where a loaded weight has another size."""
        super().initialize_parameters(input)
        if self.in_features == 0:
            if input.shape[-1] != self.weight.shape[-1]:
                raise AssertionError(
                    f"The in_features inferred from input: {input.shape[-1]} is not equal to in_features from "
                    f"self.weight: {self.weight.shape[-1]}"
                )
            self.in_features = int(input.shape[-1])
