"""A place in the graph that no gradient passes."""

from __future__ import annotations

from typing import Any

from cltorch.autograd.function import Function


class NoGradient(Function):
    """Hand a tensor on; no gradient comes back, which is not the same as zeros."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> None:
        return None
