"""Views that a tensor becomes itself: transpose_, squeeze_ and their relatives.

Source: https://docs.pytorch.org/docs/2.13/tensor_view.html
"""

from __future__ import annotations

import re
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import check_inplace
from cltorch.autograd.renaming import called
from cltorch.functions.dim_orders import t, transpose
from cltorch.functions.parts import as_strided
from cltorch.functions.shape import squeeze, unsqueeze

__all__ = ["as_strided_", "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_"]


def _inplace(name: str, view_of: Any, forms: int = 0) -> Any:
    def f(input: Any, *args: Any, **named: Any) -> Any:
        found = view_of(input, *args, **named)
        if input._batch:
            input._inner, input.lay = found._inner, found.lay
            return input
        if mode.enabled:
            check_inplace(input, found._requires_grad)
        input.lay = found.lay
        input._storage.version += 1
        if found._grad_fn is not None:
            called(found, re.sub(r"\d$", lambda n: str(int(n[0]) + forms), found._grad_fn.name()))
            input._grad_fn, input._output_nr, input._requires_grad = found._grad_fn, 0, True
        input._view_version = input._storage.version
        if found._tangents is not None:
            input._tangents, input._tangent_version = found._tangents, input._storage.version
        return input

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"Do what ``{name[:-1]}`` does to the tensor itself (its shape and strides change, no data moves)."
    return f


as_strided_ = _inplace("as_strided_", as_strided)
squeeze_ = _inplace("squeeze_", squeeze, 3)
unsqueeze_ = _inplace("unsqueeze_", unsqueeze, 1)
transpose_ = _inplace("transpose_", transpose, 1)
swapaxes_ = _inplace("swapaxes_", transpose, 1)
swapdims_ = _inplace("swapdims_", transpose, 1)
t_ = _inplace("t_", t, 1)
