"""What libraries call of PyTorch's inner module, torch._C: questions with a fixed answer, and types."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cltorch import functions
from cltorch.device import device as device
from cltorch.dtypes import dtype as dtype
from cltorch.formats import layout as layout
from cltorch.formats import memory_format as memory_format
from cltorch.layout import Size as Size
from cltorch.ops.generator import Generator as Generator


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    device, dtype, non_blocking, memory_format, _ = functions.parse_to(*args, **kwargs)
    return device, dtype, non_blocking, memory_format


#: What reads the arguments of ``Tensor.to``.
_nn = SimpleNamespace(_parse_to=_parse_to)

__all__ = ["Generator", "Size", "device", "dtype", "layout", "memory_format"]


def _log_api_usage_once(event: str) -> None:
    """Do nothing: no use is counted."""


def _get_tracing_state() -> Any:
    """Return None: nothing is traced."""
    return None
