"""Showing images: grids, files, boxes, masks and keypoints drawn into them: torchvision.utils.

Source: https://docs.pytorch.org/vision/0.28/utils.html
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

import cltorch as torch
from cltorch.serialization.atomic import atomic_write
from cltorch.tensor import Tensor
from cltorch.vision import _pillow
from cltorch.vision.transforms.functional.convert import convert_image_dtype

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]


@torch.no_grad()
def make_grid(
    tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
    value_range: tuple[float, float] | None = None, scale_each: bool = False, pad_value: float = 0.0,
) -> Tensor:  # fmt: skip
    """Return images [B, C, H, W], or a list of [C, H, W], side by side in one image, ``nrow`` in a row.

    One channel becomes three. With ``normalize`` the images are moved to [0, 1] from ``value_range``, by default from
    their least and greatest element, each for itself with ``scale_each``.
    """
    if isinstance(tensor, (list, tuple)):
        tensor = torch.stack(list(tensor), dim=0)
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"tensor or list of tensors expected, got a {type(tensor)}")
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = (tensor.expand(3, -1, -1) if tensor.shape[0] == 1 else tensor).unsqueeze(0)
    if tensor.dim() == 4 and tensor.shape[1] == 1:
        tensor = tensor.expand(-1, 3, -1, -1)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        if value_range is not None:
            low, high = (torch.full((), float(v), dtype=tensor.dtype, device=tensor.device) for v in value_range)
        else:
            axes = tuple(range(1 if scale_each else 0, tensor.dim()))
            low, high = tensor.amin(axes, keepdim=True), tensor.amax(axes, keepdim=True)
        tensor = (tensor.clamp(low, high) - low) / (high - low).clamp(min=1e-5)
    count, channels, height, width = tensor.shape
    if count == 1:
        return tensor.squeeze(0)
    columns = min(nrow, count)
    rows = math.ceil(count / columns)
    height, width = height + padding, width + padding
    grid = tensor.new_full((channels, height * rows + padding, width * columns + padding), pad_value)
    for k in range(count):
        y, x = k // columns * height + padding, k % columns * width + padding
        grid[:, y : y + height - padding, x : x + width - padding] = tensor[k]
    return grid


@torch.no_grad()
def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write images with elements in [0, 1] as one picture (see ``make_grid``), through Pillow; a file appears whole."""
    image_module = _pillow.require("save_image")
    grid = make_grid(tensor, **kwargs)
    values = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    image = image_module.fromarray(np.ascontiguousarray(values))
    if not isinstance(fp, (str, os.PathLike)):
        image.save(fp, format=format)
        return
    kind = format or image_module.registered_extensions().get(os.path.splitext(fp)[1].lower())
    if kind is None:
        raise ValueError(f"unknown file extension: {os.path.splitext(fp)[1]}")
    out = io.BytesIO()
    image.save(out, format=kind)
    with atomic_write(os.fspath(fp)) as file:
        file.write(out.getvalue())


def _generate_color_palette(count: int) -> list[tuple[int, int, int]]:
    """Return torchvision's colours of the objects 0, 1, …: black first, neighbours far from each other."""
    return [(i * (2**25 - 1) % 255, i * (2**15 - 1) % 255, i * (2**21 - 1) % 255) for i in range(count)]


def _colors(colors: Any, count: int) -> list[tuple[int, ...]]:
    """Return one colour for each object, from a colour (a name or three numbers), several, or None."""
    if colors is None:
        return list(_generate_color_palette(count))
    if isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} < {count}."
            )
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(f"colors must be a tuple or a string, or a list thereof, but got {colors}.")
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * count
    _pillow.require("a colour")
    return [_pillow.ImageColor.getrgb(c) if isinstance(c, str) else tuple(c) for c in colors]


