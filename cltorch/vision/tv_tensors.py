"""Tensors that say what they are: images, videos, masks and boxes, so that transforms know what to do with each.

Operators return plain tensors; ``clone``, ``to``, ``detach`` and ``requires_grad_`` keep the kind, and ``wrap`` gives
it back. Source: https://docs.pytorch.org/vision/0.28/tv_tensors.html
"""

from __future__ import annotations

import enum
from typing import Any, TypeVar

from cltorch import functions, torch_function
from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.functional.convert import pil_to_tensor

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video", "wrap"]

T = TypeVar("T", bound="TVTensor")


class TVTensor(Tensor):
    """The base of the kinds."""

    __torch_function__ = torch_function.disabled
    _details: tuple[str, ...] = ()  # attributes beside the values

    @classmethod
    def _made(cls, data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> Any:
        wanted = isinstance(data, Tensor) and data.requires_grad if requires_grad is None else requires_grad
        tensor = functions.as_tensor(data, dtype=dtype, device=device)
        return tensor.requires_grad_(wanted) if wanted else tensor

    def _like(self, tensor: Any) -> Any:
        out = tensor.as_subclass(type(self))
        for name in self._details:
            setattr(out, name, getattr(self, name))
        return out

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        """Return a copy of the same kind."""
        return self._like(super().clone(*args, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Return the values in another dtype or on another device, of the same kind."""
        return self._like(super().to(*args, **kwargs))

    def detach(self) -> Any:
        """Return the values without their graph, of the same kind."""
        return self._like(super().detach())

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        text = repr(self.as_subclass(Tensor))
        details = "".join(f", {name}={getattr(self, name)}" for name in self._details)
        return f"{type(self).__name__}{text[len('tensor') : -1]}{details})"


class Image(TVTensor):
    """Images (…, C, H, W); two dimensions get one for the channel. PIL images are taken too.

    >>> import cltorch as torch
    >>> Image(torch.zeros(2, 3)).shape
    torch.Size([1, 2, 3])
    """

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the image of an array, a tensor or a PIL image; raise ValueError for fewer than two dimensions."""
        tensor = cls._made(pil_to_tensor(data) if is_pil(data) else data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"expected an image of two or more dimensions, got {tensor.ndim}")
        return (tensor[None] if tensor.ndim == 2 else tensor).as_subclass(cls)


class Video(TVTensor):
    """Videos (…, T, C, H, W)."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the video of an array or a tensor; raise ValueError for fewer than four dimensions."""
        tensor = cls._made(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"expected a video of four or more dimensions, got {tensor.ndim}")
        return tensor.as_subclass(cls)


class Mask(TVTensor):
    """Masks (…, H, W): the class or the object of each pixel. PIL images are taken too, as (C, H, W)."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the mask of an array, a tensor or a PIL image."""
        given = pil_to_tensor(data) if is_pil(data) else data
        return cls._made(given, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(enum.Enum):
    """Name what the four numbers of a box are: corners, or a corner or the centre with width and height."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image of ``canvas_size`` (height, width); their ``format`` says what the numbers are.

    ``clamping_mode`` tells whether transforms cut boxes at the edges of the image ("soft" or "hard") or not (None).
    """

    _details = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls, data: Any, *, format: BoundingBoxFormat | str, canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft", dtype: Any = None, device: Any = None, requires_grad: bool | None = None,
    ) -> Any:  # fmt: skip
        """Return the boxes of an array or a tensor; raise ValueError where they are not (N, 4)."""
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        tensor = cls._made(data, dtype, device, requires_grad)
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if tensor.ndim != 2 or tensor.shape[1] != 4:
            raise ValueError(f"Expected a tensor of boxes (N, 4), got shape {tuple(tensor.shape)}")
        out = tensor.as_subclass(cls)
        out.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        out.canvas_size = tuple(canvas_size)
        out.clamping_mode = clamping_mode
        return out


class KeyPoints(TVTensor):
    """Points (…, 2), each an x and a y, in an image of ``canvas_size`` (height, width)."""

    _details = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(
        cls, data: Any, *, canvas_size: tuple[int, int], dtype: Any = None, device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:  # fmt: skip
        """Return the points of an array or a tensor; raise ValueError where they are not (…, 2)."""
        tensor = cls._made(data, dtype, device, requires_grad)
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        out = tensor.as_subclass(cls)
        out.canvas_size = tuple(canvas_size)
        return out


def wrap(wrappee: Any, *, like: Any, **kwargs: Any) -> Any:
    """Return a tensor as the kind of another one, boxes with its format and canvas unless keywords say others."""
    if not isinstance(like, TVTensor):
        return wrappee
    out = like._like(wrappee)
    for name, value in kwargs.items():
        setattr(out, name, value)
    return out
