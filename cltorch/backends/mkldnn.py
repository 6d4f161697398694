"""Intel's oneDNN, which is not used: torch.backends.mkldnn."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from cltorch.backends.flags import Precision, assign, within

enabled: bool = True
deterministic: bool = False
allow_tf32: bool = True
fp32_precision: str = "none"
matmul, conv, rnn = Precision(), Precision(), Precision()


def is_available() -> bool:
    """Return False."""
    return False


def set_flags(**changes: Any) -> dict[str, Any]:
    """Set flags and return what they were."""
    return assign(globals(), _FLAGS, changes)


def flags(**changes: Any) -> AbstractContextManager[None]:
    """Set flags inside a ``with`` block; raise TypeError for a flag that there is not."""
    return within(globals(), _FLAGS, changes)


_FLAGS = ("enabled", "deterministic", "allow_tf32", "fp32_precision")
