"""Images as arrays of the forms that records need, and figures as images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def figure_to_image(figures: Any, close: bool = True) -> np.ndarray:
    """Return a figure of Matplotlib as an image (3, H, W) of bytes, or several of one size as (N, 3, H, W)."""
    from matplotlib import pyplot  # noqa: PLC0415 - optional
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    def drawn(figure: Any) -> np.ndarray:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image = np.asarray(canvas.buffer_rgba())[..., :3].transpose(2, 0, 1).copy()
        if close:
            pyplot.close(figure)
        return image

    return np.stack([drawn(f) for f in figures]) if isinstance(figures, list) else drawn(figures)


def make_grid(I: np.ndarray, ncols: int = 8) -> np.ndarray:  # noqa: E741 - PyTorch's name
    """Return images (N, 1 or 3, H, W) side by side as one image (3, rows · H, columns · W)."""
    if not isinstance(I, np.ndarray):
        raise AssertionError("plugin error, should pass numpy array here")
    if I.ndim != 4 or I.shape[1] not in (1, 3):
        raise AssertionError("Input should be a 4D numpy array with 3 channels")
    n, _, height, width = I.shape
    columns = min(n, ncols)
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, 3, height, width), I.dtype)
    cells[:n] = I
    cells = cells.reshape(rows, columns, 3, height, width).transpose(2, 0, 3, 1, 4)
    return cells.reshape(3, rows * height, columns * width)


def convert_to_HWC(tensor: np.ndarray, input_format: str) -> np.ndarray:
    """Return an image, or a grid of images, as (H, W, channels), gray ones with three channels."""
    if len(set(input_format)) != len(input_format):
        raise AssertionError(
            f"You can not use the same dimension shorthand twice. input_format: {input_format}"
        )  # fmt: skip
    if tensor.ndim != len(input_format):
        raise AssertionError(
            "size of input tensor and input format are different. "
            f"tensor shape: {tensor.shape}, input_format: {input_format}"
        )
    given = input_format.upper()
    if len(given) == 4:
        return make_grid(tensor.transpose([given.index(c) for c in "NCHW"])).transpose(1, 2, 0)
    if len(given) == 3:
        image = tensor.transpose([given.index(c) for c in "HWC"])
        return np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    return np.repeat(tensor.transpose([given.index(c) for c in "HW"])[..., None], 3, 2)


def _prepare_video(V: np.ndarray) -> np.ndarray:
    """Return videos (N, T, C, H, W) as one (T, rows · H, columns · W, C), with black ones up to a power of two."""
    n, frames, channels, height, width = V.shape
    if V.dtype == np.uint8:
        V = V.astype(np.float32) / 255
    cells = n if n & (n - 1) == 0 else 1 << n.bit_length()
    whole = np.zeros((cells, *V.shape[1:]), np.result_type(V, np.float64) if cells != n else V.dtype)
    whole[:n] = V
    rows = 1 << (n.bit_length() - 1) // 2
    whole = whole.reshape(rows, cells // rows, frames, channels, height, width).transpose(2, 0, 4, 1, 5, 3)
    return whole.reshape(frames, rows * height, cells // rows * width, channels)
