"""What collectives ask of their arguments before anything is done."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes, functions
from cltorch.tensor import Tensor

_REAL = {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}


def check_tensor(param: Any, name: str) -> None:
    """Raise TypeError for what is no tensor."""
    if not isinstance(param, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor but got {type(param)} "
            "instead."
        )


def check_tensors(param: Any, name: str) -> None:
    """Raise TypeError for what is no list of tensors."""
    if not isinstance(param, list) or not all(isinstance(x, Tensor) for x in param):
        of = f" with elements of type {[type(x) for x in param]}." if isinstance(param, list) else " instead."
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor] but got "
            f"{type(param)}{of}"
        )


def check_same_dtype(*tensors: Any) -> None:
    """Raise ValueError for tensors of different dtypes, a complex dtype going with that of its parts."""
    first = None
    for given in tensors:
        for x in given if isinstance(given, list) else (given,):
            kind = _REAL.get(x.dtype, x.dtype)
            first = kind if first is None else first
            if kind != first:
                raise ValueError(f"Invalid usage of tensors with different dtypesFound {first} and  {x.dtype}")


def parts(x: Any) -> Any:
    """Return a complex tensor as a view of its real and imaginary parts, another one as it is."""
    return functions.view_as_real(x) if x.dtype in _REAL else x
