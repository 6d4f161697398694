"""Photos of two eyes, and by how much a pixel of the left one lies further to the left in the right one.

Source: https://docs.pytorch.org/vision/0.28/datasets.html#stereo-matching
"""

from __future__ import annotations

import glob
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np

from cltorch.vision._pillow import require
from cltorch.vision.datasets._maps import read_pfm
from cltorch.vision.datasets.utils import download_and_extract_archive, verify_str_arg
from cltorch.vision.datasets.vision import Transform, VisionDataset

_Root = str | os.PathLike[str]
_Maps = tuple[np.ndarray | None, np.ndarray | None]
_Pairs = list[tuple[str | None, str | None]]


class StereoMatchingDataset(VisionDataset):
    """Hold pairs of images and of files of disparities, left and right; those on the right may be missing.

    A sample is both images, the left disparity, float32 (1, H, W) or None, and where that is known, bool (H, W) or
    None, if the data set tells or the transforms do. ``transforms`` takes three pairs: images, disparities, and where
    they are known.
    """

    _has_built_in_disparity_mask = False

    def __init__(self, root: _Root, transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        self._images: _Pairs = []
        self._disparities: _Pairs = []

    def _scan_pairs(self, paths_left_pattern: Any, paths_right_pattern: Any = None) -> _Pairs:
        """Return the files of two patterns in pairs; raise FileNotFoundError where one finds none.

        Raises ValueError where they find different numbers.
        """
        patterns = [str(p) for p in (paths_left_pattern, paths_right_pattern) if p is not None]
        found = [sorted(glob.glob(pattern)) for pattern in patterns]
        for pattern, paths in zip(patterns, found, strict=True):
            if not paths:
                raise FileNotFoundError(f"Could not find any files matching the patterns: {pattern}")
        left, right = found[0], found[1] if len(found) > 1 else [None] * len(found[0])
        if len(left) != len(right):
            raise ValueError(
                f"Found {len(left)} left files but {len(right)} right files using:\n left pattern: {patterns[0]}\n"
                f"right pattern: {patterns[1]}\n"
            )
        return list(zip(left, right, strict=True))

    def _read_img(self, file_path: Any) -> Any:
        image = require(type(self).__name__).open(file_path)
        return image if image.mode == "RGB" else image.convert("RGB")

    def _pixels(self, path: Any) -> np.ndarray:
        return np.asarray(require(type(self).__name__).open(path))

    def _read_disparity(self, file_path: Any) -> _Maps:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        images: Any = tuple(self._read_img(path) for path in self._images[index])
        read = [self._read_disparity(path) for path in self._disparities[index]]
        maps: Any = tuple(disparity for disparity, _ in read)
        known: Any = tuple(where for _, where in read)
        apply: Any = self.transforms
        if apply is not None:
            images, maps, known = apply(images, maps, known)
        if known[0] is None and not self._has_built_in_disparity_mask:
            return (*images, maps[0])
        return (*images, maps[0], known[0])


def _positive_pfm(path: Any) -> np.ndarray:
    return np.abs(read_pfm(path, channels=1))


class CarlaStereo(StereoMatchingDataset):
    """Load drawn scenes of a simulator for cars, in ``root/carla-highres`` (linked by J. Li et al., CREStereo, 2022).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CarlaStereo.html
    """

    def __init__(self, root: _Root, transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        scenes = Path(root) / "carla-highres" / "trainingF" / "*"
        self._images = self._scan_pairs(scenes / "im0.png", scenes / "im1.png")
        self._disparities = self._scan_pairs(scenes / "disp0GT.pfm", scenes / "disp1GT.pfm")

    def _read_disparity(self, file_path: Any) -> _Maps:
        return _positive_pfm(file_path), None


class _Kitti(StereoMatchingDataset):
    """The folders of a year's photos from a car; disparities are 256 times as large in their files."""

    _has_built_in_disparity_mask = True
    _FOLDER: str
    _PHOTOS: tuple[str, str]
    _MAPS: tuple[str, ...]

    def __init__(self, root: _Root, split: str = "train", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", ("train", "test"))
        base = Path(root) / self._FOLDER / f"{split}ing"
        left, right = (base / pattern for pattern in self._PHOTOS)
        self._images = self._scan_pairs(left, right)
        if split == "train":
            self._disparities = self._scan_pairs(*(base / name / "*.png" for name in self._MAPS))
        else:
            self._disparities = [(None, None)] * len(self._images)

    def _read_disparity(self, file_path: Any) -> _Maps:
        return (None if file_path is None else self._pixels(file_path)[None] / 256.0), None


class Kitti2012Stereo(_Kitti):
    """Load photos from a car, in ``root/Kitti2012`` (A. Geiger et al., KITTI, 2012); ``split`` is train or test.

    The fourth of a sample is None.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Kitti2012Stereo.html
    """

    _FOLDER = "Kitti2012"
    _PHOTOS = ("colored_0/*_10.png", "colored_1/*_10.png")
    _MAPS = ("disp_noc",)


class Kitti2015Stereo(_Kitti):
    """Load photos from a car, in ``root/Kitti2015`` (M. Menze and A. Geiger, KITTI, 2015); ``split`` is train or test.

    The fourth of a sample is None.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Kitti2015Stereo.html
    """

    _FOLDER = "Kitti2015"
    _PHOTOS = ("image_2/*.png", "image_3/*.png")
    _MAPS = ("disp_occ_0", "disp_occ_1")


class Middlebury2014Stereo(StereoMatchingDataset):
    """Load photos of things in rooms, in ``root/Middlebury2014`` (D. Scharstein et al., 2014).

    ``split`` is train, additional or test. ``calibration`` is perfect, imperfect or both, and has to be None for test.
    With ``use_ambient_views`` the right photo is drawn from those in other light as well. Raises ValueError for another
    calibration, FileNotFoundError where there are no scenes.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.Middlebury2014Stereo.html
    """

    _has_built_in_disparity_mask = True
    _URL = "https://vision.middlebury.edu/stereo/"
    splits = {
        "train": [
            "Adirondack", "Jadeplant", "Motorcycle", "Piano", "Pipes", "Playroom", "Playtable", "Recycle", "Shelves",
            "Vintage",
        ],
        "additional": [
            "Backpack", "Bicycle1", "Cable", "Classroom1", "Couch", "Flowers", "Mask", "Shopvac", "Sticks", "Storage",
            "Sword1", "Sword2", "Umbrella",
        ],
        "test": [
            "Plants", "Classroom2E", "Classroom2", "Australia", "DjembeL", "CrusadeP", "Crusade", "Hoops", "Bicycle2",
            "Staircase", "Newkuba", "AustraliaP", "Djembe", "Livingroom", "Computer",
        ],
    }  # fmt: skip

    def __init__(
        self, root: _Root, split: str = "train", calibration: str | None = "perfect", use_ambient_views: bool = False,
        transforms: Transform = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transforms)
        self.split = verify_str_arg(split, "split", ("train", "test", "additional"))
        if calibration:
            verify_str_arg(calibration, "calibration", ("perfect", "imperfect", "both"))
            if split == "test":
                raise ValueError("Split 'test' has only no calibration settings, please set `calibration=None`.")
        elif split != "test":
            raise ValueError(
                f"Split '{split}' has calibration settings, however None was provided as an argument. Available "
                "calibration settings are: 'perfect', 'imperfect', 'both'."
            )
        base = Path(root) / "Middlebury2014"
        if download:
            self._download(base)
        folder = base / split
        if not folder.exists():
            raise FileNotFoundError(f"The {split} directory was not found in the provided root directory")
        if not any(name.startswith(tuple(self.splits[split])) for name in os.listdir(folder)):
            raise FileNotFoundError(f"Provided root folder does not contain any scenes from the {split} split.")
        kinds = ("perfect", "imperfect") if calibration == "both" else (calibration,)
        for kind in kinds:
            scenes = folder / (f"*-{kind}" if kind else "*")
            self._images += self._scan_pairs(scenes / "im0.png", scenes / "im1.png")
            if split != "test":
                self._disparities += self._scan_pairs(scenes / "disp0.pfm", scenes / "disp1.pfm")
        if split == "test":
            self._disparities = [(None, None)] * len(self._images)
        self.use_ambient_views = use_ambient_views

    def _read_img(self, file_path: Any) -> Any:
        path = Path(file_path)
        if path.name == "im1.png" and self.use_ambient_views:
            others = [path.with_name(name) for name in ("im1E.png", "im1L.png")]
            path = random.choice([*(other for other in others if other.exists()), path])
        return super()._read_img(path)

    def _read_disparity(self, file_path: Any) -> _Maps:
        if file_path is None:
            return None, None
        disparity = _positive_pfm(file_path)
        disparity[disparity == np.inf] = 0  # what the other eye does not see
        return disparity, disparity[0] > 0

    def _download(self, base: Path) -> None:
        folder = base / self.split
        if self.split == "test":
            if not all((folder / scene).exists() for scene in self.splits["test"]):
                url = f"{self._URL}submit3/zip/MiddEval3-data-F.zip"
                download_and_extract_archive(url, base, remove_finished=True)
                (base / "MiddEval3" / "testF").rename(folder)
            return
        for scene in self.splits[self.split]:
            for kind in ("perfect", "imperfect"):
                if not (folder / f"{scene}-{kind}").exists():
                    url = f"{self._URL}data/scenes2014/zip/{scene}-{kind}.zip"
                    download_and_extract_archive(url, folder, remove_finished=True)


class CREStereo(StereoMatchingDataset):
    """Load drawn scenes, in ``root/CREStereo`` (J. Li et al., CREStereo, 2022); the fourth of a sample is None.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.CREStereo.html
    """

    _has_built_in_disparity_mask = True

    def __init__(self, root: _Root, transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        for name in ("shapenet", "reflective", "tree", "hole"):
            folder = Path(root) / "CREStereo" / name
            self._images += self._scan_pairs(folder / "*_left.jpg", folder / "*_right.jpg")
            self._disparities += self._scan_pairs(folder / "*_left.disp.png", folder / "*_right.disp.png")

    def _read_disparity(self, file_path: Any) -> _Maps:
        return self._pixels(file_path).astype(np.float32)[None] / 32.0, None


class FallingThingsStereo(StereoMatchingDataset):
    """Load drawn scenes with household things, in ``root/FallingThings`` (J. Tremblay et al., 2018).

    ``variant`` is single (one thing in each scene), mixed or both. Disparities are made of the files' depths.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.FallingThingsStereo.html
    """

    def __init__(self, root: _Root, variant: str = "single", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        verify_str_arg(variant, "variant", ("single", "mixed", "both"))
        for name in ("single", "mixed") if variant == "both" else (variant,):
            folder = Path(root) / "FallingThings" / name / ("*/*" if name == "single" else "*")
            self._images += self._scan_pairs(folder / "*.left.jpg", folder / "*.right.jpg")
            self._disparities += self._scan_pairs(folder / "*.left.depth.png", folder / "*.right.depth.png")

    def _read_disparity(self, file_path: Any) -> _Maps:
        settings = json.loads((Path(file_path).parent / "_camera_settings.json").read_text("utf-8"))
        focal = settings["camera_settings"][0]["intrinsic_settings"]["fx"]
        # the eyes are 6 cm apart, and a depth's unit is a tenth of a millimetre
        return ((6 * focal * 100) / self._pixels(file_path).astype(np.float32))[None], None


class SceneFlowStereo(StereoMatchingDataset):
    """Load frames of drawn films, in ``root/SceneFlow`` (N. Mayer et al., 2016).

    ``variant`` is FlyingThings3D, Monkaa or Driving, ``pass_name`` clean, final or both.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SceneFlowStereo.html
    """

    def __init__(
        self, root: _Root, variant: str = "FlyingThings3D", pass_name: str = "clean", transforms: Transform = None
    ) -> None:
        super().__init__(root, transforms)
        verify_str_arg(variant, "variant", ("FlyingThings3D", "Driving", "Monkaa"))
        verify_str_arg(pass_name, "pass_name", ("clean", "final", "both"))
        base, scenes = Path(root) / "SceneFlow" / variant, "*" if variant == "Monkaa" else "*/*/*"
        for name in ("clean", "final") if pass_name == "both" else (pass_name,):
            films, maps = base / f"frames_{name}pass" / scenes, base / "disparity" / scenes
            self._images += self._scan_pairs(films / "left" / "*.png", films / "right" / "*.png")
            self._disparities += self._scan_pairs(maps / "left" / "*.pfm", maps / "right" / "*.pfm")

    def _read_disparity(self, file_path: Any) -> _Maps:
        return _positive_pfm(file_path), None


class SintelStereo(StereoMatchingDataset):
    """Load frames of an animated film, in ``root/Sintel`` (D. J. Butler et al., Sintel, 2012).

    ``pass_name`` is final, clean or both. Known is what both eyes see. Raises FileNotFoundError where a file says not
    what they do.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.SintelStereo.html
    """

    _has_built_in_disparity_mask = True

    def __init__(self, root: _Root, pass_name: str = "final", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        verify_str_arg(pass_name, "pass_name", ("final", "clean", "both"))
        base = Path(root) / "Sintel" / "training"
        for name in ("final", "clean") if pass_name == "both" else (pass_name,):
            self._images += self._scan_pairs(base / f"{name}_left" / "*/*.png", base / f"{name}_right" / "*/*.png")
            self._disparities += self._scan_pairs(base / "disparities" / "*/*.png")

    def _read_disparity(self, file_path: Any) -> _Maps:
        if file_path is None:
            return None, None
        red, green, blue = np.moveaxis(self._pixels(file_path).astype(np.float32), -1, 0)
        path, known = Path(file_path), np.True_
        for name, what in (("occlusions", "Occlusion"), ("outofframe", "Out of frame")):
            mask = path.parents[2] / name / path.parent.name / path.name
            if not mask.exists():
                raise FileNotFoundError(f"{what} mask {mask} does not exist")
            known = known & (self._pixels(mask) == 0)
        return (red * 4 + green / 2**6 + blue / 2**14)[None], np.asarray(known)


class InStereo2k(StereoMatchingDataset):
    """Load photos of rooms, in ``root/InStereo2k`` (W. Bao et al., InStereo2K, 2020); ``split`` is train or test.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.InStereo2k.html
    """

    def __init__(self, root: _Root, split: str = "train", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        scenes = Path(root) / "InStereo2k" / verify_str_arg(split, "split", ("train", "test")) / "*"
        self._images = self._scan_pairs(scenes / "left.png", scenes / "right.png")
        self._disparities = self._scan_pairs(scenes / "left_disp.png", scenes / "right_disp.png")

    def _read_disparity(self, file_path: Any) -> _Maps:
        return self._pixels(file_path).astype(np.float32)[None] / 1024.0, None


class ETH3DStereo(StereoMatchingDataset):
    """Load grey photos of buildings and woods, in ``root/ETH3D`` (T. Schöps et al., 2017); ``split`` is train or test.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.datasets.ETH3DStereo.html
    """

    _has_built_in_disparity_mask = True

    def __init__(self, root: _Root, split: str = "train", transforms: Transform = None) -> None:
        super().__init__(root, transforms)
        verify_str_arg(split, "split", ("train", "test"))
        base = Path(root) / "ETH3D"
        scenes = base / ("two_view_training" if split == "train" else "two_view_test") / "*"
        self._images = self._scan_pairs(scenes / "im0.png", scenes / "im1.png")
        if split == "test":
            self._disparities = [(None, None)] * len(self._images)
        else:
            self._disparities = self._scan_pairs(base / "two_view_training_gt" / "*" / "disp0GT.pfm")

    def _read_disparity(self, file_path: Any) -> _Maps:
        if file_path is None:
            return None, None
        return _positive_pfm(file_path), self._pixels(Path(file_path).with_name("mask0nocc.png")).astype(bool)
