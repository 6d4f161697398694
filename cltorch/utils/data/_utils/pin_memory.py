"""Pinning the tensors of a batch, whatever structure it has."""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from typing import Any

from cltorch.tensor import Tensor
from cltorch.utils.data._utils.collate import rebuild_mapping, rebuild_sequence
from cltorch.utils.data._utils.exception_wrapper import ExceptionWrapper

_WAIT = 5.0  # seconds


def pin_memory(data: Any, device: Any = None) -> Any:
    """Return the batch with its tensors in pinned memory; an object with its own ``pin_memory`` is asked."""
    if isinstance(data, Tensor):
        return data.pin_memory()
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return rebuild_mapping(data, {key: pin_memory(data[key], device) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(d, device) for d in data))
    if isinstance(data, tuple):
        return [pin_memory(d, device) for d in data]
    if isinstance(data, Sequence):
        return rebuild_sequence(data, [pin_memory(d, device) for d in data])
    return data


def _pin_memory_loop(in_queue: Any, out_queue: Any, device_id: Any, done_event: Any, device: Any) -> None:
    """Pin the batches of a queue into another one until the event is set: a thread of loaders of other libraries.

    Both queues hold pairs of a number and a batch. Instead of a batch that cannot be pinned comes the exception.
    """
    while not done_event.is_set():
        try:
            number, batch = in_queue.get(timeout=_WAIT)
        except queue.Empty:
            continue
        if not done_event.is_set() and not isinstance(batch, ExceptionWrapper):
            try:
                batch = pin_memory(batch, device)
            except Exception:
                batch = ExceptionWrapper(where=f"in pin memory thread for device {device_id}")
        while not done_event.is_set():
            try:
                out_queue.put((number, batch), timeout=_WAIT)
                break
            except queue.Full:
                continue
        del batch  # its memory is free while the next one is waited for
