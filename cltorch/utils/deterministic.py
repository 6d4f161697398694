"""Whether memory without values is filled when use_deterministic_algorithms is on: torch.utils.deterministic.

With ``fill_uninitialized_memory`` (True by default) torch.empty, empty_like, empty_strided, empty_permuted and what
resize_ adds hold NaN then, the largest number of an integer dtype, or True.
Source: https://docs.pytorch.org/docs/2.13/deterministic.html

>>> import cltorch as torch
>>> torch.utils.deterministic.fill_uninitialized_memory
True
"""

from __future__ import annotations

import sys
from types import ModuleType

from cltorch import settings


class _Deterministic(ModuleType):
    """The module, with the setting as an attribute to read and to write."""

    @property
    def fill_uninitialized_memory(self) -> bool:
        """Return whether memory without values is filled."""
        return settings.get_fill_uninitialized_memory()

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, on: bool) -> None:
        settings.set_fill_uninitialized_memory(on)


sys.modules[__name__].__class__ = _Deterministic
