"""What torch.* says about autocast: whether it is on, in which dtype, and its cache.

Source: https://docs.pytorch.org/docs/2.13/amp.html
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.autograd.casting import kind_of, state
from cltorch.dtypes import dtype

__all__ = [
    "autocast_decrement_nesting", "autocast_increment_nesting", "clear_autocast_cache", "get_autocast_cpu_dtype",
    "get_autocast_dtype", "get_autocast_gpu_dtype", "is_autocast_cache_enabled", "is_autocast_cpu_enabled",
    "is_autocast_enabled", "set_autocast_cache_enabled", "set_autocast_cpu_dtype", "set_autocast_cpu_enabled",
    "set_autocast_dtype", "set_autocast_enabled", "set_autocast_gpu_dtype",
]  # fmt: skip


def _deprecated(old: str, new: str) -> None:
    """Warn the caller's caller that torch has another name for something."""
    warnings.warn(f"torch.{old} is deprecated. Please use torch.{new} instead.", DeprecationWarning, stacklevel=3)


_OTHERS = frozenset("hpu ipu maia mps mtia xla xpu".split())  # devices of PyTorch, never there


def kind(device_type: Any) -> str:
    """Return "cpu" or "cl" for a type of device; raises RuntimeError for one that autocast does not know."""
    found = kind_of(device_type) if isinstance(device_type, str) else None
    if found is None:
        raise RuntimeError(f"unknown device type for autocast: {device_type!r}")
    return found


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Return whether autocast is on in this thread for a type of device.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> with torch.autocast("cpu"):
    ...     torch.is_autocast_enabled("cpu")
    True
    """
    return device_type not in _OTHERS and state.enabled[kind(device_type)]


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Turn autocast on or off for a type of device; with one argument for OpenCL devices.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_enabled("cpu", False)
    >>> torch.is_autocast_enabled("cpu")
    False
    """
    if enabled is None:
        device_type, enabled = "cuda", device_type
    state.set_enabled(kind(device_type), bool(enabled))


def get_autocast_dtype(device_type: str) -> dtype:
    """Return the dtype of fewer bits that autocast takes for a type of device.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.get_autocast_dtype("cpu"), torch.get_autocast_dtype("cl")
    (torch.bfloat16, torch.float16)
    """
    return state.dtype[kind(device_type)]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set the dtype of fewer bits that autocast takes for a type of device.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_dtype("cpu", torch.bfloat16)
    """
    state.dtype[kind(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """Return whether casts of weights are kept until the outermost region ends.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.is_autocast_cache_enabled()
    True
    """
    return state.caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Say whether casts of weights are kept until the outermost region ends.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_cache_enabled(True)
    """
    state.caching = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the casts of weights.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.clear_autocast_cache()
    """
    state.cache.clear()


def autocast_increment_nesting() -> int:
    """Enter a region and return how many are open.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.autocast_increment_nesting()
    1
    >>> torch.autocast_decrement_nesting()
    0
    """
    state.nesting += 1
    return state.nesting


def autocast_decrement_nesting() -> int:
    """Leave a region and return how many are open.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.autocast_increment_nesting()
    1
    >>> torch.autocast_decrement_nesting()
    0
    """
    state.nesting -= 1
    return state.nesting


def is_autocast_cpu_enabled() -> bool:
    """Return whether autocast is on for the host.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.is_autocast_cpu_enabled()
    False
    """
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return state.enabled["cpu"]


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """Turn autocast on or off for the host.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_cpu_enabled(False)
    """
    _deprecated("set_autocast_cpu_enabled(enabled)", "set_autocast_enabled('cpu', enabled)")
    state.set_enabled("cpu", bool(enabled))


def get_autocast_cpu_dtype() -> dtype:
    """Return the dtype of fewer bits that autocast takes on the host.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return state.dtype["cpu"]


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """Set the dtype of fewer bits that autocast takes on the host.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_cpu_dtype(torch.bfloat16)
    """
    _deprecated("set_autocast_cpu_dtype(dtype)", "set_autocast_dtype('cpu', dtype)")
    state.dtype["cpu"] = dtype


def get_autocast_gpu_dtype() -> dtype:
    """Return the dtype of fewer bits that autocast takes on OpenCL devices.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return state.dtype["cl"]


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """Set the dtype of fewer bits that autocast takes on OpenCL devices.

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.set_autocast_gpu_dtype(torch.float16)
    """
    _deprecated("set_autocast_gpu_dtype(dtype)", "set_autocast_dtype('cuda', dtype)")
    state.dtype["cl"] = dtype
