"""Gaussian blur.

Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.gaussian_blur.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import float32, float64
from cltorch.nn import functional as NF
from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.functional.convert import pil_to_tensor, to_pil_image, whole
from cltorch.vision.transforms.functional.geometry import pad


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Blur a PIL image or a tensor (…, H, W) by a bell of ``sigma`` cut to ``kernel_size`` pixels, (x, y) each.

    Without ``sigma`` it is 0.15 ``kernel_size`` + 0.35. What lies outside is the image mirrored at its edge. Raises
    TypeError or ValueError for sizes that are not odd and positive, or a ``sigma`` that is not positive, RuntimeError
    for half a size that is not less than the image's.
    """
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(n % 2 == 0 or n < 0 for n in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [n * 0.15 + 0.35 for n in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    widths = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else [float(s) for s in sigma]
    widths = widths * 2 if len(widths) == 1 else widths
    if len(widths) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(widths)}")
    if any(s <= 0 for s in widths):
        raise ValueError(f"sigma should have positive values. Got {widths}")
    if isinstance(img, Tensor):
        return _blur(img, sizes, widths)
    if not is_pil(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(_blur(pil_to_tensor(img), sizes, widths), mode=img.mode)


def _get_gaussian_kernel1d(kernel_size: int, sigma: float, dtype: Any, device: Any) -> Tensor:
    """Return a bell of ``sigma`` at so many places, which adds up to 1."""
    at = np.linspace(-(kernel_size - 1) / 2, (kernel_size - 1) / 2, kernel_size)
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    return functions.from_numpy(bell / bell.sum()).to(device, dtype)


def _get_gaussian_kernel2d(kernel_size: Any, sigma: Any, dtype: Any, device: Any) -> Tensor:
    """Return a bell over (y, x), of sizes and ``sigma`` (x, y)."""
    across, down = (_get_gaussian_kernel1d(n, s, dtype, device) for n, s in zip(kernel_size, sigma, strict=True))
    return down[:, None] * across[None, :]


def _blur(img: Tensor, sizes: list[int], widths: list[float]) -> Tensor:
    dtype = img.dtype if img.dtype in (float32, float64) else float32
    planes = pad(img, [sizes[0] // 2, sizes[1] // 2], padding_mode="reflect")
    planes = planes.reshape(-1, 1, *planes.shape[-2:]).to(dtype)
    # the bell of two dimensions is the product of one across and one down
    for size, width, shape in zip(sizes, widths, ((1, 1, 1, -1), (1, 1, -1, 1)), strict=True):
        weight = _get_gaussian_kernel1d(size, width, dtype, img.device).reshape(shape)
        planes = NF.conv2d(planes, weight)
    out = planes.reshape(img.shape)
    return whole(out, img.dtype)