def _check_image(image: Any, name: str) -> None:
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(image)}")
    if not (image.dtype is torch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.shape[0] not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")


def _to_bytes(image: Tensor) -> Tensor:
    image = convert_image_dtype(image, torch.uint8)
    return image.expand(3, -1, -1) if image.shape[0] == 1 else image


def _back(values: np.ndarray, like: Tensor) -> Tensor:
    out = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1))).to(like.device)
    return convert_image_dtype(out, like.dtype)


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor, boxes: Tensor, labels: list[str | None] | None = None, colors: Any = None, fill: bool | None = False,
    width: int = 1, font: str | None = None, font_size: int | None = None, label_colors: Any = None,
    label_background_colors: Any = None, fill_labels: bool = False,
) -> Tensor:  # fmt: skip
    """Return an image [1 or 3, H, W] of uint8, or of floats in [0, 1], with boxes [N, 4] and their labels drawn.

    Boxes [N, 8] are turned, given by their corners: the side from the first to the second is dashed.
    Colours are names or three numbers, one for all or a list. ``fill_labels`` puts the labels on a background, of the
    box's colour if no other is given.
    """
    _check_image(image, "image")
    image_module = _pillow.require("draw_bounding_boxes")
    turned = boxes.dim() == 2 and boxes.shape[1] == 8
    if boxes.numel() and not turned and ((boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any()):
        raise ValueError("Boxes need to be in (xmin, ymin, xmax, ymax) format: vision.ops.box_convert converts others")
    count = len(boxes)
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"The number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels for each box."
        )
    if not count:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if font is None and font_size is not None:
        warnings.warn("Argument 'font_size' will be ignored since 'font' is not set.", stacklevel=2)
    fonts = _pillow.ImageFont
    face = fonts.truetype(font, font_size or 10) if font else fonts.load_default()
    picture = image_module.fromarray(np.ascontiguousarray(_to_bytes(image).permute(1, 2, 0).cpu().numpy()))
    draw = _pillow.ImageDraw.Draw(picture, "RGBA" if fill else None)
    hues = words = grounds = _colors(colors, count)
    if label_colors or fill_labels:
        words = _colors(label_colors or "black", count)
    if label_background_colors:
        grounds = _colors(label_background_colors, count)
    for i, box in enumerate(boxes.to(torch.int64).tolist()):
        inside = (*hues[i], 100) if fill else None
        if turned:
            _draw_turned(draw, box, hues[i], width, inside)
        else:
            draw.rectangle(box, outline=hues[i], width=width, fill=inside)
        text = labels[i] if labels else None
        if text is None:
            continue
        corner = (box[0] + width + 1, box[1] + width + 1)
        if fill_labels:
            left, top, right, bottom = draw.textbbox(corner, text, font=face)
            draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=grounds[i])
        draw.text(corner, text, fill=words[i], font=face)
    return _back(np.array(picture), image)


def _draw_turned(draw: Any, box: list[int], colour: Any, width: int, inside: Any, dash: int = 5) -> None:
    """Draw a box of four corners; dashes of the first side and the gaps between them are ``dash`` long."""
    corners = [(box[i], box[i + 1]) for i in (0, 2, 4, 6)]
    (x, y), (x2, y2) = corners[:2]
    length = math.hypot(x2 - x, y2 - y)
    for start in range(0, math.ceil(length), 2 * dash):
        a, b = start / length, min(start + dash, length) / length
        ends = [(x + t * (x2 - x), y + t * (y2 - y)) for t in (a, b)]
        draw.line(ends, width=width, fill=colour)
    for one, next_one in zip(corners[1:], [*corners[2:], corners[0]], strict=True):
        draw.line((one, next_one), width=width, fill=colour)
    draw.polygon(box, fill=inside, outline=None, width=0)


@torch.no_grad()
def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Any = None) -> Tensor:
    """Return an image [1 or 3, H, W] with bool masks [H, W] or [N, H, W] painted over it, ``alpha`` opaque.

    Where masks overlap they are black.
    """
    _check_image(image, "image")
    masks = masks[None] if masks.dim() == 2 else masks
    if masks.dim() != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype is not torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError(
            "The image and the masks must have the same height and width, got "
            f"{tuple(image.shape[-2:])} and {tuple(masks.shape[-2:])}"
        )
    if not len(masks):
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    scale = 1 if image.dtype is torch.uint8 else 1 / 255
    plain = image.expand(3, -1, -1).to(torch.float32 if image.dtype is torch.uint8 else image.dtype)
    painted = plain
    for mask, hue in zip(masks, _colors(colors, len(masks)), strict=False):
        ink = torch.tensor(hue, dtype=plain.dtype, device=image.device)[:, None, None] * scale
        painted = torch.where(mask, ink, painted)
    painted = torch.where(masks.sum(0) > 1, 0.0, painted)
    return (plain * (1 - alpha) + painted * alpha).to(image.dtype)


