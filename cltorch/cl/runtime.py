"""What programs ask CUDA's runtime by torch.cuda.cudart(), as far as OpenCL has an answer."""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

from cltorch.cl.devices import _lazy_init
from cltorch.cl.memory import mem_get_info

__all__ = ["CudaError", "check_error", "cudaStatus", "cudart"]


class _Error(enum.IntEnum):
    success = 0


class cudaStatus:
    """Name two of the numbers that calls of CUDA's runtime return."""

    SUCCESS: int = 0
    ERROR_NOT_READY: int = 34


def _text(code: Any) -> str:
    return "no error" if code == _Error.success else "unrecognized error code"


class CudaError(RuntimeError):
    """Say that a call of the runtime failed.

    >>> import cltorch
    >>> str(cltorch.cuda.CudaError(999))
    'unrecognized error code (999)'
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"{_text(code)} ({code})")


def check_error(res: int) -> None:
    """Raise CudaError for what a call of the runtime returned, unless it is success."""
    if res != _Error.success:
        raise CudaError(res)


def _nothing() -> _Error:
    """Start or stop the collection of a tool that watches the program, of which there is none here."""
    return _Error.success


class _Runtime(SimpleNamespace):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} of CUDA's runtime has no counterpart in cltorch")


_runtime = _Runtime(
    cudaError=_Error,
    cudaGetErrorString=_text,
    cudaMemGetInfo=mem_get_info,
    cudaProfilerStart=_nothing,
    cudaProfilerStop=_nothing,
)


def cudart() -> Any:
    """Return the calls of CUDA's runtime that have a meaning here: memory, errors, and marks for tools that watch.

    cudaProfilerStart and cudaProfilerStop tell a tool from outside when to collect. Without such a tool they do nothing
    on CUDA either; this package's own profiler is ``torch.profiler``. Raises RuntimeError where there is no device.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.cudart.html

    >>> import cltorch
    >>> runtime = cltorch.cuda.cudart()
    >>> runtime.cudaProfilerStart() == runtime.cudaError.success
    True
    >>> free, total = runtime.cudaMemGetInfo(0)
    >>> 0 <= free <= total
    True
    """
    _lazy_init()
    return _runtime
