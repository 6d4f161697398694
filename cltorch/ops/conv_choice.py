"""Which algorithm a convolution takes on CPU-class devices; all thresholds of that choice stand here."""

from __future__ import annotations

from math import prod

from cltorch.dtypes import dtype
from cltorch.ops.conv_shape import Geometry, Stencil

#: Winograd must be estimated to be faster by this factor
_MARGIN = 1.1
#: bytes of a transformed weight that stay in the last cache
_CACHE = 16 << 20


def correlation(g: Geometry, s: Stencil, t: dtype) -> str:
    """Return "depthwise", "winograd" or "direct" for a result or the gradient of an input, given its stencil.

    The direct convolution is always possible, the others where ``depthwise_fits`` and ``winograd_fits`` say so.
    """
    return weight_gradient(g, s, t)


def weight_gradient(g: Geometry, s: Stencil, t: dtype) -> str:
    """Return the same for the gradient of a weight, given the stencil of the result."""
    if depthwise_fits(g, s):
        return "depthwise"
    if winograd_fits(s, t):
        direct, winograd = cycles(g, s)
        if winograd * _MARGIN < direct:
            return "winograd"
    return "direct"


def wished(way: str, wish: str, s: Stencil, t: dtype) -> str:
    """Return the way that the parameter "winograd" of a kernel wants instead of the estimated one."""
    if wish == "none" and way == "winograd":
        return "direct"
    return "winograd" if wish == "all" and way == "direct" and winograd_fits(s, t) else way


def depthwise_fits(g: Geometry, s: Stencil) -> bool:
    """Return whether each channel is by itself, and the result's places are of one kind or alternate."""
    phases = {(1, 1, 1): 1, (1, 2, 2): 4}.get(s.dst_step)
    return s.reduced == s.lanes == 1 and g.groups > 1 and len(s.phases) == phases and s.free[0]


def winograd_fits(s: Stencil, t: dtype) -> bool:
    """Return whether the window is 3x3 in steps of one, and arithmetic is in float32."""
    plain = s.free[0] and len(s.planes) == len(s.phases) == 1
    return plain and t.compute == "float" and s.halo[1:] == (2, 2) and len(s.phases[0].taps) == 9


def cycles(g: Geometry, s: Stencil) -> tuple[float, float]:
    """Estimate the work of the direct and of Winograd's convolution, in cycles of a core with vectors of 16.

    Fitted to measurements with 3 to 512 channels, 9 to 100000 places and 1 to 32 samples: each place or tile costs its
    multiplications, and a tile its two transforms, too; the weight is laid out once, which for Winograd's is memory
    bound where it does not fit the last cache.
    """
    weight = s.reduced * s.lanes
    places, tiles = g.n * prod(s.dst), g.n * -(-s.dst[1] // 4) * -(-s.dst[2] // 4)
    source, lanes = -(-s.reduced // 16) * 16, -(-s.lanes // 32) * 32
    direct = places * weight * 9 / 32 + 15 * weight
    each = 20 if weight * 36 * 4 <= _CACHE else 55
    winograd = tiles * (s.reduced * lanes * 36 / 32 + 18 * source + 16 * lanes) + each * weight
    return g.groups * direct, g.groups * winograd + 60000
