"""Transforming a whole batch at once, where every transform can.

A transform takes part by a method ``_batch``. Before ToTensor a batch is a NumPy array of bytes (N, H, W, C), after it
a tensor (N, C, H, W); a random transform draws its numbers for each image apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def batched(transform: Any) -> Callable[[Any], Any] | None:
    """Return what turns an array of images into a tensor, or None where ``transform`` needs single images."""
    steps = _steps(transform)
    if steps is None or not any(getattr(step, "_makes_tensor", False) for step in steps):
        return None

    def run(images: Any) -> Any:
        for step in steps:
            images = step._batch(images)
        return images

    return run


def _steps(transform: Any) -> list[Any] | None:
    inner = getattr(transform, "transforms", None)
    if isinstance(inner, (list, tuple)) and getattr(transform, "_sequential", False):
        steps: list[Any] = []
        for t in inner:
            found = _steps(t)
            if found is None:
                return None
            steps += found
        return steps
    return [transform] if hasattr(transform, "_batch") else None
