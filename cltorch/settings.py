"""Settings of the torch namespace that choose how things are computed: threads, determinism, precision, warnings.

Source: https://docs.pytorch.org/docs/2.13/torch.html#parallelism and #utilities
"""

from __future__ import annotations

import importlib
import os
import warnings

__all__ = [
    "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode", "get_float32_matmul_precision",
    "get_num_interop_threads", "get_num_threads", "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "set_num_threads", "set_warn_always", "use_deterministic_algorithms",
]  # fmt: skip

_PRECISIONS = ("highest", "high", "medium")
_MODES = {"default": 0, "warn": 1, "error": 2}


# what a program asks before it calls torch.linalg or torch.fft, which are there in any case; no code here is compiled
# with Intel's library or OpenMP
has_lapack = has_spectral = True
has_mkl = has_openmp = False


class _State:
    threads: int | None = None
    interop_threads: int | None = None
    deterministic = warn_only = warn_always = False
    fill = True
    precision = "highest"


def _processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _positive(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuntimeError(f"{name} expects an int, but got {type(value).__name__}")
    if value < 1:
        raise RuntimeError(f"{name} expects a positive integer")
    return value


def is_vulkan_available() -> bool:
    """Return whether tensors may lie on a Vulkan device: never, devices are those of OpenCL.

    >>> import cltorch as torch
    >>> torch.is_vulkan_available()
    False
    """
    return False


# ---- threads -----------------------------------------------------------------------------------------------------
def get_num_threads() -> int:
    """Return the number of threads for work on the host: what was set, else the processors of this process.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_num_threads.html

    >>> import cltorch as torch
    >>> torch.get_num_threads() >= 1
    True
    """
    return _State.threads or _processors()


def set_num_threads(num: int) -> None:
    """Set the number of threads for work on the host; raise RuntimeError for what is no positive integer.

    The host computes with NumPy, whose matrix products follow where the package threadpoolctl is installed. An OpenCL
    device decides about its threads by itself.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_num_threads.html

    >>> import cltorch as torch
    >>> torch.set_num_threads(torch.get_num_threads())
    """
    _State.threads = _positive("set_num_threads", num)
    try:
        importlib.import_module("threadpoolctl").threadpool_limits(num)
    except ImportError:
        pass


def get_num_interop_threads() -> int:
    """Return the number of threads that run operators side by side, as it was set; here they run one after another.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_num_interop_threads.html

    >>> import cltorch as torch
    >>> torch.get_num_interop_threads() >= 1
    True
    """
    return _State.interop_threads or 1


def set_num_interop_threads(num: int) -> None:
    """Keep a number of threads to run operators side by side, for get_num_interop_threads.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_num_interop_threads.html

    >>> import cltorch as torch
    >>> torch.set_num_interop_threads(1)
    >>> torch.get_num_interop_threads()
    1
    """
    _State.interop_threads = _positive("set_num_interop_threads", num)


# ---- determinism -------------------------------------------------------------------------------------------------
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same bits from run to run; every operator here gives them anyway, on every device.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.use_deterministic_algorithms.html

    >>> import cltorch as torch
    >>> torch.use_deterministic_algorithms(False)
    """
    for argument, value in (("'mode' (position 1)", mode), ("'warn_only'", warn_only)):
        if not isinstance(value, bool):
            raise TypeError(
                f"_set_deterministic_algorithms(): argument {argument} must be bool, not {type(value).__name__}"
            )
    _State.deterministic, _State.warn_only = mode, warn_only


def get_fill_uninitialized_memory() -> bool:
    """Return what torch.utils.deterministic.fill_uninitialized_memory says."""
    return _State.fill


def set_fill_uninitialized_memory(on: bool) -> None:
    """Say whether memory without values is filled where the same bits are asked for from run to run."""
    if not isinstance(on, bool):
        raise RuntimeError(f"expected a bool, but got {type(on)}")
    _State.fill = on


def fills_memory() -> bool:
    """Return whether what torch.empty and its like return is to be filled."""
    return _State.deterministic and _State.fill


def are_deterministic_algorithms_enabled() -> bool:
    """Return whether use_deterministic_algorithms asked for the same bits from run to run.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.are_deterministic_algorithms_enabled.html

    >>> import cltorch as torch
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    return _State.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Return whether use_deterministic_algorithms asked for warnings only.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_deterministic_algorithms_warn_only_enabled.html

    >>> import cltorch as torch
    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _State.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Set determinism by one number or word: 0 'default', 1 'warn', 2 'error'; raise RuntimeError for another.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_deterministic_debug_mode.html

    >>> import cltorch as torch
    >>> torch.set_deterministic_debug_mode("error"); torch.get_deterministic_debug_mode()
    2
    >>> torch.set_deterministic_debug_mode(0)
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    number = _MODES.get(debug_mode, debug_mode) if isinstance(debug_mode, str) else debug_mode
    if number not in (0, 1, 2):
        choices = "`default`, `warn`, `error`" if isinstance(debug_mode, str) else "0, 1, or 2"
        raise RuntimeError(f"invalid value of debug_mode, expected one of {choices}, but got {debug_mode}")
    use_deterministic_algorithms(number != 0, warn_only=number == 1)


def get_deterministic_debug_mode() -> int:
    """Return the number that set_deterministic_debug_mode takes.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_deterministic_debug_mode.html

    >>> import cltorch as torch
    >>> torch.get_deterministic_debug_mode()
    0
    """
    return (1 if _State.warn_only else 2) if _State.deterministic else 0


# ---- precision ---------------------------------------------------------------------------------------------------
def set_float32_matmul_precision(precision: str) -> None:
    """Say how exact float32 matrix products must be at least: highest, high or medium; here they always are highest.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_float32_matmul_precision.html

    >>> import cltorch as torch
    >>> torch.set_float32_matmul_precision("highest")
    """
    if precision not in _PRECISIONS:
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; the call has no effect", stacklevel=2)
        return
    _State.precision = precision


def get_float32_matmul_precision() -> str:
    """Return what set_float32_matmul_precision was told.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_float32_matmul_precision.html

    >>> import cltorch as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return _State.precision


def set_flush_denormal(mode: bool) -> bool:
    """Return False: whether denormal numbers are kept is each device's own affair and cannot be set here.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_flush_denormal.html

    >>> import cltorch as torch
    >>> torch.set_flush_denormal(False)
    False
    """
    return False


# ---- warnings ----------------------------------------------------------------------------------------------------
def set_warn_always(b: bool, /) -> None:
    """Say whether a warning that is given once per process shall come each time; raise RuntimeError for no bool.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_warn_always.html

    >>> import cltorch as torch
    >>> torch.set_warn_always(False)
    """
    if not isinstance(b, bool):
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    _State.warn_always = b


def is_warn_always_enabled() -> bool:
    """Return what set_warn_always was told.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_warn_always_enabled.html

    >>> import cltorch as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return _State.warn_always
