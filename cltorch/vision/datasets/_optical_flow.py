"""Pairs of photos, and how far each pixel of the first has moved in the second.

Source: https://docs.pytorch.org/vision/0.28/datasets.html#optical-flow
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cltorch.utils.data import ConcatDataset
from cltorch.vision.datasets._maps import read_flo, read_flow_png, read_pfm
from cltorch.vision.datasets.folder import default_loader
from cltorch.vision.datasets.utils import verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset

_Root = str | os.PathLike[str]
_PASSES = ("clean", "final", "both")


class FlowDataset(VisionDataset):
    """Hold pairs of images and files of flow; ``transforms`` takes both images, the flow, and where it is known.

    A sample is both images and the flow, float32 (2, H, W) or None, and where it is known, bool (H, W), if the data
    set tells or the transforms do. A number times a data set is the data set so many times.
    """

    _has_builtin_flow_mask = False

    def __init__(
        self, root: _Root, transforms: Transform = None, loader: Callable[[str], Any] = default_loader
    ) -> None:
        super().__init__(root, transforms)
        self._image_list: list[list[str]] = []
        self._flow_list: list[str] = []
        self._loader = loader

    def _read_img(self, file_name: str) -> Any:
        return self._loader(file_name)

    def _read_flow(self, file_name: str) -> Any:
        raise NotImplementedError

    def _add_neighbours(self, images: list[str]) -> None:
        """Take each image of a film with the next one."""
        self._image_list += [list(pair) for pair in itertools.pairwise(images)]

    def __len__(self) -> int:
        return len(self._image_list)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        first, second = (self._read_img(name) for name in self._image_list[index])
        flow = known = None
        if self._flow_list:
            flow = self._read_flow(self._flow_list[index])
        if flow is not None and self._has_builtin_flow_mask:
            flow, known = flow
        apply: Any = self.transforms
        if apply is not None:
            first, second, flow, known = apply(first, second, flow, known)
        if known is None and not self._has_builtin_flow_mask:
            return first, second, flow
        return first, second, flow, known

    def __rmul__(self, v: int) -> ConcatDataset[Any]:
        return ConcatDataset([self] * v)


def _listed(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(pattern))


def _missing(name: str) -> FileNotFoundError:
    return FileNotFoundError(f"Could not find the {name} images. Please make sure the directory structure is correct.")


class Sintel(FlowDataset):
    """Load pairs of frames of an animated film, in ``root/Sintel`` (D. J. Butler et al., Sintel, 2012).

    ``split`` is train or test, whose flow is None; ``pass_name`` is clean, final (with blur and fog) or both.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Sintel.html
    """

    def __init__(
        self, root: _Root, split: str = "train", pass_name: str = "clean", transforms: Transform = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", ("train", "test"))
        verify_str_arg(pass_name, "pass_name", _PASSES)
        base = Path(root) / "Sintel"
        for name in ("clean", "final") if pass_name == "both" else (pass_name,):
            images = base / ("training" if split == "train" else "test") / name
            for scene in os.listdir(images):
                self._add_neighbours(_listed(images / scene, "*.png"))
                if split == "train":
                    self._flow_list += _listed(base / "training" / "flow" / scene, "*.flo")

    def _read_flow(self, file_name: str) -> np.ndarray:
        return read_flo(file_name)


class KittiFlow(FlowDataset):
    """Load pairs of photos from a car, in ``root/KittiFlow`` (M. Menze and A. Geiger, KITTI 2015).

    ``split`` is train or test, whose flow is None. Raises FileNotFoundError where there are no photos.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.KittiFlow.html
    """

    _has_builtin_flow_mask = True

    def __init__(
        self, root: _Root, split: str = "train", transforms: Transform = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", ("train", "test"))
        base = Path(root) / "KittiFlow" / f"{split}ing"
        first, second = (_listed(base / "image_2", f"*_{n}.png") for n in (10, 11))
        if not first or not second:
            raise _missing("Kitti flow")
        self._image_list = [list(pair) for pair in zip(first, second, strict=False)]
        if split == "train":
            self._flow_list = _listed(base / "flow_occ", "*_10.png")

    def _read_flow(self, file_name: str) -> tuple[np.ndarray, np.ndarray]:
        return read_flow_png(file_name)


class FlyingChairs(FlowDataset):
    """Load pairs of photos with drawn chairs before them, in ``root/FlyingChairs`` (A. Dosovitskiy et al., 2015).

    ``split`` is train or val. Raises FileNotFoundError where FlyingChairs_train_val.txt is missing.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FlyingChairs.html
    """

    def __init__(self, root: _Root, split: str = "train", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", ("train", "val"))
        base = Path(root) / "FlyingChairs"
        table = base / "FlyingChairs_train_val.txt"
        if not table.exists():
            raise FileNotFoundError(
                "The FlyingChairs_train_val.txt file was not found - please download it from the dataset page."
            )
        images, flows = (_listed(base / "data", pattern) for pattern in ("*.ppm", "*.flo"))
        wanted = 1 if split == "train" else 2
        for i, (flow, part) in enumerate(zip(flows, table.read_text("ascii").split(), strict=False)):
            if int(part) == wanted:
                self._flow_list.append(flow)
                self._image_list.append(images[2 * i : 2 * i + 2])

    def _read_flow(self, file_name: str) -> np.ndarray:
        return read_flo(file_name)


class FlyingThings3D(FlowDataset):
    """Load pairs of drawn frames with objects in flight, in ``root/FlyingThings3D`` (N. Mayer et al., 2016).

    ``split`` is train or test, ``pass_name`` clean, final or both, ``camera`` left, right or both. Pairs go forwards in
    time, and then backwards. Raises FileNotFoundError where there are no images or no flow.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FlyingThings3D.html
    """

    def __init__(
        self, root: _Root, split: str = "train", pass_name: str = "clean", camera: str = "left",
        transforms: Transform = None, loader: Callable[[str], Any] = default_loader,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms, loader)
        part = verify_str_arg(split, "split", ("train", "test")).upper()
        verify_str_arg(pass_name, "pass_name", _PASSES)
        verify_str_arg(camera, "camera", ("left", "right", "both"))
        passes = ("clean", "final") if pass_name == "both" else (pass_name,)
        cameras = ("left", "right") if camera == "both" else (camera,)
        base = Path(root) / "FlyingThings3D"
        for name, side, way in itertools.product(passes, cameras, ("into_future", "into_past")):
            films = sorted((base / f"frames_{name}pass" / part).glob("*/*"))
            flows = sorted((base / "optical_flow" / part).glob("*/*"))
            if not films or not flows:
                raise _missing("FlyingThings3D flow")
            for film, flow in zip(films, flows, strict=False):
                self._add_film(_listed(film / side, "*.png"), _listed(flow / way / side, "*.pfm"), way == "into_future")

    def _add_film(self, images: list[str], flows: list[str], forwards: bool) -> None:
        for i in range(len(flows) - 1):
            self._image_list.append([images[i], images[i + 1]] if forwards else [images[i + 1], images[i]])
            self._flow_list.append(flows[i if forwards else i + 1])

    def _read_flow(self, file_name: str) -> np.ndarray:
        return read_pfm(file_name)


class HD1K(FlowDataset):
    """Load pairs of photos from a car in large formats, in ``root/hd1k`` (D. Kondermann et al., HCI Benchmark, 2016).

    ``split`` is train or test, whose flow is None. Raises FileNotFoundError where there are no photos.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.HD1K.html
    """

    _has_builtin_flow_mask = True

    def __init__(
        self, root: _Root, split: str = "train", transforms: Transform = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms, loader)
        verify_str_arg(split, "split", ("train", "test"))
        base = Path(root) / "hd1k"
        if split == "train":
            for film in range(36):  # the last photo of one has no successor in the next
                flows = _listed(base / "hd1k_flow_gt" / "flow_occ", f"{film:06d}_*.png")
                self._add_neighbours(_listed(base / "hd1k_input" / "image_2", f"{film:06d}_*.png")[: len(flows)])
                self._flow_list += flows[:-1]
        else:
            first, second = (_listed(base / "hd1k_challenge" / "image_2", f"*{n}.png") for n in (10, 11))
            self._image_list = [list(pair) for pair in zip(first, second, strict=False)]
        if not self._image_list:
            raise _missing("HD1K")

    def _read_flow(self, file_name: str) -> tuple[np.ndarray, np.ndarray]:
        return read_flow_png(file_name)
