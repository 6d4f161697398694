"""Tensors that say what they are: images, videos, masks and boxes, so that transforms know what to do with each.

Operators return plain tensors, those in place as well, unless ``set_return_type`` says otherwise; ``clone``, ``to``,
``detach`` and ``requires_grad_`` keep the kind, and ``wrap`` gives it back. Source: https://docs.pytorch.org/vision/0.28/tv_tensors.html
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any, TypeVar

from cltorch import functions, torch_function
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_leaves
from cltorch.vision._pillow import is_pil
from cltorch.vision.transforms.functional.convert import pil_to_tensor

__all__ = [
    "BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video",
    "is_rotated_bounding_format", "set_return_type", "wrap",
]  # fmt: skip

T = TypeVar("T", bound="TVTensor")


class TVTensor(Tensor):
    """The base of the kinds."""

    __torch_function__ = torch_function.disabled
    _details: tuple[str, ...] = ()  # attributes beside the values

    @staticmethod
    def _to_tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return data as a tensor that wants gradients as said, or as the data do: what kinds are made of."""
        wanted = isinstance(data, Tensor) and data.requires_grad if requires_grad is None else requires_grad
        tensor = functions.as_tensor(data, dtype=dtype, device=device)
        return tensor if tensor.requires_grad == wanted else tensor.requires_grad_(wanted)

    @classmethod
    def wrap(cls, tensor: Any, like: Any, **kwargs: Any) -> Any:
        """Return a tensor as this kind, with the details of another one unless keywords say others."""
        out = tensor.as_subclass(cls)
        for name in cls._details:
            setattr(out, name, kwargs.get(name, getattr(like, name)))
        return out

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

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a copy of the same kind without the graph, which wants gradients where this one does."""
        return self.detach().clone().requires_grad_(self.requires_grad)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        details = ", ".join(f"{name}={getattr(self, name)}" for name in self._details)
        # torchvision's images and videos end with a comma, its masks do not
        return super().__repr__() if isinstance(self, Mask) else f"{super().__repr__()[:-1]}, {details})"


def _as_plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method whose result is a plain tensor, while the tensor itself keeps its kind."""

    @functools.wraps(method)
    def plain(self: Any, *args: Any, **kwargs: Any) -> Any:
        out = method(self, *args, **kwargs)
        return out.as_subclass(Tensor) if isinstance(out, TVTensor) and not torch_function.asks(type(self)) else out

    return plain


# what returns a tensor as it is where there is nothing to convert, and what works in place
_THEMSELVES = ("bfloat16", "bool", "byte", "char", "contiguous", "cpu", "cuda", "double", "float", "half", "int",
               "long", "short", "type", "type_as")  # fmt: skip
_AUGMENTED = ("add", "and", "floordiv", "lshift", "mod", "mul", "or", "pow", "rshift", "sub", "truediv", "xor")
_IN_PLACE = [name for name in dir(Tensor) if name.endswith("_") and not name.startswith("_")]
for _name in (*_THEMSELVES, *_IN_PLACE, *(f"__i{operator}__" for operator in _AUGMENTED)):
    if _name != "requires_grad_":
        setattr(TVTensor, _name, _as_plain(getattr(Tensor, _name)))


class Image(TVTensor):
    """Images (…, C, H, W); two dimensions get one for the channel. PIL images are taken too.

    >>> import cltorch as torch
    >>> Image(torch.zeros(2, 3)).shape
    torch.Size([1, 2, 3])
    """

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the image of an array, a tensor or a PIL image; raise ValueError for fewer than two dimensions."""
        tensor = cls._to_tensor(pil_to_tensor(data) if is_pil(data) else data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"expected an image of two or more dimensions, got {tensor.ndim}")
        return (tensor[None] if tensor.ndim == 2 else tensor).as_subclass(cls)


class Video(TVTensor):
    """Videos (…, T, C, H, W)."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the video of an array or a tensor; raise ValueError for fewer than four dimensions."""
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"expected a video of four or more dimensions, got {tensor.ndim}")
        return tensor.as_subclass(cls)


