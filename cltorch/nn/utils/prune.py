"""Pruning: masks on parameters, torch.nn.utils.prune.

Source: https://docs.pytorch.org/docs/2.13/nn.html#utilities
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cltorch import functions
from cltorch.nn.modules.module import Module
from cltorch.nn.utils.convert_parameters import parameters_to_vector
from cltorch.nn.utils.pruning_methods import (
    BasePruningMethod,
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    PruningContainer,
    RandomStructured,
    RandomUnstructured,
    _compute_norm,
    _compute_nparams_toprune,
    _validate_pruning_amount,
    _validate_pruning_amount_init,
    _validate_pruning_dim,
    _validate_structured_pruning,
)

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip


# what programs with pruning methods of their own call
_checks = (
    _compute_norm, _compute_nparams_toprune, _validate_pruning_amount, _validate_pruning_amount_init,
    _validate_pruning_dim, _validate_structured_pruning,
)  # fmt: skip


def identity(module: Module, name: str) -> Module:
    """Give a parameter a mask of ones, and return the module.

    w = w_orig · mask with a mask of ones.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.identity.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> int(torch.nn.utils.prune.identity(net, 'weight').weight_mask.sum())
    8
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Any) -> Module:
    """Prune elements of a parameter at random, and return the module.

    w = w_orig · mask, the mask being 0 at ``amount`` places.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.random_unstructured.html

    >>> import cltorch as torch
    >>> layer = torch.nn.utils.prune.random_unstructured(torch.nn.Linear(2, 3), "weight", amount=1)
    >>> int((layer.weight_mask == 0).sum())
    1
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Module, name: str, amount: Any, importance_scores: Any = None) -> Module:
    """Prune the elements of a parameter that have the smallest absolute values (or scores); return the module.

    w = w_orig · mask, the mask being 0 where |w_orig| is among the ``amount`` least.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.l1_unstructured.html

    >>> import cltorch as torch
    >>> layer = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(2, 3), "weight", amount=0.5)
    >>> sorted(layer.state_dict())
    ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Any, dim: int) -> Module:
    """Prune slices of a parameter along ``dim`` at random, and return the module.

    w = w_orig · mask, the mask being 0 for ``amount`` slices along ``dim``.
    Shape: (*) of two dimensions at least, and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.random_structured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> int(torch.nn.utils.prune.random_structured(net, 'weight', 1, dim=1).weight_mask.sum())
    6
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None) -> Module:
    """Prune the slices of a parameter along ``dim`` that have the smallest ``n``-norms; return the module.

    w = w_orig · mask, the mask being 0 for the ``amount`` slices along ``dim`` with the least ‖w_orig‖ₙ.
    Shape: (*) of two dimensions at least, and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.ln_structured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> int(torch.nn.utils.prune.ln_structured(net, 'weight', 1, n=2, dim=0).weight_mask.sum())
    4
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any) -> None:
    """Prune several parameters, given as (module, name), as if they were one.

    w = w_orig · mask, the masks of all being made at once, of one line of their elements.
    Raises TypeError for a method that is not unstructured.
    Shape: (*) each.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.global_unstructured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> torch.nn.utils.prune.global_unstructured([(net, 'weight')], torch.nn.utils.prune.L1Unstructured, amount=0.5)
    >>> int(net.weight_mask.sum())
    4
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    parameters = list(parameters)
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    importance = parameters_to_vector([scores.get((m, name), getattr(m, name)) for m, name in parameters]).detach()
    default = parameters_to_vector(
        [getattr(m, name + "_mask", functions.ones_like(getattr(m, name).detach())) for m, name in parameters]
    )
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of '
            f"type {method.PRUNING_TYPE}"
        )
    mask = PruningContainer(method).compute_mask(importance, default)
    at = 0
    for m, name in parameters:
        p = getattr(m, name)
        custom_from_mask(m, name, mask=functions.reshape(mask[at : at + p.numel()], p.shape))
        at += p.numel()


def custom_from_mask(module: Module, name: str, mask: Any) -> Module:
    """Prune a parameter by a mask of ones and zeros, and return the module.

    w = w_orig · mask.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.custom_from_mask.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> int(torch.nn.utils.prune.custom_from_mask(net, 'weight', torch.zeros(2, 4)).weight.count_nonzero())
    0
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Make the pruning of a parameter permanent; raises ValueError where it is not pruned.

    w = w_orig · mask stays as the value of the parameter.
    Shape: (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.remove.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> list(torch.nn.utils.prune.remove(torch.nn.utils.prune.identity(net, 'weight'), 'weight').state_dict())
    ['weight']
    """
    for k, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[k]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Return whether a parameter of a module, or of one inside it, is pruned.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.is_pruned.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> torch.nn.utils.prune.is_pruned(net)
    False
    >>> torch.nn.utils.prune.is_pruned(torch.nn.utils.prune.identity(net, 'weight'))
    True
    """
    return any(isinstance(h, BasePruningMethod) for m in module.modules() for h in m._forward_pre_hooks.values())
