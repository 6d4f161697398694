"""Collectives that gradients flow through: torch.distributed.nn."""

from cltorch.distributed.nn.functional import (
    all_gather,
    all_reduce,
    all_to_all,
    all_to_all_single,
    broadcast,
    gather,
    reduce,
    reduce_scatter,
    scatter,
)
from cltorch.distributed.reduce_op import ReduceOp
from cltorch.distributed.world import group

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "group",
    "reduce", "reduce_scatter", "scatter",
]  # fmt: skip
