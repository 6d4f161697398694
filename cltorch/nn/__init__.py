"""Neural networks: torch.nn.

Source: https://docs.pytorch.org/docs/2.13/nn.html
"""

from cltorch.nn import attention, functional, init, modules, parameter, utils
from cltorch.nn.modules import *  # noqa: F403  # every layer, which ``modules`` lists by name
from cltorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *modules.__all__,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
