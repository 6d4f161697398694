"""torch.cpu.amp: autocast and GradScaler for the host, under names that PyTorch has deprecated."""

from __future__ import annotations

from typing import Any

from cltorch import amp, dtypes
from cltorch.amp.old_names import OldGradScaler, deprecated

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """Do what ``amp.autocast`` does for the host; deprecated in PyTorch."""

    def __init__(self, enabled: bool = True, dtype: Any = dtypes.bfloat16, cache_enabled: bool = True) -> None:
        deprecated("cpu.amp.autocast(args...)", "autocast('cpu', args...)")
        super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(OldGradScaler):
    """Do what ``amp.GradScaler`` does for the host; deprecated in PyTorch."""

    of_type = "cpu"
