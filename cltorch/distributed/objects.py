"""Collectives of objects, which are pickled on their way, in a group of one process too.

Source: https://docs.pytorch.org/docs/2.13/distributed.html#collective-functions
"""

from __future__ import annotations

import pickle
from typing import Any

from cltorch.distributed.collectives import check_gather_list
from cltorch.distributed.world import given_or_default, is_outside, root_in, warn_outside

__all__ = ["all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list"]


def _carried(x: Any) -> Any:
    """Return what arrives of an object."""
    return pickle.loads(pickle.dumps(x))


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Write a copy of each process's object into a list with a place for each.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_gather_object

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> found = [None] * dist.get_world_size()
    >>> dist.all_gather_object(found, {"loss": 0.5})
    >>> found
    [{'loss': 0.5}]
    >>> dist.destroy_process_group()
    """
    if is_outside(group):
        return warn_outside("all_gather_object")
    given_or_default(group)
    object_list[0] = _carried(obj)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Any = None,
    group_dst: int | None = None,
) -> None:
    """Write a copy of each process's object into a list with a place for each, in the process ``dst``.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.gather_object
    """
    found = given_or_default(group)
    root = root_in(found, dst, group_dst)
    if is_outside(found):
        return warn_outside("gather_object")
    check_gather_list(found.rank(), root, object_gather_list)
    found._check_root("gather", root)
    if object_gather_list is not None:
        object_gather_list[0] = _carried(obj)


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Any = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """Replace the objects of a list by those that the process ``src`` has; there they are only pickled.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.broadcast_object_list
    """
    found = given_or_default(group)
    root = root_in(found, src, group_src)
    if is_outside(found):
        return warn_outside("broadcast_object_list")
    found._check_root("broadcast", root)
    if not len([pickle.dumps(x) for x in object_list]):
        raise ValueError("not enough values to unpack: broadcast_object_list takes a list of at least one object")


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Any = None,
    group_src: int | None = None,
) -> None:
    """Write a copy of this process's object, of a list that the process ``src`` has, into the first place of a list.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.scatter_object_list
    """
    found = given_or_default(group)
    root = root_in(found, src, group_src)
    if is_outside(found):
        return warn_outside("scatter_object_list")
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    found._check_root("scatter", root)
    if scatter_object_input_list is None:
        raise ValueError("source rank must provide non-None scatter_object_input_list")
    if len(scatter_object_input_list) != found.size():
        raise RuntimeError(
            f"ProcessGroupGloo::scatter: Incorrect input list size {len(scatter_object_input_list)}. Input list size "
            f"should be {found.size()}, same as size of the process group."
        )
    scatter_object_output_list[0] = _carried(scatter_object_input_list[0])
