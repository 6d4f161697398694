"""Films of two digits that move (N. Srivastava et al., Unsupervised Learning of Video Representations, 2015).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.MovingMNIST.html
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.vision.datasets.utils import download_url, not_found, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset


class MovingMNIST(VisionDataset):
    """Load 10,000 films of 20 frames of 64×64, each a tensor (T, 1, 64, 64) of bytes.

    ``split`` train keeps the first ``split_ratio`` frames of each, test the others, None all. ``mnist_test_seq.npy`` is
    looked for in ``root/MovingMNIST``. Raises TypeError or ValueError for a ratio that is no integer from 1 to 19,
    RuntimeError where the file is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.MovingMNIST.html
    """

    _URL = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
    _MD5 = "be083ec986bfe91a449d63653c411eb2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        split_ratio: int = 10,
        download: bool = False,
        transform: Transform = None,
    ) -> None:
        super().__init__(root, transform=transform)
        self.split = None if split is None else verify_str_arg(split, "split", ("train", "test"))
        if not isinstance(split_ratio, int):
            raise TypeError(f"split_ratio must be an integer, got {type(split_ratio).__name__}")
        if not 1 <= split_ratio <= 19:
            raise ValueError(f"split_ratio must be from 1 to 19, got {split_ratio}")
        self.split_ratio = split_ratio
        folder = os.path.join(self.root, type(self).__name__)
        path = os.path.join(folder, "mnist_test_seq.npy")
        if download and not os.path.exists(path):
            download_url(self._URL, folder, md5=self._MD5)
        if not os.path.exists(path):
            raise not_found(self, path)
        kept = {None: slice(None), "train": slice(split_ratio), "test": slice(split_ratio, None)}[self.split]
        frames = np.load(path)[kept]  # frames first, films second
        self.data = functions.from_numpy(np.ascontiguousarray(frames.swapaxes(0, 1)[:, :, None]))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.data[index] if self.transform is None else self.transform(self.data[index])
