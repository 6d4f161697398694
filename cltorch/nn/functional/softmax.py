"""softmax and its kin, with PyTorch's rule for a dimension that was not named.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softmax.html
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array
from cltorch.functions.softmax import log_softmax as log_softmax_along
from cltorch.functions.softmax import softmax as softmax_along
from cltorch.ops.fallback import callers_level

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


def _get_softmax_dim(name: str, ndim: int, stacklevel: int = 3) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=callers_level(),
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return exp(xᵢ) / Σⱼ exp(xⱼ) along a dimension, computed without overflow.

    With ``dtype`` the input is cast to it before.
    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softmax.html

    >>> import cltorch as torch
    >>> torch.nn.functional.softmax(torch.zeros(1, 4), dim=1)
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    need_array("softmax", "input", 1, input)
    if dim is None:
        dim = _get_softmax_dim("softmax", input.lay.ndim)
    return softmax_along(input, dim, dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return exp(-xᵢ) / Σⱼ exp(-xⱼ) along a dimension, which is softmax of the negated input.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.softmin.html

    >>> import cltorch as torch
    >>> torch.nn.functional.softmin(torch.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    need_array("softmin", "input", 1, input)
    if dim is None:
        dim = _get_softmax_dim("softmin", input.lay.ndim)
    return softmax_along(functions.neg(input), dim, dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return log(exp(xᵢ) / Σⱼ exp(xⱼ)) along a dimension, computed without overflow.

    Shape: (*) to (*), of a floating dtype.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.log_softmax.html

    >>> import cltorch as torch
    >>> torch.nn.functional.log_softmax(torch.tensor([0.0, 0.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    need_array("log_softmax", "input", 1, input)
    if dim is None:
        dim = _get_softmax_dim("log_softmax", input.lay.ndim)
    return log_softmax_along(input, dim, dtype)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """Draw from a categorical distribution, differentiably: softmax of (logits + Gumbel noise) / tau.

    With ``hard`` the result is one-hot and the gradient that of the soft one; ``eps`` has no effect.
    C. Maddison et al., The Concrete Distribution, 2016; E. Jang et al., Categorical Reparameterization with
    Gumbel-Softmax, 2016.
    Shape: (*, classes) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.gumbel_softmax.html

    >>> import cltorch as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(4, 3), hard=True).sum(1)
    tensor([1., 1., 1., 1.])
    """
    need_array("gumbel_softmax", "logits", 1, logits)
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=callers_level())
    noise = functions.neg(functions.log(functions.empty_like(logits.detach()).exponential_()))
    soft = softmax_along(functions.div(functions.add(logits, noise), tau), dim)
    if not hard:
        return soft
    place = functions.argmax(soft, dim, keepdim=True)
    one = functions.zeros_like(soft.detach()).scatter_(dim, place, 1.0)
    return functions.add(functions.sub(one, soft.detach()), soft)
