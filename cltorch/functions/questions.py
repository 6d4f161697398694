"""What functions of torch.* tell of a tensor, and arithmetic of plain numbers under PyTorch's names for symbols.

Source: https://docs.pytorch.org/docs/2.13/torch.html
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable
from typing import Any

from cltorch.functions.arguments import need_array

__all__ = [
    "get_device", "is_distributed", "is_inference", "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not",
    "sym_sqrt", "sym_sum",
]  # fmt: skip


def get_device(input: Any) -> int:
    """Return the index of a tensor's OpenCL device, -1 for the host.

    >>> import cltorch as torch
    >>> torch.get_device(torch.ones(1))
    -1
    """
    return int(need_array("get_device", "input", 1, input).get_device())


def is_inference(input: Any) -> bool:
    """Return whether a tensor was made in inference mode.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.is_inference.html

    >>> import cltorch as torch
    >>> torch.is_inference(torch.ones(1))
    False
    """
    return bool(need_array("is_inference", "input", 1, input).is_inference())


def is_distributed(input: Any) -> bool:
    """Return False: no tensor here is spread over processes.

    >>> import cltorch as torch
    >>> torch.is_distributed(torch.ones(1))
    False
    """
    need_array("is_distributed", "input", 1, input)
    return False


def sym_float(a: Any) -> float:
    """Return a number as a float.

    Sizes are plain numbers here, so that this and the other ``sym_`` functions are ordinary arithmetic.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_float.html

    >>> import cltorch as torch
    >>> torch.sym_float(2)
    2.0
    """
    return float(a)


def sym_int(a: Any) -> int:
    """Return a number rounded towards zero.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_int.html

    >>> import cltorch as torch
    >>> torch.sym_int(2.7)
    2
    """
    return int(a)


def sym_not(a: Any) -> bool:
    """Return the opposite of a truth value.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_not.html

    >>> import cltorch as torch
    >>> torch.sym_not(True)
    False
    """
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """Return the larger of two numbers, a float if one of them is.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_max.html

    >>> import cltorch as torch
    >>> torch.sym_max(3, 4.0), torch.sym_max(5, 4.0)
    (4.0, 5.0)
    """
    found = builtins.max(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_min(a: Any, b: Any) -> Any:
    """Return the smaller of two numbers, a float if one of them is.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_min.html

    >>> import cltorch as torch
    >>> torch.sym_min(1, 2)
    1
    """
    found = builtins.min(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_sum(args: Iterable[Any]) -> Any:
    """Return the sum of numbers.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_sum.html

    >>> import cltorch as torch
    >>> torch.sym_sum([1, 2, 3])
    6
    """
    return builtins.sum(args)


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """Return ``t`` if ``b`` is true, else ``f``; raise TypeError where they are of different types.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sym_ite.html

    >>> import cltorch as torch
    >>> torch.sym_ite(True, 1, 2)
    1
    """
    if not isinstance(b, bool) or type(t) is not type(f):
        raise TypeError("sym_ite() takes a bool and two values of one type")
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """Return the square root of a number.

    >>> import cltorch as torch
    >>> torch.sym_sqrt(9)
    3.0
    """
    return math.sqrt(a)
