"""Collectives that gradients flow through: torch.distributed.nn.functional.

The gradient of a collective is another one: what was gathered is summed where it came from, what was broadcast is
reduced. In PyTorch 2.13 some of these warn that they are deprecated, and so they do here.
Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.broadcast
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import functions
from cltorch.autograd.function import Function
from cltorch.distributed import collectives
from cltorch.distributed.reduce_op import ReduceOp
from cltorch.distributed.world import get_rank, get_world_size, group
from cltorch.formats import contiguous_format
from cltorch.ops.fallback import callers_level

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "group",
    "reduce", "reduce_scatter", "scatter",
]  # fmt: skip


def _old(name: str, instead: str) -> None:
    warnings.warn(
        f"torch.distributed.nn.functional.{name} is deprecated, use "
        f"torch.distributed._functional_collectives.{instead} instead.",
        FutureWarning,
        stacklevel=callers_level(),
    )


class _Collective(Function):
    """Do a collective, and in the backward pass the one that is its gradient.

    Both take the group and tensors and return a tuple of tensors of their own.
    """

    @staticmethod
    def forward(ctx: Any, act: Callable[..., Any], back: Callable[..., Any], place: Any, *tensors: Any) -> Any:
        ctx.act, ctx.back, ctx.place = act, back, place
        return act(place, *tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, None, None, *_Collective.apply(ctx.back, ctx.act, ctx.place, *grads)


def _reduced(op: Any) -> Callable[..., Any]:
    def act(place: Any, x: Any) -> Any:
        y = functions.clone(x, memory_format=contiguous_format)
        collectives.all_reduce(y, op, place)
        return (y,)

    return act


def _reduced_to(dst: int, op: Any) -> Callable[..., Any]:
    def act(place: Any, x: Any) -> Any:
        y = functions.clone(x)
        collectives.reduce(y, dst, op, place)
        return (y if get_rank(place) == dst else functions.zeros_like(y),)

    return act


def _broadcast_from(src: int) -> Callable[..., Any]:
    def act(place: Any, x: Any) -> Any:
        y = functions.clone(x)
        collectives.broadcast(y, src, place)
        return (y,)

    return act


def _gathered(place: Any, x: Any) -> Any:
    x = x.contiguous()
    found = [functions.empty_like(x) for _ in range(get_world_size(place))]
    collectives.all_gather(found, x, place)
    return tuple(found)


def _reduce_scattered(op: Any) -> Callable[..., Any]:
    def act(place: Any, *tensors: Any) -> Any:
        y = functions.empty_like(tensors[get_rank(place)])
        collectives.reduce_scatter(y, [x.contiguous() for x in tensors], op, place)
        return (y,)

    return act


def _gathered_at(dst: int) -> Callable[..., Any]:
    def act(place: Any, x: Any) -> Any:
        found = [functions.zeros_like(x) for _ in range(get_world_size(place))]
        collectives.gather(x.contiguous(), found if get_rank(place) == dst else None, dst, place)
        return tuple(found)

    return act


def _scattered_from(src: int) -> Callable[..., Any]:
    def act(place: Any, *tensors: Any) -> Any:
        y = functions.zeros_like(tensors[0])
        collectives.scatter(y, list(tensors) if get_rank(place) == src else None, src, place)
        return (y,)

    return act


def _exchanged(shapes: Sequence[Any]) -> Callable[..., Any]:
    def act(place: Any, *tensors: Any) -> Any:
        found = [functions.empty(s, dtype=tensors[0].dtype, device=tensors[0].device) for s in shapes]
        collectives.all_to_all(found, [x.contiguous() for x in tensors], place)
        return tuple(found)

    return act


def _exchanged_parts(shape: Any, output_sizes: Any, input_sizes: Any) -> Callable[..., Any]:
    def act(place: Any, x: Any) -> Any:
        y = functions.empty(shape, dtype=x.dtype, device=x.device)
        collectives.all_to_all_single(y, x.contiguous(), output_sizes, input_sizes, place)
        return (y,)

    return act


def _run(act: Callable[..., Any], back: Callable[..., Any], place: Any, *tensors: Any) -> Any:
    return _Collective.apply(act, back, place, *tensors)


def broadcast(tensor: Any, src: int, group: Any = None) -> Any:
    """Return the tensor that the process ``src`` has; its gradient is the sum of all processes'.

    y = x of the process ``src``. Warns that it is deprecated.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.broadcast
    """
    _old("broadcast", "broadcast")
    return _run(_broadcast_from(src), _reduced_to(src, ReduceOp.SUM), group, tensor)[0]


def gather(tensor: Any, dst: int = 0, group: Any = None) -> tuple[Any, ...]:
    """Return the tensors of all processes, in the process ``dst``; zeros elsewhere.

    y_i = x of the process i.
    Shape: (*) to a tuple of the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.gather
    """
    return _run(_gathered_at(dst), _scattered_from(dst), group, tensor)


def scatter(tensors: Sequence[Any], src: int = 0, group: Any = None) -> Any:
    """Return this process's tensor of a list that the process ``src`` has.

    y = x_i in the process i.
    Shape: (*) each to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.scatter
    """
    if any(x.shape != tensors[0].shape for x in tensors):
        raise AssertionError("the tensors must have one shape")
    return _run(_scattered_from(src), _gathered_at(src), group, *tensors)[0]


def reduce(tensor: Any, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """Return the tensors of all processes reduced to one, in the process ``dst``.

    y = op(x_1, …, x_n) for the tensors x_i of the processes.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.reduce
    """
    return _run(_reduced_to(dst, op), _broadcast_from(dst), group, tensor)[0]


def reduce_scatter(output: Any, input_list: Sequence[Any], op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """Return this process's part of lists with a tensor for each process, reduced over all; fill ``output`` with it.

    y = op(x_i of all processes) in the process i. Warns that it is deprecated.
    Shape: (*) each to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.reduce_scatter
    """
    _old("reduce_scatter", "reduce_scatter_single")
    result = _run(_reduce_scattered(op), _gathered, group, *input_list)[0]
    output.copy_(result.detach())
    return result


def all_gather(tensor: Any, group: Any = None) -> tuple[Any, ...]:
    """Return the tensors of all processes; the gradient of each is the sum of what the processes have for it.

    y_i = x of the process i. Warns that it is deprecated.
    Shape: (*) to a tuple of the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.all_gather

    >>> import cltorch as torch, warnings
    >>> import cltorch.distributed.nn
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     (y,) = dist.nn.all_gather(x)
    >>> y.square().sum().backward()
    >>> x.grad
    tensor([2., 4.])
    >>> dist.destroy_process_group()
    """
    _old("all_gather", "all_gather_single")
    return _run(_gathered, _reduce_scattered(ReduceOp.SUM), group, tensor)


def all_to_all(output_tensor_list: Sequence[Any], input_tensor_list: Sequence[Any], group: Any = None) -> Any:
    """Return one tensor of each process's list; fill ``output_tensor_list`` with them.

    y_i = x_j of the process i, in the process j.
    Shape: (*) each to a tuple of tensors as in ``output_tensor_list``.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.all_to_all
    """
    there, back = ([x.shape for x in given] for given in (output_tensor_list, input_tensor_list))
    results = _run(_exchanged(there), _exchanged(back), group, *input_tensor_list)
    for y, x in zip(output_tensor_list, results, strict=True):
        y.copy_(x.detach())
    return results


def all_to_all_single(
    output: Any, input: Any, output_split_sizes: Any = None, input_split_sizes: Any = None, group: Any = None
) -> Any:
    """Return a part of each process's tensor; fill ``output`` with them.

    Warns that it is deprecated.
    Shape: (N, *) to the shape of ``output``.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.all_to_all_single
    """
    _old("all_to_all_single", "all_to_all_single")
    act = _exchanged_parts(output.shape, output_split_sizes, input_split_sizes)
    back = _exchanged_parts(input.shape, input_split_sizes, output_split_sizes)
    result = _run(act, back, group, input)[0]
    output.copy_(result.detach())
    return result


def all_reduce(tensor: Any, op: Any = ReduceOp.SUM, group: Any = None) -> Any:
    """Return the tensors of all processes reduced to one; the gradient is reduced in the same way.

    y = op(x_1, …, x_n) for the tensors x_i of the processes. Warns that it is deprecated.
    Shape: (*) to the same.
    Source: https://docs.pytorch.org/docs/2.13/distributed.html#torch.distributed.nn.functional.all_reduce
    """
    _old("all_reduce", "all_reduce")
    return _run(_reduced(op), _reduced(op), group, tensor)[0]
