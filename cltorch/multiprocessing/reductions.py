"""How tensors are pickled for another process: with the memory they lie in, not with their values.

Tensors on an OpenCL device go by value: no other process sees their memory.
"""

from __future__ import annotations

from multiprocessing import reduction
from typing import Any

from cltorch.device import shared_memory  # storages' part
from cltorch.nn.parameter import Parameter
from cltorch.tensor import Tensor

__all__ = ["init_reductions", "reduce_tensor"]


def reduce_tensor(tensor: Any) -> Any:
    """Return what pickles a tensor for another process; raise RuntimeError for one that is computed from others."""
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd does not support "
            "crossing process boundaries: send detach() of it where its values are all that is wanted"
        )
    return tensor.__reduce_ex__(2)


def init_reductions() -> None:
    """Tell multiprocessing's pickler about tensors; importing this package has done so."""
    if shared_memory.SHARES:
        for kind in (Tensor, Parameter):
            reduction.register(kind, reduce_tensor)
