"""torch.jit for programs that merely decorate with it: everything runs eagerly, as it is written.

Source: https://docs.pytorch.org/docs/2.13/jit.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar

from cltorch.nn import Module
from cltorch.nn.parameter import is_lazy

__all__ = [
    "Attribute", "Error", "Final", "ScriptFunction", "ScriptModule", "annotate", "enable_onednn_fusion", "export",
    "fork", "freeze", "fuser", "ignore", "interface", "is_scripting", "is_tracing", "isinstance", "load",
    "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save", "script", "script_if_tracing",
    "script_method", "set_fusion_strategy", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

T = TypeVar("T")
_isinstance = isinstance


class TracerWarning(Warning):
    """Name the kind of PyTorch's warnings about what a trace does not keep: nothing here is traced, none is given."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Do nothing: there are none."""


class Error(Exception):
    """Name what PyTorch raises inside compiled code: nothing here is compiled, none is raised."""


class Attribute(NamedTuple):
    """Hold a value beside the type that a compiler is to give it."""

    value: Any
    type: Any


class ScriptModule(Module):
    """Stand for a compiled module: no module is an instance, for none is compiled."""


class ScriptFunction:
    """Stand for a compiled function: no function is an instance, for none is compiled."""


def script(obj: T, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> T:
    """Return the function, class or module itself; raise RuntimeError for a module whose shapes are not known yet.

    >>> script(len) is len
    True
    """
    if _isinstance(obj, Module):
        _refuse_lazy(obj)
    return obj


def _refuse_lazy(module: Any) -> None:
    for part in module.modules():
        for kind, held in (("parameters", part._parameters), ("buffers", part._buffers)):
            for name, x in held.items():
                if is_lazy(x):
                    what = f"'{type(part).__name__}' has uninitialized {kind} {name}"
                    raise RuntimeError(f"{what}. Did you forget to run a forward pass?")


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """Return the function or module itself: what depends on data stays so."""
    return func


def trace_module(mod: T, inputs: Any, *args: Any, **kwargs: Any) -> T:
    """Return the module itself."""
    return mod


def script_if_tracing(fn: T) -> T:
    """Return the function itself."""
    return fn


_script_if_tracing = script_if_tracing


def freeze(mod: T, *args: Any, **kwargs: Any) -> T:
    """Return the module itself."""
    return mod


def optimize_for_inference(mod: T, *args: Any, **kwargs: Any) -> T:
    """Return the module itself."""
    return mod


def export(fn: T) -> T:
    """Return the function itself."""
    return fn


def script_method(fn: T, _rcb: Any = None) -> T:
    """Return the method itself.

    >>> script_method(len) is len
    True
    """
    return fn


def interface(obj: T) -> T:
    """Return the class itself."""
    return obj


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Return the function itself, or a decorator that does."""
    return drop if callable(drop) else (lambda fn: fn)


def unused(fn: T) -> T:
    """Return the function itself."""
    return fn


def _overload(func: T) -> T:
    """Return the function itself: its body is what runs."""
    return func


_overload_method = _overload


class _Settings:
    """Hold what programs tell a compiler, and ask for again: nothing else reads it."""

    onednn = False
    fusion: tuple[tuple[str, int], ...] = (("STATIC", 2), ("DYNAMIC", 10))


_settings = _Settings()


def enable_onednn_fusion(enabled: bool) -> None:
    """Keep whether the compiler that is not there may fuse by oneDNN."""
    _settings.onednn = bool(enabled)


def onednn_fusion_enabled() -> bool:
    """Return what ``enable_onednn_fusion`` was told."""
    return _settings.onednn


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Keep how often the compiler that is not there may specialise, and return what was kept before.

    Raises ValueError for a kind other than "STATIC" and "DYNAMIC".

    >>> set_fusion_strategy([("STATIC", 1)])
    [('STATIC', 2), ('DYNAMIC', 10)]
    >>> set_fusion_strategy([("STATIC", 2), ("DYNAMIC", 10)])
    [('STATIC', 1)]
    """
    for kind, _ in strategy:
        if kind not in ("STATIC", "DYNAMIC"):
            raise ValueError(f"FusionBehavior only supported 'STATIC' or 'DYNAMIC', got: {kind}")
    before, _settings.fusion = _settings.fusion, tuple(strategy)
    return list(before)


@contextmanager
def fuser(name: str) -> Iterator[None]:
    """Run the block as it is, whichever fuser is chosen; raise Exception for one that PyTorch does not know."""
    if name not in ("fuser0", "fuser1", "fuser2", "fuser3", "none"):
        raise Exception(f"unrecognized fuser option (name: {name})")
    yield


@contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Run the block as it is: no graph is optimised."""
    yield


def annotate(the_type: Any, the_value: T) -> T:
    """Return the value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Return Python's isinstance."""
    return _isinstance(obj, target_type)


def is_scripting() -> bool:
    """Return False: code always runs as Python."""
    return False


def is_tracing() -> bool:
    """Return False: nothing is recorded for a compiler."""
    return False


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call the function at once; ``wait`` returns its result."""
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """Return the result of ``fork``."""
    return future


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> None:
    """Refuse: there is no compiled module to save."""
    raise NotImplementedError("torch.jit.save is not available in cltorch: save the module's state_dict instead")


def load(f: Any, *args: Any, **kwargs: Any) -> Any:
    """Refuse: TorchScript files cannot be run."""
    raise NotImplementedError("torch.jit.load is not available in cltorch: TorchScript files cannot be run")
