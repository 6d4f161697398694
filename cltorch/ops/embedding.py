"""Rows of a table looked up by index, with the options of the gradient that torch.nn.functional.embedding has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.ops.array import host
from cltorch.ops.index import take
from cltorch.ops.op import Op


def check_rows(index: Any, rows: int) -> None:
    """Raise IndexError where an index of the host names none of so many rows."""
    at = host(index)
    if at.size and not 0 <= at.min() <= at.max() < rows:
        raise IndexError("index out of range in self")


def rows_back(m: Any, g: Any, index: Any, shape: Sequence[int], padding: int, by_frequency: bool) -> Any:
    """Return the gradient of a table whose rows were looked up, added up by row.

    None goes to ``padding``; ``by_frequency`` divides a row's by how often it was looked up.
    """
    if by_frequency:
        ones = m.ones(index.lay.shape, dtype=g.dtype, device=g.device)
        counts = m.index_back(ones, shape[:1], 0, False, (index,))
        g = m.div(g, m.unsqueeze(m.take_front(counts, (index,)), -1))
    if padding >= 0:
        g = m.where(m.unsqueeze(m.ne(index, padding), -1), g, 0)
    return m.index_back(g, shape, 0, False, (index,))


class Embedding(Op):
    """Rows of a table; the gradient adds up by row, none goes to ``padding``, shares can be divided by their count."""

    name = "embedding"
    complex = True
    linear = slice(1)

    @staticmethod
    def forward(c: Any, weight: Any, index: Any, padding: int, by_frequency: bool) -> Any:
        c.shape, c.padding, c.by_frequency = weight.lay.shape, padding, by_frequency
        c.save(index)
        if weight.device.type == "cpu":
            check_rows(index, c.shape[0])
        return take(weight, (index,), wrap=False, what="embedding")

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        return rows_back(m, g, index, c.shape, c.padding, c.by_frequency), None, None, None
