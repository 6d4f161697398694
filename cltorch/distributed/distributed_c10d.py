"""What programs import from PyTorch's file torch.distributed.distributed_c10d, its inner names included."""

from typing import Any

from cltorch.distributed import *  # noqa: F403
from cltorch.distributed import __all__ as _public
from cltorch.distributed.backend import BackendConfig as BackendConfig
from cltorch.distributed.collectives import all_gather_single as _all_gather_base
from cltorch.distributed.collectives import reduce_scatter_single as _reduce_scatter_base
from cltorch.distributed.process_group import ProcessGroup
from cltorch.distributed.reduce_op import AllgatherOptions as AllgatherOptions
from cltorch.distributed.store import Store
from cltorch.distributed.world import default_group as _get_default_group
from cltorch.distributed.world import default_pg_timeout
from cltorch.distributed.world import is_outside as _rank_not_in_group
from cltorch.distributed.world import warn_outside as _warn_not_in_group
from cltorch.distributed.world import world as _world

__all__ = [
    *_public, "_all_gather_base", "_get_default_group", "_get_default_store", "_get_pg_default_device",
    "_get_process_group_name", "_rank_not_in_group", "_reduce_scatter_base", "_resolve_process_group",
    "_warn_not_in_group", "_world", "default_pg_timeout",
]  # fmt: skip


def _get_default_store() -> Store:
    """Return the store of the group of all processes."""
    return _world.pg_map[_get_default_group()][1]


def _get_pg_default_device(group: Any = None) -> Any:
    """Return a device whose tensors a group takes, the host if it may be."""
    kinds = (group or _get_default_group())._device_types
    return next((kind for kind in kinds if kind.type == "cpu"), kinds[0])


def _get_process_group_name(pg: ProcessGroup) -> str:
    """Return the name of a group."""
    return _world.pg_names.get(pg, "None")


def _resolve_process_group(group_name: str) -> Any:
    """Return the group of a name; raise RuntimeError where there is none."""
    for found, name in _world.pg_names.items():
        if name == group_name:
            return found
    raise RuntimeError(f"Could not resolve the process group registered under the name {group_name}")
