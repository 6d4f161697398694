"""What libraries set around functions of places that vmap runs, as those of masks."""

from __future__ import annotations

from cltorch.overrides import BaseTorchFunctionMode

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex(BaseTorchFunctionMode):
    """Change nothing: under vmap an element of a batch indexes a tensor in any case, without being read.

    >>> import cltorch as torch
    >>> with TransformGetItemToIndex():
    ...     torch.vmap(lambda i: torch.tensor([5, 6, 7])[i])(torch.tensor([2, 0]))
    tensor([7, 5])
    """
