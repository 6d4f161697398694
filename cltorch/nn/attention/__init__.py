"""The choice between ways of computing attention: torch.nn.attention.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.html
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.functions.attention import fused
from cltorch.nn.attention import bias, flex_attention, varlen

__all__ = ["SDPBackend", "bias", "flex_attention", "sdpa_kernel", "varlen"]


class SDPBackend(enum.IntEnum):
    """Name the ways in which PyTorch computes scaled dot product attention.

    Here there are two: MATH composes it of matrix products and a softmax, all others mean the kernel by blocks.
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Compute attention within a ``with`` in one of the given ways; MATH alone forbids the kernel by blocks.

    Raises AssertionError where ``backends`` is neither a backend nor a list of them.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.sdpa_kernel.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention import SDPBackend, sdpa_kernel
    >>> q = torch.ones(1, 2, 4)
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
    torch.Size([1, 2, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError("Backend must be an instance of SDPBackend or a list of SDPBackend instances")
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    token = fused.set(any(b is not SDPBackend.MATH for b in chosen))
    try:
        yield
    finally:
        fused.reset(token)
