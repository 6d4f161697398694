"""The programs of all modules."""

from tests.autograd import (
    programs_changes,
    programs_engine,
    programs_func,
    programs_function,
    programs_graph,
    programs_hooks,
    programs_nested,
    programs_tools,
    programs_views,
)
from tests.autograd.programs import PROGRAMS

__all__ = [
    "PROGRAMS",
    "programs_changes",
    "programs_engine",
    "programs_func",
    "programs_function",
    "programs_graph",
    "programs_hooks",
    "programs_nested",
    "programs_tools",
    "programs_views",
]
