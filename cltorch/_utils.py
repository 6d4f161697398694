"""What libraries call of PyTorch's inner module torch._utils: indices of devices, sizes of dtypes, joined lists."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from cltorch import cl, functions
from cltorch.compiler import is_compiling as is_compiling
from cltorch.device import device as _device
from cltorch.dtypes import dtype as _dtype
from cltorch.serialization.rebuild import rebuild_parameter as _rebuild_parameter
from cltorch.serialization.rebuild import rebuild_tensor_v2 as _rebuild_tensor_v2
from cltorch.utils.data._utils.exception_wrapper import ExceptionWrapper as ExceptionWrapper

__all__ = ["_rebuild_parameter", "_rebuild_tensor_v2"]


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """Return a device's index: an int is one, None or ``cl`` is the current one where ``optional``, cpu is -1.

    Raises ValueError for cpu without ``allow_cpu``, and for what has no index without ``optional``.
    """
    if isinstance(device, str):
        device = _device(device)
    index = device if isinstance(device, int) else None
    if isinstance(device, _device):
        if device.type == "cpu" and not allow_cpu:
            raise ValueError(f"Expected a non cpu device, but got: {device}")
        index = -1 if device.type == "cpu" else device.index
    if index is not None:
        return index
    if not optional:
        raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")
    return cl.current_device()


def _get_all_device_indices() -> list[int] | None:
    """Return the indices of all OpenCL devices, None where there is none."""
    return list(range(cl.device_count())) or None


def _import_dotted_name(name: str) -> Any:
    """Return what a dotted path names below a module."""
    first, *rest = name.split(".")
    found: Any = importlib.import_module(first)
    for part in rest:
        found = getattr(found, part)
    return found


def _element_size(dtype: Any) -> int:
    """Return the bytes of a dtype's element; raise RuntimeError for what is none."""
    if not isinstance(dtype, _dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _flatten_dense_tensors(tensors: Sequence[Any]) -> Any:
    """Return the elements of tensors, one after another."""
    return functions.cat([t.reshape(-1) for t in tensors])


def _unflatten_dense_tensors(flat: Any, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """Return pieces of a flat tensor in the shapes of tensors: the inverse of ``_flatten_dense_tensors``."""
    pieces = functions.split_with_sizes(flat, [t.numel() for t in tensors])
    return tuple(piece.reshape(t.shape) for piece, t in zip(pieces, tensors, strict=True))
