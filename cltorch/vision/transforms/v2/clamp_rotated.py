"""Turned boxes cut at the edges of an image, without a change of their angle.

One edge after the other is made the left one. There the sides of a box are lines y = slope x + height, of which the
heights at the edge are moved: "soft" leaves the smallest box around what the image shows of it, "hard" one that lies
in the image as a whole. Written to give what torchvision gives, down to the order of corners and to sides that are
upright, whose slopes are infinite.
Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ClampBoundingBoxes.html
"""

from __future__ import annotations

from cltorch import functions
from cltorch.tensor import Tensor


def clamped(corners: Tensor, canvas: tuple[int, int], mode: str) -> Tensor:
    """Return corners (N, 8) of boxes cut at the edges of an image of (height, width)."""
    height, width = canvas
    whole = corners
    for _ in range(4):
        order = _from_the_left(corners)
        corners, whole = corners.gather(1, order), whole.gather(1, order)
        corners = _at_the_left(corners, whole, height, width, mode)
        corners, whole = corners.gather(1, order), whole.gather(1, order)
        corners, whole = _turned(corners, width), _turned(whole, width)
        height, width = width, height
    return corners


def _from_the_left(corners: Tensor) -> Tensor:
    """Return the places of the corners from the leftmost one on, of two the upper one."""
    x, y = corners[:, 0::2], corners[:, 1::2]
    rank = y / y.abs().amax(1, keepdim=True) + x / x.abs().amax(1, keepdim=True) * 100
    first = rank.argmin(1, keepdim=True) * 2
    return (first + functions.arange(8, device=corners.device)) % 8


def _turned(corners: Tensor, width: float) -> Tensor:
    """Return corners in the image turned by a quarter against the clock."""
    return functions.stack([corners[:, 1::2], width - corners[:, 0::2]], -1).flatten(1)


def _lines(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes of the four sides and their heights at the left edge."""
    x, y = corners[:, 0::2], corners[:, 1::2]
    slope = (y.roll(-1, 1) - y) / (x.roll(-1, 1) - x)
    return slope, y - slope * x


def _heights(corners: Tensor, whole: Tensor, height: float, width: float, mode: str) -> Tensor:
    """Return the heights that the sides shall have at the left edge."""
    slope, b = _lines(corners)
    (a1, a2, a3, a4), (b1, b2, b3, b4) = slope.unbind(1), b.unbind(1)
    low1, low2, top1, top2 = _lines(whole)[1].unbind(1)
    b1, b4 = b2.clamp(b1, b3).clamp(0, height), b3.clamp(b2, b4).clamp(0, height)
    if mode == "hard":
        middle = (b1 + b4) / 2
        # what the upper, the right and the lower edge ask of the two other sides
        asked = (middle * a2 / a1, b3 * a2 / a3, (a1 - a2) * width + middle, (a3 - a2) * width + b3)
        b2 = functions.stack(asked, 1).amax(1).clamp(max=b2)
        asked = (
            height * (1 - a3 / a4) + middle * a3 / a4,
            height * (1 - a3 / a2) + b2 * a3 / a2,
            (a2 - a3) * width + b2,
            (a4 - a3) * width + middle,
        )
        b3 = functions.stack(asked, 1).amin(1).clamp(min=b3)
        b1 = b4 = middle.clamp(low1, top1)
    return functions.stack(
        [
            b4.clamp(low2, top2) if mode == "hard" else b1.clamp(low1, top1),
            b2.clamp(low2, top2), b3.clamp(low1, top1), b4.clamp(low2, top2),
        ],
        1,
    )  # fmt: skip


def _at_the_left(corners: Tensor, whole: Tensor, height: float, width: float, mode: str) -> Tensor:
    """Return corners, the leftmost first, of boxes cut at the left edge."""
    slope, b = _lines(corners)[0], _heights(corners, whole, height, width, mode)
    x1, y1, x2, y2, x3, y3, x4, y4 = corners.unbind(1)
    # where neighbouring sides meet
    across = -(b - b.roll(1, 1)) / (slope - slope.roll(1, 1))
    met = functions.stack([across, slope * across + b], -1).flatten(1)
    straight = functions.stack([x1.clamp(min=0), y1, x2, y2, x3, y3, x4.clamp(min=0), y4], 1)
    beyond = (x1 < 0) & ~met.isnan().any(1)
    level = y1.isclose(y2) | y3.isclose(y4)
    gone = (x1 <= 0) & (x2 <= 0) & (x3 <= 0) & (x4 <= 0)
    gone = gone | y1.isclose(y4) | y2.isclose(y3) | (level & x1.isclose(x2))
    out = functions.where(beyond[:, None], met, corners)
    out = functions.where(level[:, None], straight, out)
    return functions.where(gone[:, None], functions.zeros_like(out), out)
