"""Tensors sent from one process to another: in a group of one there is no other, and these say so.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#point-to-point-communication
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.distributed.checks import check_tensor
from cltorch.distributed.world import (
    get_global_rank,
    get_group_rank,
    get_rank,
    given_or_default,
    is_outside,
    rank_in,
    warn_outside,
)

__all__ = ["P2POp", "batch_isend_irecv", "irecv", "isend", "recv", "recv_object_list", "send", "send_object_list"]


def _not_self(group: Any, rank: int, kind: str) -> None:
    if group.rank() == rank:
        raise ValueError(f"Invalid {kind} rank: {kind} rank should not be the same as the rank of the current process.")


def isend(tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> Any:
    """Send a tensor to another process without waiting: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.isend
    """
    found = given_or_default(group)
    to = rank_in(found, dst, group_dst)
    check_tensor(tensor, "tensor")
    if is_outside(found):
        return warn_outside("isend")
    return found.send([tensor], to, tag)


def irecv(tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> Any:
    """Receive a tensor of another process without waiting: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.irecv
    """
    check_tensor(tensor, "tensor")
    if is_outside(group):
        return warn_outside("irecv")
    found = given_or_default(group)
    if src is None and group_src is None:
        return found.recv_anysource([tensor], tag)
    return found.recv([tensor], rank_in(found, src, group_src), tag)


def send(tensor: Any, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> None:
    """Send a tensor to another process: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.send
    """
    found = given_or_default(group)
    to = rank_in(found, dst, group_dst)
    _not_self(found, to, "destination")
    isend(tensor, group=found, tag=tag, group_dst=to)


def recv(tensor: Any, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Receive a tensor of another process: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.recv
    """
    irecv(tensor, src=src, group=group, tag=tag, group_src=group_src)
    return -1


def send_object_list(
    object_list: Sequence[Any],
    dst: int | None = None,
    group: Any = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """Send objects to another process: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.send_object_list
    """
    found = given_or_default(group)
    to = rank_in(found, dst, group_dst)
    _not_self(found, to, "destination")
    found.send([], to, 0)


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> None:
    """Receive objects of another process: raise ValueError, for there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.recv_object_list
    """
    found = given_or_default(group)
    origin = rank_in(found, src, group_src)
    _not_self(found, origin, "source")
    found.recv([], origin, 0)


class P2POp:
    """Hold an isend or irecv with its arguments for ``batch_isend_irecv``.

    Raises ValueError for another function.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.P2POp
    """

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Any,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or "
                "``torch.distributed.irecv``."
            )
        check_tensor(tensor, "tensor")
        self.op, self.tensor, self.tag = op, tensor, tag
        self.group = given_or_default(group)
        rank_in(self.group, 0 if peer is not None else None, group_peer)
        self.peer = get_global_rank(self.group, group_peer) if peer is None and group_peer is not None else peer
        self.group_peer = group_peer if peer is None else get_group_rank(self.group, peer)

    def __repr__(self) -> str:
        here, there = get_rank(self.group), self.group_peer
        source, target = (here, there) if self.op is isend else (there, here)
        return (
            f"P2POp({self.op.__name__} pg={self.group.group_name}, group_src={source}, group_dst={target},  "
            f"{self.tensor.shape}, {self.tensor.dtype})"
        )


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Any]:
    """Send to and receive from other processes in one go: raise ValueError, for there are none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.batch_isend_irecv
    """
    if not isinstance(p2p_op_list, list) or not all(isinstance(p, P2POp) for p in p2p_op_list):
        raise ValueError("Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``.")
    if any(p.group is not p2p_op_list[0].group for p in p2p_op_list):
        raise ValueError("All ops need to use the same group.")
    return [
        p.op(p.tensor, group=p.group, tag=p.tag, **{"group_dst" if p.op is isend else "group_src": p.group_peer})
        for p in p2p_op_list
    ]
