"""Transforms between PIL images, arrays and tensors, and normalising.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch import functions
from cltorch.dtypes import dtype as Dtype
from cltorch.nn import Module
from cltorch.tensor import Tensor
from cltorch.vision.transforms.functional import convert as F


class ToTensor:
    """Turn a PIL image or an array (H, W[, C]) into a tensor (C, H, W); bytes become floats from 0 to 1.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.ToTensor.html

    >>> from cltorch.vision import transforms
    >>> from PIL import Image
    >>> transforms.ToTensor()(Image.new("RGB", (4, 2))).dtype
    torch.float32
    """

    _makes_tensor = True

    def __call__(self, pic: Any) -> Tensor:
        """Return the tensor."""
        return F.to_tensor(pic)

    def _batch(self, images: np.ndarray) -> Tensor:
        return F.scale_bytes(images.transpose(0, 3, 1, 2))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """Turn a PIL image into a tensor (C, H, W) of its own numbers.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.PILToTensor.html

    >>> from cltorch.vision import transforms
    >>> from PIL import Image
    >>> transforms.PILToTensor()(Image.new("RGB", (4, 2))).shape
    torch.Size([3, 2, 4])
    """

    _makes_tensor = True

    def __call__(self, pic: Any) -> Tensor:
        """Return the tensor."""
        return F.pil_to_tensor(pic)

    def _batch(self, images: np.ndarray) -> Tensor:
        return functions.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ConvertImageDtype(Module):
    """Convert a tensor image to another dtype, scaling its values.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.ConvertImageDtype.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.ConvertImageDtype(torch.float32)(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """

    def __init__(self, dtype: Dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """Return the converted image."""
        return F.convert_image_dtype(image, self.dtype)

    def _batch(self, images: Tensor) -> Tensor:
        return self.forward(images)


class ToPILImage:
    """Turn a tensor (C, H, W) or an array (H, W, C) into a PIL image.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.ToPILImage.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.ToPILImage()(torch.zeros(3, 2, 4)).size
    (4, 2)
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        """Return the PIL image."""
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class Normalize(Module):
    """Subtract ``mean`` and divide by ``std``, one number for each channel of (…, C, H, W).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Normalize.html

    >>> import cltorch as torch
    >>> Normalize((0.5,), (0.5,))(torch.ones(1, 1, 2))
    tensor([[[1., 1.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        """Return the normalised image."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def _batch(self, images: Tensor) -> Tensor:
        return F.normalize(images, self.mean, self.std, True)  # the batch is our own

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(Module):
    """Flatten an image, subtract ``mean_vector`` and multiply by ``transformation_matrix`` (whitening).

    Raises ValueError where the matrix is not square or does not fit the vector or the image.
    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.LinearTransformation.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.LinearTransformation(2 * torch.eye(2), torch.zeros(2))(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        n, m = transformation_matrix.shape
        if n != m:
            raise ValueError(f"transformation_matrix should be square. Got {[n, m]} rectangular matrix.")
        if mean_vector.shape[0] != n:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]}"
                f" as any one of the dimensions of the transformation_matrix [{[n, m]}]"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        """Return the transformed image."""
        n = self.transformation_matrix.shape[0]
        c, h, w = tensor.shape[-3:]
        if c * h * w != n:
            raise ValueError(
                f"Input tensor and transformation matrix have incompatible shape. [{c} x {h} x {w}] != {n}"
            )
        centred = tensor.reshape(-1, n) - self.mean_vector.to(tensor.device)
        return functions.mm(centred, self.transformation_matrix.to(tensor.device)).reshape(tensor.shape)

    def __repr__(self) -> str:
        matrix, mean = self.transformation_matrix.tolist(), self.mean_vector.tolist()
        return f"{type(self).__name__}(transformation_matrix={matrix}, mean_vector={mean})"
