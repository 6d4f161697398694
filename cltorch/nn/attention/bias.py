"""Causal masks that are not stored: torch.nn.attention.bias.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.bias.html
"""

from __future__ import annotations

import enum
import warnings
from typing import Any

from cltorch import dtypes, functions
from cltorch.shapes import Size

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(enum.IntEnum):
    """Name the corner at which the diagonal of a causal mask that is not square begins.

    Query i meets key j where j <= i (UPPER_LEFT) or j <= i + S - L (LOWER_RIGHT), of L queries and S keys.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.bias.html

    >>> import cltorch as torch
    >>> [variant.name for variant in torch.nn.attention.bias.CausalVariant]
    ['UPPER_LEFT', 'LOWER_RIGHT']
    """

    UPPER_LEFT = enum.auto()
    LOWER_RIGHT = enum.auto()


class CausalBias:
    """Stand for a causal mask in ``scaled_dot_product_attention``, whose kernel then needs no mask where that can be.

    softmax(scale · query @ keyᵀ + bias) with bias[i, j] = 0 where query i meets key j, -∞ elsewhere.
    ``variant`` says at which corner the diagonal of the (``seq_len_q``, ``seq_len_kv``) mask begins. Raises
    AssertionError for anything but a variant.
    Shape: (seq_len_q, seq_len_kv).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.bias.CausalBias.html

    >>> import cltorch as torch
    >>> bias = torch.nn.attention.bias.causal_lower_right(1, 3)
    >>> q, k, v = torch.zeros(1, 1, 2), torch.zeros(1, 3, 2), torch.tensor([[[1.0], [2.0], [6.0]]])
    >>> torch.nn.functional.scaled_dot_product_attention(q, k, v, bias)
    tensor([[[3.]]])
    """

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant)}")
        self.variant, self.seq_len_q, self.seq_len_kv = variant, seq_len_q, seq_len_kv
        if seq_len_q > seq_len_kv and variant is CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!", stacklevel=2
            )

    @property
    def shape(self) -> Size:
        """Return (seq_len_q, seq_len_kv)."""
        return Size((self.seq_len_q, self.seq_len_kv))

    def _materialize(self, device: Any = None) -> Any:
        """Return the mask as bools, True where attention is allowed."""
        offset = 0 if self.variant is CausalVariant.UPPER_LEFT else self.seq_len_kv - self.seq_len_q
        ones = functions.ones(self.seq_len_q, self.seq_len_kv, dtype=dtypes.bool_, device=device)
        return functions.tril(ones, offset)

    def attention_mask(self, device: Any) -> tuple[Any, bool]:
        """Return what attention takes for the bias: a mask or None, and whether it is causal."""
        if self.variant is CausalVariant.UPPER_LEFT or self.seq_len_q == self.seq_len_kv:
            return None, True
        return self._materialize(device), False

    def __repr__(self) -> str:
        return repr(self._materialize())


def causal_upper_left(*size: int) -> CausalBias:
    """Return a causal bias of the given size (queries, keys) whose diagonal begins in the upper left corner.

    It is True at [i, j] where j <= i.
    Shape: (L, S).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.bias.causal_upper_left.html

    >>> import cltorch as torch
    >>> torch.nn.attention.bias.causal_upper_left(2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return CausalBias(CausalVariant.UPPER_LEFT, *size)


def causal_lower_right(*size: int) -> CausalBias:
    """Return a causal bias of the given size (queries, keys) whose diagonal ends in the lower right corner.

    It is True at [i, j] where j <= i + S - L.
    Shape: (L, S).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.bias.causal_lower_right.html

    >>> import cltorch as torch
    >>> torch.nn.attention.bias.causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    if len(size) != 2:
        raise AssertionError("causal_lower_right only supports 2D tensors")
    return CausalBias(CausalVariant.LOWER_RIGHT, *size)
