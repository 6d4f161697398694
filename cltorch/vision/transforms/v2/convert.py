"""Transforms between kinds and dtypes, normalising, and those of boxes.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#conversion
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch.dtypes import dtype as Dtype
from cltorch.dtypes import float32
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms import convert as v1
from cltorch.vision.transforms.functional.convert import to_tensor
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.dispatch import is_pure_tensor
from cltorch.vision.transforms.v2.transform import OfImages, Transform, is_image
from cltorch.vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, KeyPoints, TVTensor, Video, wrap


class Identity(Transform):
    """Return everything as it is.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Identity.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.Identity()(torch.ones(3, 2, 4)).shape
    torch.Size([3, 2, 4])
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the input."""
        return inpt


class ToImage(Transform):
    """Turn PIL images, arrays and plain tensors into ``tv_tensors.Image``, the numbers as they are.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ToImage.html

    >>> from cltorch.vision.transforms import v2
    >>> from PIL import Image
    >>> type(v2.ToImage()(Image.new("RGB", (4, 2)))).__name__
    'Image'
    """

    _transformed_types = (is_pure_tensor, is_pil, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the image."""
        return F.to_image(inpt)


class ToPILImage(Transform):
    """Turn images and arrays into PIL images; videos go through.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ToPILImage.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ToPILImage()(torch.zeros(3, 2, 4)).size
    (4, 2)
    """

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    _transformed_types = (is_pure_tensor, Image, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the PIL image."""
        return F.to_pil_image(inpt, mode=self.mode)


class PILToTensor(Transform):
    """Turn PIL images into plain tensors (C, H, W) of their own numbers.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.PILToTensor.html

    >>> from cltorch.vision.transforms import v2
    >>> from PIL import Image
    >>> v2.PILToTensor()(Image.new("RGB", (4, 2))).shape
    torch.Size([3, 2, 4])
    """

    _transformed_types = (is_pil,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the tensor."""
        return F.pil_to_tensor(inpt)


class ToTensor(Transform):
    """Turn PIL images and arrays into tensors from 0 to 1; deprecated for ToImage and ToDtype(…, scale=True).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ToTensor.html

    >>> from cltorch.vision.transforms import v2
    >>> from PIL import Image
    >>> v2.ToTensor()(Image.new("RGB", (4, 2))).dtype
    torch.float32
    """

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. Instead, please use "
            "`v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`.",
            stacklevel=2,
        )
        super().__init__()

    _transformed_types = (is_pil, np.ndarray)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the tensor."""
        return to_tensor(inpt)


class ToPureTensor(Transform):
    """Turn images, masks and boxes into plain tensors.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ToPureTensor.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> type(v2.ToPureTensor()(tv_tensors.Image(torch.ones(3, 2, 2)))).__name__
    'Tensor'
    """

    _transformed_types = (TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the tensor."""
        return inpt.as_subclass(Tensor)


class ToDtype(Transform):
    """Convert to another dtype; with ``scale`` the values of images are stretched to its range.

    A dtype is for images and videos alone; a dict gives one for each kind (``torch.Tensor`` for plain tensors) and for
    "others", or None to leave it. Raises ValueError for a kind that is not in it.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ToDtype.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ToDtype(torch.float32, scale=True)(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (dict, Dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and (Image in dtype or Video in dtype):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or `tv_tensors.Video`: a plain "
                "`torch.Tensor` is left as it is where there is an image or a video of these kinds in the sample.",
                stacklevel=2,
            )
        self.dtype, self.scale = dtype, scale

    _transformed_types = (Tensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the converted input."""
        if isinstance(self.dtype, Dtype):
            return F.to_dtype(inpt, self.dtype, scale=self.scale) if is_image(inpt) else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}: give one for it or for 'others', or a dtype alone for "
                "images and videos."
            )
        wanted = self.dtype.get(type(inpt), self.dtype.get("others"))
        if wanted is None and self.scale and is_image(inpt):
            warnings.warn(
                "scale was set to True but no dtype was specified for images or videos: no scaling will be done.",
                stacklevel=callers_level(),
            )
        return inpt if wanted is None else F.to_dtype(inpt, wanted, scale=self.scale)


