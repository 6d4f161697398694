"""102 flowers that grow in Britain (M.-E. Nilsback and A. Zisserman, Automated Flower Classification, 2008).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Flowers102.html
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    download_url,
    load_mat,
    verify_str_arg,
)
from cltorch.vision.datasets.vision import Transform, VisionDataset

_CLASSES = [
    "pink primrose", "hard-leaved pocket orchid", "canterbury bells", "sweet pea", "english marigold", "tiger lily",
    "moon orchid", "bird of paradise", "monkshood", "globe thistle", "snapdragon", "colt's foot", "king protea",
    "spear thistle", "yellow iris", "globe-flower", "purple coneflower", "peruvian lily", "balloon flower",
    "giant white arum lily", "fire lily", "pincushion flower", "fritillary", "red ginger", "grape hyacinth",
    "corn poppy", "prince of wales feathers", "stemless gentian", "artichoke", "sweet william", "carnation",
    "garden phlox", "love in the mist", "mexican aster", "alpine sea holly", "ruby-lipped cattleya", "cape flower",
    "great masterwort", "siam tulip", "lenten rose", "barbeton daisy", "daffodil", "sword lily", "poinsettia",
    "bolero deep blue", "wallflower", "marigold", "buttercup", "oxeye daisy", "common dandelion", "petunia",
    "wild pansy", "primula", "sunflower", "pelargonium", "bishop of llandaff", "gaura", "geranium", "orange dahlia",
    "pink-yellow dahlia?", "cautleya spicata", "japanese anemone", "black-eyed susan", "silverbush",
    "californian poppy", "osteospermum", "spring crocus", "bearded iris", "windflower", "tree poppy", "gazania",
    "azalea", "water lily", "rose", "thorn apple", "morning glory", "passion flower", "lotus", "toad lily",
    "anthurium", "frangipani", "clematis", "hibiscus", "columbine", "desert-rose", "tree mallow", "magnolia",
    "cyclamen", "watercress", "canna lily", "hippeastrum", "bee balm", "ball moss", "foxglove", "bougainvillea",
    "camellia", "mallow", "mexican petunia", "bromelia", "blanket flower", "trumpet creeper", "blackberry lily",
]  # fmt: skip


class Flowers102(VisionDataset):
    """Load photos of 102 kinds of flowers, 40 to 258 of each, in the splits train, val and test.

    The files are looked for in ``root/flowers-102``: the folder ``jpg``, ``imagelabels.mat`` and ``setid.mat``.
    ``loader`` reads an image. Needs SciPy. Raises RuntimeError where files are missing or damaged.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Flowers102.html
    """

    classes = _CLASSES
    _address = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _image_archive = ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa")
    _tables = {
        "imagelabels.mat": "e0620be6f572b9609742df49c70aed4d",
        "setid.mat": "a5357ecc9cb78c4bef273ce3793fc85c",
    }
    _splits_map = {"train": "trnid", "val": "valid", "test": "tstid"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", tuple(self._splits_map))
        self._base_folder = Path(self.root) / "flowers-102"
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
        numbers = load_mat(self._base_folder / "setid.mat", "Flowers102", squeeze_me=True)[self._splits_map[split]]
        labels = load_mat(self._base_folder / "imagelabels.mat", "Flowers102", squeeze_me=True)["labels"]
        # the files count images and classes from 1
        self._labels = [int(labels[n - 1]) - 1 for n in numbers.tolist()]
        self._image_files = [self._base_folder / "jpg" / f"image_{n:05d}.jpg" for n in numbers.tolist()]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.loader = loader

    def __len__(self) -> int:
        return len(self._image_files)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self.loader(self._image_files[index]), self._labels[index]
        return (image, label) if self.transforms is None else self.transforms(image, label)

    def extra_repr(self) -> str:
        """Return which part this is."""
        return f"split={self._split}"

    def _check_integrity(self) -> bool:
        tables = all(check_integrity(self._base_folder / name, md5) for name, md5 in self._tables.items())
        return tables and (self._base_folder / "jpg").is_dir()

    def download(self) -> None:
        """Fetch and unpack what is not there, checking the MD5 sums."""
        if self._check_integrity():
            return
        name, md5 = self._image_archive
        download_and_extract_archive(self._address + name, self._base_folder, md5=md5)
        for name, md5 in self._tables.items():
            download_url(self._address + name, self._base_folder, md5=md5)
