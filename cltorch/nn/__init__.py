"""Neural networks: torch.nn."""

from cltorch.nn import init
from cltorch.nn.modules.container import Container, ModuleDict, ModuleList, Sequential
from cltorch.nn.modules.module import Module
from cltorch.nn.modules.parameter_containers import ParameterDict, ParameterList
from cltorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
