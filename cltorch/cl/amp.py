"""torch.cuda.amp's counterpart: autocast and GradScaler for OpenCL devices, under names that PyTorch has deprecated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cltorch import amp, dtypes
from cltorch.amp.old_names import OldGradScaler, deprecated

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """Do what ``amp.autocast`` does for OpenCL devices; deprecated in PyTorch."""

    def __init__(self, enabled: bool = True, dtype: Any = dtypes.float16, cache_enabled: bool = True) -> None:
        deprecated("cuda.amp.autocast(args...)", "autocast('cuda', args...)")
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(OldGradScaler):
    """Do what ``amp.GradScaler`` does for OpenCL devices; deprecated in PyTorch."""

    of_type = "cuda"


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: Any = None) -> Callable[..., Any]:
    """Do what ``amp.custom_fwd`` does for OpenCL devices; deprecated in PyTorch."""
    deprecated("cuda.amp.custom_fwd(args...)", "custom_fwd(args..., device_type='cuda')")
    if fwd is None:
        return functools.partial(amp.custom_fwd, device_type="cuda", cast_inputs=cast_inputs)
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Callable[..., Any]:
    """Do what ``amp.custom_bwd`` does for OpenCL devices; deprecated in PyTorch."""
    deprecated("cuda.amp.custom_bwd(args...)", "custom_bwd(args..., device_type='cuda')")
    return amp.custom_bwd(bwd, device_type="cuda")
