"""What libraries call of the graph compiler's helpers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cltorch._dynamo.settings import config

__all__ = ["disable_cache_limit"]


@contextmanager
def disable_cache_limit() -> Iterator[None]:
    """Set no limit to how often a function may be compiled anew, during a block.

    >>> with disable_cache_limit():
    ...     config.recompile_limit > 1000
    True
    >>> config.recompile_limit
    8
    """
    with config.patch(recompile_limit=sys.maxsize, accumulated_recompile_limit=sys.maxsize):
        yield
