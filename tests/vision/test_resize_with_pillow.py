"""Tensors that are resized with antialias are Pillow's images within one step of 255, where Pillow cuts nothing off.

Pillow rounds and clamps between its two passes. That shows where a bicubic image of hard edges grows: there
torchvision's tensors differ from Pillow's images by as much.
"""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision.transforms import InterpolationMode
from cltorch.vision.transforms import functional as v1
from cltorch.vision.transforms.v2 import functional as v2

Image = pytest.importorskip("PIL.Image")
SMALLER = [(20, 30), (31, 84), (60, 20)]
LARGER = [(75, 100)]


def images():
    """Return noise and a picture with gentle slopes, of 60 rows and 84 columns."""
    y, x = np.mgrid[:60, :84]
    waves = np.stack([127 + 120 * np.sin(y / 9) * np.cos(x / 7), y * 4, x * 3], -1)
    noise = np.random.default_rng(0).integers(0, 256, (60, 84, 3))
    return {"noise": noise.astype(np.uint8), "waves": waves.astype(np.uint8)}


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("functional", [v1, v2], ids=["v1", "v2"])
def test_tensors_are_resized_as_pillow_resizes(device, functional, mode):
    for name, a in images().items():
        picture = Image.fromarray(a)
        for height, width in SMALLER if name == "noise" else SMALLER + LARGER:
            expected = np.asarray(picture.resize((width, height), getattr(Image.Resampling, mode.upper())), np.float64)
            x = torch.tensor(a, device=device).permute(2, 0, 1)
            how = InterpolationMode(mode)
            found = functional.resize(x, [height, width], how, antialias=True).permute(1, 2, 0).cpu().numpy()
            assert found.dtype == np.uint8 and abs(found - expected).max() <= 1, (name, height, width)
            found = functional.resize(x / 255, [height, width], how, antialias=True).permute(1, 2, 0).cpu().numpy()
            # the fraction is what the halves of two roundings add up to where they are not rounded in between
            assert abs(found.clip(0, 1) * 255 - expected).max() <= 1.05, (name, height, width)
