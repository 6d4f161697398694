"""Modules whose parameters are left as they come from memory.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.skip_init.html
"""

from __future__ import annotations

import inspect
from typing import Any

from cltorch.nn.modules.module import Module
from cltorch.random import fork_rng

__all__ = ["skip_init"]


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """Make a module, on ``device``, whose parameters have no particular values, and draw no random numbers for it.

    Raises RuntimeError for what is no class of modules and for one that takes no device.
    Shape: those of the module.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.skip_init.html

    >>> import cltorch as torch
    >>> torch.nn.utils.skip_init(torch.nn.Linear, 5, 1)
    Linear(in_features=5, out_features=1, bias=True)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    device = kwargs.pop("device", "cpu")
    # there is no device without memory here: it is made on the host, and the generators are put back
    with fork_rng():
        made: Any = module_cls(*args, **{**kwargs, "device": "cpu"})
    return made.to_empty(device=device)
