"""Pillow, which is optional: one place that knows whether it is there."""

from __future__ import annotations

from typing import Any

try:
    from PIL import Image, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
except ImportError:  # pragma: no cover - the tests have Pillow; one of them hides it
    Image = ImageColor = ImageDraw = ImageEnhance = ImageFilter = ImageFont = ImageOps = None  # type: ignore[assignment]

__all__ = [
    "Image", "ImageColor", "ImageDraw", "ImageEnhance", "ImageFilter", "ImageFont", "ImageOps", "is_pil", "require",
]  # fmt: skip


def is_pil(image: Any) -> bool:
    """Return whether a value is a PIL image."""
    return Image is not None and isinstance(image, Image.Image)


def require(what: str) -> Any:
    """Return PIL.Image; raise ImportError that says what needs Pillow and how to get it."""
    if Image is None:
        raise ImportError(f"{what} needs Pillow, which is not installed: pip install pillow")
    return Image
