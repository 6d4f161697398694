"""Schedules of the learning rate: torch.optim.lr_scheduler."""

from cltorch.optim.lr_scheduler.base import LRScheduler
from cltorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cltorch.optim.lr_scheduler.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from cltorch.optim.lr_scheduler.sequential import SequentialLR

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
