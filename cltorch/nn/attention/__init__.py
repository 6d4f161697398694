"""The choice between ways of computing attention: torch.nn.attention.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.html
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.functions.attention import WAYS
from cltorch.nn.attention import bias, flex_attention, varlen, ways
from cltorch.nn.attention.ways import (
    SDPAParams,
    activate_flash_attention_impl,
    can_use_cudnn_attention,
    can_use_efficient_attention,
    can_use_flash_attention,
    current_flash_attention_impl,
    list_flash_attention_impls,
    register_flash_attention_impl,
    restore_flash_attention_impl,
)

__all__ = [
    "WARN_FOR_UNFUSED_KERNELS", "SDPAParams", "SDPBackend", "activate_flash_attention_impl", "bias",
    "can_use_cudnn_attention", "can_use_efficient_attention", "can_use_flash_attention",
    "current_flash_attention_impl", "flex_attention", "list_flash_attention_impls", "register_flash_attention_impl",
    "restore_flash_attention_impl", "sdpa_kernel", "varlen", "ways",
]  # fmt: skip

WARN_FOR_UNFUSED_KERNELS = False  # programs set it; there is nothing to warn of


class SDPBackend(enum.IntEnum):
    """Name the ways in which PyTorch computes scaled dot product attention.

    Here there are two: MATH composes it of matrix products and a softmax, all others mean the kernel by blocks.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> torch.nn.attention.SDPBackend.MATH.name, int(torch.nn.attention.SDPBackend.MATH)
    ('MATH', 0)
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __str__ = enum.Enum.__str__
    __format__ = enum.Enum.__format__


_BACKENDS = {
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "mem_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
    "overrideable": SDPBackend.OVERRIDEABLE,
}
_priority = [_BACKENDS[name] for name in ("flash", "mem_efficient", "math", "cudnn", "overrideable")]


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Compute attention within a ``with`` in one of the given ways; MATH alone forbids the kernel by blocks.

    FLASH_ATTENTION is that kernel on every device, EFFICIENT_ATTENTION on OpenCL devices, and there are no others.
    Raises AssertionError where ``backends`` is neither a backend nor a list of them; attention raises RuntimeError
    where none of them can compute it.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.attention.sdpa_kernel.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention import SDPBackend, sdpa_kernel
    >>> q = torch.ones(1, 2, 4)
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
    torch.Size([1, 2, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    before, order = dict(WAYS), list(_priority)
    WAYS.update({name: backend in chosen for name, backend in _BACKENDS.items()})
    if set_priority:
        _priority[:] = [*dict.fromkeys(chosen), *(backend for backend in order if backend not in chosen)]
    try:
        yield
    finally:
        WAYS.update(before)
        _priority[:] = order


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """Return the ways that ``sdpa_kernel`` allows the caller; ``with_priority`` in the order in which they were given.

    >>> from cltorch.nn.attention import SDPBackend, sdpa_kernel, _cur_sdpa_kernel_backends
    >>> with sdpa_kernel(SDPBackend.MATH):
    ...     _cur_sdpa_kernel_backends()
    [<SDPBackend.MATH: 0>]
    """
    allowed = [backend for name, backend in _BACKENDS.items() if WAYS[name]]
    return [backend for backend in _priority if backend in allowed] if with_priority else allowed
