"""What libraries call of PyTorch's graph compiler, torch._dynamo: hints for it, and questions whether it runs."""

from __future__ import annotations

from typing import Any

from cltorch._dynamo import eval_frame as eval_frame
from cltorch._dynamo import exc as exc
from cltorch._dynamo.eval_frame import OptimizedModule
from cltorch._dynamo.settings import config as config
from cltorch.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "graph_break", "is_compiling",
    "list_backends", "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic", "reset",
    "reset_code_caches",
]  # fmt: skip


def reset_code_caches() -> None:
    """Do nothing: no code is kept."""


def graph_break(msg: str = "") -> None:
    """Do nothing: there is no graph to break."""


def mark_dynamic(t: Any, index: Any, **hints: Any) -> None:
    """Do nothing: code runs with the sizes that tensors have."""


maybe_mark_dynamic = mark_dynamic


def mark_static(t: Any, index: Any = None) -> None:
    """Do nothing: code runs with the sizes that tensors have."""


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Do nothing: no address is compiled in."""
