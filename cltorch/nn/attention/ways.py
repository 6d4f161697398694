"""Which way attention takes, and ways that others register: parts of torch.nn.attention.

Source: https://docs.pytorch.org/docs/2.13/nn.attention.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from cltorch.functions.attention import WAYS, by_blocks

__all__ = [
    "SDPAParams", "activate_flash_attention_impl", "can_use_cudnn_attention", "can_use_efficient_attention",
    "can_use_flash_attention", "current_flash_attention_impl", "list_flash_attention_impls",
    "register_flash_attention_impl", "restore_flash_attention_impl",
]  # fmt: skip


class SDPAParams(NamedTuple):
    """Hold the arguments of ``scaled_dot_product_attention`` about which ``can_use_flash_attention`` is asked.

    Shape: query (*, H, L, E), key (*, H, S, E), value (*, H, S, Ev), mask what broadcasts to (*, H, L, S).
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> q = torch.ones(1, 2, 3, 4)
    >>> torch.nn.attention.SDPAParams(q, q, q, None, 0.0, True, False).is_causal
    True
    """

    query: Any
    key: Any
    value: Any
    attn_mask: Any
    dropout: float
    is_causal: bool
    enable_gqa: bool


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Return whether attention with these arguments is computed by blocks, without all scores at once.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> from cltorch.nn.attention import SDPAParams, can_use_flash_attention
    >>> q = torch.ones(1, 2, 3, 4)
    >>> can_use_flash_attention(SDPAParams(q, q, q, None, 0.0, False, False))
    True
    """
    return WAYS["flash"] and by_blocks(params.query, params.value, params.attn_mask)


def can_use_efficient_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Return whether attention with these arguments is computed by blocks on an OpenCL device, which takes masks too.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> q, mask = torch.ones(1, 2, 3, 4), torch.ones(3, 3)
    >>> torch.nn.attention.can_use_efficient_attention(torch.nn.attention.SDPAParams(q, q, q, mask, 0.0, False, False))
    False
    """
    on_device = params.query.device.type != "cpu"
    return on_device and WAYS["mem_efficient"] and by_blocks(params.query, params.value, params.attn_mask)


def can_use_cudnn_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Return False: there is no cuDNN.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> q = torch.ones(1, 2, 3, 4)
    >>> torch.nn.attention.can_use_cudnn_attention(torch.nn.attention.SDPAParams(q, q, q, None, 0.0, False, False))
    False
    """
    return False


_registered: dict[str, Callable[..., Any]] = {}
_active: list[tuple[str, Any]] = []


def register_flash_attention_impl(impl: str, *, register_fn: Callable[..., Any]) -> None:
    """Name a function that puts another kernel in place when ``activate_flash_attention_impl`` asks for it.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> class Other:
    ...     def remove(self):
    ...         print("removed")
    >>> attention = torch.nn.attention
    >>> attention.register_flash_attention_impl("other", register_fn=Other)
    >>> attention.activate_flash_attention_impl("other")
    >>> attention.current_flash_attention_impl()
    'other'
    >>> attention.restore_flash_attention_impl()
    removed
    """
    _registered[impl] = register_fn


def activate_flash_attention_impl(impl: str) -> None:
    """Call the function registered under a name; what it returns has a method ``remove``, which undoes it.

    Raises ValueError for a name that is not registered.
    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> class Other:
    ...     def remove(self):
    ...         print("removed")
    >>> attention = torch.nn.attention
    >>> attention.register_flash_attention_impl("other", register_fn=Other)
    >>> attention.activate_flash_attention_impl("other")
    >>> attention.current_flash_attention_impl()
    'other'
    >>> attention.restore_flash_attention_impl()
    removed
    """
    restore_flash_attention_impl(_raise_warn=False)
    register = _registered.get(impl)
    if register is None:
        raise ValueError(
            f"Unknown flash attention impl '{impl}'. Available implementations: {list_flash_attention_impls()}"
        )
    handle = register()
    if handle is not None:
        _active.append((impl, handle))


def list_flash_attention_impls() -> list[str]:
    """Return the registered names, sorted.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> type(torch.nn.attention.list_flash_attention_impls())
    <class 'list'>
    """
    return sorted(_registered)


def current_flash_attention_impl() -> str | None:
    """Return the name of the active one, None for the package's own kernel.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> torch.nn.attention.current_flash_attention_impl() is None
    True
    """
    return _active[0][0] if _active else None


def restore_flash_attention_impl(_raise_warn: bool = True) -> None:
    """Undo what ``activate_flash_attention_impl`` did.

    Source: https://docs.pytorch.org/docs/2.13/nn.attention.html

    >>> import cltorch as torch
    >>> class Other:
    ...     def remove(self):
    ...         print("removed")
    >>> attention = torch.nn.attention
    >>> attention.register_flash_attention_impl("other", register_fn=Other)
    >>> attention.activate_flash_attention_impl("other")
    >>> attention.current_flash_attention_impl()
    'other'
    >>> attention.restore_flash_attention_impl()
    removed
    """
    if _active:
        _active.pop()[1].remove()
    elif _raise_warn:
        warnings.warn("Trying to restore the default when no custom impl was activated", stacklevel=2)
