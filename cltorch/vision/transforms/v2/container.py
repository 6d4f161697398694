"""Transforms made of other transforms.

Source: https://docs.pytorch.org/vision/0.28/transforms.html#composition
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.nn import ModuleList
from cltorch.vision.transforms.compose import uniform
from cltorch.vision.transforms.v2.transform import Transform


class _Container(Transform):
    def __init__(self, transforms: Any) -> None:
        super().__init__()
        if not isinstance(transforms, (Sequence, ModuleList)):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not transforms:
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def _run(self, transforms: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        for transform in transforms:
            outputs = transform(*inputs)
            inputs = outputs if several else (outputs,)
        return inputs if several else inputs[0]

    def extra_repr(self) -> str:
        """Return the transforms, one a line."""
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(_Container):
    """Apply transforms one after the other, to samples of any form.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.Compose.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.Compose([v2.Pad(1), v2.CenterCrop(2)])(torch.ones(1, 2, 2)).shape
    torch.Size([1, 2, 2])
    """

    def forward(self, *inputs: Any) -> Any:
        """Return the transformed sample."""
        return self._run(self.transforms, inputs)


class RandomApply(_Container):
    """Apply a list of transforms with probability ``p``, all or none.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomApply.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomApply([v2.Pad(1)], p=1.0)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]] | ModuleList, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """Return the sample, transformed or not."""
        return self._run(self.transforms if uniform() < self.p else [], inputs)


class RandomChoice(_Container):
    """Apply one of several transforms, chosen with the probabilities ``p`` (default: alike).

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomChoice.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomChoice([v2.Pad(1), v2.Pad(1)])(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: list[float] | None = None) -> None:
        super().__init__(transforms)
        shares = [1.0] * len(transforms) if p is None else p
        if len(shares) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(shares)} != {len(transforms)}")
        self.p = [share / sum(shares) for share in shares]

    def forward(self, *inputs: Any) -> Any:
        """Return the transformed sample."""
        chosen = int(functions.multinomial(functions.tensor(self.p), 1).item())
        return self._run([self.transforms[chosen]], inputs)

    extra_repr = Transform.extra_repr


class RandomOrder(_Container):
    """Apply transforms in random order.

    Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.transforms.v2.RandomOrder.html

    >>> import cltorch as torch
    >>> from cltorch.vision.transforms import v2
    >>> v2.RandomOrder([v2.Pad(1), v2.Pad(1)])(torch.ones(1, 2, 2)).shape
    torch.Size([1, 6, 6])
    """

    def forward(self, *inputs: Any) -> Any:
        """Return the transformed sample."""
        return self._run([self.transforms[i] for i in functions.randperm(len(self.transforms)).tolist()], inputs)

    extra_repr = Transform.extra_repr
