"""torch.utils._foreach_utils, as optimisers of other libraries use it: lists of tensors in groups of a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch.tensor import Tensor

__all__: list[str] = []

_foreach_supported_types = [Tensor]


def _get_foreach_kernels_supported_devices() -> list[str]:
    """Return the types of devices for which functions of lists of tensors are the better choice."""
    return ["cl", "cuda"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """Return the types of devices for which torch has fused steps as functions: none has."""
    return []


def _device_has_foreach_support(device: Any) -> bool:
    return device.type in ("cpu", *_get_foreach_kernels_supported_devices())


def _has_foreach_support(tensors: Sequence[Tensor | None], device: Any) -> bool:
    return _device_has_foreach_support(device) and all(t is None or type(t) is Tensor for t in tensors)


def _group_tensors_by_device_and_dtype(
    tensorlistlist: Sequence[Sequence[Any]], with_indices: bool = False
) -> dict[tuple[Any, Any], tuple[list[list[Any]], list[int]]]:
    """Return lists of equal length in groups, by device and dtype of the first list's tensors.

    Each group has the lists' entries of its tensors, and their places in the first list where ``with_indices``.
    Other lists may be empty, or have None in some places.
    Raises RuntimeError where there is no list, the first has no tensor in a place, or one differs in length.

    >>> import cltorch as torch
    >>> params = [torch.ones(1), torch.ones(1, dtype=torch.int64), torch.ones(2)]
    >>> groups = _group_tensors_by_device_and_dtype([params, [10, 11, 12]], with_indices=True)
    >>> [(str(dtype), lists[1], places) for (_, dtype), (lists, places) in groups.items()]
    [('torch.float32', [10, 12], [0, 2]), ('torch.int64', [11], [1])]
    """
    if not tensorlistlist or not tensorlistlist[0]:
        raise RuntimeError("there must be at least one list, and a tensor in the first one")
    first = tensorlistlist[0]
    if any(len(other) not in (0, len(first)) for other in tensorlistlist):
        raise RuntimeError(f"every list must be empty or have as many entries as the first, which has {len(first)}")
    groups: dict[tuple[Any, Any], tuple[list[list[Any]], list[int]]] = {}
    for i, tensor in enumerate(first):
        if not isinstance(tensor, Tensor):
            raise RuntimeError("Tensors of the first list of nested Tensor lists are supposed to be defined but the "
                               f"entry {i} is not")  # fmt: skip
        lists, places = groups.setdefault((tensor.device, tensor.dtype), ([[] for _ in tensorlistlist], []))
        for own, other in zip(lists, tensorlistlist, strict=True):
            if len(other):
                own.append(other[i])
        if with_indices:
            places.append(i)
    return groups
