"""Small files for the tests of data sets: photos of one shade, texts, and what is read back of them."""

import hashlib

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="reads PIL images")


def photo(path, shade, mode="RGB"):
    """Write an image of 6×4 pixels of one shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (6, 4), (shade,) * len(mode) if len(mode) > 1 else shade).save(path)


def text(path, *rows):
    """Write lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows))


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def shade(image):
    """Return the first value of an image."""
    return int(np.asarray(image).flat[0])


def seen(data):
    """Return the shade and the target of each sample."""
    return [(shade(image), target) for image, target in (data[i] for i in range(len(data)))]
