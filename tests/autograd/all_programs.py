"""The programs of all modules."""

from tests.autograd import programs_func, programs_hooks
from tests.autograd.programs import PROGRAMS

__all__ = ["PROGRAMS", "programs_func", "programs_hooks"]
