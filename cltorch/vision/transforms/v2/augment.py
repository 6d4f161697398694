"""Erasing, and mixing the images of a batch with their labels.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#cutmix-mixup
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.nn import functional as NF
from cltorch.tensor import Tensor
from cltorch.vision import transforms as v1
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.geometry import randint
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.labels import find_labels
from cltorch.vision.transforms.v2.transform import RandomOfImages, Transform, is_image, leaves, rebuilt
from cltorch.vision.tv_tensors import BoundingBoxes, KeyPoints, Mask, Video, wrap


class RandomErasing(RandomOfImages):
    """Replace a random rectangle of images with ``value`` (numbers, or "random") with probability ``p``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomErasing.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomErasing(p=0.0)(torch.ones(1, 2, 2)).sum()
    tensor(4.)
    """

    get_params = staticmethod(v1.RandomErasing.get_params)

    def __init__(
        self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33), ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0, inplace: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(p)
        v1.RandomErasing(p, scale, ratio, value, inplace)
        self.scale, self.ratio = scale, ratio
        values = value if isinstance(value, (tuple, list)) else [value]
        self.value = None if isinstance(value, str) else [float(v) for v in values]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the rectangle and what fills it."""
        found = next((x for x in flat_inputs if is_image(x)), None)
        if found is None:
            raise TypeError("No image or video was found in the sample")
        image = F.pil_to_tensor(found) if is_pil(found) else found
        channels = F.get_num_channels(image)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                f"If value is a sequence, it should have either a single value or {channels} (number of inpt channels)"
            )
        i, j, h, w, v = v1.RandomErasing.get_params(image, self.scale, self.ratio, self.value)
        return {"i": i, "j": j, "h": h, "w": w, "v": None if v is image else v}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the input, with the rectangle erased where one fits."""
        return inpt if params["v"] is None else self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


class _Mix(Transform):
    """Mix each image of a batch with the one before it; the labels become shares of both classes.

    The sample holds images (N, C, H, W) and labels (N,) or (N, num_classes): ``labels_getter`` says how to find them,
    by default the last tensor of a tuple, or what a key with "label" in its name holds.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default") -> None:
        super().__init__()
        if alpha <= 0:
            raise ValueError(f"alpha, a parameter of a Beta distribution, must be positive, got {alpha}")
        self.alpha, self.num_classes = float(alpha), num_classes
        if labels_getter != "default" and labels_getter is not None and not callable(labels_getter):
            raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")
        self._labels_getter = find_labels if labels_getter == "default" else labels_getter

    def forward(self, *inputs: Any) -> Any:
        """Return the mixed batch, in the form of the given one."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat = leaves(sample)
        if any(is_pil(x) or isinstance(x, (BoundingBoxes, KeyPoints, Mask)) for x in flat):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        labels = None if self._labels_getter is None else self._labels_getter(sample)
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        self._check_labels(labels)
        chosen = [yes and x is not labels for x, yes in zip(flat, self._needs_transform_list(flat), strict=True)]
        images = [x for x, yes in zip(flat, chosen, strict=True) if yes]
        for x in images:
            expected = 5 if isinstance(x, Video) else 4
            if x.ndim != expected:
                raise ValueError(f"Expected a batched input with {expected} dims, but got {x.ndim} dimensions instead.")
            if x.shape[0] != labels.shape[0]:
                raise ValueError(
                    "The batch size of the image or video does not match the batch size of the labels: "
                    f"{x.shape[0]} != {labels.shape[0]}."
                )
        rng = np.random.default_rng(randint(0, 2**31 - 1))  # follows the default generator's seed
        params = self._params(float(rng.beta(self.alpha, self.alpha)), images)
        done = [
            self._mixed_labels(x, params["share"]) if x is labels else self.transform(x, params) if yes else x
            for x, yes in zip(flat, chosen, strict=True)
        ]
        return rebuilt(sample, iter(done))

    def _check_labels(self, labels: Tensor) -> None:
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape (batch_size, "
                f"num_classes), but got a tensor of shape {tuple(labels.shape)} instead."
            )
        if labels.ndim == 2 and self.num_classes is not None and labels.shape[-1] != self.num_classes:
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            labels = NF.one_hot(labels, num_classes=self.num_classes or -1)
        labels = labels if labels.is_floating_point() else labels.float()
        return labels * share + labels.roll(1, 0) * (1.0 - share)

    def _params(self, share: float, images: list[Any]) -> dict[str, Any]:
        raise NotImplementedError


class MixUp(_Mix):
    """Add to each image of a batch a share of the one before it (H. Zhang et al., 2017).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.MixUp.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> mix = v2.MixUp(num_classes=4)
    >>> [x.shape for x in mix(torch.rand(2, 3, 8, 8), torch.tensor([0, 3]))]
    [torch.Size([2, 3, 8, 8]), torch.Size([2, 4])]
    """

    def _params(self, share: float, images: list[Any]) -> dict[str, Any]:
        return {"share": share}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the mixed images."""
        share = params["share"]
        return wrap(inpt * share + inpt.roll(1, 0) * (1.0 - share), like=inpt)


class CutMix(_Mix):
    """Replace a rectangle of each image of a batch by that of the one before it (S. Yun et al., 2019).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.CutMix.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> mix = v2.CutMix(num_classes=4)
    >>> [x.shape for x in mix(torch.rand(2, 3, 8, 8), torch.tensor([0, 3]))]
    [torch.Size([2, 3, 8, 8]), torch.Size([2, 4])]
    """

    def _params(self, share: float, images: list[Any]) -> dict[str, Any]:
        height, width = F.get_size(images[0])
        x, y = randint(0, width), randint(0, height)
        half = 0.5 * math.sqrt(1.0 - share)
        across, down = int(half * width), int(half * height)
        x1, x2 = max(x - across, 0), min(x + across, width)
        y1, y2 = max(y - down, 0), min(y + down, height)
        kept = 1.0 - (x2 - x1) * (y2 - y1) / (width * height)
        return {"share": kept, "box": (slice(y1, y2), slice(x1, x2))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the mixed images."""
        rows, columns = params["box"]
        out = inpt.as_subclass(Tensor).clone()
        out[..., rows, columns] = inpt.roll(1, 0)[..., rows, columns]
        return wrap(out, like=inpt)
