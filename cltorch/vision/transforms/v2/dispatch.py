"""Which function treats which kind of input, and how programs add kinds of their own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from cltorch.tensor import Tensor
from cltorch.vision._pillow import is_pil
from cltorch.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video, wrap

Function = Callable[..., Any]

_kernels: dict[Function, dict[type, Function]] = {}  # what programs have registered
_takes: dict[Function, tuple[type, ...]] = {}  # the kinds that a function itself treats, besides PIL images
forms: dict[str, tuple[Function, Function | None]] = {}  # what is done to images and to masks


def is_pure_tensor(inpt: Any) -> bool:
    """Return whether a value is a tensor without a kind, which counts as an image."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, TVTensor)


def dispatch(
    name: str, image: Function, mask: Function | None = None, of_boxes: Function | None = None,
    of_points: Function | None = None,
) -> Function:  # fmt: skip
    """Return a function that treats each kind in its way and gives back the same kind."""

    def function(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        registered = _registered(own, type(inpt)) if own else None
        if registered is not None:
            return registered(inpt, **_by_name(function, inpt, args, kwargs))
        if isinstance(inpt, BoundingBoxes) and of_boxes is not None:
            return of_boxes(inpt, *args, **kwargs)
        if isinstance(inpt, KeyPoints) and of_points is not None:
            return of_points(inpt, *args, **kwargs)
        if isinstance(inpt, Mask) and mask is not None:
            return wrap(mask(inpt.as_subclass(Tensor), *args, **kwargs), like=inpt)
        if isinstance(inpt, (Image, Video)):
            return wrap(image(inpt.as_subclass(Tensor), *args, **kwargs), like=inpt)
        if isinstance(inpt, TVTensor) or not (isinstance(inpt, Tensor) or is_pil(inpt)):
            raise _refused(function, type(inpt))
        return image(inpt, *args, **kwargs)

    own: dict[type, Function] = {}
    _kernels[function] = own
    optional = ((Mask, mask), (BoundingBoxes, of_boxes), (KeyPoints, of_points))
    _takes[function] = (Tensor, Image, Video, *(kind for kind, form in optional if form is not None))
    forms[name] = image, mask
    return _named(function, name, image)


def _named(function: Function, name: str, image: Function) -> Function:
    """Give a function of all kinds a name, and the description and the arguments of the one for images."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = f"{__package__}.functional"
    function.__doc__ = image.__doc__
    first, *rest = inspect.signature(image).parameters.values()
    function.__signature__ = inspect.Signature([first.replace(name="inpt"), *rest])  # type: ignore[attr-defined]
    return function


def _by_name(function: Function, inpt: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments but the first by their names, defaults too: so are functions of a program called."""
    bound = inspect.signature(function).bind(inpt, *args, **kwargs)
    bound.apply_defaults()
    first, *_ = bound.arguments
    return {name: value for name, value in bound.arguments.items() if name != first}


def answering(*kinds: type) -> Callable[[Function], Function]:
    """Return a decorator for a function that tells something of inputs of these kinds: programs may add their own."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def asked(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            registered = _registered(own, type(inpt)) if own else None
            if registered is not None:
                return registered(inpt, **_by_name(function, inpt, args, kwargs))
            return function(inpt, *args, **kwargs)

        own: dict[type, Function] = {}
        _kernels[asked], _takes[asked] = own, kinds
        return asked

    return decorate


def several(name: str, image: Function) -> Function:
    """Return a function that makes several images of one, each of its kind."""

    def function(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        registered = _registered(own, type(inpt)) if own else None
        if registered is not None:
            return registered(inpt, **_by_name(function, inpt, args, kwargs))
        tensor = isinstance(inpt, Tensor)
        if not tensor and not is_pil(inpt) or isinstance(inpt, TVTensor) and not isinstance(inpt, (Image, Video)):
            raise _refused(function, type(inpt))
        plain = inpt.as_subclass(Tensor) if tensor else inpt
        return tuple(wrap(one, like=inpt) for one in image(plain, *args, **kwargs))

    own: dict[type, Function] = {}
    _kernels[function] = own
    _takes[function] = (Tensor, Image, Video)
    forms[name] = image, None
    return _named(function, name, image)


def another_form(form: Function, function: Function) -> Function:
    """Return ``form``, which calls ``function`` in another way, as one that kernels can be registered for."""
    _kernels[form], _takes[form] = _kernels[function], _takes[function]
    return form


def _registered(kernels: dict[type, Function], kind: type) -> Function | None:
    """Return what is registered for a class or the nearest of those it is derived from, among kinds of tensors."""
    for base in kind.__mro__:
        if base in kernels:
            return kernels[base]
        if base is TVTensor:  # a kind of one's own is no plain tensor
            break
    return None


def _refused(functional: Function, kind: type) -> TypeError:
    kinds = [*_takes.get(functional, ()), *_kernels[functional]]
    return TypeError(
        f"Functional F.{functional.__name__} supports inputs of type {', '.join(k.__name__ for k in kinds)} and PIL "
        f"images, but got {kind} instead."
    )


def _get_kernel(functional: Function, input_type: type, *, allow_passthrough: bool = False) -> Function:
    """Return what ``functional`` calls for a class: a function that was registered, or itself.

    Raises ValueError for a function that has none, TypeError for a class it does not take; with ``allow_passthrough``
    such inputs are returned as they are.
    """
    if functional not in _kernels:
        raise ValueError(f"No kernel registered for functional {functional.__name__}.")
    found = _registered(_kernels[functional], input_type)
    if found is not None:
        return found
    takes = _takes.get(functional, ())
    # a TVTensor is a Tensor, but a kind of one's own is not treated as one
    known = [base for base in input_type.__mro__ if base in takes and not (base is Tensor and _is_kind(input_type))]
    if known or takes and _is_pil_class(input_type):
        return functional
    if allow_passthrough:
        return lambda inpt, *args, **kwargs: inpt
    raise _refused(functional, input_type)


def _is_kind(kind: type) -> bool:
    return issubclass(kind, TVTensor)


def _is_pil_class(kind: type) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and issubclass(kind, pillow.Image)


def _register_kernel_internal(
    functional: Function, input_type: type, *, tv_tensor_wrapper: bool = True
) -> Callable[[Function], Function]:
    """Return a decorator that registers a function for a class; ValueError where one is registered already.

    Kinds of tensors are unwrapped before and wrapped after, unless ``tv_tensor_wrapper`` is False.
    """
    own = _kernels.setdefault(functional, {})
    if input_type in own:
        raise ValueError(f"Functional {functional} already has a kernel registered for type {input_type}.")

    def register(kernel: Function) -> Function:
        @wraps(kernel)
        def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            return wrap(kernel(inpt.as_subclass(Tensor), *args, **kwargs), like=inpt)

        own[input_type] = wrapped if tv_tensor_wrapper and _is_kind(input_type) else kernel
        return kernel

    return register


def register_kernel(functional: Function | str, tv_tensor_cls: type) -> Callable[[Function], Function]:
    """Return a decorator: ``functional`` calls the function for tensors of a class of one's own.

    Classes derived from it are treated alike. Raises ValueError for something that is no function of
    ``transforms.v2.functional`` or no such class.

    >>> import cltorch as torch
    >>> from cltorch.vision import tv_tensors
    >>> from cltorch.vision.transforms.v2 import functional as F
    >>> class Depth(tv_tensors.TVTensor): ...
    >>> @F.register_kernel("horizontal_flip", Depth)
    ... def flip(depth): return tv_tensors.wrap(depth.flip(-1), like=depth)
    >>> F.horizontal_flip(torch.tensor([1, 2]).as_subclass(Depth)).tolist()
    [2, 1]
    """
    module = sys.modules[f"{__package__}.functional"]
    found = getattr(module, functional, None) if isinstance(functional, str) else functional
    if found is None:
        raise ValueError(f"Could not find functional with name '{functional}' in transforms.v2.functional.")
    if found not in _takes:
        raise ValueError(f"Kernels can only be registered on functionals, but got {functional}.")
    if not (isinstance(tv_tensor_cls, type) and _is_kind(tv_tensor_cls)):
        raise ValueError(f"Kernels can only be registered for subclasses of TVTensor, but got {tv_tensor_cls}.")
    if tv_tensor_cls in (TVTensor, Image, Video, Mask, BoundingBoxes, KeyPoints):
        raise ValueError(f"Kernels cannot be registered for the builtin tv_tensor classes, but got {tv_tensor_cls}")
    return _register_kernel_internal(found, tv_tensor_cls, tv_tensor_wrapper=False)