@torch.no_grad()
def draw_keypoints(
    image: Tensor, keypoints: Tensor, connectivity: list[tuple[int, int]] | None = None, colors: Any = None,
    radius: int = 2, width: int = 3, visibility: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Return an image [1 or 3, H, W] with points [instances, K, 2] of (x, y) and the lines between them drawn.

    ``colors`` are those of the points, circles unless it is given; lines are white.
    """
    _check_image(image, "image")
    image_module = _pillow.require("draw_keypoints")
    if keypoints.dim() != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    seen = torch.ones(keypoints.shape[:-1], dtype=torch.bool) if visibility is None else visibility.bool()
    if tuple(seen.shape[:2]) != tuple(keypoints.shape[:2]):
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K, got keypoints "
            f"{tuple(keypoints.shape)} and visibility {tuple(seen.shape)}"
        )
    picture = image_module.fromarray(np.ascontiguousarray(_to_bytes(image).permute(1, 2, 0).cpu().numpy()))
    draw = _pillow.ImageDraw.Draw(picture)
    hues: list[Any] = [None] * len(keypoints) if colors is None else _colors(colors, len(keypoints))
    shown = seen.reshape(keypoints.shape[:2]).tolist()
    for points, there, hue in zip(keypoints.to(torch.int64).tolist(), shown, hues, strict=False):
        for (x, y), visible in zip(points, there, strict=True):
            if visible:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=hue, outline=None, width=0)
        for a, b in connectivity or ():
            if there[a] and there[b]:
                draw.line((*points[a], *points[b]), width=width)
    return _back(np.array(picture), image)


def _wheel() -> np.ndarray:
    """Return 55 colours around a circle, with as many steps between two as the eye tells apart (S. Baker, 2007)."""
    steps = (("R", "Y", 15), ("Y", "G", 6), ("G", "C", 4), ("C", "B", 11), ("B", "M", 13), ("M", "R", 6))
    corners = {"R": (1, 0, 0), "Y": (1, 1, 0), "G": (0, 1, 0), "C": (0, 1, 1), "B": (0, 0, 1), "M": (1, 0, 1)}
    colours = []
    for start, end, count in steps:
        a, b = np.array(corners[start]), np.array(corners[end])
        for i in range(count):
            share = np.floor(255 * i / count)
            colours.append(np.where(a == b, a * 255, np.where(b > a, share, 255 - share)))
    return np.array(colours, np.float32)


@torch.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Return optical flow [2, H, W] or [N, 2, H, W] as images of uint8: the hue is its direction, white no movement.

    Lengths are relative to the greatest of all. Raises ValueError for another dtype or shape.
    Source: S. Baker et al., A Database and Evaluation Methodology for Optical Flow, 2007.
    """
    if flow.dtype is not torch.float32:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {tuple(flow.shape)}.")
    length = (flow**2).sum(-3).sqrt()
    unit = flow / (length.max() + torch.finfo(torch.float32).eps)
    length = (unit**2).sum(-3).sqrt()
    wheel = torch.from_numpy(_wheel() / 255).to(flow.device)
    u, v = unit.unbind(-3)
    place = (torch.atan2(-v, -u) / math.pi + 1) / 2 * (len(wheel) - 1)
    low = place.floor().long()
    part = (place - low)[..., None]
    colour = wheel[low] * (1 - part) + wheel[(low + 1) % len(wheel)] * part
    pale = 1 - length[..., None] * (1 - colour)
    return (255 * pale).floor().to(torch.uint8).movedim(-1, -3)


def _log_api_usage_once(obj: Any) -> None:
    """Do nothing: torchvision's modules call it, and what is used is written down nowhere."""


def _make_ntuple(x: Any, n: int) -> tuple[Any, ...]:
    """Return a sequence as a tuple, anything else ``n`` times."""
    return tuple(x) if isinstance(x, Iterable) else (x,) * n
