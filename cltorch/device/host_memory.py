"""What is done where the host runs out of memory: free what nobody needs, try once more, and say what was asked."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.device.allocator import readable
from cltorch.errors import OutOfMemoryError


def relieve() -> None:
    """Collect garbage in cycles, and release the cached buffers of devices that live in the host's memory."""
    gc.collect()
    # where no OpenCL device was used there is no cache, and PyOpenCL is not imported to find that out
    contexts = sys.modules.get("cltorch.device.contexts")
    for made in list(contexts._made.values()) if contexts else ():
        if made.driver_queue is not None and (made.caps.kind == "cpu" or made.caps.host_unified):
            made.relieve()


def empty(nbytes: int) -> np.ndarray:
    """Return uninitialised bytes; raise OutOfMemoryError where there is no room for them."""
    try:
        return np.empty(nbytes, np.uint8)
    except (MemoryError, ValueError):  # ValueError: more than addresses reach
        pass
    relieve()
    try:
        return np.empty(nbytes, np.uint8)
    except (MemoryError, ValueError) as error:
        text = f"the host is out of memory. Tried to allocate {readable(nbytes)} ({nbytes} bytes)."
        raise OutOfMemoryError(text) from error


def attempt(what: str, work: Callable[[], Any]) -> Any:
    """Return ``work()``; where the host runs out of memory free what nobody needs and try once more."""
    try:
        return work()
    except MemoryError:
        pass
    return again(what, work)


def again(what: str, work: Callable[[], Any]) -> Any:
    """Return ``work()``, which has just run out of the host's memory; raise OutOfMemoryError if it does so again.

    Called outside of the handler of the first error, whose traceback keeps arrays alive.
    """
    relieve()
    try:
        return work()
    except MemoryError as error:
        raise OutOfMemoryError(f"{what}: the host is out of memory. {error}") from error
