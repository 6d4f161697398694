"""The groups that there are, and questions about them.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#post-initialization
"""

from __future__ import annotations

import os
import warnings
from datetime import timedelta
from typing import Any

from cltorch.distributed.backend import Backend
from cltorch.distributed.process_group import ProcessGroup
from cltorch.distributed.store import Store
from cltorch.ops.fallback import callers_level

__all__ = [
    "GroupMember", "default_pg_timeout", "get_backend", "get_backend_config", "get_global_rank", "get_group_rank",
    "get_node_local_rank", "get_pg_count", "get_process_group_ranks", "get_rank", "get_world_size", "group",
    "is_initialized",
]  # fmt: skip

default_pg_timeout = timedelta(minutes=30)


class _World:
    """What is known of every group."""

    def __init__(self) -> None:
        self.default_pg: ProcessGroup | None = None
        self.group_count = 0
        self.pg_map: dict[Any, tuple[str, Store]] = {}
        self.pg_names: dict[Any, str] = {}
        self.pg_group_ranks: dict[Any, dict[int, int]] = {}
        self.pg_backend_config: dict[Any, str] = {}

    def add(self, made: ProcessGroup, backend: str, store: Store, ranks: list[int]) -> None:
        """Enter a group under a number as its name."""
        made.group_name = str(self.group_count)
        self.group_count += 1
        self.pg_map[made], self.pg_names[made] = (backend, store), made.group_name
        self.pg_group_ranks[made] = {rank: i for i, rank in enumerate(ranks)}
        self.pg_backend_config[made] = ",".join(f"{kind}:{name}" for kind, name in made._backends.items())

    def clear(self) -> None:
        """Forget every group, and begin to number them anew."""
        self.default_pg, self.group_count = None, 0
        for table in (self.pg_map, self.pg_names, self.pg_group_ranks, self.pg_backend_config):
            table.clear()

    def remove(self, ended: Any) -> None:
        """Forget a group; raise KeyError for one that is not known."""
        for table in (self.pg_map, self.pg_names, self.pg_group_ranks, self.pg_backend_config):
            del table[ended]


world = _World()


class _Members(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes, None before there is one."""
        return world.default_pg

    @WORLD.setter
    def WORLD(cls, made: ProcessGroup | None) -> None:
        world.default_pg = made


class group(metaclass=_Members):
    """Have the group of all processes as ``group.WORLD``, None before init_process_group."""


class GroupMember(metaclass=_Members):
    """Have the group of all processes, and what stands for a group that this process is none of."""

    NON_GROUP_MEMBER = -100


def is_initialized() -> bool:
    """Return whether there is a group of all processes.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.is_initialized

    >>> is_initialized()
    False
    """
    return world.default_pg is not None


def default_group() -> ProcessGroup:
    """Return the group of all processes; raise ValueError where there is none."""
    if world.default_pg is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return world.default_pg


def given_or_default(given: Any) -> Any:
    """Return a group, that of all processes for None; raise ValueError for what is none."""
    found = default_group() if given is None or given is group.WORLD else given
    if not is_outside(found) and not isinstance(found, ProcessGroup):
        raise ValueError(
            f"Process group {found} is not initialized in the world group map. Please initialize the group first."
        )
    return found


def is_outside(given: Any) -> bool:
    """Return whether a group stands for those that this process is none of."""
    return given is GroupMember.NON_GROUP_MEMBER or given == GroupMember.NON_GROUP_MEMBER


def warn_outside(name: str) -> Any:
    """Warn that a collective does nothing, for this process is none of its group."""
    rank = -1 if world.default_pg is None else world.default_pg.rank()
    warnings.warn(
        f"Running {name} on global rank {rank} which does not belong to the given group.", stacklevel=callers_level()
    )


def get_group_rank(group: Any, global_rank: int) -> int:
    """Return the rank in a group for a rank among all processes; raise ValueError where there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_group_rank
    """
    if group is world.default_pg:
        return global_rank
    ranks = _ranks(group)
    if global_rank not in ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return ranks[global_rank]


def get_global_rank(group: Any, group_rank: int) -> int:
    """Return the rank among all processes for a rank in a group; raise ValueError where there is none.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_global_rank
    """
    if group is world.default_pg:
        return group_rank
    for rank, inner in _ranks(group).items():
        if inner == group_rank:
            return rank
    raise ValueError(f"Group rank {group_rank} is not part of group {group}")


def _ranks(group: Any) -> dict[int, int]:
    if group not in world.pg_group_ranks:
        raise ValueError(f"Group {group} is not registered, please create group with torch.distributed.new_group API")
    return world.pg_group_ranks[group]


def rank_in(group: Any, global_rank: int | None, group_rank: int | None) -> int:
    """Return a rank in a group that is given among all processes or in the group, which must be one of the two."""
    if group_rank is not None:
        if global_rank is not None:
            raise ValueError("Can't specify both group_rank and global_rank")
        return group_rank
    if global_rank is None:
        raise ValueError("Must specify global_rank or group_rank")
    return get_group_rank(group, global_rank)


def root_in(group: Any, global_rank: int | None, group_rank: int | None) -> int:
    """Return a rank in a group as ``rank_in`` does, and that of the first of all processes where neither is given."""
    return rank_in(group, 0 if global_rank is None and group_rank is None else global_rank, group_rank)


def get_process_group_ranks(group: Any) -> list[int]:
    """Return the ranks, among all processes, of a group's; None stands for the group of all.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_process_group_ranks
    """
    return list(world.pg_group_ranks[group or default_group()])


def get_rank(group: Any = None) -> int:
    """Return the number of this process in a group, that of all by default: 0, or -1 outside of the group.

    Raises ValueError before init_process_group.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_rank

    >>> import cltorch as torch
    >>> torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    >>> torch.distributed.get_rank()
    0
    >>> torch.distributed.destroy_process_group()
    """
    if is_outside(group):
        return -1
    everybody = default_group()
    return everybody.rank() if group is None else get_group_rank(group, everybody.rank())


def get_world_size(group: Any = None) -> int:
    """Return how many processes a group has, that of all by default: 1, or -1 outside of the group.

    Raises ValueError before init_process_group.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_world_size

    >>> import cltorch as torch
    >>> torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    >>> torch.distributed.get_world_size()
    1
    >>> torch.distributed.destroy_process_group()
    """
    if is_outside(group):
        return -1
    return default_group().size() if group is None else group.size()


def get_backend(group: Any = None) -> Any:
    """Return the name of a group's backend, as it was given in lowercase.

    Raises ValueError before init_process_group, and outside of the group.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_backend
    """
    return Backend(world.pg_map[_inside(group)][0])


def get_backend_config(group: Any = None) -> str:
    """Return the backends of a group as a list "device:backend,…".

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.get_backend_config
    """
    return world.pg_backend_config[_inside(group)]


def _inside(group: Any) -> Any:
    found = group or default_group()
    if is_outside(found):
        raise ValueError("Invalid process group specified")
    if found not in world.pg_map:
        raise ValueError(
            f"Process group {found} is not initialized in the world group map. Please initialize the group first."
        )
    return found


def get_pg_count() -> int:
    """Return how many groups have been made since init_process_group."""
    return world.group_count


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """Return the number of this process on its machine, which the variable LOCAL_RANK tells.

    Without it returns ``fallback_rank``; raises RuntimeError where none is given.
    """
    found = os.environ.get("LOCAL_RANK", fallback_rank)
    if found is None:
        raise RuntimeError(
            "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to "
            "work, assuming you are not running in a multi-device context and want the code to run locally instead."
        )
    return int(found)
