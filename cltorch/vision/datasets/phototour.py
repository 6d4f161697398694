"""Patches around the same points in many photos (M. Brown et al., Discriminative Learning of Local Descriptors, 2010).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.PhotoTour.html
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.serialization import load, save
from cltorch.tensor import Tensor
from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import download_url, extract_archive
from cltorch.vision.datasets.vision import Transform, VisionDataset

_BROWN, _BALNTAS = "http://matthewalunbrown.com/patchdata/", "http://icvl.ee.ic.ac.uk/vbalnt/"
#: The address, its MD5 sum, how many patches there are, their mean, and their standard deviation.
_SETS = {
    "notredame_harris": (_BROWN, "69f8c90f78e171349abdf0307afefe4d", 325295, 0.4854, 0.1864),
    "yosemite_harris": (_BROWN, "a73253d1c6fbd3ba2613c45065c00d46", 450912, 0.4844, 0.1818),
    "liberty_harris": (_BROWN, "c731fcfb3abb4091110d0ae8c7ba182c", 379587, 0.4437, 0.2019),
    "notredame": (_BALNTAS, "509eda8535847b8c0a90bbb210c83484", 468159, 0.4854, 0.1864),
    "yosemite": (_BALNTAS, "533b2e8eb7ede31be40abc317b2fd4f0", 633587, 0.4844, 0.1818),
    "liberty": (_BALNTAS, "fdd9152f138ea5ef2091746689176414", 450092, 0.4437, 0.2019),
}


class PhotoTour(VisionDataset):
    """Load grey patches of 64×64, uint8 tensors, of the set ``name`` (liberty, notredame, yosemite, or with _harris).

    To train, a sample is a patch; else it is two patches and 1 where both show the same point or 0. ``data`` are the
    patches, ``labels`` their points, ``matches`` (pairs, 3) the numbers of two patches and whether they match. The
    folder ``root/name`` is read once into the file ``root/name.pt``. Raises KeyError for another name.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.PhotoTour.html
    """

    urls = {name: [f"{base}{name}.zip", f"{name}.zip", md5] for name, (base, md5, *_) in _SETS.items()}
    lens = {name: row[2] for name, row in _SETS.items()}
    means = {name: row[3] for name, row in _SETS.items()}
    stds = {name: row[4] for name, row in _SETS.items()}
    image_ext = "bmp"
    info_file = "info.txt"
    matches_files = "m50_100000_100000_0.txt"

    def __init__(
        self, root: str | os.PathLike[str], name: str, train: bool = True, transform: Transform = None,
        download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform)
        self.name, self.train = name, train
        self.data_dir, self.data_down, self.data_file = (
            os.path.join(self.root, name + suffix) for suffix in ("", ".zip", ".pt")
        )
        self.mean, self.std = self.means[name], self.stds[name]
        if download:
            self.download()
        if not os.path.exists(self.data_file):
            self.cache()
        self.data, self.labels, self.matches = load(self.data_file, weights_only=True)

    def download(self) -> None:
        """Fetch and unpack the archive, unless its folder or what was read of it is there."""
        if os.path.exists(self.data_file) or os.path.exists(self.data_dir):
            return
        url, name, md5 = self.urls[self.name]
        extract_archive(download_url(url, self.root, name, md5), self.data_dir, remove_finished=True)

    def cache(self) -> None:
        """Read the folder, and write what was read as one file."""
        parts = (
            read_image_file(self.data_dir, self.image_ext, self.lens[self.name]),
            read_info_file(self.data_dir, self.info_file),
            read_matches_files(self.data_dir, self.matches_files),
        )
        save(parts, self.data_file)

    def __len__(self) -> int:
        return len(self.data if self.train else self.matches)

    def __getitem__(self, index: int) -> Any:
        if self.train:
            return self._patch(index)
        first, second, same = self.matches[index]
        return self._patch(first), self._patch(second), same

    def _patch(self, index: Any) -> Any:
        patch = self.data[index]
        return patch if self.transform is None else self.transform(patch)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {'Train' if self.train else 'Test'}"


def read_image_file(data_dir: str, image_ext: str, n: int) -> Tensor:
    """Return the first ``n`` patches (n, 64, 64) of a folder's images, each of which holds many, line by line."""
    patches = []
    for path in sorted(path for path in Path(data_dir).iterdir() if path.name.endswith(image_ext)):
        sheet = np.asarray(require("PhotoTour").open(path), np.uint8)
        high, wide = (size // 64 for size in sheet.shape)
        patches.append(sheet.reshape(high, 64, wide, 64).swapaxes(1, 2).reshape(-1, 64, 64))
    return functions.from_numpy(np.concatenate(patches)[:n])


def _numbers(data_dir: str, name: str) -> list[list[int]]:
    lines = (Path(data_dir) / name).read_text("ascii").splitlines()
    return [[int(word) for word in line.split()] for line in lines]


def read_info_file(data_dir: str, info_file: str) -> Tensor:
    """Return the number of each patch's point, int64."""
    return functions.tensor([row[0] for row in _numbers(data_dir, info_file)])


def read_matches_files(data_dir: str, matches_file: str) -> Tensor:
    """Return two patches and whether both show the same point (1) or not (0), int64 (pairs, 3)."""
    return functions.tensor([[row[0], row[3], int(row[1] == row[4])] for row in _numbers(data_dir, matches_file)])
