"""LayerNorm, GroupNorm and RMSNorm.

Source: https://docs.pytorch.org/docs/2.13/nn.html#normalization-layers
"""

from __future__ import annotations

from typing import Any

from cltorch.functions import public as functions
from cltorch.nn import functional as F
from cltorch.nn import init
from cltorch.nn.modules.local_response import CrossMapLRN2d, LocalResponseNorm
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _Affine(Module):
    """Hold a weight of ones and a bias of zeros, or None in the place of either."""

    weight: Any
    bias: Any

    def _make(self, name: str, wanted: bool, shape: Any, device: Any, dtype: Any) -> None:
        made = Parameter(functions.empty(shape, device=device, dtype=dtype)) if wanted else None
        self.register_parameter(name, made)

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self._parameters.get("bias") is not None:
            init.zeros_(self.bias)


class LayerNorm(_Affine):
    """Normalise over the last dimensions, which ``normalized_shape`` names by their sizes.

    y = (x - mean) / √(var + eps) · weight + bias. J. Ba et al., Layer Normalization, 2016.
    Shape: (N, *) that ends with ``normalized_shape``, to the same; ``weight`` and ``bias`` have ``normalized_shape``.
    RuntimeError where the sizes differ.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LayerNorm.html

    >>> import cltorch as torch
    >>> torch.nn.LayerNorm(2)(torch.tensor([[1.0, 3.0]])).tolist()[0][0] < 0
    True
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make("weight", elementwise_affine, self.normalized_shape, device, dtype)
        self._make("bias", elementwise_affine and bias, self.normalized_shape, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """Normalise groups of channels of each sample.

    y = (x - mean) / √(var + eps) · weight + bias with weight and bias per channel. Raises ValueError where the
    channels cannot be divided so. Y. Wu, K. He, Group Normalization, 2018.
    Shape: (N, C, *) to the same, C being ``num_channels``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.GroupNorm.html

    >>> import cltorch as torch
    >>> torch.nn.GroupNorm(3, 6)(torch.randn(20, 6, 10, 10)).shape
    torch.Size([20, 6, 10, 10])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._make("weight", affine, num_channels, device, dtype)
        self._make("bias", affine and bias, num_channels, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_Affine):
    """Divide by the root of the mean square over the last dimensions, times a weight.

    y = x / √(mean(x²) + eps) · weight; ``eps`` is the dtype's epsilon by default.
    B. Zhang, R. Sennrich, Root Mean Square Layer Normalization, 2019.
    Shape: (N, *) that ends with ``normalized_shape``, to the same; ``weight`` has ``normalized_shape``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.RMSNorm.html

    >>> import cltorch as torch
    >>> torch.nn.RMSNorm([2, 3])(torch.randn(2, 2, 3)).shape
    torch.Size([2, 2, 3])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make("weight", elementwise_affine, self.normalized_shape, device, dtype)
        self.reset_parameters()

    def forward(self, x: Any) -> Any:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def _sizes(normalized_shape: Any) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
