"""autocast: regions in which functions choose their dtypes, and decorators for functions of one's own.

Source: https://docs.pytorch.org/docs/2.13/amp.html#autocasting
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.amp import settings
from cltorch.autograd.casting import kind_of, state
from cltorch.functions.convert import to
from cltorch.tensor import Tensor

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def is_autocast_available(device_type: str) -> bool:
    """Return whether autocast knows a type of device: "cpu", "cl" and its other names "cuda" and "opencl".

    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> torch.amp.is_autocast_available('cpu')
    True
    """
    return kind_of(device_type) is not None


def device_works(device_type: str) -> bool:
    """Return whether there is a device of the type: the host, or an OpenCL device that passed its probe."""
    if kind_of(device_type) == "cpu":
        return True
    # imported at the first question, for it imports pyopencl
    return bool(importlib.import_module("cltorch.device.discovery").devices())


class autocast:
    """Compute matrix products and convolutions in a dtype of fewer bits, and what needs range or precision in float32.

    A context manager and a decorator. ``device_type`` is "cpu" or "cl" ("cuda" is the same); functions of tensors on
    other devices are left alone. ``dtype`` is float16 or bfloat16, by default bfloat16 for "cpu" and float16 for "cl".
    ``enabled=False`` turns autocast off within another region. With ``cache_enabled`` weights are cast once per
    outermost region. In-place functions and those with ``out=`` are not cast, float64 never is.

    Raises RuntimeError for an unknown type of device; warns, and does nothing, for another dtype.
    Source: https://docs.pytorch.org/docs/2.13/amp.html#torch.autocast

    >>> import cltorch as torch
    >>> a = torch.ones(2, 2)
    >>> with torch.autocast("cpu", dtype=torch.float16):
    ...     print((a @ a).dtype, (a + a).dtype)
    torch.float16 torch.float32
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = settings.get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = state.caching if cache_enabled is None else cache_enabled
        if enabled and device_type == "cuda" and not device_works(device_type):
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
                f"{name} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[tuple[Any, ...]] = []

    def __enter__(self) -> autocast:
        kind = settings.kind(self.device)
        self._before.append((state.enabled[kind], state.dtype[kind], state.caching, state.off))
        state.set_enabled(kind, self._enabled)
        state.dtype[kind], state.caching, state.off = self.fast_dtype, self._cache_enabled, False
        settings.autocast_increment_nesting()
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        kind = settings.kind(self.device)
        if settings.autocast_decrement_nesting() == 0:
            settings.clear_autocast_cache()
        enabled, state.dtype[kind], state.caching, state.off = self._before.pop()
        state.set_enabled(kind, enabled)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you mean to use autocast as "
                "a context manager? For example:\n    with torch.autocast(device_type=...):\n"
                "        output = model(input)"
            )

        return autocast_decorator(self, func)


def autocast_decorator(autocast_instance: Any, func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs another one within a context."""

    @functools.wraps(func)
    def wrapped(*args: Any, **kw: Any) -> Any:
        with autocast_instance:
            return func(*args, **kw)

    return wrapped


def _cast(value: Any, kind: str, dtype: Any) -> Any:
    if isinstance(value, Tensor):
        fits = value.is_floating_point() and value.device.type == kind and value.dtype is not dtypes.float64
        return to(value, dtype) if fits else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, kind, dtype): _cast(v, kind, dtype) for k, v in value.items()}
    if isinstance(value, Iterable):
        found = [_cast(v, kind, dtype) for v in value]
        return type(value)(found) if isinstance(value, (list, tuple)) else found
    return value


def _check_type(device_type: Any) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None
) -> Callable[..., Any]:
    """Decorate ``forward`` of a Function: with ``cast_inputs``, a dtype, tensors are cast and autocast is off inside.

    Outside of autocast it changes nothing.
    Source: https://docs.pytorch.org/docs/2.13/amp.html#torch.amp.custom_fwd

    >>> import cltorch as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type='cpu', cast_inputs=torch.bfloat16)
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type='cpu')
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> with torch.autocast('cpu'):
    ...     Double.apply(torch.ones(1)).dtype
    torch.bfloat16
    """
    _check_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    forward = fwd

    @functools.wraps(forward)
    def wrapped(*args: Any, **kw: Any) -> Any:
        kind = settings.kind(device_type)
        args[0]._dtype = state.dtype[kind]
        on = state.enabled[kind]
        args[0]._fwd_used_autocast = on and cast_inputs is None
        if cast_inputs is None or not on:
            return forward(*args, **kw)
        with autocast(device_type, enabled=False):
            return forward(*_cast(args, kind, cast_inputs), **_cast(kw, kind, cast_inputs))

    return wrapped


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorate ``backward`` of a Function, whose ``forward`` has ``custom_fwd``: autocast is on or off as it was there.

    Source: https://docs.pytorch.org/docs/2.13/amp.html#torch.amp.custom_bwd

    >>> import cltorch as torch
    >>> class Product(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type='cpu')
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x @ x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type='cpu')
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         print((g @ x.T).dtype)
    ...         return (g @ x.T + x.T @ g).float()
    >>> with torch.autocast('cpu'):
    ...     y = Product.apply(torch.ones(2, 2, requires_grad=True))
    >>> y.sum().backward()
    torch.bfloat16
    """
    _check_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    backward = bwd

    @functools.wraps(backward)
    def wrapped(*args: Any, **kw: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return backward(*args, **kw)

    return wrapped
