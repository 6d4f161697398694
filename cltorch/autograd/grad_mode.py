"""Whether operations are recorded: no_grad, enable_grad, set_grad_enabled, inference_mode.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#locally-disabling-gradient-computation
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any


class _Mode(threading.local):
    enabled = True  # operations are recorded
    asked = True  # the program wants them to be, which within inference mode nothing does
    inference = False
    saved_hooks: tuple[Any, ...] = ()  # pairs of pack and unpack
    hooks_refused: str | None = None  # why there may be none
    layouts = True  # gradients are laid out as their leaves are
    mutations: Any = None  # what clones kept tensors before they are changed in place
    # of each transform around the caller: the era that it began, and the storages that it was given
    captures: tuple[tuple[int, list[Any]], ...] = ()


mode = _Mode()
# how many inference modes are entered, in all threads: while none is, making a tensor need not ask its thread
inference_count = [0]


def _turn(asked: bool, inference: bool) -> None:
    mode.asked, mode.inference, mode.enabled = asked, inference, asked and not inference


class Switch:
    """A context manager that is a decorator too, of functions and generators."""

    def __init__(self, enabled: bool, inference: bool | None = None) -> None:
        self._enabled, self._inference = enabled, inference
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((mode.asked, mode.inference))
        _turn(self._enabled, mode.inference if self._inference is None else self._inference)
        if self._inference is not None:
            inference_count[0] += 1

    def __exit__(self, *exc: Any) -> None:
        _turn(*self._before.pop())
        if self._inference is not None:
            inference_count[0] -= 1

    def clone(self) -> Any:
        """Return a fresh manager of the same setting."""
        return Switch(self._enabled, self._inference)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return decorated(fn, self.clone)


def decorated(fn: Callable[..., Any], fresh: Callable[[], Any]) -> Callable[..., Any]:
    """Return a function whose calls, and the steps of a generator, run within a fresh context manager each."""
    if inspect.isclass(fn):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
            "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
            "the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def stepped(*args: Any, **kw: Any) -> Any:
            generator = fn(*args, **kw)
            step: Callable[..., Any] = generator.send
            value: Any = None
            while True:
                try:
                    with fresh():
                        item = step(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    step, value = generator.send, (yield item)
                except GeneratorExit:
                    with fresh():
                        generator.close()
                    raise
                except BaseException as error:  # which the caller threw in: it goes on to the generator
                    step, value = generator.throw, error

        return stepped

    @functools.wraps(fn)
    def wrapped(*args: Any, **kw: Any) -> Any:
        with fresh():
            return fn(*args, **kw)

    return wrapped


class no_grad(Switch):
    """Stop recording operations, as a context manager or decorator.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.no_grad.html

    >>> import cltorch as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        if fn is not None:
            cls.__init__(made)
            return made(fn)
        return made

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        super().__init__(False)


class enable_grad(Switch):
    """Record operations again inside ``no_grad``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.enable_grad.html

    >>> import cltorch as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        made = super().__new__(cls)
        if fn is not None:
            cls.__init__(made)
            return made(fn)
        return made

    def __init__(self, fn: Callable[..., Any] | None = None) -> None:
        super().__init__(True)


class set_grad_enabled(Switch):
    """Set recording at once; as a context manager it is undone at the end.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_grad_enabled.html

    >>> import cltorch as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode_: bool) -> None:
        if not isinstance(mode_, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode_).__name__}"
            )
        super().__init__(mode_)
        self._first = mode.asked
        _turn(self._enabled, mode.inference)

    def __enter__(self) -> None:
        self._before.append((self._first, mode.inference))
        _turn(self._enabled, mode.inference)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        _turn(self._first, mode.inference)
        return super().__call__(fn)


class enforce_grad_layout_policy:
    """Say whether a gradient that a leaf takes over must be laid out as the leaf is, or may stay as it is.

    A function that sets it for this thread, a context manager, and a decorator. Without it a copy is saved where the
    layouts differ. Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> x = torch.ones(2, 3).t().requires_grad_()
    >>> with torch.autograd.enforce_grad_layout_policy(False):
    ...     (x * 2).sum().backward()
    >>> x.grad.shape
    torch.Size([3, 2])
    """

    def __init__(self, enable: bool = True) -> None:
        self.mode, self.prev = enable, mode.layouts
        mode.layouts = enable

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        mode.layouts = self.prev

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        mode.layouts = self.prev
        return decorated(fn, self.clone)

    def clone(self) -> enforce_grad_layout_policy:
        """Return a fresh one of the same setting."""
        return enforce_grad_layout_policy(self.mode)


class inference_mode(Switch):
    """Stop recording, and refuse to let the results take part in autograd later.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.inference_mode.html

    >>> import cltorch as torch
    >>> with torch.inference_mode():
    ...     torch.ones(2).is_inference()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if callable(mode):
            cls.__init__(made, True)
            return made(mode)
        return made

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode, bool(mode))


def is_grad_enabled() -> bool:
    """Return whether operations are to be recorded in this thread; within ``inference_mode`` none is, all the same.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_grad_enabled.html

    >>> import cltorch as torch
    >>> with torch.no_grad():
    ...     print(torch.is_grad_enabled())
    False
    """
    return mode.asked


def is_inference_mode_enabled() -> bool:
    """Return whether ``inference_mode`` is on in this thread.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_inference_mode_enabled.html

    >>> import cltorch as torch
    >>> torch.is_inference_mode_enabled()
    False
    """
    return mode.inference
