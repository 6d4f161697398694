"""What belongs to a thread goes with a backward pass that runs on another one, which has a stack of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_carried: list[Any] = []


def carried(local: Any) -> Any:
    """Note a ``threading.local`` that a function which goes on in another thread takes with it; return it."""
    _carried.append(local)
    return local


def on_fresh_stack(run: Callable[[], Any]) -> Any:
    """Call a function in a new thread with this one's state, and wait for it; what it raises is raised here.

    Python limits how deep calls may nest in one thread.
    """
    found: list[Any] = []
    errors: list[BaseException] = []
    states = [dict(local.__dict__) for local in _carried]

    def work() -> None:
        for local, state in zip(_carried, states, strict=True):
            local.__dict__.update(state)
        try:
            found.append(run())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]
