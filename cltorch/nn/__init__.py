"""Neural networks: torch.nn.

Source: https://docs.pytorch.org/docs/2.13/nn.html
"""

from cltorch.nn import attention, common_types, functional, grad, init, modules, parallel, parameter, utils
from cltorch.nn.modules import *  # noqa: F403  # every layer, which ``modules`` lists by name
from cltorch.nn.modules.utils import factory_kwargs
from cltorch.nn.parallel import DataParallel
from cltorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *modules.__all__,
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "common_types",
    "factory_kwargs",
    "functional",
    "grad",
    "init",
    "modules",
    "parallel",
    "parameter",
    "utils",
]
