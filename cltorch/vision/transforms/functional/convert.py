"""Between PIL images, arrays and tensors, between dtypes, and normalising.

Source: https://docs.pytorch.org/vision/stable/transforms.html#functionals
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.autograd.layers import active
from cltorch.dtypes import bfloat16, bool_, float32, float64, get_default_dtype, iinfo, int32, int64
from cltorch.dtypes import dtype as Dtype
from cltorch.ops.array import host
from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil, require

# PIL modes whose pixels are not bytes
_WIDE_MODES = {"I": np.int32, "I;16": np.int16, "I;16L": np.int16, "F": np.float32}


def to_tensor(pic: Any) -> Tensor:
    """Turn a PIL image or an array (H, W[, C]) into a tensor (C, H, W); bytes become floats from 0 to 1.

    Raises TypeError for anything else and ValueError for an array of another number of dimensions.

    >>> import numpy as np
    >>> to_tensor(np.array([[0, 255]], np.uint8))
    tensor([[[0., 1.]]])
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        pixels = pic if pic.ndim == 3 else pic[:, :, None]
    elif is_pil(pic):
        pixels = _pixels(pic)
        if pic.mode == "1":
            pixels = pixels * np.uint8(255)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    return scale_bytes(pixels.transpose(2, 0, 1))


def scale_bytes(pixels: np.ndarray) -> Tensor:
    """Return a tensor of the array's values, bytes divided by 255."""
    if pixels.dtype != np.uint8:
        return functions.from_numpy(np.ascontiguousarray(pixels))
    kind = get_default_dtype()
    wide = np.float64 if kind is float64 else np.float32
    scaled = functions.from_numpy(np.divide(pixels, wide(255), dtype=wide, order="C"))
    return scaled if kind in (float32, float64) else scaled.to(kind)


def _pixels(pic: Any) -> np.ndarray:
    """Return the pixels of a PIL image as a new array (H, W, C)."""
    pixels = np.array(pic, _WIDE_MODES.get(pic.mode, np.uint8))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def pil_to_tensor(pic: Any) -> Tensor:
    """Turn a PIL image into a tensor (C, H, W) of its own numbers; raise TypeError for anything else."""
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    pixels = np.array(pic)
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return functions.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Turn a tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), into a PIL image.

    Floats count from 0 to 1. Without ``mode`` it follows from the dtype and the number of channels. Raises TypeError
    for another type of pixel, ValueError for another number of dimensions or channels, or a mode that does not fit.
    """
    image = require("to_pil_image")
    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, Tensor):
        host = pic.detach().cpu()
        pixels = (host.to(float32) if host.dtype is bfloat16 else host).numpy()
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels.transpose(1, 2, 0)
    else:
        pixels = pic[:, :, None] if pic.ndim == 2 else pic
    if np.issubdtype(pixels.dtype, np.floating) and mode != "F":
        pixels = (pixels * 255).astype(np.uint8)
    channels = pixels.shape[2]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    return _from_pixels(image, np.ascontiguousarray(pixels), channels, mode)


def _from_pixels(image: Any, pixels: np.ndarray, channels: int, mode: str | None) -> Any:
    if channels == 1:
        kinds = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}
        expected = kinds.get(pixels.dtype.name)
        if mode is not None and mode != expected:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {pixels.dtype}. Should be {expected}")
        if expected is None:
            raise TypeError(f"Input type {pixels.dtype} is not supported")
        if expected == "I;16":  # Pillow takes these for numbers of 32 bits otherwise
            return image.frombytes(expected, pixels.shape[1::-1], pixels.astype("<i2").tobytes())
        return image.fromarray(pixels[:, :, 0])
    permitted = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}[channels]
    if mode is not None and mode not in permitted:
        raise ValueError(f"Only modes {list(permitted)} are supported for {channels}D inputs")
    if pixels.dtype != np.uint8:
        raise TypeError(f"Input type {pixels.dtype} is not supported")
    size, chosen = (pixels.shape[1], pixels.shape[0]), mode or permitted[0]
    return image.frombytes(chosen, size, pixels.tobytes())


def largest(dtype: Dtype) -> int:
    """Return what counts as white: 1 for fractions and truth values."""
    return 1 if dtype.is_floating_point or dtype is bool_ else iinfo(dtype).max


def whole(values: Tensor, dtype: Dtype) -> Tensor:
    """Return computed values as another dtype: rounded for integers; for bool, whether they are not zero."""
    return values.to(dtype) if dtype.is_floating_point or dtype is bool_ else values.round().to(dtype)


def convert_image_dtype(image: Tensor, dtype: Dtype = float32) -> Tensor:
    """Convert an image to another dtype, scaling between 0…1 for floats and 0…largest for integers.

    Raises RuntimeError where floats cannot fill the integer dtype exactly (float32 to int32 or int64).
    """
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    source = image.dtype
    if source is dtype:
        return image
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (source is float32 and dtype in (int32, int64)) or (source is float64 and dtype is int64):
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        # so that 1.0 becomes the largest value, and every value the same share of the range
        return image.mul(largest(dtype) + 1 - 1e-3).to(dtype)
    top = largest(source)
    if dtype.is_floating_point:
        return image.to(dtype) / top
    new_top = largest(dtype)
    if top > new_top:
        factor = (top + 1) // (new_top + 1)
        return functions.div(image, factor, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_top + 1) // (top + 1))


def plain_values(x: Any) -> np.ndarray | None:
    """Return the numbers of a tensor where they are all that matters, None otherwise.

    They are where it lies on the host, is of a floating dtype that NumPy computes with, and outside of any graph.
    What is done to one small image after the other is done on them: a call of NumPy costs a fraction of an operator's.
    """
    plain = x.__class__ is Tensor and x._storage.array is not None and not active
    return host(x) if plain and x.dtype in (float32, float64) and not x.requires_grad else None


@lru_cache(maxsize=64)
def _per_channel(numbers: tuple[float, ...], kind: np.dtype) -> np.ndarray:
    return np.array(numbers, kind)[:, None, None]


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Subtract ``mean`` and divide by ``std``, one number for each channel of (…, C, H, W), or one for all.

    Raises TypeError for integers, ValueError for fewer than 3 dimensions or a ``std`` of zero.

    >>> import cltorch as torch
    >>> normalize(torch.ones(1, 1, 2), [0.5], [0.25])
    tensor([[[2., 2.]]])
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    mean, std = ([v] if isinstance(v, (int, float)) else v for v in (mean, std))
    if any(s == 0 for s in std):
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    values = None if inplace and not tensor.lay.contiguous else plain_values(tensor)
    if values is not None and all(v.__class__ is float for v in (*mean, *std)):
        channels = values.shape[-3]
        if len(mean) in (1, channels) and len(std) in (1, channels):
            subtracted, divided = _per_channel((*mean,), values.dtype), _per_channel((*std,), values.dtype)
            result = np.subtract(values, subtracted, out=values if inplace else None)
            result /= divided
            if not inplace:
                return functions.from_numpy(result)
            tensor._storage.version += 1
            return tensor
    shift, scale = (functions.tensor(list(v), dtype=tensor.dtype, device=tensor.device) for v in (mean, std))
    if shift.ndim == 1:
        shift, scale = shift.view(-1, 1, 1), scale.view(-1, 1, 1)
    out = tensor.sub_(shift) if inplace else tensor.sub(shift)
    return out.div_(scale)
