"""Collectives of tensors: all_reduce, broadcast, all_gather and their like, in a group of one process.

What is reduced or broadcast in place keeps its values, and what is gathered or scattered is copied.
Source: https://docs.pytorch.org/docs/2.13/distributed.html#collective-functions
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from cltorch.distributed.backend import Backend
from cltorch.distributed.checks import check_same_dtype, check_tensor, check_tensors, parts
from cltorch.distributed.groups import check_timeout
from cltorch.distributed.process_group import Work
from cltorch.distributed.reduce_op import ReduceOp, supports_complex
from cltorch.distributed.world import get_backend, given_or_default, is_outside, rank_in, root_in, warn_outside
from cltorch.ops.fallback import callers_level
from cltorch.tensor import Tensor

__all__ = [
    "all_gather", "all_gather_coalesced", "all_gather_into_tensor", "all_gather_single", "all_reduce",
    "all_reduce_coalesced", "all_to_all", "all_to_all_single", "barrier", "broadcast", "gather", "monitored_barrier",
    "record_comm", "reduce", "reduce_scatter", "reduce_scatter_single", "reduce_scatter_tensor", "scatter",
]  # fmt: skip


def _end(work: Work, async_op: bool) -> Work | None:
    if async_op:
        return work
    work.wait()
    return None


def _old(name: str, what: str) -> None:
    warnings.warn(f"`torch.distributed.{name}` {what}", FutureWarning, stacklevel=callers_level())


_LATER = (
    "will be deprecated. If you must use it, please revisit our documentation later at "
    "https://pytorch.org/docs/main/distributed.html#collective-functions"
)


def broadcast(
    tensor: Any, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """Give a tensor, in place, the values that the process ``src`` has.

    y = x.
    Raises RuntimeError for a rank that is not there. Returns a Work with ``async_op``, else None.
    Shape: (*), the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.broadcast
    """
    found = given_or_default(group)
    root = rank_in(found, src, group_src)
    check_tensor(tensor, "tensor")
    if is_outside(found):
        return warn_outside("broadcast")
    return _end(found.broadcast([parts(tensor)], root), async_op)


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Reduce a tensor, in place, over all processes of a group.

    y = op(x_1, …, x_n) for the tensors x_i of the processes, so y = x for one.
    Raises ValueError before init_process_group and for complex numbers under MAX, MIN, PRODUCT and bitwise reductions.
    Returns a Work with ``async_op``, else None.
    Shape: (*), the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_reduce

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> x = torch.tensor([1.0, 2.0])
    >>> dist.all_reduce(x, async_op=True).wait()
    True
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    check_tensor(tensor, "tensor")
    if is_outside(group):
        return warn_outside("all_reduce")
    _check_complex([tensor], op)
    return _end(given_or_default(group).allreduce([parts(tensor)], op), async_op)


def _check_complex(tensors: Sequence[Any], op: Any) -> None:
    if any(x.is_complex() for x in tensors) and not supports_complex(op):
        raise ValueError(f"all_reduce does not support {op} on complex tensors")


def all_reduce_coalesced(tensors: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Any:
    """Reduce several tensors of one dtype, in place; returns a future with ``async_op``. It is deprecated.

    Shape: (*) each, the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html
    """
    _old("all_reduce_coalesced", _LATER)
    listed = [tensors] if isinstance(tensors, Tensor) else tensors
    check_tensors(listed, "tensor")
    check_same_dtype(listed)
    if is_outside(group):
        return warn_outside("all_reduce_coalesced")
    _check_complex(listed, op)
    work = given_or_default(group).allreduce([parts(x) for x in listed], op)
    return work.get_future() if async_op else _end(work, False)


def reduce(
    tensor: Any,
    dst: int | None = None,
    op: Any = ReduceOp.SUM,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Reduce a tensor, in place, to the process ``dst``.

    y = op(x_1, …, x_n) for the tensors x_i of the processes, so y = x for one.
    Shape: (*), the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.reduce
    """
    found = given_or_default(group)
    root = rank_in(found, dst, group_dst)
    check_tensor(tensor, "tensor")
    if is_outside(found):
        return warn_outside("reduce")
    found._check_root("reduce", root)
    return _end(found.allreduce([parts(tensor)], op), async_op)


