"""The functions for one kind each, such as ``resize_image`` or ``crop_mask``: they take and return plain tensors.

Those of boxes and points take besides the values what a ``BoundingBoxes`` or ``KeyPoints`` would know; what changes
the size of the image returns the new one too. Source: https://docs.pytorch.org/vision/0.28/transforms.html#kernels
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from cltorch.tensor import Tensor
from cltorch.vision.transforms.v2 import boxes, points
from cltorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints

_Fn = Callable[..., Any]
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD

_NOT_OF_VIDEOS = {"grayscale_to_rgb", "rgb_to_grayscale"}
_MASKS_CHOOSE = {"resize"}  # where the kernel for masks takes an interpolation, if only to ignore it

_CANVAS = "format canvas_size "  # what most kernels of boxes take first
# (of boxes, of points, whether that of boxes returns the canvas, whether that of points does)
_PLACES = {
    "affine": (
        _CANVAS + "angle translate scale shear center clamping_mode",
        "canvas_size angle translate scale shear center", False, True,
    ),
    "center_crop": (_CANVAS + "output_size clamping_mode", "canvas_size output_size", True, True),
    "crop": ("format top left height width clamping_mode", "top left height width", True, True),
    "elastic": (_CANVAS + "displacement clamping_mode", "canvas_size displacement", False, False),
    "horizontal_flip": (_CANVAS, "canvas_size", False, False),
    "pad": (_CANVAS + "padding padding_mode clamping_mode", "canvas_size padding padding_mode", True, True),
    "perspective": (
        _CANVAS + "startpoints endpoints coefficients clamping_mode",
        "canvas_size startpoints endpoints coefficients", False, False,
    ),
    "resize": ("canvas_size size max_size format clamping_mode", "size canvas_size max_size", True, True),
    "resized_crop": ("format top left height width size clamping_mode", "top left height width size", True, True),
    "rotate": (_CANVAS + "angle expand center clamping_mode", "canvas_size angle expand center", True, True),
    "vertical_flip": (_CANVAS, "canvas_size", False, False),
}  # fmt: skip
_DEFAULTS = {
    "center": None, "clamping_mode": "soft", "coefficients": None, "expand": False, "max_size": None,
    "padding_mode": "constant",
}  # fmt: skip


def of(functions: Mapping[str, tuple[_Fn, _Fn | None]]) -> dict[str, _Fn]:
    """Return the kernels by name, of functions' forms for images and for masks."""
    made: dict[str, _Fn] = {}
    for name, (image, mask) in functions.items():
        rest = list(inspect.signature(image).parameters.values())[1:]
        for kind in ("image",) if name in _NOT_OF_VIDEOS else ("image", "video"):
            made[f"{name}_{kind}"] = renamed(image, f"{name}_{kind}", kind)
        if mask is not None and name in _PLACES:
            kept = [p for p in rest if name in _MASKS_CHOOSE or p.name != "interpolation"]
            kept = [p for p in kept if p.name != "antialias"]
            doc = f"Do to masks (…, H, W) what {name} does to images, by the nearest pixel."
            made[f"{name}_mask"] = _named(mask, f"{name}_mask", [inspect.Parameter("mask", _EITHER), *kept], doc)
    for name, (of_boxes, of_points, box_canvas, point_canvas) in _PLACES.items():
        made[f"{name}_bounding_boxes"] = _of_places(name, boxes, "bounding_boxes", of_boxes, box_canvas)
        made[f"{name}_keypoints"] = _of_places(name, points, "keypoints", of_points, point_canvas)
    return made


def renamed(function: _Fn, name: str, first: str) -> _Fn:
    """Return a function under another name, with another name of its first argument."""
    rest = list(inspect.signature(function).parameters.values())[1:]
    return _named(function, name, [inspect.Parameter(first, _EITHER), *rest], function.__doc__)


def _named(function: _Fn, name: str, parameters: list[inspect.Parameter], doc: str | None) -> _Fn:
    signature = inspect.Signature(parameters)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs).arguments
        return function(bound.pop(parameters[0].name), **bound)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = doc
    kernel.__signature__ = signature  # type: ignore[attr-defined]
    return kernel


def _of_places(name: str, module: Any, kind: str, names: str, canvas: bool) -> _Fn:
    """Return the kernel of boxes or points whose further arguments are ``names``."""
    parameters = [inspect.Parameter(kind, _EITHER)]
    for one in names.split():
        default: Any = _DEFAULTS.get(one, inspect.Parameter.empty)
        if one == "format" and parameters[-1].default is not inspect.Parameter.empty:
            default = BoundingBoxFormat.XYXY  # where it follows what may be left out
        parameters.append(inspect.Parameter(one, _EITHER, default=default))
    change = getattr(module, name)

    def apply(values: Tensor, canvas_size: Any = (0, 0), **rest: Any) -> Any:
        plain = values.as_subclass(Tensor)
        given: Any
        if kind == "keypoints":
            given = KeyPoints(plain, canvas_size=canvas_size)
        else:
            format = rest.pop("format", BoundingBoxFormat.XYXY)
            mode = rest.pop("clamping_mode", "soft")
            flat = plain.reshape(-1, plain.shape[-1])  # turned boxes have 5 or 8 numbers
            given = BoundingBoxes(flat, format=format, canvas_size=canvas_size, clamping_mode=mode)
        out = change(given, **rest)
        moved = out.as_subclass(Tensor).reshape(values.shape)
        return (moved, out.canvas_size) if canvas else moved

    what = "boxes (…, 4), or turned ones (…, 5 or 8)," if kind == "bounding_boxes" else "points (…, 2)"
    told = ", and return the size of the image it leaves" if canvas else ""
    return _named(apply, f"{name}_{kind}", parameters, f"Do to {what} what {name} does to images{told}.")
