"""Files that hold numbers for each pixel: movements, disparities, and where they are known."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from cltorch.vision.io import decode_png, read_file


def read_flo(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the movements float32 (2, H, W) of a .flo file; raise ValueError for another file.

    Source: https://vision.middlebury.edu/flow/code/flow-code/README.txt
    """
    data = Path(path).read_bytes()
    if data[:4] != b"PIEH":
        raise ValueError("Magic number incorrect. Invalid .flo file")
    width, height = np.frombuffer(data, "<i4", 2, 4).tolist()
    numbers = np.frombuffer(data, "<f4", 2 * width * height, 12)
    return numbers.reshape(height, width, 2).transpose(2, 0, 1).copy()


def read_pfm(path: str | os.PathLike[str], channels: int = 2) -> np.ndarray:
    """Return the first channels float32 (C, H, W) of a .pfm file, which has one or three; lines come from below.

    Raises ValueError for another file. Source: https://www.pauldebevec.com/Research/HDR/PFM/
    """
    data = Path(path).read_bytes()
    head = re.match(rb"(PF|Pf)[^\S\n]*\n(\d+)\s(\d+)\s*?\n([^\n]+)\n", data)
    if head is None:
        raise ValueError("Invalid PFM file")
    count, width, height = 3 if head[1] == b"PF" else 1, int(head[2]), int(head[3])
    order = "<" if float(head[4]) < 0 else ">"  # the sign of the scale says in which order bytes are
    numbers = np.frombuffer(data, f"{order}f4", width * height * count, head.end())
    return numbers.reshape(height, width, count).transpose(2, 0, 1)[:channels, ::-1].astype(np.float32)


def read_flow_png(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return movements float32 (2, H, W) and where they are known (H, W) from a PNG file with colours of 16 bits.

    Source: https://www.cvlibs.net/datasets/kitti/eval_scene_flow.php?benchmark=flow
    """
    pixels = decode_png(read_file(path)).numpy()
    return (pixels[:2].astype(np.float32) - 2**15) / 64, pixels[2] != 0
