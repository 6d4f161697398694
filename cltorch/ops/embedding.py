"""Rows of a table looked up by index, with the options of the gradient that torch.nn.functional.embedding has."""

from __future__ import annotations

from typing import Any

from cltorch.ops.array import host
from cltorch.ops.index import take
from cltorch.ops.op import Op


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
            at = host(index)
            if at.size and not 0 <= at.min() <= at.max() < c.shape[0]:
                raise IndexError("index out of range in self")
        return take(weight, (index,), wrap=False, what="embedding")

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (index,) = c.saved
        if c.by_frequency:
            ones = m.ones(index.lay.shape, dtype=g.dtype, device=g.device)
            counts = m.index_back(ones, c.shape[:1], 0, False, (index,))
            g = m.div(g, m.unsqueeze(m.take_front(counts, (index,)), -1))
        if c.padding >= 0:
            g = m.where(m.unsqueeze(m.ne(index, c.padding), -1), g, 0)
        return m.index_back(g, c.shape, 0, False, (index,)), None, None, None
