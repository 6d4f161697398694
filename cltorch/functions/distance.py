"""Distances and similarities of vectors along a dimension.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#distance-functions
"""

from __future__ import annotations

from typing import Any

from cltorch.functions import pointwise as rows
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.convert import to
from cltorch.functions.norms import vector_norm
from cltorch.functions.reduce import sum
from cltorch.functions.shape import expand
from cltorch.ops.promotion import result_type

__all__ = ["cosine_similarity", "pairwise_distance"]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return the cosine of the angle between vectors along a dimension: x1·x2 / (max(‖x1‖, eps) max(‖x2‖, eps)).

    Shape: (*, D, *) and the same, or what broadcasts, to (*, *) without ``dim``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.cosine_similarity.html

    >>> import cltorch as torch
    >>> torch.cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """
    need_array("cosine_similarity", "x1", 1, x1)
    need_array("cosine_similarity", "x2", 2, x2)
    common = result_type([x1, x2])
    if not common.is_floating_point:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {SCALAR_NAMES[common.name]}"
        )
    x1, x2 = to(x1, common), to(x2, common)
    both = rows.mul(x1, x2)
    x1, x2 = (x if x.lay.shape == both.lay.shape else expand(x, both.lay.shape) for x in (x1, x2))
    lengths = rows.mul(*(rows.clamp_min(vector_norm(x, 2, dim), eps) for x in (x1, x2)))
    return rows.div(sum(both, dim), lengths)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Return the p-norm of ``x1 - x2 + eps`` along the last dimension.

    Shape: (N, D) or (D) twice to (N) or (), with ``keepdim`` (N, 1) or (1).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.pairwise_distance.html

    >>> import cltorch as torch
    >>> torch.pairwise_distance(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0]]))
    tensor([5.])
    """
    need_array("pairwise_distance", "x1", 1, x1)
    need_array("pairwise_distance", "x2", 2, x2)
    return vector_norm(rows.add(rows.sub(x1, x2), eps), p, -1, keepdim)
