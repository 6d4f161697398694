"""How LinearCrossEntropyLoss computes a batch in pieces.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LinearCrossEntropyOptions.html
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cltorch import dtypes

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_ACCUMULATED_IN = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """Say in which pieces ``linear_cross_entropy`` computes, so that the logits of a whole batch never exist.

    ``batch_chunk_size`` is the rows of a piece. In its place ``chunking_method`` may say "aspect_ratio", logits as
    large as the input, "aspect_ratio:N", an N-th of these, or "auto", which is "aspect_ratio:2". Gradients are summed
    in ``acc_dtype``, else in float32 for halves, whatever ``acc_policy`` says. A second backward pass through one loss
    needs ``allow_retain_graph``. Raises ValueError for values that PyTorch does not know.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.LinearCrossEntropyOptions.html

    >>> import cltorch as torch
    >>> options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
    >>> loss = torch.nn.LinearCrossEntropyLoss(5, 10, options=options)
    >>> loss(torch.randn(7, 5), torch.randint(0, 10, (7,))).shape
    torch.Size([])
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = str(self.chunking_method).partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor) > 0)):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in _ACCUMULATED_IN:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64}, got "
                f"{self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )

    def rows(self, batch: int, features: int, classes: int) -> int:
        """Return how many rows of a batch make a piece; raises ValueError where two options disagree."""
        given, method = self.batch_chunk_size, self.chunking_method
        if method == "auto":
            method = None if given is not None else "aspect_ratio:2"
        if method is None:
            return max(1, min(given or batch, batch))
        most = -(-batch // -(-classes // features))
        rows = min((1 << (most - 1).bit_length()) // int(method.partition(":")[2] or 1), batch)
        if given is not None and min(given, batch) != rows:
            raise ValueError(
                f"batch_chunk_size (={given}) and chunking_method ('{method}') give different chunk sizes "
                f"({given} vs {rows}); pass only one."
            )
        return max(1, rows)
