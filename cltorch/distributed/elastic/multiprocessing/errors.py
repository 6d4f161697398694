"""Exceptions of a program's main function noted in a file, where a launcher reads them.

Source: https://docs.pytorch.org/docs/2.13/elastic/errors.html
"""

from __future__ import annotations

import functools
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["record"]

T = TypeVar("T")


def record(fn: Callable[..., T], error_handler: Any = None) -> Callable[..., T]:
    """Return a function that does as ``fn`` and notes its exception in the file that TORCHELASTIC_ERROR_FILE names.

    The exception goes on. Without the variable nothing is written. With ``error_handler`` its method
    ``record_exception`` is called in place of that, after ``initialize``.
    Source: https://docs.pytorch.org/docs/2.13/elastic/errors.html#torch.distributed.elastic.multiprocessing.errors.record

    >>> @record
    ... def main():
    ...     return "done"
    >>> main()
    'done'
    """

    @functools.wraps(fn)
    def recorded(*args: Any, **kwargs: Any) -> T:
        if error_handler is not None:
            error_handler.initialize()
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            (_note if error_handler is None else error_handler.record_exception)(error)
            raise

    return recorded


def _note(error: Exception) -> None:
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        extra = {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"message": {"message": f"{type(error).__name__}: {error}", "extraInfo": extra}}, file)
