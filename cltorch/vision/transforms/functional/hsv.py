"""Between red, green and blue, and hue, saturation and value.

Source: A. R. Smith, Color Gamut Transform Pairs (1978)
"""

from __future__ import annotations

from cltorch import functions
from cltorch.dtypes import int64
from cltorch.functions.gather import gather
from cltorch.tensor import Tensor

# which of (value, falling, lowest, rising) red, green and blue are in each sixth of the circle
_SIXTHS = [[0, 3, 2], [1, 0, 2], [2, 0, 3], [2, 1, 0], [3, 2, 0], [0, 2, 1]]


def rgb_to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue, saturation and value, from 0 to 1, of floats (…, 3, H, W); the hue of a gray is 0."""
    red, green, blue = img.unbind(-3)
    high, low = img.amax(-3), img.amin(-3)
    gray, chroma = high == low, high - low
    saturation = chroma / functions.where(gray, 1.0, high)
    divisor = functions.where(gray, 1.0, chroma)
    r, g, b = ((high - c) / divisor for c in (red, green, blue))
    hue = functions.where(high == red, b - g, functions.where(high == green, 2.0 + r - b, 4.0 + g - r))
    return functions.fmod(hue / 6.0 + 1.0, 1.0), saturation, high


def _rgb2hsv(img: Tensor) -> Tensor:
    """Return hue, saturation and value of floats (…, 3, H, W) in the place of red, green and blue."""
    return functions.stack(rgb_to_hsv(img), -3)


def _hsv2rgb(img: Tensor) -> Tensor:
    """Return red, green and blue of floats (…, 3, H, W) in the place of hue, saturation and value."""
    return hsv_to_rgb(*img.unbind(-3))


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return floats (…, 3, H, W) of hue, saturation and value (…, H, W)."""
    sixth = functions.floor(hue * 6.0)
    part = hue * 6.0 - sixth
    lowest = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0)
    levels = functions.stack([value, falling, lowest, rising], -3)
    table = functions.tensor(_SIXTHS, device=hue.device)
    chosen = table[sixth.to(int64) % 6].movedim(-1, -3)
    return gather(levels, -3, chosen)