def all_gather(tensor_list: Any, tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """Write the tensor of each process into a list with a tensor for each.

    y_i = x_i for the process i.
    Raises ValueError for different dtypes, RuntimeError for another shape and for a list of another length than the
    group has processes.
    Shape: (*), and each of the list the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_gather

    >>> import cltorch as torch
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> found = [torch.empty(2) for _ in range(dist.get_world_size())]
    >>> dist.all_gather(found, torch.tensor([1.0, 2.0]))
    >>> found
    [tensor([1., 2.])]
    >>> dist.destroy_process_group()
    """
    check_tensors(tensor_list, "tensor_list")
    check_tensor(tensor, "tensor")
    check_same_dtype(tensor_list, tensor)
    if is_outside(group):
        return warn_outside("all_gather")
    return _end(given_or_default(group).allgather([[parts(y) for y in tensor_list]], [parts(tensor)]), async_op)


def all_gather_single(output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False) -> Work | None:
    """Write the tensors of all processes into one, one behind the other along the first dimension.

    y = cat(x_1, …, x_n) for the tensors x_i of the processes, so y = x for one.
    Shape: (N, *) to (n N, *) for n processes.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_gather_into_tensor
    """
    check_tensor(input_tensor, "input_tensor")
    check_tensor(output_tensor, "output_tensor")
    if is_outside(group):
        return warn_outside("all_gather_single")
    return _end(given_or_default(group).all_gather_single(parts(output_tensor), parts(input_tensor)), async_op)


def all_gather_into_tensor(
    output_tensor: Any, input_tensor: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """Do as ``all_gather_single``, whose older name this is; warn of that.

    Shape: (N, *) to (n N, *) for n processes.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_gather_into_tensor
    """
    _old("all_gather_into_tensor", "is deprecated. Please use `torch.distributed.all_gather_single` instead.")
    return all_gather_single(output_tensor, input_tensor, group, async_op)


def all_gather_coalesced(
    output_tensor_lists: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Any:
    """Write several tensors of each process into a list for each; returns a future with ``async_op``. It is deprecated.

    Shape: (*) each, the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html
    """
    _old("all_gather_coalesced", _LATER)
    if is_outside(group):
        return warn_outside("all_gather_coalesced")
    check_tensors(input_tensor_list, "input_tensor_list")
    check_same_dtype(input_tensor_list)
    if not isinstance(output_tensor_lists, list):
        raise TypeError("Invalid function argument: output_tensor_lists should be a list")
    for outputs in output_tensor_lists:
        check_tensors(outputs, "output_tensor_lists")
        check_same_dtype(outputs)
    work = given_or_default(group).allgather_coalesced(
        [[parts(y) for y in outputs] for outputs in output_tensor_lists], [parts(x) for x in input_tensor_list]
    )
    return work.get_future() if async_op else _end(work, False)


def check_gather_list(rank: int, dst: int, gather_list: Any) -> None:
    """Raise ValueError unless there is a list where, and only where, the results come."""
    if dst == rank and not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    if dst != rank and gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")


def gather(
    tensor: Any,
    gather_list: Any = None,
    dst: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Write the tensor of each process into a list with a tensor for each, in the process ``dst`` (0 by default).

    y_i = x_i for the process i.
    Shape: (*), and each of the list the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.gather
    """
    check_tensor(tensor, "tensor")
    outputs = gather_list or []
    check_tensors(outputs, "gather_list")
    check_same_dtype(tensor, outputs)
    found = given_or_default(group)
    if is_outside(found):
        return warn_outside("gather")
    root = root_in(found, dst, group_dst)
    check_gather_list(found.rank(), root, outputs)
    return _end(found.gather([[parts(y) for y in outputs]], [parts(tensor)], root), async_op)


def scatter(
    tensor: Any,
    scatter_list: Any = None,
    src: int | None = None,
    group: Any = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Write each tensor of a list, which the process ``src`` has (0 by default), into that of another process.

    y = x_i in the process i.
    Shape: (*) each of the list, and the tensor the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.scatter
    """
    check_tensor(tensor, "tensor")
    given = scatter_list or []
    check_tensors(given, "scatter_list")
    check_same_dtype(tensor, given)
    found = given_or_default(group)
    root = root_in(found, src, group_src)
    if is_outside(found):
        return warn_outside("scatter")
    if root == found.rank() and not given:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    if root != found.rank() and given:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
    return _end(found.scatter([parts(tensor)], [[parts(x) for x in given]], root), async_op)


def reduce_scatter(
    output: Any, input_list: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Reduce a list with a tensor for each process, and write each process its own.

    y = op(x_i of all processes) in the process i, so y = x_1 for one.
    Shape: (*) each of the list, and the output the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.reduce_scatter
    """
    check_tensor(output, "output")
    check_tensors(input_list, "input_list")
    check_same_dtype(output, input_list)
    if is_outside(group):
        return warn_outside("reduce_scatter")
    return _end(given_or_default(group).reduce_scatter([output], [list(input_list)], op), async_op)


def reduce_scatter_single(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Reduce a tensor with a part for each process along the first dimension, and write each process its own.

    Shape: (n N, *) to (N, *) for n processes.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.reduce_scatter_tensor
    """
    check_tensor(output, "output")
    check_tensor(input, "input")
    if is_outside(group):
        return warn_outside("reduce_scatter_single")
    return _end(given_or_default(group).reduce_scatter_single(output, input, op), async_op)


def reduce_scatter_tensor(
    output: Any, input: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Do as ``reduce_scatter_single``, whose older name this is; warn of that.

    Shape: (n N, *) to (N, *) for n processes.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.reduce_scatter_tensor
    """
    _old("reduce_scatter_tensor", "is deprecated. Please use `torch.distributed.reduce_scatter_single` instead.")
    return reduce_scatter_single(output, input, op, group, async_op)


def all_to_all_single(
    output: Any,
    input: Any,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
    async_op: bool = False,
) -> Work | None:
    """Give each process a part of a tensor, along the first dimension, and get one of each.

    y = x for one process. The parts are equal, or of the sizes given.
    Shape: (N, *) to (M, *), both of N for one process.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_to_all_single
    """
    if is_outside(group):
        return warn_outside("all_to_all_single")
    check_tensor(output, "output")
    check_tensor(input, "input")
    check_same_dtype(output, input)
    work = given_or_default(group).all_to_all_single(
        parts(output), parts(input), output_split_sizes or [], input_split_sizes or []
    )
    return _end(work, async_op)


def all_to_all(
    output_tensor_list: Any, input_tensor_list: Any, group: Any = None, async_op: bool = False
) -> Work | None:
    """Give each process a tensor of a list, and get one of each.

    y_i = x_j of the process i, in the process j.
    Shape: (*) each, and the other list the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.all_to_all
    """
    if is_outside(group):
        return warn_outside("all_to_all")
    check_tensors(output_tensor_list, "output_tensor_list")
    check_tensors(input_tensor_list, "input_tensor_list")
    check_same_dtype(output_tensor_list, input_tensor_list)
    work = given_or_default(group).alltoall(
        [parts(y) for y in output_tensor_list], [parts(x) for x in input_tensor_list]
    )
    return _end(work, async_op)


def barrier(
    group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: timedelta | None = None
) -> Work | None:
    """Wait until every process of a group is here: this one is.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.barrier
    """
    found = given_or_default(group)
    if is_outside(found):
        return warn_outside("barrier")
    return _end(found.barrier(), async_op)


def monitored_barrier(group: Any = None, timeout: Any = None, wait_all_ranks: bool = False) -> None:
    """Wait until every process of a group is here, in time; raise ValueError for another backend than gloo.

    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.monitored_barrier
    """
    if is_outside(group):
        return warn_outside("monitored_barrier")
    if get_backend(group) != Backend.GLOO:
        raise ValueError("monitored_barrier is only implemented for GLOO backend.")
    if isinstance(timeout, float):
        warnings.warn(
            f"Please specify timeout arg as a timedelta. Converting current value of {timeout} assuming it represents "
            "seconds",
            stacklevel=callers_level(),
        )
        timeout = timedelta(seconds=timeout)
    if timeout is not None:
        check_timeout(timeout)
    return given_or_default(group).monitored_barrier(timeout, wait_all_ranks=wait_all_ranks)


@contextmanager
def record_comm(name: str) -> Iterator[None]:
    """Name the collectives inside for a profiler, which sees nothing of them here."""
    yield
