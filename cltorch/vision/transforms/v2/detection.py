"""Transforms for object detection: of images together with the boxes in them.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#geometry
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.tensor import Tensor
from cltorch.vision.ops.boxes import box_iou
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.functional import InterpolationMode
from cltorch.vision.transforms.geometry import randint
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.geometry import checked_fill, filling
from cltorch.vision.transforms.v2.labels import find_labels
from cltorch.vision.transforms.v2.transform import (
    RandomTransform,
    Transform,
    is_image,
    leaves,
    mode_of,
    rebuilt,
    size_of,
)
from cltorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, Mask, wrap


class RandomIoUCrop(Transform):
    """Cut out a random rectangle that has a drawn share in common with some box (SSD, W. Liu et al., 2016).

    Height and width are shares from ``min_scale`` to ``max_scale`` of the image's, their ratio lies between
    ``min_aspect_ratio`` and ``max_aspect_ratio``. The share is one of ``sampler_options``; from 1 on nothing is cut.
    After ``trials`` in vain another share is drawn. Boxes whose middle is outside become empty: SanitizeBoundingBoxes
    takes them away. Raises TypeError for a sample without an image and boxes.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomIoUCrop.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> image = tv_tensors.Image(torch.ones(3, 4, 6))
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 5.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> v2.RandomIoUCrop()(image, boxes)[0].shape[0]
    3
    """

    def __init__(
        self, min_scale: float = 0.3, max_scale: float = 1.0, min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0, sampler_options: list[float] | None = None, trials: int = 40,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError unless there are an image and boxes."""
        if not any(is_image(x) for x in flat_inputs) or not any(isinstance(x, BoundingBoxes) for x in flat_inputs):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images and bounding boxes. "
                "Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the rectangle, and say which boxes stay."""
        height, width = size_of(flat_inputs)
        boxes = _boxes(flat_inputs)
        corners = F.convert_bounding_box_format(boxes, new_format=BoundingBoxFormat.XYXY).as_subclass(Tensor)
        while True:
            least = self.options[randint(0, len(self.options))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                w = int(width * uniform(self.min_scale, self.max_scale))
                h = int(height * uniform(self.min_scale, self.max_scale))
                if not h or not self.min_aspect_ratio <= w / h <= self.max_aspect_ratio:
                    continue
                left, top = int((width - w) * uniform()), int((height - h) * uniform())
                if w == 0:
                    continue
                x, y = (corners[:, 0] + corners[:, 2]) / 2, (corners[:, 1] + corners[:, 3]) / 2
                inside = (left < x) & (x < left + w) & (top < y) & (y < top + h)
                if not inside.any():
                    continue
                place = functions.tensor([[left, top, left + w, top + h]], dtype=corners.dtype, device=corners.device)
                if box_iou(corners[inside], place).max().item() >= least:
                    return {"top": top, "left": left, "height": h, "width": w, "is_within_crop_area": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the cropped input."""
        if not params:
            return inpt
        cut = self._call_kernel(F.crop, inpt, *(params[name] for name in ("top", "left", "height", "width")))
        if isinstance(inpt, BoundingBoxes):
            return wrap(cut.as_subclass(Tensor) * params["is_within_crop_area"][:, None].to(cut.dtype), like=cut)
        return cut


class RandomZoomOut(RandomTransform):
    """Put an image at a random place of a larger one, whose sides are ``side_range`` times as long.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomZoomOut.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomZoomOut(p=0.0)(torch.ones(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p)
        self.fill, self.side_range = checked_fill(fill), tuple(side_range)
        if len(self.side_range) != 2 or not 1.0 <= self.side_range[0] <= self.side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the size and the place."""
        height, width = size_of(flat_inputs)
        times = uniform(*self.side_range)
        right, down = int(width * times) - width, int(height * times) - height
        left, top = int(right * uniform()), int(down * uniform())
        return {"padding": [left, top, right - left, down - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the larger input."""
        return self._call_kernel(F.pad, inpt, params["padding"], filling(self.fill, inpt))


class _Resizing(Transform):
    """Resize to a size that is drawn."""

    interpolation: Any
    antialias: bool | None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the resized input."""
        return self._call_kernel(
            F.resize, inpt, params["size"], interpolation=self.interpolation, antialias=self.antialias
        )


class ScaleJitter(_Resizing):
    """Resize by a random share of what would make the image fill ``target_size`` (Simple Copy-Paste, G. Ghiasi, 2020).

    As in torchvision the height is compared with ``target_size[1]`` and the width with ``target_size[0]``.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ScaleJitter.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ScaleJitter((4, 4), (1.0, 1.0))(torch.ones(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self, target_size: tuple[int, int], scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self.interpolation, self.antialias = mode_of(interpolation), antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the size."""
        height, width = size_of(flat_inputs)
        ratio = min(self.target_size[1] / height, self.target_size[0] / width) * uniform(*self.scale_range)
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomShortestSize(_Resizing):
    """Resize so that the smaller edge has one of the lengths ``min_size``, the longer at most ``max_size``.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomShortestSize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomShortestSize([2])(torch.ones(3, 4, 8)).shape
    torch.Size([3, 2, 4])
    """

    def __init__(
        self, min_size: list[int] | tuple[int, ...] | int, max_size: int | None = None,
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size, self.interpolation, self.antialias = max_size, mode_of(interpolation), antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the size."""
        height, width = size_of(flat_inputs)
        ratio = self.min_size[randint(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(_Resizing):
    """Resize so that the smaller edge has a random length from ``min_size`` to ``max_size`` - 1.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomResize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomResize(2, 3)(torch.ones(3, 4, 4)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(
        self, min_size: int, max_size: int, interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.interpolation, self.antialias = mode_of(interpolation), antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the size."""
        return {"size": [randint(self.min_size, self.max_size)]}


class _Sanitizing(Transform):
    """Take away entries of one input that are of no use, and with them those of the labels."""

    _labels_getter: Any

    def _getter(self, labels_getter: Any) -> Any:
        if labels_getter is not None and labels_getter != "default" and not callable(labels_getter):
            raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")
        return find_labels if labels_getter == "default" else labels_getter

    def _labels(self, sample: Any, count: int, what: str) -> list[Any]:
        """Return the tensors that hold something for each entry; ValueError for one of another length."""
        found = None if self._labels_getter is None else self._labels_getter(sample)
        labels = list(found) if isinstance(found, (tuple, list)) else [] if found is None else [found]
        for label in labels:
            if not isinstance(label, Tensor):
                raise ValueError(
                    f"The labels in the input to forward() must be a tensor or None, got {type(label)} instead."
                )
            if label.shape[:1] != (count,):
                raise ValueError(
                    f"Number of {what} (shape {count}) and number of labels (shape {tuple(label.shape)}) do not match."
                )
        return labels

    def _kept(self, sample: Any, kept: Tensor, labels: list[Any], kinds: Any) -> Any:
        done = [
            x.as_subclass(Tensor)[kept] if any(x is label for label in labels)
            else wrap(x.as_subclass(Tensor)[kept], like=x) if isinstance(x, kinds) and len(x) == len(kept) else x
            for x in leaves(sample)
        ]  # fmt: skip
        return rebuilt(sample, iter(done))


class SanitizeBoundingBoxes(_Sanitizing):
    """Take away boxes that are too small or reach out of the image, with their labels and those masks that are as many.

    Sides must be at least ``min_size`` long and areas at least ``min_area`` large. ``labels_getter`` gives the tensor
    of labels in a sample, or several, "default" looks for a key with "label" in its name, None leaves labels alone.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.SanitizeBoundingBoxes.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 9.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> out = v2.SanitizeBoundingBoxes()({"boxes": boxes, "labels": torch.tensor([1])})
    >>> out["labels"]
    tensor([], dtype=torch.int64)
    """

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default") -> None:
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size, self.min_area, self.labels_getter = min_size, min_area, labels_getter
        self._labels_getter = self._getter(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """Return the sample without those boxes."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        boxes = _boxes(leaves(sample))
        labels = self._labels(sample, boxes.shape[0], "boxes")
        _, kept = F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)
        return self._kept(sample, kept, labels, (BoundingBoxes, Mask))


class SanitizeKeyPoints(_Sanitizing):
    """Take away key points outside of the image, with their labels; of points (N, …, 2) all of an entry must lie in it.

    ``labels_getter`` is as for SanitizeBoundingBoxes.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.SanitizeKeyPoints.html

    >>> import cltorch as torch
    >>> from cltorch.vision import tv_tensors
    >>> from cltorch.vision.transforms import v2
    >>> points = tv_tensors.KeyPoints(torch.tensor([[9.0, 1.0], [2.0, 1.0]]), canvas_size=(4, 6))
    >>> v2.SanitizeKeyPoints(labels_getter=None)({"points": points})["points"].tolist()
    [[2.0, 1.0]]
    """

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self.labels_getter, self._labels_getter = labels_getter, self._getter(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """Return the sample without those points."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        points = _first(leaves(sample), KeyPoints, "keypoints")
        labels = self._labels(sample, points.shape[0], "key points")
        _, kept = F.sanitize_keypoints(points)
        return self._kept(sample, kept, labels, KeyPoints)


def _boxes(flat_inputs: list[Any]) -> Any:
    """Return the first boxes of a sample; ValueError where there are none."""
    return _first(flat_inputs, BoundingBoxes, "bounding boxes")


def _first(flat_inputs: list[Any], kind: type, what: str) -> Any:
    for x in flat_inputs:
        if isinstance(x, kind):
            return x
    raise ValueError(f"No {what} were found in the sample")
