"""Parameters as one vector, and back.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parameters_to_vector.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cltorch.functions import public as functions
from cltorch.tensor import Tensor


def _same_device(device: Any, seen: Any) -> Any:
    if seen is not None and device is not seen:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
    return device


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """Return all elements of the parameters as one vector, differentiably.

    v = (p_1, …, p_n), the elements of each in order.
    Raises TypeError for parameters on different devices.
    Shape: (*) each to (n), all elements' number.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parameters_to_vector.html

    >>> import cltorch as torch
    >>> torch.nn.utils.parameters_to_vector(torch.nn.Linear(2, 3).parameters()).shape
    torch.Size([9])
    """
    seen = None
    parts = []
    for p in parameters:
        seen = _same_device(p.device, seen)
        parts.append(functions.reshape(p, (-1,)))
    return functions.cat(parts)


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Let the parameters be slices of a vector, in order; they share its memory.

    p_1, …, p_n = v, as many elements in order as each has.
    Raises TypeError where ``vec`` is no tensor or the parameters lie on different devices.
    Shape: vec (n), parameters (*) with n elements in all.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.vector_to_parameters.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(2, 1, bias=False)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([3.0, 4.0]), net.parameters())
    >>> net.weight
    Parameter containing:
    tensor([[3., 4.]], requires_grad=True)
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    seen = None
    at = 0
    for p in parameters:
        seen = _same_device(p.device, seen)
        n = p.numel()
        p.data = functions.reshape(vec[at : at + n], p.shape).data
        at += n
