"""What lies in one place cut into parts for several devices, and parts put together again.

Source: https://docs.pytorch.org/docs/2.13/nn.html#dataparallel-layers-multi-gpu-distributed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.tensor import Tensor

__all__ = ["gather", "place", "scatter", "scatter_kwargs"]


def place(device: Any) -> Any:
    """Return a device; a number is that of an OpenCL device."""
    return functions.resolve_device(f"cl:{device}" if isinstance(device, int) else device)


def _is_named(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """Cut the tensors in a structure along ``dim`` into a part for each device; return one structure per device.

    x_1, …, x_n with cat(x_1, …, x_n) = x along ``dim``.
    There are fewer than devices where the tensors are shorter. Everything else is the same for all.
    Shape: (*, N, *) to parts (*, ⌈N / n⌉, *), the last being shorter where n does not divide N.
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dataparallel-functions-multi-gpu-distributed

    >>> import cltorch as torch
    >>> torch.nn.parallel.scatter((torch.arange(4), "x"), ["cpu", "cpu"])
    [(tensor([0, 1]), 'x'), (tensor([2, 3]), 'x')]
    """
    devices = [place(d) for d in target_gpus]

    def parts(x: Any) -> list[Any]:
        if isinstance(x, Tensor):
            chunks = functions.chunk(x, len(devices), dim)
            return [c.to(d) for c, d in zip(chunks, devices, strict=False)]
        if _is_named(x):
            return [type(x)(*row) for row in zip(*map(parts, x), strict=False)]
        if isinstance(x, tuple) and x:
            return list(zip(*map(parts, x), strict=False))
        if isinstance(x, list) and x:
            return [list(row) for row in zip(*map(parts, x), strict=False)]
        if isinstance(x, dict) and x:
            return [type(x)(zip(x, row, strict=True)) for row in zip(*map(parts, x.values()), strict=False)]
        return [x for _ in devices]

    return parts(inputs)


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """Scatter arguments and named arguments, and return as many of one as of the other."""
    given = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    given += [() for _ in range(len(named) - len(given))]
    named += [{} for _ in range(len(given) - len(named))]
    return tuple(given), tuple(named)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Put the parts that several devices computed together on one: the reverse of ``scatter``.

    y = cat(x_1, …, x_n) along ``dim``.
    Tensors without dimensions become one of a dimension. Raises ValueError for dicts of different lengths.
    Shape: (*, n_i, *) each to (*, Σ n_i, *), () to (n).
    Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#dataparallel-functions-multi-gpu-distributed

    >>> import cltorch as torch
    >>> torch.nn.parallel.gather([torch.ones(2), torch.zeros(1)], "cpu")
    tensor([1., 1., 0.])
    """
    device = place(target_device)
    first = outputs[0]
    if isinstance(first, Tensor):
        moved = [x.to(device) for x in outputs]
        return functions.cat(
            [x.reshape(1) for x in moved] if first.dim() == 0 else moved, 0 if first.dim() == 0 else dim
        )
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(x) != len(first) for x in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((key, gather([x[key] for x in outputs], device, dim)) for key in first)
    rows = [gather(row, device, dim) for row in zip(*outputs, strict=True)]
    return type(first)(*rows) if _is_named(first) else type(first)(rows)
