"""PNG files with colours of 16 bits, whose lower halves Pillow drops: unpacked here, by NumPy.

Source: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: The numbers of a pixel, by the colour type: in colours; grey with alpha; colours with alpha.
_CHANNELS = {2: 3, 4: 2, 6: 4}
_WHOLE = ((0, 0, 1, 1),)  # the first column and row of the one part, and the steps between its pixels
_INTERLACED = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def colors_of_16_bits(data: bytes) -> np.ndarray | None:
    """Return the image [C, H, W] of uint16 that a PNG file of such colours holds, None for any other file.

    Raises RuntimeError where the file is cut off or wrong.
    """
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 16 or color not in _CHANNELS:
        return None
    channels = _CHANNELS[color]
    parts = _INTERLACED if interlaced else _WHOLE
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in parts]
    length = sum(h * (1 + 2 * channels * w) for w, h in sizes if w > 0 and h > 0)
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(b"".join(_chunks(data)), length)  # not more, whatever the file would give
    except zlib.error as error:
        raise RuntimeError(f"the pixels of the PNG file are damaged: {error}") from error
    if len(raw) < length:
        raise RuntimeError(f"the PNG file is cut off: {len(raw)} of the {length} bytes of its pixels are there")
    flat = np.frombuffer(raw, np.uint8)
    out = np.empty((height, width, channels), np.uint16)
    for (x, y, dx, dy), (w, h) in zip(parts, sizes, strict=True):
        if w > 0 and h > 0:
            taken = h * (1 + 2 * channels * w)
            lines, flat = flat[:taken].reshape(h, -1), flat[taken:]
            pixels = _unfiltered(lines[:, 0], lines[:, 1:].reshape(h, w, 2 * channels))
            out[y::dy, x::dx] = np.ascontiguousarray(pixels).view(">u2")
    return np.ascontiguousarray(out.transpose(2, 0, 1))


def _chunks(data: bytes) -> Iterator[bytes]:
    """Return the pieces of the compressed pixels."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(filters: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return bytes [H, W, B] of whose pixels each line's filter subtracted what it foretold from pixels before.

    A pixel needs the ones on its left, above, and above on the left. So those on a diagonal are found together.
    """
    if filters.max(initial=0) > 4:
        raise RuntimeError(f"the PNG file has a filter of number {filters.max()}, and there are 0 to 4")
    height, width, size = pixels.shape
    out = np.zeros((height + 1, width + 1, size), np.int16)  # with a line and a column of zeros before the first ones
    out[1:, 1:] = pixels
    kind = filters[:, None]
    for d in range(height + width - 1):
        rows = np.arange(max(0, d - width + 1), min(height, d + 1))
        columns, kinds = d - rows, kind[rows]
        left, above, corner = out[rows + 1, columns], out[rows, columns + 1], out[rows, columns]
        to_left, to_above, to_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
        nearest = np.where(
            (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
        )
        foretold = np.select(
            [kinds == 1, kinds == 2, kinds == 3, kinds == 4], [left, above, (left + above) // 2, nearest]
        )
        out[rows + 1, columns + 1] = (out[rows + 1, columns + 1] + foretold) & 255
    return out[1:, 1:].astype(np.uint8)


def grey_of(colors: np.ndarray) -> np.ndarray:
    """Return the lightness of colours [3, H, W], in whole 32768ths; bytes are cut off, 16 bits rounded, as libpng does.

    Equal colours are their own lightness.
    """
    red, green, blue = colors.astype(np.int64)
    light = 9794 * red + 19234 * green + 3740 * blue
    found = (light + (16384 if colors.dtype == np.uint16 else 0)) >> 15
    return np.where((red == green) & (red == blue), red, found).astype(colors.dtype)
