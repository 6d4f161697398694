"""Schedules of the learning rate: torch.optim.lr_scheduler."""

from cltorch.optim.lr_scheduler.base import (  # noqa: F401 (libraries import these from here)
    EPOCH_DEPRECATION_WARNING,
    LRScheduler,
    _enable_get_lr_call,
    _LRScheduler,
    _warn_get_lr_called_within_step,
)
from cltorch.optim.lr_scheduler.chained import ChainedScheduler
from cltorch.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from cltorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from cltorch.optim.lr_scheduler.restarts import CosineAnnealingWarmRestarts
from cltorch.optim.lr_scheduler.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from cltorch.optim.lr_scheduler.sequential import SequentialLR
from cltorch.optim.optimizer import Optimizer as Optimizer

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

for _class in (LRScheduler, *map(globals().get, __all__)):
    _class.__module__ = __name__  # PyTorch has them all in this one
del _class
