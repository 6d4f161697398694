"""Operators that run on the host for tensors of an OpenCL device, and the policy that governs them.

What lies on a device is computed there; an operator declared with ``on_host`` is the one exception. Its declaration
stands where it is defined, and ``set_host_fallback`` says what happens when it meets a device's tensors. Some of them
run on the device where an optional package is installed (``through``), and on the host otherwise.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.dtypes import dtype
from cltorch.ops.array import Array, empty, from_host, host_compute, values

__all__ = ["CALLED", "HOST_OPERATORS", "RAN_ON_HOST", "THROUGH", "get_host_fallback", "on_host", "set_host_fallback"]

_MODES = ("error", "warn", "allow")
_PLAIN = {"bool": dtypes.bool_, "int32": dtypes.int32, "int64": dtypes.int64}
_KINDS = {"i": dtypes.int32, "l": dtypes.int64}

#: Every operator that is declared to run on the host, by name.
HOST_OPERATORS: dict[str, Callable[..., Any]] = {}
#: The packages through which some of them run on the device, by the operator's name.
THROUGH: dict[str, str] = {}
#: Those of them that have run for a device's tensors in this process.
RAN_ON_HOST: set[str] = set()
#: Those of them that have run at all, for the host's tensors too.
CALLED: set[str] = set()


class _Policy:
    mode = "warn"
    warned: set[str] = set()


def set_host_fallback(mode: str) -> None:
    """Say what happens when an operator that runs on the host is given tensors of an OpenCL device.

    "warn" (the default) computes and warns, once for each operator; "allow" computes; "error" raises RuntimeError.
    Setting "warn" makes every operator warn anew. Raises ValueError for another word.

    >>> import cltorch as torch
    >>> torch.set_host_fallback("allow"); torch.get_host_fallback()
    'allow'
    >>> torch.set_host_fallback("warn")
    """
    if mode not in _MODES:
        raise ValueError(f"set_host_fallback: expected one of 'error', 'warn' or 'allow', but got {mode!r}")
    _Policy.mode = mode
    _Policy.warned.clear()


def get_host_fallback() -> str:
    """Return what set_host_fallback was told, "warn" at first."""
    return _Policy.mode


def _permit(name: str, dev: Any) -> None:
    """Act as the policy says before an operator moves tensors from a device to the host and back."""
    if _Policy.mode == "error":
        raise RuntimeError(
            f"{name} runs on the host, not on {dev}, which set_host_fallback('error') forbids. Move its operands to "
            f"the cpu, or call set_host_fallback('warn') or set_host_fallback('allow'){_instead(name)}"
        )
    RAN_ON_HOST.add(name)
    if _Policy.mode == "warn" and name not in _Policy.warned:
        _Policy.warned.add(name)
        warnings.warn(
            f"{name} runs on the host: its operands are copied from {dev} and its results back. Further calls do not "
            f"warn; see set_host_fallback{_instead(name)}",
            stacklevel=callers_level(),
        )


def _instead(name: str) -> str:
    """Return how an operator could run on the device, in words that end a message; "" where it cannot."""
    if name not in THROUGH:
        return ""
    return f". It runs on the device where the package {THROUGH[name]} is installed and can do this size there"


def callers_level() -> int:
    """Return how many frames above the caller the program stands that called this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "cltorch":
        level, frame = level + 1, frame.f_back
    return level


def on_host(
    name: str,
    form: Callable[..., list[tuple[Sequence[int], str]]],
    through: str = "",
    on_device: Callable[..., Any] | None = None,
    by_columns: Collection[int] = (),
    order: Callable[..., Sequence[int]] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an operator that computes on the host in NumPy.

    The function takes NumPy arrays in place of Arrays (which it must not change) and returns NumPy arrays. Floating
    results get the precision of the first Array, all results its device. ``form`` gives, for Arrays on meta, a list of
    the shape and kind of each result: "x" as the first Array, "f" real, "c" complex, "i" int32, "l" int64.
    ``on_device``, which takes Arrays of an OpenCL device, computes there with the help of the package named
    ``through``; it returns None where it cannot. ``by_columns`` are the results, by number, whose matrices lie in
    memory column by column, as LAPACK returns them to PyTorch; ``order`` gives, for the arguments, the dimensions of
    the one result by how slowly they change in memory.
    """

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def run(*args: Any) -> Any:
            first = next(a for a in args if isinstance(a, Array))
            dev = first.device
            CALLED.add(name)

            def lies(i: int, ndim: int) -> Sequence[int] | None:
                if order is not None:
                    return order(*args)
                return (*range(ndim - 2), ndim - 1, ndim - 2) if i in by_columns and ndim > 1 else None

            if dev.type == "meta":
                forms = form(*args)
                blank = [_blank(n, kind, first.dtype, dev, lies(i, len(n))) for i, (n, kind) in enumerate(forms)]
                return blank[0] if len(blank) == 1 else tuple(blank)
            if dev.type != "cpu":
                result = None if on_device is None else on_device(*args)
                if result is not None:
                    return result
                _permit(name, dev)
            results = f(*(_numpy(a) if isinstance(a, Array) else a for a in args))
            if isinstance(results, tuple):
                return tuple(_array(r, first.dtype, dev, lies(i, r.ndim)) for i, r in enumerate(results))
            return _array(results, first.dtype, dev, lies(0, results.ndim))

        HOST_OPERATORS[name] = run
        if through:
            THROUGH[name] = through
        return run

    return declare


def _numpy(x: Any) -> np.ndarray:
    if x.device.type == "cpu":
        return host_compute(x)
    return values(x).astype(x.dtype.wide, copy=False)


def _array(a: Any, t: dtype, dev: Any, order: Sequence[int] | None) -> Any:
    """Return values in memory with the dimensions in an order, the one that changes slowest first."""
    kind = a.dtype.kind
    wanted = t.to_complex() if kind == "c" else t.to_real() if kind == "f" else _PLAIN[a.dtype.name]
    if order is None:
        return from_host(a, wanted, dev)
    return _turned_back(from_host(np.transpose(a, order), wanted, dev), order)


def _blank(shape: Sequence[int], kind: str, t: dtype, dev: Any, order: Sequence[int] | None) -> Any:
    """Return an Array on meta as ``_array`` would return it."""
    wanted = _KINDS[kind] if kind in _KINDS else t if kind == "x" else t.to_complex() if kind == "c" else t.to_real()
    if order is None:
        return empty(shape, wanted, dev)
    return _turned_back(empty([shape[d] for d in order], wanted, dev), order)


def _turned_back(x: Any, order: Sequence[int]) -> Any:
    return Array.new(x._storage, x.lay.permute([order.index(d) for d in range(len(order))]), x.dtype)
