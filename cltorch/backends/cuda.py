"""NVIDIA's CUDA, which is not used: torch.backends.cuda. ``cltorch.cuda`` is the module of OpenCL devices."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cltorch.functions.attention import WAYS
from cltorch.nn.attention.ways import (
    SDPAParams,
    can_use_cudnn_attention,
    can_use_efficient_attention,
    can_use_flash_attention,
)

__all__ = [
    "SDPAParams", "can_use_cudnn_attention", "can_use_efficient_attention", "can_use_flash_attention",
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp", "enable_mem_efficient_sdp",
    "flash_sdp_enabled", "is_built", "is_flash_attention_available", "math_sdp_enabled", "matmul",
    "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip


class _Matmul:
    """Hold the flags of matrix products; float32 products always compute in float32."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    fp32_precision = "ieee"


matmul = _Matmul()


def is_built() -> bool:
    """Return True: programs that compute on ``cuda`` are served, by an OpenCL device where there is one."""
    return True


def flash_sdp_enabled() -> bool:
    """Return whether ``enable_flash_sdp`` allows attention this way."""
    return WAYS["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Allow or forbid this way of attention; with all but math forbidden it is not computed by blocks."""
    WAYS["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Return whether ``enable_mem_efficient_sdp`` allows attention this way."""
    return WAYS["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow or forbid this way of attention; with all but math forbidden it is not computed by blocks."""
    WAYS["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Return whether ``enable_math_sdp`` allows attention this way."""
    return WAYS["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Allow or forbid attention composed of products and a softmax; it is taken where nothing else is left."""
    WAYS["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Return whether ``enable_cudnn_sdp`` allows attention this way."""
    return WAYS["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow or forbid this way of attention; with all but math forbidden it is not computed by blocks."""
    WAYS["cudnn"] = bool(enabled)


def is_flash_attention_available() -> bool:
    """Return True: attention is computed by blocks, on every device."""
    return True


def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> AbstractContextManager[None]:
    """Allow ways of attention inside a ``with`` block; ``torch.nn.attention.sdpa_kernel`` is the newer form.

    >>> import cltorch as torch
    >>> with torch.backends.cuda.sdp_kernel(enable_flash=False):
    ...     torch.backends.cuda.flash_sdp_enabled()
    False
    """
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager will be removed. Please "
        "see `torch.nn.attention.sdpa_kernel()` for the new context manager, with updated signature.",
        FutureWarning,
        stacklevel=2,
    )
    return _allowing(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)


@contextmanager
def _allowing(**ways: bool) -> Iterator[None]:
    before = dict(WAYS)
    WAYS.update(ways)
    try:
        yield
    finally:
        WAYS.update(before)
