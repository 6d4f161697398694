"""What torch.cuda.amp and torch.cpu.amp share: GradScaler and a warning, under names that PyTorch has deprecated."""

from __future__ import annotations

import warnings

from cltorch.amp.grad_scaler import GradScaler

__all__ = ["OldGradScaler", "deprecated"]


def deprecated(old: str, new: str) -> None:
    """Warn the caller's caller that ``torch.amp`` has another name for something."""
    warnings.warn(f"`torch.{old}` is deprecated. Please use `torch.amp.{new}` instead.", FutureWarning, 3)


class OldGradScaler(GradScaler):
    """Do what ``amp.GradScaler`` does for the type of device that a subclass names."""

    of_type: str

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        of = self.of_type
        deprecated(f"{of}.amp.GradScaler(args...)", f"GradScaler('{of}', args...)")
        super().__init__(of, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
