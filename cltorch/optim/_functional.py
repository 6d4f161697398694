"""The functional forms of optimisers in one place, where older libraries import them from."""

from cltorch.optim.adadelta import adadelta
from cltorch.optim.adagrad import adagrad
from cltorch.optim.adam import adam
from cltorch.optim.adamax import adamax
from cltorch.optim.adamw import adamw
from cltorch.optim.asgd import asgd
from cltorch.optim.nadam import nadam
from cltorch.optim.radam import radam
from cltorch.optim.rmsprop import rmsprop
from cltorch.optim.rprop import rprop
from cltorch.optim.sgd import sgd

__all__ = [
    "adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd",
]  # fmt: skip
