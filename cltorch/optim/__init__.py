"""Optimisers and learning-rate schedules: torch.optim."""

from cltorch.optim import lr_scheduler, optimizer, swa_utils
from cltorch.optim._adafactor import Adafactor
from cltorch.optim._muon import Muon
from cltorch.optim.adadelta import Adadelta
from cltorch.optim.adagrad import Adagrad
from cltorch.optim.adam import Adam
from cltorch.optim.adamax import Adamax
from cltorch.optim.adamw import AdamW
from cltorch.optim.asgd import ASGD
from cltorch.optim.lbfgs import LBFGS
from cltorch.optim.nadam import NAdam
from cltorch.optim.optimizer import Optimizer
from cltorch.optim.radam import RAdam
from cltorch.optim.rmsprop import RMSprop
from cltorch.optim.rprop import Rprop
from cltorch.optim.sgd import SGD
from cltorch.optim.sparse_adam import SparseAdam
from cltorch.optim.swap import swap_in_optimizer_params_and_state

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "optimizer",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]

Adafactor.__module__ = Muon.__module__ = __name__  # where PyTorch has them: its files are private
