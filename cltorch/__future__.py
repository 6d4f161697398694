"""Switches for how a module's conversions will work one day: torch.__future__.

Source: https://docs.pytorch.org/docs/2.13/future_mod.html
"""

__all__ = [
    "get_overwrite_module_params_on_conversion",
    "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion",
    "set_swap_module_params_on_conversion",
]

_overwrite_module_params_on_conversion = False
_swap_module_params_on_conversion = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Choose whether ``module.to()`` and its kin make new parameters instead of changing the data of the old ones.

    Source: https://docs.pytorch.org/docs/2.13/future_mod.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 2)
    >>> old = net.weight
    >>> torch.__future__.set_overwrite_module_params_on_conversion(True)
    >>> net.double().weight is old
    False
    >>> torch.__future__.set_overwrite_module_params_on_conversion(False)
    """
    global _overwrite_module_params_on_conversion
    _overwrite_module_params_on_conversion = value


def get_overwrite_module_params_on_conversion() -> bool:
    """Return whether conversions of a module make new parameters; they do not at first.

    Source: https://docs.pytorch.org/docs/2.13/future_mod.html

    >>> import cltorch as torch
    >>> torch.__future__.get_overwrite_module_params_on_conversion()
    False
    """
    return _overwrite_module_params_on_conversion


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Choose whether a module's conversions and ``load_state_dict`` exchange parameters by ``utils.swap_tensors``.

    It takes precedence over ``set_overwrite_module_params_on_conversion``; loading takes ``param.module_load(value)``.
    Source: https://docs.pytorch.org/docs/2.13/future_mod.html

    >>> import cltorch as torch
    >>> torch.__future__.set_swap_module_params_on_conversion(True)
    >>> torch.nn.Linear(2, 2).double().weight.dtype
    torch.float64
    >>> torch.__future__.set_swap_module_params_on_conversion(False)
    """
    global _swap_module_params_on_conversion
    _swap_module_params_on_conversion = value


def get_swap_module_params_on_conversion() -> bool:
    """Return whether a module's conversions exchange parameters; they do not at first.

    Source: https://docs.pytorch.org/docs/2.13/future_mod.html

    >>> import cltorch as torch
    >>> torch.__future__.get_swap_module_params_on_conversion()
    False
    """
    return _swap_module_params_on_conversion
