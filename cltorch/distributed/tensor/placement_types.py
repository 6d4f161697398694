"""Values that say how a tensor lies among processes: in parts, as copies, or as summands.

Programs make plans of them when they are imported. What would carry such a plan out, a DTensor, is not there.
Source: https://docs.pytorch.org/docs/2.13/distributed.tensor.html#module-torch.distributed.tensor.placement_types
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Partial", "Placement", "Replicate", "Shard"]


class Placement:
    """Say how a tensor lies along a dimension of a mesh of processes.

    Source: https://docs.pytorch.org/docs/2.13/distributed.tensor.html#torch.distributed.tensor.placement_types.Placement
    """

    def is_shard(self, dim: int | None = None) -> bool:
        """Return whether it is cut along ``dim``, along any dimension for None."""
        return isinstance(self, Shard) and dim in (None, self.dim)

    def is_replicate(self) -> bool:
        """Return whether each process has the whole."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Return whether each process has what is to be reduced, by ``reduce_op`` where one is named."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """Cut a tensor into parts along ``dim``.

    Source: https://docs.pytorch.org/docs/2.13/distributed.tensor.html#torch.distributed.tensor.placement_types.Shard

    >>> Shard(0), Shard(0).is_shard(1)
    (Shard(dim=0), False)
    """

    dim: int

    def __str__(self) -> str:
        return f"S({self.dim})"


@dataclass(frozen=True)
class Replicate(Placement):
    """Give each process the whole tensor.

    Source: https://docs.pytorch.org/docs/2.13/distributed.tensor.html#torch.distributed.tensor.placement_types.Replicate
    """

    def __str__(self) -> str:
        return "R"


@dataclass(frozen=True)
class Partial(Placement):
    """Let each process have a tensor of the whole shape, to be reduced by ``reduce_op``: "sum", "avg", "max" ….

    Source: https://docs.pytorch.org/docs/2.13/distributed.tensor.html#torch.distributed.tensor.placement_types.Partial
    """

    reduce_op: str = "sum"

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"

    def __str__(self) -> str:
        return f"P({self.reduce_op})"
