"""Cross products of vectors: one formula of the six components, which are views, in one launch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cltorch.layout import Layout
from cltorch.ops.array import empty, view
from cltorch.ops.evaluate import Formula, compute_dtype, run_into

_CROSSED = Formula("cross", lambda m, a, b, c, x, y, z: (b * z - c * y, c * x - a * z, a * y - b * x))


def crossed(a: Any, b: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Return the cross products of two Arrays of one dtype along a dimension of size 3, broadcast to ``shape``."""
    out = empty(shape, a.dtype, a.device)
    x, y, z = ([view(v, place) for place in _components(v.lay, dim, shape)] for v in (a, b, out))
    run_into(_CROSSED, compute_dtype(a.dtype), [*x, *y], (), z, True)
    out._storage.version = 0
    return out


def _components(lay: Layout, dim: int, shape: tuple[int, ...]) -> list[Layout]:
    return _parts(lay.shape, lay.strides, lay.offset, dim, shape)


@lru_cache(maxsize=256)
def _parts(
    sizes: tuple[int, ...], strides: tuple[int, ...], offset: int, dim: int, shape: tuple[int, ...]
) -> list[Layout]:
    """Return where the three components lie, which takes longer to find out than the launch."""
    whole = Layout.make(sizes, strides, offset).expand(shape)
    return [whole.select(dim, i) for i in range(3)]
