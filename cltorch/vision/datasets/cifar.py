"""CIFAR-10 and CIFAR-100 (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CIFAR10.html
"""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.utils.data import SampleBatch
from cltorch.vision._pillow import require
from cltorch.vision.datasets.utils import calculate_md5, download_and_extract_archive
from cltorch.vision.datasets.vision import Transform, VisionDataset
from cltorch.vision.transforms.batch import batched


class _ArrayUnpickler(pickle.Unpickler):
    """Read containers and NumPy arrays of numbers, and nothing else: a data file must not run code."""

    _allowed = {("numpy", "ndarray"), ("numpy", "dtype")} | {
        (module, "_reconstruct") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._allowed:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in the older protocols
            return lambda text, encoding: text.encode("latin1")
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which has no place in a data set")


class CIFAR10(VisionDataset):
    """Load 60,000 colour images of 32×32 in ten classes, 50,000 of them for training.

    The files of the "python version" are looked for in ``root/cifar-10-batches-py``; ``download=True`` fetches them.
    Sample i is the image (a PIL image, or what ``transform`` makes of it) and its label. ``data`` is a uint8 array
    (N, 32, 32, 3), ``targets`` a list. Raises RuntimeError where files are missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CIFAR10.html
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        images, self.targets = [], []
        for name, _ in self.train_list if train else self.test_list:
            entry = self._read(name)
            images.append(entry["data"])
            self.targets.extend(entry["labels"] if "labels" in entry else entry["fine_labels"])
        self.data: Any = np.ascontiguousarray(np.vstack(images).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.classes: list[str] = self._read(self.meta["filename"])[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _read(self, name: str) -> Any:
        with open(self._path(name), "rb") as file:
            return _ArrayUnpickler(file, encoding="latin1").load()

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        return all(os.path.isfile(self._path(n)) and calculate_md5(self._path(n)) == md5 for n, md5 in files)

    def download(self) -> None:
        """Fetch and unpack the archive unless its files are there."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = self.targets[index]
        at_once = batched(self.transform)
        if at_once is not None:
            picture = at_once(self.data[index][None])[0]
        else:
            picture = require("an image without ToTensor").fromarray(self.data[index])
            if self.transform is not None:
                picture = self.transform(picture)
        return picture, target if self.target_transform is None else self.target_transform(target)

    def __getitems__(self, indices: Any) -> Any:
        """Return the samples of a batch, transformed all at once where the transforms allow it."""
        at_once = batched(self.transform)
        if at_once is None or self.target_transform is not None:
            return [self[i] for i in indices]
        rows = np.asarray(indices, np.int64)
        labels = functions.from_numpy(np.asarray(self.targets, np.int64)[rows])
        return SampleBatch([at_once(self.data[rows]), labels], numbers=(1,))

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """Load 60,000 colour images of 32×32 in a hundred classes, 50,000 of them for training; files as for CIFAR-10.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CIFAR100.html
    """

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
