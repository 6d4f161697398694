"""Weight normalisation by a hook: the older form of ``parametrizations.weight_norm``.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.weight_norm.html; Salimans and Kingma,
https://arxiv.org/abs/1602.07868.
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import functions
from cltorch.functions.linalg_norm import with_norms
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter, refuse_lazy

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm:
    """Compute a parameter from ``<name>_g`` and ``<name>_v`` before every forward pass."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """Return the weight."""
        return with_norms(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Add the hook to a module; raises RuntimeError where there is one for the parameter."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
        fn = WeightNorm(name, dim)
        weight = getattr(module, name)
        refuse_lazy(weight, "WeightNorm", "weight normalization")
        del module._parameters[name]
        module.register_parameter(name + "_g", Parameter(functions.norm_except_dim(weight.detach(), 2, fn.dim)))
        module.register_parameter(name + "_v", Parameter(weight.data))
        setattr(module, name, fn.compute_weight(module))
        module.register_forward_pre_hook(fn)
        return fn

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[self.name + "_g"]
        del module._parameters[self.name + "_v"]
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into its length ``<name>_g`` and its direction ``<name>_v``; deprecated in PyTorch.

    w = g · v / ‖v‖.
    Lengths are over all dimensions but ``dim``, over all for None.
    Shape: weight (*) and so v; g has size 1 but in ``dim``, () for None.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.weight_norm.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in net.named_parameters()]
    ['bias', 'weight_g', 'weight_v']
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo ``weight_norm``; raises ValueError where there is none.

    w = g · v / ‖v‖ stays as the value of the parameter.
    Shape: weight (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.remove_weight_norm.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
    >>> [name for name, _ in torch.nn.utils.remove_weight_norm(net).named_parameters()]
    ['bias', 'weight']
    """
    for k, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[k]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")
