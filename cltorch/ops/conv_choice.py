"""Which algorithm a convolution takes on CPU-class devices; all thresholds of that choice stand here."""

from __future__ import annotations

from cltorch.dtypes import dtype
from cltorch.ops.conv_shape import Geometry, Stencil


def correlation(g: Geometry, s: Stencil, t: dtype) -> str:
    """Return "depthwise" or "direct" for a result or the gradient of an input, given its stencil.

    Each is right wherever it is returned; a longer list of better cases would only be faster.
    """
    if s.reduced == s.lanes == 1 and g.groups > 1 and len(s.phases) == 1 and s.dst_step == (1, 1, 1) and s.free[0]:
        return "depthwise"
    return "direct"
