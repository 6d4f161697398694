"""Land seen by a satellite, in ten classes (P. Helber et al., EuroSAT, 2019).

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.EuroSAT.html
"""

from __future__ import annotations

import os

from cltorch.vision.datasets.folder import ImageFolder, default_loader
from cltorch.vision.datasets.labelled import Loader
from cltorch.vision.datasets.utils import provide
from cltorch.vision.datasets.vision import Transform


class EuroSAT(ImageFolder):
    """Load 27,000 colour images of 64×64 of the ground, one folder for each class in ``root/eurosat/2750``.

    Raises RuntimeError where that folder is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.EuroSAT.html
    """

    _URL = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )
    _MD5 = "c8fa014336c82ac7804f0398fcb19387"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        root = os.path.expanduser(root)
        base = os.path.join(root, "eurosat")
        folder = os.path.join(base, "2750")
        provide(self, download, lambda: os.path.isdir(folder), base, self._URL, base, self._MD5)
        super().__init__(folder, transform=transform, target_transform=target_transform, loader=loader)
        self.root = root
