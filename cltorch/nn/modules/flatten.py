"""Flatten and Unflatten.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Flatten.html
"""

from __future__ import annotations

from typing import Any

from cltorch.functions import public as functions
from cltorch.nn.modules.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Merge a range of dimensions into one; by default all but the first.

    Shape: (N, S1, …, Sn) to (N, S1 · … · Sn).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Flatten.html

    >>> import cltorch as torch
    >>> torch.nn.Flatten()(torch.ones(2, 3, 4)).shape
    torch.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return functions.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split one dimension into several; one of the sizes may be -1.

    Raises TypeError for sizes that are not a tuple or list of integers.
    Shape: (*, S, *) to (*, *unflattened_size, *), whose product is S, else RuntimeError.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Unflatten.html

    >>> import cltorch as torch
    >>> torch.nn.Unflatten(1, (2, 3))(torch.ones(4, 6)).shape
    torch.Size([4, 2, 3])
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, but found type {type(unflattened_size).__name__}"
            )
        for i, n in enumerate(unflattened_size):
            if not isinstance(n, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(n).__name__} at pos {i}"
                )
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        return functions.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
