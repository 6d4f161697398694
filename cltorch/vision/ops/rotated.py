"""Boxes that are turned: a corner or the centre with width, height and angle, or four corners.

The angle is in degrees against the clock; the corner is the one that lies at the top left where it is zero.
Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.box_convert.html
"""

from __future__ import annotations

import cltorch as torch
from cltorch.tensor import Tensor

ROTATED = ("xywhr", "cxcywhr", "xyxyxyxy")


def convert_rotated(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Return turned boxes [..., 5] or, with four corners, [..., 8] in another form; whole numbers are rounded."""
    if in_fmt == out_fmt:
        return boxes.clone()
    whole = not boxes.dtype.is_floating_point
    parts = (boxes.float() if whole else boxes).unbind(-1)
    if in_fmt == "xyxyxyxy":
        x, y, x2, y2, x3, y3 = parts[:6]
        across, down = _length(x2 - x, y2 - y), _length(x3 - x2, y3 - y2)
        angle = torch.rad2deg(torch.atan2(y - y2, x2 - x))
    else:
        x, y, across, down, angle = parts
    cos, sin = torch.cos(torch.deg2rad(angle)), torch.sin(torch.deg2rad(angle))
    # from the top left to the other ends of the two sides that meet there
    right, below = (across * cos, -across * sin), (down * sin, down * cos)
    if in_fmt == "cxcywhr":
        x, y = x - (right[0] + below[0]) / 2, y - (right[1] + below[1]) / 2
    if out_fmt == "xyxyxyxy":
        top_right, bottom_left = (x + right[0], y + right[1]), (x + below[0], y + below[1])
        found: tuple[Tensor, ...] = (x, y, *top_right, top_right[0] + below[0], top_right[1] + below[1], *bottom_left)
    elif out_fmt == "cxcywhr":
        found = (x + (right[0] + below[0]) / 2, y + (right[1] + below[1]) / 2, across, down, angle)
    else:
        found = (x, y, across, down, angle)
    out = torch.stack(found, dim=-1)
    return out.round().to(boxes.dtype) if whole else out


def _length(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 + y**2).sqrt()
