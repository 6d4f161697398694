"""The contexts of this process, one for each OpenCL device that was used; what is forked from it has none."""

from __future__ import annotations

import os
import threading
from typing import Any

from cltorch.device import discovery
from cltorch.device.context import Context

_made: dict[int, Context] = {}
_inherited: list[Any] = []  # queues of the parent
_making = threading.Lock()


def get(index: int) -> Context:
    """Return the context of the ``index``-th working device; raise RuntimeError where there is none."""
    found = _made.get(index)
    if found is None:
        with _making:
            found = _made.get(index)
            if found is None:
                if discovery.forked():
                    raise RuntimeError(discovery.FORKED)
                devices = discovery.devices()
                if not devices:
                    raise RuntimeError(discovery.none_available())
                if index >= len(devices):
                    raise RuntimeError(
                        f"invalid device ordinal: cl:{index}, but there are {len(devices)} OpenCL devices (see "
                        "`python -m cltorch doctor`)"
                    )
                found = _made[index] = Context(index, devices[index].cl_device)
    return found


def made() -> list[Context]:
    """Return the contexts that there are so far."""
    return list(_made.values())


def _refuse_after_fork() -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError(discovery.FORKED)

    for made in _made.values():
        _inherited.append(made.driver_queue)  # not released: the driver's threads are not here
        made.driver_queue = None  # every command looks at it
        if made.gate is not None:
            made.gate.leave()
        for name, instead in (("take", refuse), ("empty_cache", refuse), ("give", lambda buf, size: None)):
            setattr(made.allocator, name, instead)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_after_fork)
