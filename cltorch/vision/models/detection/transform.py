"""Images normalised, resized and gathered, and what was found in them brought back to their size.

Source: https://docs.pytorch.org/vision/0.28/models.html#object-detection-instance-segmentation-and-person-keypoint-detection
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch import nn
from cltorch.nn import functional as F
from cltorch.tensor import Tensor
from cltorch.vision.models.detection._masks import paste_masks_in_image
from cltorch.vision.models.detection.image_list import ImageList

Target = dict[str, Tensor]


class GeneralizedRCNNTransform(nn.Module):
    """Normalise and resize images and targets, and gather the images in an ``ImageList``.

    The shorter side becomes ``min_size`` (in training one of several, by chance; else the last) unless the longer one
    would pass ``max_size``; or the image becomes ``fixed_size``, (width, height). Sides are filled up with zeros to
    multiples of ``size_divisible``. Raises TypeError for images that are not floating point.

    >>> import cltorch as torch
    >>> prepare = GeneralizedRCNNTransform(20, 32, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    >>> images, _ = prepare.eval()([torch.rand(3, 10, 12), torch.rand(3, 10, 40)])
    >>> images.tensors.shape, images.image_sizes
    (torch.Size([2, 3, 32, 32]), [(20, 24), (8, 32)])
    """

    def __init__(
        self, min_size: Any, max_size: int, image_mean: list[float], image_std: list[float], size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_size = min_size if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size, self.image_mean, self.image_std = max_size, image_mean, image_std
        self.size_divisible, self.fixed_size = size_divisible, fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        """Return the images together, and the targets in their coordinates."""
        changed: list[Tensor] = []
        found: list[Target] | None = None if targets is None else [dict(t) for t in targets]
        for i, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(f"images is expected to be a list of 3d tensors of shape [C, H, W], got {image.shape}")
            image, target = self.resize(self.normalize(image), None if found is None else found[i])
            changed.append(image)
            if found is not None and target is not None:
                found[i] = target
        sizes = [(image.shape[-2], image.shape[-1]) for image in changed]
        return ImageList(self.batch_images(changed, self.size_divisible), sizes), found

    def normalize(self, image: Tensor) -> Tensor:
        """Return the image less the mean, in deviations."""
        if not image.is_floating_point():
            raise TypeError(
                f"Expected input images to be of floating type (in range [0, 1]), but found type {image.dtype} instead"
            )
        mean, std = (
            torch.as_tensor(v, dtype=image.dtype, device=image.device)[:, None, None]
            for v in (self.image_mean, self.image_std)
        )
        return (image - mean) / std

    def torch_choice(self, k: Sequence[int]) -> int:
        """Return one of several sizes by chance, drawn on the host, where it is needed."""
        return k[int(torch.empty(1, device="cpu").uniform_(0.0, float(len(k))).item())]

    def resize(self, image: Tensor, target: Target | None = None) -> tuple[Tensor, Target | None]:
        """Return an image [C, H, W] and its target at the size that the network wants."""
        if self.training and self._skip_resize:
            return image, target
        before = image.shape[-2:]
        short = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        image, target = _resize_image_and_masks(image, short, self.max_size, target, self.fixed_size)
        if target is not None:
            after = image.shape[-2:]
            target["boxes"] = resize_boxes(target["boxes"], before, after)
            if "keypoints" in target:
                target["keypoints"] = resize_keypoints(target["keypoints"], before, after)
        return image, target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Return images [N, C, H, W], filled up with zeros to the right and below."""
        channels, height, width = (max(image.shape[i] for image in images) for i in range(3))
        height, width = (math.ceil(n / size_divisible) * size_divisible for n in (height, width))
        together = images[0].new_zeros((len(images), channels, height, width))
        for i, image in enumerate(images):
            together[i, : image.shape[0], : image.shape[1], : image.shape[2]] = image
        return together

    def postprocess(
        self, result: list[dict[str, Tensor]], image_shapes: Any, original_image_sizes: Any
    ) -> list[dict[str, Tensor]]:
        """Return what was found, in coordinates of the images as they came; nothing is changed in training."""
        if self.training:
            return result
        for found, size, original in zip(result, image_shapes, original_image_sizes, strict=True):
            found["boxes"] = resize_boxes(found["boxes"], size, original)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], found["boxes"], original)
            if "keypoints" in found:
                found["keypoints"] = resize_keypoints(found["keypoints"], size, original)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(\n    Normalize(mean={self.image_mean}, std={self.image_std})"
            f"\n    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)"
        )


def _resize_image_and_masks(
    image: Tensor, self_min_size: int, self_max_size: int, target: Target | None = None,
    fixed_size: tuple[int, int] | None = None,
) -> tuple[Tensor, Target | None]:  # fmt: skip
    how: dict[str, Any]
    if fixed_size is not None:
        how = {"size": (fixed_size[1], fixed_size[0])}
    else:
        sides = image.shape[-2:]
        scale = min(self_min_size / min(sides), self_max_size / max(sides))
        how = {"scale_factor": scale, "recompute_scale_factor": True}
    image = F.interpolate(image[None], mode="bilinear", align_corners=False, **how)[0]
    if target is not None and "masks" in target:
        target["masks"] = F.interpolate(target["masks"][:, None].float(), **how)[:, 0].byte()
    return image, target


def _ratios(original_size: Sequence[int], new_size: Sequence[int]) -> tuple[float, float]:
    """Return by what heights and widths are multiplied."""
    height, width = (new / old for new, old in zip(new_size, original_size, strict=True))
    return height, width


def resize_boxes(boxes: Tensor, original_size: Sequence[int], new_size: Sequence[int]) -> Tensor:
    """Return boxes [N, 4] in an image that is resized from one (height, width) to another."""
    height, width = _ratios(original_size, new_size)
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack((x1 * width, y1 * height, x2 * width, y2 * height), dim=1)


def resize_keypoints(keypoints: Tensor, original_size: Sequence[int], new_size: Sequence[int]) -> Tensor:
    """Return points (x, y, visibility) [N, K, 3] in an image that is resized from one (height, width) to another."""
    height, width = _ratios(original_size, new_size)
    x, y, visible = keypoints.unbind(-1)
    return torch.stack((x * width, y * height, visible), dim=-1)