class ConvertImageDtype(Transform):
    """Convert to another dtype, scaling the values of images.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ConvertImageDtype.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.ConvertImageDtype(torch.float32)(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """

    def __init__(self, dtype: Dtype = float32) -> None:
        super().__init__()
        self.dtype = dtype

    _transformed_types = (Tensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the converted input."""
        return F.to_dtype(inpt, self.dtype, scale=True)


class Normalize(OfImages):
    """Subtract ``mean`` and divide by ``std``, one number for each channel; raise TypeError for PIL images.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Normalize.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.Normalize([0.5], [0.5])(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[-1.,  1.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError for PIL images."""
        if any(is_pil(x) for x in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the normalised input."""
        return F.normalize(inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class LinearTransformation(Transform):
    """Flatten an image, subtract ``mean_vector`` and multiply by ``transformation_matrix`` (whitening).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.LinearTransformation.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.LinearTransformation(2 * torch.eye(2), torch.zeros(2))(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        v1.LinearTransformation(transformation_matrix, mean_vector)  # says what does not fit
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError for PIL images."""
        if any(is_pil(x) for x in flat_inputs):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the transformed input."""
        if not is_image(inpt):
            return inpt
        return wrap(v1.LinearTransformation(self.transformation_matrix, self.mean_vector)(inpt), like=inpt)


class Lambda(Transform):
    """Apply a function to everything in a sample that is of one of ``types`` (default: to all).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Lambda.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.Lambda(lambda x: x + 1)(torch.zeros(2))
    tensor([1., 1.])
    """

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        return [isinstance(x, self.types) for x in flat_inputs]

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the function's value."""
        return self.lambd(inpt)

    def extra_repr(self) -> str:
        """Return the function's name and the types."""
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[t.__name__ for t in self.types]}"])


class ConvertBoundingBoxFormat(Transform):
    """Convert boxes to another format.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ConvertBoundingBoxFormat.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 9.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> v2.ConvertBoundingBoxFormat("XYWH")(boxes).format
    <BoundingBoxFormat.XYWH: 'XYWH'>
    """

    def __init__(self, format: str | BoundingBoxFormat) -> None:
        super().__init__()
        self.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format

    _transformed_types = (BoundingBoxes,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the converted boxes."""
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Cut boxes at the edges of their canvas, as ``clamping_mode`` says (default: as their own does).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ClampBoundingBoxes.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 9.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> v2.ClampBoundingBoxes()(boxes).tolist()
    [[0.0, 0.0, 6.0, 2.0]]
    """

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    _transformed_types = (BoundingBoxes,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the cut boxes."""
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Say how the transforms after this one cut boxes: "soft", "hard" or None.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.SetClampingMode.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> from cltorch.vision import tv_tensors
    >>> boxes = tv_tensors.BoundingBoxes(torch.tensor([[0.0, 0.0, 9.0, 2.0]]), format="XYXY", canvas_size=(4, 6))
    >>> v2.SetClampingMode("hard")(boxes).clamping_mode
    'hard'
    """

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    _transformed_types = (BoundingBoxes,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the boxes with that mode."""
        return wrap(inpt, like=inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Move key points into their image.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.ClampKeyPoints.html

    >>> import cltorch as torch
    >>> from cltorch.vision import tv_tensors
    >>> from cltorch.vision.transforms import v2
    >>> points = tv_tensors.KeyPoints(torch.tensor([[9.0, 1.0], [2.0, 1.0]]), canvas_size=(4, 6))
    >>> v2.ClampKeyPoints()(points).tolist()
    [[5.0, 1.0], [2.0, 1.0]]
    """

    _transformed_types = (KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the moved points."""
        return F.clamp_keypoints(inpt)


class UniformTemporalSubsample(Transform):
    """Take ``num_samples`` frames of videos (…, T, C, H, W), evenly spaced.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.UniformTemporalSubsample.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.UniformTemporalSubsample(2)(torch.arange(5).view(5, 1, 1, 1)).flatten()
    tensor([0, 4])
    """

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    _transformed_types = (is_pure_tensor, Video)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return the frames."""
        return F.uniform_temporal_subsample(inpt, self.num_samples)
