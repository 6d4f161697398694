"""Modules as functions of their parameters.

Source: https://docs.pytorch.org/docs/2.13/func.api.html#utilities-for-working-with-torch-nn-modules
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions, nn
from cltorch.nn.utils.stateless import _functional_call

__all__ = ["functional_call", "functionalize", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: nn.Module, parameter_and_buffer_dicts: Any, args: Any = None, kwargs: dict[str, Any] | None = None, *,
    tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with the given tensors, a dict or several, in place of its parameters and buffers.

    Shape: those of the module's arguments and results.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.functional_call.html

    >>> import cltorch as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 1), "bias": torch.zeros(1)}, torch.ones(1))
    tensor([1.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        given = {}
        for part in parameter_and_buffer_dicts:
            if not isinstance(part, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            twice = sorted(given.keys() & part.keys())
            if twice:
                raise ValueError(f"{twice} appeared in multiple dictionaries; behavior of functional call is ambiguous")
            given.update(part)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(models: Sequence[nn.Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules of one kind, those of one name stacked in a new dimension 0.

    Raises RuntimeError for no module, or modules of different classes or modes.
    Shape: n parameters (*) to (n, *).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.stack_module_state.html

    >>> import cltorch as torch
    >>> nets = [torch.nn.Linear(2, 3) for _ in range(4)]
    >>> params, buffers = torch.func.stack_module_state(nets)
    >>> params["weight"].shape
    torch.Size([4, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = {}
    for name, first in models[0].named_parameters():
        all_of_it = [m.get_parameter(name) for m in models]
        if any(p.requires_grad != first.requires_grad for p in all_of_it):
            raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
        stacked = functions.stack([p.detach() for p in all_of_it])
        params[name] = stacked._asking(first.requires_grad)
    buffers = {name: functions.stack([m.get_buffer(name) for m in models]) for name, _ in models[0].named_buffers()}
    return params, buffers


def replace_all_batch_norm_modules_(root: nn.Module) -> nn.Module:
    """Let all batch normalisations of a module work without running statistics; return the module.

    Shape: those of the module stay.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.replace_all_batch_norm_modules_.html

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    >>> torch.func.replace_all_batch_norm_modules_(net)[0].running_mean is None
    True
    """
    for module in root.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """Return the function itself, which computes what PyTorch's transformed one computes.

    The transformation is for compilers, which see a program without changes in place; nothing here records programs, so
    that changes and views are computed as they are written. Raises RuntimeError for another ``remove``.
    Shape: those of the function's arguments and results.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.func.functionalize.html

    >>> import cltorch as torch
    >>> torch.func.functionalize(lambda x: x.clone().add_(1))(torch.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are "
            "'mutations' and 'mutations_and_views'."
        )
    return func
