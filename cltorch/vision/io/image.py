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
from cltorch.vision.io._png import SIGNATURE, colors_of_16_bits, grey_of


class ImageReadMode(Enum):
    """What an image becomes when it is read: what it is in the file, grey or coloured, with or without alpha."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_JPEG = ("JPEG", "MPO")  # Pillow's name of those with several images is the second
_PILLOW = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def _mode(mode: Any) -> ImageReadMode:
    """Return a mode by its name; raise KeyError for another name."""
    return ImageReadMode[mode.upper()] if isinstance(mode, str) else mode


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """Return a file's bytes as a uint8 tensor [N]; raise RuntimeError where it cannot be read or has none."""
    try:
        with open(path, "rb") as file:
            found = file.read()
    except OSError as error:
        raise RuntimeError(str(error)) from error
    if not found:
        raise RuntimeError(f"Expected a non empty file, got {os.fspath(path)!r}")
    return torch.from_numpy(np.frombuffer(found, np.uint8).copy())


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Write a uint8 tensor [N] as a file, which appears whole or not at all."""
    if data.dtype is not torch.uint8 or data.dim() != 1:
        raise RuntimeError(f"Input tensor must be 1-dimensional uint8, got {data.dim()} dimensions of {data.dtype}")
    with atomic_write(os.fspath(filename)) as file:
        file.write(data.cpu().numpy().tobytes())


def decode_image(input: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """Return an image [C, H, W] of uint8 from encoded bytes (a uint8 tensor [N]) or from a file's path.

    A PNG file of 16 bits gives uint16. What has a palette gives its numbers in the palette, unless a mode is given;
    GIFs are always coloured, and those with several images give [images, 3, H, W]. Formats are those that Pillow reads.
    Raises RuntimeError for bytes that are no image, for pixels of more than 16 bits, and for a JPEG file with alpha;
    KeyError for a mode's name that there is not.
    """
    mode = _mode(mode)
    data = _bytes_of(read_file(input) if isinstance(input, (str, os.PathLike)) else input)
    if data.startswith(SIGNATURE):
        return _decode_png(data, mode, apply_exif_orientation)
    image = _open(data, mode=mode)
    if image.format == "GIF":
        return _frames(image)
    return _decode(image, mode, apply_exif_orientation)


def _bytes_of(input: Any) -> bytes:
    if input.dtype is not torch.uint8 or input.dim() != 1 or not input.numel():
        raise RuntimeError(f"Expected a non empty 1-dimensional uint8 tensor, got {tuple(input.shape)}, {input.dtype}")
    data: bytes = input.cpu().numpy().tobytes()
    return data


def _open(data: bytes, *formats: str, mode: ImageReadMode = ImageReadMode.UNCHANGED) -> Any:
    """Return the PIL image of encoded bytes; raise RuntimeError where they are none, or of another format."""
    image_module = _pillow.require("decode_image")
    try:
        image = image_module.open(io.BytesIO(data))
        if image.format == "JPEG" and mode is ImageReadMode.GRAY:
            image.draft("L", None)  # the lightness that the file holds, and not one made of its colours
        image.load()
    except Exception as error:
        raise RuntimeError(f"the bytes are no image that Pillow can read: {error}") from error
    if formats and image.format not in formats:
        raise RuntimeError(f"the bytes are not of format {formats[0]} but of {image.format}")
    return image


def _decode(image: Any, mode: ImageReadMode, apply_exif_orientation: bool = False) -> Tensor:
    kind = image.format
    if apply_exif_orientation:
        image = _pillow.ImageOps.exif_transpose(image)
    wanted = _PILLOW.get(mode)
    if kind in _JPEG and mode in (ImageReadMode.GRAY_ALPHA, ImageReadMode.RGB_ALPHA):
        raise RuntimeError(f"The provided mode is not supported for JPEG files: {mode.name}, for they have no alpha")
    if image.mode.startswith(("I", "F")):
        return _of_16_bits(image, wanted)
    if wanted is None and image.mode == "CMYK" and kind == "JPEG":
        return torch.from_numpy(255 - np.array(image).transpose(2, 0, 1))  # as in the file, where 255 is no ink
    if wanted is None and image.mode not in ("L", "LA", "RGB", "RGBA"):
        wanted = {"1": "L", "P": None, "PA": "RGBA"}.get(image.mode, "RGB")
    if kind == "PNG" and wanted in ("L", "LA") and image.mode in ("RGB", "RGBA", "P"):
        colors = np.array(image.convert("RGBA")).transpose(2, 0, 1)
        return torch.from_numpy(np.stack([grey_of(colors[:3]), colors[3]])[: len(wanted)])
    if wanted == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns of a palette's transparency that is left out at once
    values = np.array(image if wanted is None else image.convert(wanted))
    return torch.from_numpy(np.ascontiguousarray(values[None] if values.ndim == 2 else values.transpose(2, 0, 1)))


def _of_16_bits(image: Any, wanted: str | None) -> Tensor:
    """Return grey numbers of 16 bits, which Pillow does not convert, in as many channels as a mode has."""
    if not image.mode.startswith("I;16"):
        raise RuntimeError(f"the image holds numbers of more than 16 bits (mode {image.mode})")
    return torch.from_numpy(_with_channels(np.array(image).astype(np.uint16)[None], wanted))


def _with_channels(pixels: np.ndarray, wanted: str | None) -> np.ndarray:
    """Return pixels of 16 bits [C, H, W] with the channels of a mode."""
    channels = len(pixels)
    if wanted is None or len(wanted) == channels:
        return pixels
    colors, opaque = pixels if channels % 2 else pixels[:-1], np.full_like(pixels[:1], 65535)
    alpha = opaque if channels % 2 else pixels[-1:]
    if wanted.startswith("L"):
        colors = grey_of(colors)[None] if len(colors) == 3 else colors
    else:
        colors = np.repeat(colors, 3, 0) if len(colors) == 1 else colors
    return np.concatenate([colors, alpha]) if wanted.endswith("A") else np.ascontiguousarray(colors)


def _frames(image: Any) -> Tensor:
    pictures = []
    for number in range(image.n_frames):
        image.seek(number)
        pictures.append(_decode(image, ImageReadMode.RGB))
    return torch.stack(pictures) if len(pictures) > 1 else pictures[0]


def decode_png(input: Tensor, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """Return the image [C, H, W] of a PNG file's bytes: uint8, or uint16 where the file has 16 bits."""
    return _decode_png(_bytes_of(input), _mode(mode), apply_exif_orientation)


