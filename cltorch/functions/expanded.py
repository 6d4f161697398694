"""Changes in place of tensors that were made by ``expand``, where several elements are one place in memory.

PyTorch refuses most of them. A few it allows and warns of: what these write in the order of the elements, here is
computed for the places in memory.
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.functions.parts import narrow
from cltorch.ops.fallback import callers_level

__all__: list[str] = []


def zero_strides(x: Any) -> tuple[int, ...]:
    """Return the dimensions along which all elements are one place in memory."""
    lay = x.lay
    return tuple(d for d, (n, s) in enumerate(zip(lay.shape, lay.strides, strict=True)) if s == 0 and n > 1)


def folded(x: Any) -> Any:
    """Return a view of an expanded tensor in which every place in memory is one element."""
    for d in zero_strides(x):
        x = narrow(x, d, 0, 1)
    return x


def warn_expanded(name: str, like: str) -> None:
    """Warn that an operator was used on an expanded tensor, which it will not take one day."""
    warnings.warn(
        f"Use of {name} on expanded tensors is deprecated. Please clone() the tensor before performing this operation. "
        f"This also applies to advanced indexing e.g. {like}",
        UserWarning,
        stacklevel=callers_level(),
    )