class Mask(TVTensor):
    """Masks (…, H, W): the class or the object of each pixel. PIL images are taken too, as (C, H, W)."""

    def __new__(cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> Any:
        """Return the mask of an array, a tensor or a PIL image."""
        given = pil_to_tensor(data) if is_pil(data) else data
        return cls._to_tensor(given, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(enum.Enum):
    """Name what the numbers of a box are: corners, or a corner or the centre with width and height.

    The last three are turned boxes: R is the angle in degrees, against the clock.
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


_LENGTHS = {"XYWHR": 5, "CXCYWHR": 5, "XYXYXYXY": 8}  # of the others: 4


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Return whether boxes of a format are turned; raise ValueError for what is no format.

    >>> is_rotated_bounding_format("CXCYWHR"), is_rotated_bounding_format(BoundingBoxFormat.XYXY)
    (True, False)
    """
    if not isinstance(format, (BoundingBoxFormat, str)):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    return (format if isinstance(format, str) else format.value) in _LENGTHS


def _format(format: BoundingBoxFormat | str) -> BoundingBoxFormat:
    if not isinstance(format, (BoundingBoxFormat, str)):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    return format if isinstance(format, BoundingBoxFormat) else BoundingBoxFormat[format.upper()]


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image of ``canvas_size`` (height, width); their ``format`` says what the numbers are.

    Turned boxes are (N, 5), with an angle, or (N, 8), four corners; their numbers are floating.

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
        """Return the boxes of an array or a tensor; raise ValueError for another shape than their format has."""
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        kind = _format(format)
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if is_rotated_bounding_format(kind) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        length = _LENGTHS.get(kind.value, 4)
        if tensor.ndim != 2 or tensor.shape[1] != length:
            raise ValueError(f"Expected a tensor of boxes (N, {length}), got shape {tuple(tensor.shape)}")
        out = tensor.as_subclass(cls)
        out.format = kind
        out.canvas_size = tuple(canvas_size)
        out.clamping_mode = clamping_mode
        return out

    @classmethod
    def _wrap(
        cls, tensor: Any, *, format: BoundingBoxFormat | str, canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft", check_dims: bool = True,
    ) -> Any:  # fmt: skip
        """Return a tensor as boxes, which share its memory: for kinds of a program's own that are derived."""
        if check_dims and tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        out = (tensor[None] if check_dims and tensor.ndim == 1 else tensor).as_subclass(cls)
        out.format, out.canvas_size, out.clamping_mode = _format(format), canvas_size, clamping_mode
        return out

    @classmethod
    def wrap(cls, tensor: Any, like: Any, **kwargs: Any) -> Any:
        """Return a tensor as boxes, with the details of others unless keywords say others; one box becomes (1, 4)."""
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if kwargs.get("clamping_mode") not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {kwargs['clamping_mode']}.")
        if "format" in kwargs:
            kwargs["format"] = _format(kwargs["format"])
        return super().wrap(tensor[None] if tensor.ndim == 1 else tensor, like, **kwargs)


class KeyPoints(TVTensor):
    """Points (…, 2), each an x and a y, in an image of ``canvas_size`` (height, width)."""

    _details = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(
        cls, data: Any, *, canvas_size: tuple[int, int], dtype: Any = None, device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:  # fmt: skip
        """Return the points of an array or a tensor; raise ValueError where they are not (…, 2)."""
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        out = tensor.as_subclass(cls)
        out.canvas_size = tuple(canvas_size)
        return out

    @classmethod
    def _wrap(cls, tensor: Any, *, canvas_size: tuple[int, int], check_dims: bool = True) -> Any:
        """Return a tensor as points, which share its memory: for kinds of a program's own that are derived."""
        tensor = tensor[None] if check_dims and tensor.ndim == 1 else tensor
        if check_dims and tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        out = tensor.as_subclass(cls)
        out.canvas_size = canvas_size
        return out

    @classmethod
    def wrap(cls, tensor: Any, like: Any, **kwargs: Any) -> Any:
        """Return a tensor (…, 2) as points, in the canvas of others unless a keyword says another; one gets a row."""
        return cls._wrap(tensor, canvas_size=kwargs.get("canvas_size", like.canvas_size))


def wrap(wrappee: Any, *, like: Any, **kwargs: Any) -> Any:
    """Return a tensor as the kind of another one, boxes with its format and canvas unless keywords say others."""
    return type(like).wrap(wrappee, like, **kwargs) if isinstance(like, TVTensor) else wrappee


def _keep(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Call a function and return its tensors as the kind of its first argument that is of this class."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with torch_function.DisableTorchFunctionSubclass():
        out = func(*args, **(kwargs or {}))
    like = next((x for x in tree_leaves((args, kwargs)) if isinstance(x, cls)), None)
    return out if like is None else _kept(out, like)


def _kept(out: Any, like: Any) -> Any:
    if isinstance(out, Tensor):
        return out if isinstance(out, type(like)) else like._like(out)
    if isinstance(out, tuple) and hasattr(out, "_fields"):
        return type(out)(*(_kept(part, like) for part in out))
    return type(out)(_kept(part, like) for part in out) if isinstance(out, (tuple, list)) else out


class _Restore:
    """Set what operators return back at the end of a ``with`` block."""

    def __init__(self, before: Any) -> None:
        self._before = before

    def __enter__(self) -> _Restore:
        return self

    def __exit__(self, *error: Any) -> None:
        _set(self._before)


def _set(handler: Any) -> None:
    TVTensor.__torch_function__ = handler
    if handler is not torch_function.disabled:
        # only now do methods and properties look at their arguments first
        torch_function.install(TVTensor)
        torch_function.switch_on()


def set_return_type(return_type: str) -> Any:
    """Say what operators make of images, masks and boxes: "Tensor", plain tensors as at first, or "TVTensor", the kind.

    Also for the length of a ``with`` block. Raises ValueError for another word.

    >>> import cltorch as torch
    >>> with set_return_type("TVTensor"):
    ...     type(Image(torch.zeros(1, 2, 2)) + 1).__name__
    'Image'
    >>> type(Image(torch.zeros(1, 2, 2)) + 1).__name__
    'Tensor'
    """
    handlers = {"tensor": torch_function.disabled, "tvtensor": classmethod(_keep)}
    if return_type.lower() not in handlers:
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    before = TVTensor.__dict__["__torch_function__"]
    _set(handlers[return_type.lower()])
    return _Restore(before)
