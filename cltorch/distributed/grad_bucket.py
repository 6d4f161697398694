"""Gradients of several parameters as one run of memory, which a hook of DistributedDataParallel gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions

__all__ = ["GradBucket"]


class GradBucket:
    """Hold the gradients of some parameters, one behind the other.

    Source: https://docs.pytorch.org/docs/2.13/ddp_comm_hooks.html#torch.distributed.GradBucket
    """

    def __init__(self, index: int, parameters: Sequence[Any], is_last: bool) -> None:
        self._index, self._parameters, self._is_last = index, list(parameters), is_last
        self._buffer = functions.cat([p.grad.detach().reshape(-1) for p in self._parameters])

    def index(self) -> int:
        """Return which bucket of the backward pass this is."""
        return self._index

    def is_last(self) -> bool:
        """Return whether no other bucket follows."""
        return self._is_last

    def parameters(self) -> list[Any]:
        """Return the parameters."""
        return list(self._parameters)

    def buffer(self) -> Any:
        """Return all gradients as one tensor of one dimension."""
        return self._buffer

    def set_buffer(self, buffer: Any) -> None:
        """Put another tensor in the place of the gradients."""
        self._buffer = buffer

    def gradients(self) -> list[Any]:
        """Return the gradient of each parameter, as a view of the buffer."""
        sizes = [p.numel() for p in self._parameters]
        pieces = self._buffer.split(sizes)
        return [piece.view(p.shape) for piece, p in zip(pieces, self._parameters, strict=True)]
