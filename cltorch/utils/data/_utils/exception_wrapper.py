"""Exceptions on their way from a thread or process to another one."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from cltorch.utils.data._utils.worker import Failure


class ExceptionWrapper:
    """Carry an exception from a thread or process to another one, with its traceback as text.

    ``exc_info`` is what ``sys.exc_info`` gives, by default the one being handled; ``where`` says who raised it.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        kind, error, trace = exc_info or sys.exc_info()
        self.exc_type: Any = kind
        self.exc_msg, self.where = "".join(traceback.format_exception(kind, error, trace)), where

    def reraise(self) -> None:
        """Raise an exception of the same class, which tells where it comes from and the traceback there."""
        Failure(self.exc_type, f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}").raise_again()
