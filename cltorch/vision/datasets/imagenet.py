"""ImageNet's 1000 classes of 2012, from its archives or the folders they become (O. Russakovsky et al., 2015).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.ImageNet.html
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from cltorch.serialization import load, save
from cltorch.vision.datasets.folder import ImageFolder
from cltorch.vision.datasets.utils import check_integrity, extract_archive, load_mat, verify_str_arg

ARCHIVE_META = {
    "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
}
META_FILE = "meta.bin"


class ImageNet(ImageFolder):
    """Load ImageNet's photos of 1000 classes from ``root/train`` or ``root/val``.

    Where such a folder is not there, it is unpacked from the archive in ``root``, which has to be fetched by hand, and
    the classes' names from the development kit's (needs SciPy, once). ``wnids`` are the names of the folders,
    ``classes`` the words for each, ``class_to_idx`` the label of each word. Further arguments are those of
    ``ImageFolder``. Raises RuntimeError where archives are missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.ImageNet.html
    """

    def __init__(self, root: str | os.PathLike[str], split: str = "train", **kwargs: Any) -> None:
        root = os.path.expanduser(root)
        self.split = verify_str_arg(split, "split", ("train", "val"))
        folder = os.path.join(root, split)
        if not check_integrity(os.path.join(root, META_FILE)):
            parse_devkit_archive(root)
        if not os.path.isdir(folder):
            parse_train_archive(root) if split == "train" else parse_val_archive(root)
        words = load_meta_file(root)[0]
        super().__init__(folder, **kwargs)
        self.root = root
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        self.classes: Any = [words[wnid] for wnid in self.wnids]
        self.class_to_idx = {word: i for i, words_of in enumerate(self.classes) for word in words_of}

    @property
    def split_folder(self) -> str:
        """Return the folder of this part."""
        return os.path.join(self.root, self.split)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"Split: {self.split}"


def load_meta_file(root: str, file: str = META_FILE) -> Any:
    """Return the words of each class's folder, and the folder of each validation image."""
    path = os.path.join(root, file)
    if not check_integrity(path):
        raise RuntimeError(
            f"The meta file {file} is not present in the root directory or is corrupted. "
            "This file is automatically created by the ImageNet dataset."
        )
    return load(path, weights_only=True)


def _archive(root: str, part: str, file: str | None = None) -> str:
    """Return the path of an archive; raise RuntimeError where it is missing or damaged."""
    name, md5 = ARCHIVE_META[part]
    path = os.path.join(root, file or name)
    if not check_integrity(path, md5):
        raise RuntimeError(
            f"The archive {file or name} is not present in the root directory or is corrupted. "
            f"You need to download it externally and place it in {root}."
        )
    return path


def parse_devkit_archive(root: str, file: str | None = None) -> None:
    """Write the meta file from the development kit."""
    archive = _archive(root, "devkit", file)
    with tempfile.TemporaryDirectory() as folder:
        extract_archive(archive, folder)
        data = os.path.join(folder, "ILSVRC2012_devkit_t12", "data")
        rows = load_mat(os.path.join(data, "meta.mat"), "ImageNet's development kit", squeeze_me=True)["synsets"]
        leaves = [row for row in rows if row[4] == 0]  # without further classes below
        wnid_of = {int(row[0]): str(row[1]) for row in leaves}
        words = {str(row[1]): tuple(str(row[2]).split(", ")) for row in leaves}
        with open(os.path.join(data, "ILSVRC2012_validation_ground_truth.txt"), encoding="ascii") as text:
            of_images = [wnid_of[int(line)] for line in text]
    save((words, of_images), os.path.join(root, META_FILE))


def parse_train_archive(root: str, file: str | None = None, folder: str = "train") -> None:
    """Unpack the training images: an archive of one archive for each class."""
    target = os.path.join(root, folder)
    extract_archive(_archive(root, "train", file), target)
    for name in os.listdir(target):
        path = os.path.join(target, name)
        extract_archive(path, os.path.splitext(path)[0], remove_finished=True)


def parse_val_archive(root: str, file: str | None = None, wnids: Any = None, folder: str = "val") -> None:
    """Unpack the validation images into one folder for each class."""
    wnids = load_meta_file(root)[1] if wnids is None else wnids
    target = os.path.join(root, folder)
    extract_archive(_archive(root, "val", file), target)
    images = sorted(os.listdir(target))
    for wnid in set(wnids):
        os.mkdir(os.path.join(target, wnid))
    for wnid, name in zip(wnids, images, strict=True):
        shutil.move(os.path.join(target, name), os.path.join(target, wnid, name))
