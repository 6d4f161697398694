"""Images as uint8 tensors [C, H, W], from and to files and encoded bytes.

Source: https://docs.pytorch.org/vision/0.28/io.html
"""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

import cltorch as torch
from cltorch.serialization.atomic import atomic_write
from cltorch.tensor import Tensor
from cltorch.vision import _pillow


class ImageReadMode(Enum):
    """What an image becomes when it is read: what it is in the file, grey or coloured, with or without alpha."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_PILLOW = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def _mode(mode: Any) -> ImageReadMode:
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """Return a file's bytes as a uint8 tensor [N]; raise RuntimeError where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return torch.from_numpy(np.frombuffer(file.read(), np.uint8).copy())
    except OSError as error:
        raise RuntimeError(str(error)) from error


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Write a uint8 tensor [N] as a file, which appears whole or not at all."""
    if data.dtype is not torch.uint8 or data.dim() != 1:
        raise RuntimeError(f"Input tensor must be 1-dimensional uint8, got {data.dim()} dimensions of {data.dtype}")
    with atomic_write(os.fspath(filename)) as file:
        file.write(data.cpu().numpy().tobytes())


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """Return an image [C, H, W] of uint8 from encoded bytes (a uint8 tensor [N]) or from a file's path.

    What has a palette gives its numbers in the palette, unless a mode is given or a colour is transparent; GIFs are
    always coloured, and those with several images give [images, 3, H, W]. Raises RuntimeError for bytes that are no
    image, and for pixels of more than 16 bits.
    """
    image = _open(read_file(input) if isinstance(input, (str, os.PathLike)) else input, mode=mode)
    if image.format == "GIF":
        return _frames(image)
    return _decode(image, mode, apply_exif_orientation)


def _open(input: Any, *formats: str, mode: Any = ImageReadMode.UNCHANGED) -> Any:
    """Return the PIL image of encoded bytes; raise RuntimeError where they are none, or of another format."""
    image_module = _pillow.require("decode_image")
    if input.dtype is not torch.uint8 or input.dim() != 1 or not input.numel():
        raise RuntimeError(f"Expected a non empty 1-dimensional uint8 tensor, got {tuple(input.shape)}, {input.dtype}")
    try:
        image = image_module.open(io.BytesIO(input.cpu().numpy().tobytes()))
        if image.format == "JPEG" and _mode(mode) is ImageReadMode.GRAY:
            image.draft("L", None)  # the lightness that the file holds, and not one made of its colours
        image.load()
    except Exception as error:
        raise RuntimeError(f"the bytes are no image that Pillow can read: {error}") from error
    if formats and image.format not in formats:
        raise RuntimeError(f"the bytes are not of format {formats[0]} but of {image.format}")
    return image


def _decode(image: Any, mode: Any, apply_exif_orientation: bool = False) -> Tensor:
    if apply_exif_orientation:
        image = _pillow.ImageOps.exif_transpose(image)
    wanted = _PILLOW.get(_mode(mode))
    if image.mode.startswith(("I", "F")):
        return _of_16_bits(image, wanted)
    if wanted is None and image.mode == "CMYK" and image.format == "JPEG":
        return torch.from_numpy(255 - np.array(image).transpose(2, 0, 1))  # as in the file, where 255 is no ink
    if wanted is None and image.mode not in ("L", "LA", "RGB", "RGBA"):
        if "transparency" in image.info or image.mode == "PA":
            wanted = "RGBA"
        else:
            wanted = {"1": "L", "P": None}.get(image.mode, "RGB")
    values = np.array(image if wanted is None else image.convert(wanted))
    return torch.from_numpy(np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1)))


def _of_16_bits(image: Any, wanted: str | None) -> Tensor:
    """Return grey numbers of 16 bits, which Pillow does not convert, in as many channels as a mode has."""
    if not image.mode.startswith("I;16"):
        raise RuntimeError(f"the image holds numbers of more than 16 bits (mode {image.mode})")
    grey = np.array(image).astype(np.uint16)
    opaque = np.full_like(grey, 65535)
    planes = {"LA": [grey, opaque], "RGB": [grey] * 3, "RGBA": [grey] * 3 + [opaque]}.get(wanted or "L", [grey])
    return torch.from_numpy(np.stack(planes))


def _frames(image: Any) -> Tensor:
    pictures = []
    for number in range(image.n_frames):
        image.seek(number)
        pictures.append(_decode(image, ImageReadMode.RGB))
    return torch.stack(pictures) if len(pictures) > 1 else pictures[0]


def decode_png(input: Tensor, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """Return the image [C, H, W] of a PNG file's bytes."""
    return _decode(_open(input, "PNG"), mode, apply_exif_orientation)


def decode_jpeg(
    input: Any, mode: Any = ImageReadMode.UNCHANGED, device: Any = "cpu", apply_exif_orientation: bool = False
) -> Any:
    """Return the image [C, H, W] of a JPEG file's bytes, or of each in a list, on ``device``."""
    if isinstance(input, list):
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    return _decode(_open(input, "JPEG", "MPO", mode=mode), mode, apply_exif_orientation).to(device)


def decode_gif(input: Tensor) -> Tensor:
    """Return the image [3, H, W] of a GIF file's bytes, or its images [images, 3, H, W]."""
    return _frames(_open(input, "GIF"))


def decode_webp(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """Return the image [C, H, W] of a WebP file's bytes."""
    return _decode(_open(input, "WEBP"), mode)


def read_image(path: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """Return the image [C, H, W] of a file."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def _encode(input: Tensor, kind: str, channels: tuple[int, ...], **options: Any) -> Tensor:
    image_module = _pillow.require(f"encode_{kind.lower()}")
    if input.dtype is not torch.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {input.dtype}")
    if input.dim() != 3 or input.shape[0] not in channels:
        raise RuntimeError(
            f"Input data should be [C, H, W] with C in {channels} for {kind}, got shape {tuple(input.shape)}"
        )
    values = input.cpu().numpy()
    image = image_module.fromarray(
        np.ascontiguousarray(values[0] if values.shape[0] == 1 else values.transpose(1, 2, 0))
    )
    out = io.BytesIO()
    image.save(out, kind, **options)
    return torch.from_numpy(np.frombuffer(out.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """Return the bytes of an image [1 or 3, H, W] of uint8 as PNG; the level is 0 to 9."""
    if not 0 <= compression_level <= 9:
        raise RuntimeError(f"Compression level should be between 0 and 9, got {compression_level}")
    return _encode(input, "PNG", (1, 3), compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """Return the bytes of an image [1 or 3, H, W] of uint8 as JPEG, or of each in a list; the quality is 1 to 100."""
    if not 1 <= quality <= 100:
        raise ValueError(f"Image quality should be a positive number between 1 and 100, got {quality}")
    if isinstance(input, list):
        return [encode_jpeg(image, quality) for image in input]
    return _encode(input, "JPEG", (1, 3), quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write an image [1 or 3, H, W] of uint8 as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write an image [1 or 3, H, W] of uint8 as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
