"""Groups of processes made and ended.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#groups
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from cltorch import cl
from cltorch.device import device as Device
from cltorch.distributed.backend import Backend, BackendConfig
from cltorch.distributed.process_group import ProcessGroup
from cltorch.distributed.rendezvous import alone, rendezvous
from cltorch.distributed.store import PrefixStore, Store
from cltorch.distributed.world import (
    GroupMember,
    default_group,
    default_pg_timeout,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    is_outside,
    world,
)

__all__ = [
    "destroy_process_group", "init_process_group", "new_group", "new_subgroups", "new_subgroups_by_enumeration",
    "shrink_group", "split_group",
]  # fmt: skip

_NOT_BUILT = {"mpi": "MPI", "ucc": "UCC", "xccl": "XCCL"}


def check_timeout(timeout: Any) -> None:
    """Raise TypeError for what is no time."""
    if not isinstance(timeout, timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout}")


def _make(backend: str, store: Store, rank: int, size: int, ranks: list[int], description: str) -> ProcessGroup:
    """Return a group that is entered among all, its backends being there."""
    config = BackendConfig(backend).device_backend_map
    for name in dict.fromkeys(config.values()):
        if name in _NOT_BUILT:
            raise RuntimeError(f"Distributed package doesn't have {_NOT_BUILT[name]} built in")
        if name == Backend.NCCL and not cl.is_available():
            raise ValueError("ProcessGroupNCCL is only supported with GPUs, no GPUs found!")
        if name not in Backend.backend_list:
            raise AssertionError(f"Unknown backend type {name}")
    if rank >= size:
        raise RuntimeError(f"rank < size. {rank} vs {size}")
    made = ProcessGroup(store, rank, size)
    made._backends, made.group_desc = config, description
    world.add(made, backend, store, ranks)
    return made


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
    _ranks: list[int] | None = None,
) -> None:
    """Make the group of all processes, which has one: this.

    The rank and the number of processes are given beside a ``store``, or come from ``init_method``, an address as
    "tcp://localhost:29500", "file:///path" or "env://" (the default), which reads the variables RANK, WORLD_SIZE,
    MASTER_ADDR and MASTER_PORT. The backend "gloo" takes tensors on the host and on OpenCL devices, "nccl" those on
    OpenCL devices; None stands for both. Nothing is sent, so ``timeout`` is only checked; ``group_name`` and
    ``pg_options`` are taken and not used. Raises NotImplementedError for a ``world_size`` above 1, ValueError where
    there is a group already or a number is missing, RuntimeError for a backend that is not there.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.init_process_group

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> dist.get_rank(), dist.get_world_size(), dist.get_backend()
    (0, 1, 'gloo')
    >>> dist.destroy_process_group()
    """
    if world.default_pg is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None:
        if init_method is not None:
            raise AssertionError("Cannot specify both init_method and store.")
        if world_size <= 0:
            raise AssertionError("world_size must be positive if using store")
        if rank < 0:
            raise AssertionError("rank must be non-negative if using store")
    device = _bound_device(device_id)
    if backend is None:
        on = None if device is None else Backend.default_device_backend_map.get(str(device.type))
        backend = Backend.UNDEFINED if on is None else on
    name = Backend(backend)
    if timeout is not None:
        check_timeout(timeout)
    if name == Backend.MPI:
        raise RuntimeError(
            "Distributed package doesn't have MPI built in. MPI is only included if you build PyTorch from source on a "
            "host that has MPI installed."
        )
    if store is None:
        found = rendezvous("env://" if init_method is None else init_method, rank, world_size,
                           timeout=timeout or default_pg_timeout)  # fmt: skip
        store, rank, world_size = next(found)
        store.set_timeout(timeout or default_pg_timeout)
    alone(world_size)
    everybody = _make(name, PrefixStore("default_pg", store), rank, world_size, [0], "default_pg")
    everybody.bound_device_id = device
    world.default_pg = everybody


def _bound_device(device_id: Any) -> Any:
    if device_id is None:
        return None
    if isinstance(device_id, int) and not cl.is_available():
        raise ValueError("device_id is an int, but no accelerator support is found: there is no OpenCL device")
    found = Device("cl", device_id) if isinstance(device_id, int) else Device(device_id)
    if found.type == "cpu":
        return found
    if found.type != "cl":
        raise ValueError(f"device_id {found} does not match the accelerator, which is an OpenCL device")
    if found.index is None:
        raise ValueError("Please use a device_id with index.")
    if found.index >= cl.device_count():
        raise ValueError(
            f"device_id {found} is out of range. Please use a device index less than the number of accelerators "
            f"available: {cl.device_count()}."
        )
    return found


def destroy_process_group(group: Any = None) -> None:
    """End a group; without one end all.

    Raises AssertionError where there is none.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.destroy_process_group
    """
    if is_outside(group):
        return
    ended = world.default_pg if group is None else group
    if ended is None:
        raise AssertionError("Process group cannot be None")
    if ended not in world.pg_map:
        raise AssertionError("Invalid process group specified")
    if ended is world.default_pg:
        world.clear()
    else:
        world.remove(ended)


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """Return a group of some of the processes: of this one, for None and for [0].

    An empty list gives GroupMember.NON_GROUP_MEMBER. Raises ValueError for ranks that are not there or are given twice,
    and before init_process_group.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.new_group

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> dist.get_world_size(dist.new_group([0]))
    1
    >>> dist.destroy_process_group()
    """
    everybody = default_group()
    name, store = world.pg_map[everybody]
    name = Backend(backend) if backend else name
    if timeout is not None:
        check_timeout(timeout)
    members = list(range(everybody.size())) if ranks is None else sorted(ranks) if sort_ranks else list(ranks)
    if len(set(members)) != len(members):
        raise ValueError(f"ranks list must not contain duplicate entries, got {members}")
    if len(members) > everybody.size():
        raise ValueError(
            "the new group's world size should be less or equal to the world size set by init_process_group"
        )
    for rank in members:
        if not 0 <= rank < everybody.size():
            raise ValueError(
                f"Rank {rank} is out of range. Valid ranks are 0 to {everybody.size() - 1} "
                f"(world_size={everybody.size()})"
            )
    if not members:
        return None if use_local_synchronization else GroupMember.NON_GROUP_MEMBER
    made = _make(name, PrefixStore(f"{world.group_count}/", store), 0, len(members), members, group_desc or "undefined")
    made.bound_device_id = everybody.bound_device_id if device_id is None else device_id
    return made


def new_subgroups(
    group_size: int | None = None,
    group: Any = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """Return the group of this process among groups of ``group_size``, and all of them.

    Without ``group_size`` it is the number of OpenCL devices. Raises ValueError where the processes do not come out
    even.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.new_subgroups
    """
    if group_size is None:
        if not cl.is_available():
            raise ValueError(
                "Default group size only takes effect when CUDA is available. If your subgroup using a backend that "
                "does not depend on CUDA, please pass in 'group_size' correctly."
            )
        group_size = cl.device_count()
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    size = get_world_size(group)
    if size < group_size:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size ({size})")
    if size % group_size:
        raise ValueError(f"The world size ({size}) must be divisible by 'group_size={group_size}'")
    ranks = get_process_group_ranks(group)
    parts = [ranks[i : i + group_size] for i in range(0, len(ranks), group_size)]
    return new_subgroups_by_enumeration(parts, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: Sequence[Sequence[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """Return the group of this process among groups that are given by their ranks, and all of them.

    Raises ValueError for an empty list and for a rank in two of them.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.new_subgroups_by_enumeration
    """
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    made, mine, seen = [], None, dict[int, Sequence[int]]()
    for ranks in ranks_per_subgroup_list:
        made.append(new_group(ranks, timeout, backend, pg_options, group_desc=group_desc))
        for rank in ranks:
            if rank in seen:
                raise ValueError(f"Rank {rank} has appeared in both subgroup {seen[rank]} and {ranks}")
            seen[rank] = ranks
            mine = made[-1] if rank == get_rank() else mine
    return mine, made


def split_group(
    parent_pg: Any = None,
    split_ranks: Sequence[Sequence[int]] | None = None,
    timeout: timedelta | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
    backend: str | None = None,
) -> NoReturn:
    """Refuse: raise RuntimeError, as PyTorch does of groups whose backend cannot be split; see ``new_group``."""
    if not split_ranks:
        raise ValueError("split_ranks cannot be None or empty")
    if default_group().bound_device_id is None:
        raise RuntimeError("No device associated with the default pg, not safe to split any process groups")
    raise RuntimeError("No backend for the parent process group or its backend does not support splitting")


def shrink_group(
    ranks_to_exclude: Sequence[int], group: Any = None, shrink_flags: int = 0, pg_options: Any = None
) -> NoReturn:
    """Refuse: raise RuntimeError, for nobody is left of a group of one."""
    raise RuntimeError("shrink_group: a group of one process has nobody who could be left out")
