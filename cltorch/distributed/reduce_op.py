"""How values of several processes become one, and the options of collectives.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.ReduceOp
"""

from __future__ import annotations

import warnings
from datetime import timedelta
from enum import Enum
from typing import Any

from cltorch.ops.fallback import callers_level

__all__ = [
    "AllToAllOptions", "AllgatherOptions", "AllreduceCoalescedOptions", "AllreduceOptions", "BarrierOptions",
    "BroadcastOptions", "GatherOptions", "ReduceOp", "ReduceOptions", "ReduceScatterOptions", "ScatterOptions",
    "reduce_op", "supports_complex",
]  # fmt: skip


class RedOpType(Enum):
    """The kinds of reduction."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8

    def __int__(self) -> int:
        return self.value


class _Kinds(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, RedOpType) or type.__instancecheck__(cls, instance)


class ReduceOp(metaclass=_Kinds):
    """Name a reduction: SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR or BXOR.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.ReduceOp

    >>> ReduceOp.SUM, isinstance(ReduceOp.MAX, ReduceOp)
    (<RedOpType.SUM: 0>, True)
    """

    RedOpType = RedOpType
    SUM, AVG, PRODUCT, MIN, MAX = RedOpType.SUM, RedOpType.AVG, RedOpType.PRODUCT, RedOpType.MIN, RedOpType.MAX
    BAND, BOR, BXOR, PREMUL_SUM = RedOpType.BAND, RedOpType.BOR, RedOpType.BXOR, RedOpType.PREMUL_SUM

    def __init__(self, op: Any) -> None:
        self.op = kind_of(op)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReduceOp) and kind_of(other) is self.op

    def __hash__(self) -> int:
        return hash(self.op)


def kind_of(op: Any) -> RedOpType:
    """Return the kind of a reduction; raise TypeError for what is none."""
    if isinstance(op, RedOpType):
        return op
    if isinstance(op, ReduceOp):
        return op.op
    raise TypeError(f"incompatible function arguments: a reduction is a torch.distributed.ReduceOp, not {op!r}")


def supports_complex(reduceOp: Any) -> bool:
    """Return whether complex numbers can be reduced so: by what treats both parts alike.

    >>> supports_complex(ReduceOp.SUM), supports_complex(ReduceOp.MAX)
    (True, False)
    """
    return reduceOp in (RedOpType.SUM, RedOpType.AVG, RedOpType.PREMUL_SUM)


class _OldReduceOp:
    """ReduceOp under its old name, which warns."""

    def __getattr__(self, name: str) -> Any:
        if not hasattr(ReduceOp, name):
            raise AttributeError(name)
        warnings.warn(
            "`torch.distributed.reduce_op` is deprecated, please use `torch.distributed.ReduceOp` instead",
            FutureWarning,
            stacklevel=callers_level(),
        )
        return getattr(ReduceOp, name)


reduce_op = _OldReduceOp()


class _Options:
    timeout: timedelta = timedelta(seconds=300)
    asyncOp: bool = True


class AllgatherOptions(_Options):
    """What ProcessGroup.allgather is told."""


class AllToAllOptions(_Options):
    """What ProcessGroup.alltoall is told."""


class AllreduceOptions(_Options):
    """What ProcessGroup.allreduce is told."""

    reduceOp: Any = RedOpType.SUM


class AllreduceCoalescedOptions(AllreduceOptions):
    """What ProcessGroup.allreduce_coalesced is told."""


class ReduceScatterOptions(AllreduceOptions):
    """What ProcessGroup.reduce_scatter is told."""


class GatherOptions(_Options):
    """What ProcessGroup.gather is told."""

    rootRank: int = 0


class ScatterOptions(GatherOptions):
    """What ProcessGroup.scatter is told."""


class BroadcastOptions(GatherOptions):
    """What ProcessGroup.broadcast is told."""

    rootTensor: int = 0


class ReduceOptions(BroadcastOptions):
    """What ProcessGroup.reduce is told."""

    reduceOp: Any = RedOpType.SUM


class BarrierOptions(_Options):
    """What ProcessGroup.barrier is told."""

    device: Any = None

    def __init__(self) -> None:
        self.device_ids: list[int] = []
