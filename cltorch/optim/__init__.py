"""Optimisers and learning-rate schedules: torch.optim."""

from cltorch.optim import lr_scheduler, optimizer
from cltorch.optim.adagrad import Adagrad
from cltorch.optim.adam import Adam
from cltorch.optim.adamw import AdamW
from cltorch.optim.optimizer import Optimizer
from cltorch.optim.rmsprop import RMSprop
from cltorch.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler", "optimizer"]
