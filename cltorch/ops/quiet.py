"""Call NumPy without its warnings of overflow, NaN and division by zero, of which PyTorch gives none.

``np.errstate`` costs more than the addition of small arrays. Since NumPy 2 the setting belongs to the context of
``contextvars``, and a call in a context that has it already costs a quarter.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import numpy as np


def _slowly(fn: Callable[..., Any], *args: Any, **named: Any) -> Any:
    with np.errstate(all="ignore"):
        return fn(*args, **named)


def _chosen() -> Callable[..., Any]:
    outside = np.geterr()
    silent = contextvars.Context()
    silent.run(np.seterr, all="ignore")
    if np.geterr() != outside:  # an older NumPy has set it for the whole thread
        np.seterr(**outside)
        return _slowly
    fresh = silent.copy  # a context can be entered once at a time, a copy is made in no time
    return lambda fn, *args, **named: fresh().run(fn, *args, **named)


quietly: Callable[..., Any] = _chosen()


def silent(fn: Any) -> Any:
    """Return a function of a module whose calls are all made so."""
    return functools.update_wrapper(functools.partial(quietly, fn), fn)
