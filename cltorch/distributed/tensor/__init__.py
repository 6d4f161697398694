"""How a tensor's parts lie among processes: torch.distributed.tensor has here the words for it alone."""

from cltorch.distributed.tensor.placement_types import Partial, Placement, Replicate, Shard

__all__ = ["Partial", "Placement", "Replicate", "Shard"]
