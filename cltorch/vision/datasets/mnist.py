"""MNIST and the data sets in its format.

Source: https://docs.pytorch.org/vision/stable/datasets.html
"""

from __future__ import annotations

import os
import shutil
import string
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.tensor import Tensor
from cltorch.utils.data import SampleBatch
from cltorch.vision._pillow import require
from cltorch.vision.datasets.idx import read_idx
from cltorch.vision.datasets.utils import download_url, extract_archive, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset
from cltorch.vision.transforms.batch import batched


class MNIST(VisionDataset):
    """Load the handwritten digits: 60,000 images of 28×28 for training, 10,000 for testing.

    The standard IDX files, plain or as .gz, are looked for in ``root/MNIST/raw`` (torchvision's layout), in
    ``root/MNIST`` and in ``root`` itself. ``download=True`` fetches what is missing. Sample i is the image (a PIL
    image of mode L, or what ``transform`` makes of it) and its label. ``data`` is a uint8 tensor (N, 28, 28),
    ``targets`` an int64 tensor (N,). A batch whose transforms all work on arrays is transformed at once.

    Raises RuntimeError where files are missing, ValueError where they are damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.MNIST.html
    """

    # lists, to which programs add mirrors of their own
    mirrors: list[str] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: Sequence[tuple[str, str]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file, test_file = "training.pt", "test.pt"
    classes: Sequence[str] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

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
        if not self._check_exists():
            raise RuntimeError(
                f"Dataset not found. You can use download=True to download it. Looked for {self._files()[0]} (and .gz) "
                f"in {', '.join(self._folders())}"
            )
        images, labels = self._load_arrays()
        if images.ndim != 3 or labels.shape[:1] != images.shape[:1] or images.dtype != np.uint8:
            raise ValueError(
                f"the files of {type(self).__name__} do not fit: images {images.dtype} of shape {images.shape}, labels "
                f"of shape {labels.shape}"
            )
        self.data: Tensor = functions.from_numpy(images)
        self.targets: Tensor = functions.from_numpy(labels.astype(np.int64))

    # ---- files -------------------------------------------------------------------------------------------------------
    @property
    def raw_folder(self) -> str:
        """Return the folder that downloads go to."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Return the folder in which older versions of torchvision kept the files training.pt and test.pt."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Return the label of each class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def _folders(self) -> list[str]:
        return [self.raw_folder, os.path.dirname(self.raw_folder), os.fspath(self.root)]

    def _files(self) -> tuple[str, str]:
        """Return the names of the images' and the labels' file."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _find(self, name: str) -> str | None:
        for folder in self._folders():
            for suffix in ("", ".gz", ".xz"):
                path = os.path.join(folder, name + suffix)
                if os.path.isfile(path):
                    return path
        return None

    def _check_exists(self) -> bool:
        return all(self._find(name) is not None for name in self._files())

    def _load_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = (read_idx(self._find(name) or name) for name in self._files())
        return images, labels

    def download(self) -> None:
        """Fetch the files that are not there yet, checking their MD5 sums."""
        for name, md5 in self.resources:
            if self._find(os.path.splitext(name)[0]) is None:
                download_url([mirror + name for mirror in self.mirrors], self.raw_folder, name, md5)

    # ---- older names -------------------------------------------------------------------------------------------------
    def _told(self, name: str, now: str) -> Tensor:
        warnings.warn(f"{name} has been renamed {now}", UserWarning, stacklevel=3)
        found: Tensor = getattr(self, now)
        return found

    @property
    def train_data(self) -> Tensor:
        """Return ``data``, and warn: this was the name of the training images."""
        return self._told("train_data", "data")

    @property
    def test_data(self) -> Tensor:
        """Return ``data``, and warn: this was the name of the test images."""
        return self._told("test_data", "data")

    @property
    def train_labels(self) -> Tensor:
        """Return ``targets``, and warn: this was the name of the training labels."""
        return self._told("train_labels", "targets")

    @property
    def test_labels(self) -> Tensor:
        """Return ``targets``, and warn: this was the name of the test labels."""
        return self._told("test_labels", "targets")

    # ---- samples -----------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.data[index], self._label(self.targets[index])
        at_once = batched(self.transform)
        if at_once is not None:
            picture = at_once(image.numpy()[None, :, :, None])[0]
        else:
            picture = require("an image without ToTensor").fromarray(image.numpy())
            if self.transform is not None:
                picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return picture, target

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return the samples of a batch, transformed all at once where the transforms allow it."""
        at_once, labels = batched(self.transform), self._numbers()
        if at_once is None or self.target_transform is not None or labels is None:
            return [self[i] for i in indices]
        rows = np.asarray(indices, np.int64)
        images = at_once(self.data.numpy()[rows][:, :, :, None])
        # a sample's label is a Python int, as in __getitem__
        return SampleBatch([images, functions.from_numpy(labels[rows])], numbers=(1,))

    def _label(self, target: Tensor) -> Any:
        return int(target)

    def _numbers(self) -> np.ndarray | None:
        """Return the labels of all samples where each is one number."""
        return self.targets.numpy()

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Load Zalando's images of clothing: 60,000 of 28×28 for training, 10,000 for testing; files as for MNIST.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FashionMNIST.html;
    https://github.com/zalandoresearch/fashion-mnist
    """

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


class KMNIST(MNIST):
    """Load Kuzushiji-MNIST, cursive Japanese characters, in MNIST's sizes and files.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.KMNIST.html;
    http://codh.rois.ac.jp/kmnist/
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Load Extended MNIST, handwritten letters and digits, in one of six splits.

    ``split`` is one of byclass, bymerge, balanced, letters, digits, mnist. Images lie transposed, as published.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.EMNIST.html;
    https://www.nist.gov/itl/products-and-services/emnist-dataset
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")

    # letters whose small and capital forms look alike share a class in the merged splits
    _merged = set("cijklmopsuvwxyz")
    _all = set(string.digits + string.ascii_letters)
    classes_split_dict = {
        "byclass": sorted(_all),
        "bymerge": sorted(_all - _merged),
        "balanced": sorted(_all - _merged),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _files(self) -> tuple[str, str]:
        part = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def download(self) -> None:
        """Fetch and unpack the archive of all splits, unless this split's files are there."""
        if self._check_exists():
            return
        archive = download_url(self.url, self.raw_folder, md5=self.md5)
        extract_archive(archive, self.raw_folder)
        unpacked = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(unpacked):
            if name.endswith(".gz"):
                os.replace(os.path.join(unpacked, name), os.path.join(self.raw_folder, name))
        shutil.rmtree(unpacked)


class QMNIST(MNIST):
    """Load QMNIST, MNIST rebuilt from NIST with 60,000 test images and eight numbers about each.

    ``what`` is train, test, test10k, test50k or nist (default: by ``train``). ``targets`` are all eight numbers (N, 8);
    a sample's label is the class with ``compat``, else all eight as a tensor.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.QMNIST.html;
    https://github.com/facebookresearch/qmnist
    """

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    _url = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    _resources = {
        "train": (
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ),
        "test": (
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ),
        "nist": (
            ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        self.what = verify_str_arg(what or ("train" if train else "test"), "what", tuple(self.subsets))
        self.compat = compat
        self.resources = self._resources[self.subsets[self.what]]
        self.mirrors = [self._url]
        super().__init__(root, train, **kwargs)

    def _files(self) -> tuple[str, str]:
        images, labels = (os.path.splitext(name)[0] for name, _ in self.resources)
        return images, labels

    def _load_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        images, labels = super()._load_arrays()
        part = {"test10k": slice(0, 10_000), "test50k": slice(10_000, None)}.get(self.what, slice(None))
        images, labels = images[part], labels[part]
        if labels.ndim != 2:
            raise ValueError(f"the labels of QMNIST have shape {labels.shape}, not (N, 8)")
        return images, labels

    def _label(self, target: Tensor) -> Any:
        return int(target[0]) if self.compat else target

    def _numbers(self) -> np.ndarray | None:
        return self.targets.numpy()[:, 0] if self.compat else None

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.what}"
