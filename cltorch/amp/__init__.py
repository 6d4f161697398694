"""Automatic mixed precision: torch.amp."""

from cltorch.amp import autocast_mode, grad_scaler
from cltorch.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from cltorch.amp.grad_scaler import GradScaler

__all__ = [
    "GradScaler", "autocast", "autocast_mode", "custom_bwd", "custom_fwd", "grad_scaler", "is_autocast_available",
]  # fmt: skip
