"""Transforms made of other transforms.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.nn import Module
from cltorch.ops.lots import unit


def _lines(name: str, transforms: Sequence[Any], last: str = ")") -> str:
    return "\n".join([f"{name}(", *(f"    {t}" for t in transforms), last])


class Compose:
    """Apply transforms one after the other.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Compose.html

    >>> Compose([abs, float])(-2)
    2.0
    """

    _sequential = True

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        """Return the transformed image."""
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return _lines(type(self).__name__, self.transforms)


class Lambda:
    """Apply a function; raise TypeError for something that cannot be called.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.Lambda.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.Lambda(lambda x: x + 1)(torch.zeros(2))
    tensor([1., 1.])
    """

    def __init__(self, lambd: Callable[..., Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        """Return the function's value."""
        return self.lambd(img)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class RandomTransforms:
    """Hold a list of transforms to choose from.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomTransforms.html

    >>> from cltorch.vision import transforms
    >>> issubclass(transforms.RandomChoice, transforms.RandomTransforms)
    True
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        if not isinstance(transforms, Sequence):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __call__(self, *args: Any) -> Any:
        """Apply them; subclasses say how."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return _lines(type(self).__name__, self.transforms)


class RandomApply(Module):
    """Apply a list of transforms with probability ``p``, all or none.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomApply.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomApply([transforms.Pad(1)], p=1.0)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the image, transformed or not."""
        if self.p < uniform():
            return img
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return _lines(type(self).__name__, [f"p={self.p}", *self.transforms])


class RandomOrder(RandomTransforms):
    """Apply transforms in random order.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomOrder.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomOrder([transforms.Pad(1), transforms.Pad(1)])(torch.ones(1, 2, 2)).shape
    torch.Size([1, 6, 6])
    """

    def __call__(self, img: Any) -> Any:
        """Return the transformed image."""
        for i in functions.randperm(len(self.transforms)).tolist():
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """Apply one of several transforms, chosen with the probabilities ``p`` (default: alike).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.RandomChoice.html

    >>> import cltorch as torch
    >>> from cltorch.vision import transforms
    >>> transforms.RandomChoice([transforms.Pad(1), transforms.Pad(1)])(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        """Return the transformed image."""
        weights = [1.0] * len(self.transforms) if self.p is None else list(self.p)
        if len(weights) != len(self.transforms):
            raise ValueError(f"{len(weights)} probabilities for {len(self.transforms)} transforms")
        left = uniform() * sum(weights)
        chosen = len(weights) - 1
        for i, w in enumerate(weights):
            left -= w
            if left < 0:
                chosen = i
                break
        return self.transforms[chosen](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


def uniform(low: float = 0.0, high: float = 1.0) -> float:
    """Draw a number from the default generator."""
    return low + (high - low) * unit()