def _decode_png(data: bytes, mode: ImageReadMode, apply_exif_orientation: bool) -> Tensor:
    pixels = colors_of_16_bits(data)
    if pixels is None:
        return _decode(_open(data, "PNG"), mode, apply_exif_orientation)
    pixels = _with_channels(pixels, _PILLOW.get(mode))
    if apply_exif_orientation:
        pixels = _turned(pixels, _open(data, "PNG").getexif().get(0x0112, 1))
    return torch.from_numpy(pixels)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image [C, H, W] as Exif's orientation says that it is to be shown."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(0, 2, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(pixels[:, rows, columns])


def decode_jpeg(
    input: Any, mode: Any = ImageReadMode.UNCHANGED, device: Any = "cpu", apply_exif_orientation: bool = False
) -> Any:
    """Return the image [C, H, W] of a JPEG file's bytes, or of each in a list, on ``device``."""
    if isinstance(input, list):
        if not input:
            raise ValueError("Input list must contain at least one element")
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    mode = _mode(mode)
    return _decode(_open(_bytes_of(input), *_JPEG, mode=mode), mode, apply_exif_orientation).to(device)


def decode_gif(input: Tensor) -> Tensor:
    """Return the image [3, H, W] of a GIF file's bytes, or its images [images, 3, H, W]."""
    return _frames(_open(_bytes_of(input), "GIF"))


def decode_webp(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """Return the image [C, H, W] of a WebP file's bytes."""
    return _decode(_open(_bytes_of(input), "WEBP"), _mode(mode))


def decode_avif(input: Tensor, mode: Any = ImageReadMode.UNCHANGED) -> Tensor:
    """Return the image [C, H, W] of an AVIF file's bytes; raise RuntimeError where Pillow was built without AVIF."""
    return _decode(_open(_bytes_of(input), "AVIF"), _mode(mode))


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
    if not input.numel():
        raise RuntimeError(f"cannot write an empty image as {kind}, got shape {tuple(input.shape)}")
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
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(image, quality) for image in input]
    return _encode(input, "JPEG", (1, 3), quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write an image [1 or 3, H, W] of uint8 as a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write an image [1 or 3, H, W] of uint8 as a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
