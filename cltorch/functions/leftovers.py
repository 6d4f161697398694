"""Methods of Tensor that are rarely met: of dense tensors where others are sparse, and deprecated ones.

Source: https://docs.pytorch.org/docs/2.13/tensors.html
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from cltorch.functions.arguments import need_array
from cltorch.functions.convert import to
from cltorch.functions.shape import reshape, sizes_of
from cltorch.ops.fallback import callers_level

__all__ = ["const_data_ptr", "dense_dim", "module_load", "resize", "resize_as", "sparse_dim", "to_dense"]
METHODS_ONLY = __all__  # none of them is a name of torch.*


def const_data_ptr(input: Any) -> int:
    """Return the address of the first element, for reading only."""
    return int(input.data_ptr())


def dense_dim(input: Any) -> int:
    """Return the number of dense dimensions: all of them."""
    return int(input.lay.ndim)


def sparse_dim(input: Any) -> int:
    """Return the number of sparse dimensions: none."""
    return 0


def to_dense(input: Any, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
    """Return the tensor, which is dense, in another dtype if one is given."""
    return input if dtype is None else to(input, dtype)


def module_load(input: Any, other: Any, assign: bool = False) -> Any:
    """Return what ``load_state_dict`` puts in place of this tensor: ``other``, or this tensor with its values.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.module_load.html
    """
    return other.detach() if assign else input.copy_(other).detach()


def resize(input: Any, *sizes: Any) -> Any:
    """Return the tensor in another shape of as many elements; deprecated in PyTorch, whose ``reshape`` does it."""
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=callers_level())
    shape = sizes_of(sizes)
    if math.prod(shape) != input.lay.numel:
        raise RuntimeError(
            f"requested resize to {'x'.join(map(str, shape))} ({math.prod(shape)} elements in total), but the given "
            f"tensor has a size of {'x'.join(map(str, input.lay.shape))} ({input.lay.numel} elements). "
            "autograd's resize can only change the shape of a given tensor, while preserving the number of elements. "
        )
    return reshape(input, shape)


def resize_as(input: Any, tensor: Any) -> Any:
    """Return the tensor in the shape of another; deprecated in PyTorch, whose ``reshape`` does it."""
    need_array("resize_as", "tensor", 2, tensor)
    return resize(input, tensor.lay.shape)
