"""NVIDIA's cuDNN, which is not used: torch.backends.cudnn.

Convolutions here always give the same bits, and their kernels are chosen without trying several, so that
``deterministic`` is true in effect and ``benchmark`` changes nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from cltorch.backends.flags import Precision, assign, within

enabled: bool = True
benchmark: bool = False
benchmark_limit: int = 10
deterministic: bool = False
allow_tf32: bool = True
fp32_precision: str = "none"
conv, rnn = Precision(), Precision()


def is_available() -> bool:
    """Return False."""
    return False


def version() -> int | None:
    """Return None: there is no cuDNN."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Return False: no tensor goes to cuDNN."""
    return False


def set_flags(**changes: Any) -> dict[str, Any]:
    """Set flags and return what they were."""
    return assign(globals(), _FLAGS, changes)


def flags(**changes: Any) -> AbstractContextManager[None]:
    """Set flags inside a ``with`` block; raise TypeError for a flag that there is not.

    >>> import cltorch as torch
    >>> with torch.backends.cudnn.flags(benchmark=True):
    ...     torch.backends.cudnn.benchmark
    True
    """
    return within(globals(), _FLAGS, changes)


_FLAGS = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32", "fp32_precision")
