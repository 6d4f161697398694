"""Variable: what tensors with gradients were called before they were one with Tensor."""

from __future__ import annotations

from typing import Any

from cltorch.autograd.engine import Engine
from cltorch.ops.array import Array


class _VariableMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Array)


class Variable(metaclass=_VariableMeta):
    """Return a tensor of the same memory; every tensor is an instance.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html#variable-deprecated

    >>> import cltorch as torch
    >>> isinstance(torch.ones(1), torch.autograd.Variable)
    True
    """

    _execution_engine = Engine()

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool | None = None) -> Any:
        if not isinstance(data, Array):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        made = data.detach()
        return made._asking() if requires_grad else made
