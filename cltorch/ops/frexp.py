"""Mantissas and exponents: two results of one formula."""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.ops.evaluate import Formula, compute_dtype, run
from cltorch.ops.op import Op


def _parts(m: Any, x: Any) -> tuple[Any, Any]:
    mantissa, exponent = m.frexp(x)
    finite = m.abs(x) < math.inf
    return m.where(finite, mantissa, x), m.where(finite, exponent, 0)


_FORMULA = Formula("frexp", _parts)


class Frexp(Op):
    """Take numbers apart into mantissas and exponents."""

    name = "frexp"

    @staticmethod
    def forward(c: Any, x: Any) -> Any:
        mantissa, exponent = run(_FORMULA, compute_dtype(x.dtype), [x], (), (x.dtype, dtypes.int32), x.shape)
        c.non_differentiable(exponent)
        c.save(exponent)
        return mantissa, exponent

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, _: Any) -> Any:
        (exponent,) = c.saved
        return m.div(g, m.exp2(exponent.to(g.dtype)))
