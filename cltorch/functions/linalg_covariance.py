"""Covariances and correlations of variables whose observations are columns.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.cov.html
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch import dtypes
from cltorch.dtypes import promote_types
from cltorch.functions import aliases
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.complex_parts import complex, imag, real
from cltorch.functions.convert import to
from cltorch.functions.linalg_check import adjoint
from cltorch.functions.matmul import matmul
from cltorch.functions.parts import diagonal
from cltorch.functions.shape import reshape, squeeze, unsqueeze
from cltorch.ops.fallback import callers_level

__all__ = ["corrcoef", "cov"]


def _weights(what: str, kind: str, w: Any, count: int) -> None:
    if w.lay.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {what} to have one or fewer dimensions but got {what} with {w.lay.ndim} dimensions"
        )
    if w.dtype.is_floating_point != (kind == "floating point") or w.dtype is dtypes.bool_:
        raise RuntimeError(
            f"cov(): expected {what} to have {kind} dtype but got {what} with {SCALAR_NAMES[w.dtype.name]} dtype"
        )
    if w.lay.numel != count:
        raise RuntimeError(
            f"cov(): expected {what} to have the same numel as there are observations in the input but got "
            f"{w.lay.numel} != {count}"
        )
    if count and p.lt(w, 0).any():
        raise RuntimeError(f"cov(): {what} cannot be negative")


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Return the covariances of the rows of a matrix, whose columns are observations; of a vector its variance.

    ``fweights`` are integers, how often each observation counts, ``aweights`` its floating weight. The sum of the
    weights less ``correction`` divides.
    Shape: (variables, observations) to (variables, variables).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cov.html

    >>> import cltorch as torch
    >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if fweights is not None:
        need_array("cov", "fweights", 3, fweights)
    if aweights is not None:
        need_array("cov", "aweights", 4, aweights)
    need_array("cov", "input", 1, input)
    if input.lay.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.lay.ndim} dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.dtype.differentiable else to(input, dtypes.get_default_dtype())
    x = x if x.lay.ndim == 2 else reshape(x, (1, -1))
    count = x.lay.shape[1]
    w: Any = None
    if fweights is not None:
        _weights("fweights", "integral", fweights, count)
        w = fweights
    if aweights is not None:
        _weights("aweights", "floating point", aweights, count)
        w = aweights if w is None else p.mul(w, aweights)
    if w is None:
        x = p.sub(x, r.mean(x, 1, True))
        divisor: Any = count - correction
        few = divisor <= 0
        product = matmul(x, adjoint(x))
        divisor = max(divisor, 0)
    else:
        w = reshape(w, (-1,))
        w = w if w.dtype.is_floating_point else to(w, x.dtype.to_real())
        x = to(x, promote_types(x.dtype, w.dtype))
        total = r.sum(w)
        if p.eq(total, 0).item():
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        x = p.sub(x, unsqueeze(p.div(r.sum(p.mul(x, w), 1), total), 1))
        if aweights is None or not correction:
            divisor = p.sub(total, correction)
        else:
            share = p.div(r.sum(p.mul(w, reshape(aweights, (-1,)))), total)
            divisor = p.sub(total, p.mul(share, correction))
        few = bool(p.le(divisor, 0).item())
        product = matmul(x, adjoint(p.mul(x, w)))
        divisor = p.mul(divisor, 0) if few else divisor
    if few:
        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
                      "observations.", stacklevel=callers_level())  # fmt: skip
    return squeeze(p.div(product, divisor))


def corrcoef(input: Any) -> Any:
    """Return Pearson's correlations of the rows of a matrix, whose columns are observations, within -1 … 1.

    Shape: (variables, observations) to (variables, variables).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.corrcoef.html

    >>> import cltorch as torch
    >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])).round(decimals=3)
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    need_array("corrcoef", "input", 1, input)
    if input.lay.ndim > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.lay.ndim} dimensions"
        )
    c = cov(input)
    if not c.lay.ndim:
        return p.div(c, c)
    spread = p.sqrt(real(diagonal(c)))
    c = p.div(p.div(c, unsqueeze(spread, 1)), unsqueeze(spread, 0))
    if c.dtype.is_complex:
        return complex(aliases.clamp(real(c), -1, 1), aliases.clamp(imag(c), -1, 1))
    return aliases.clamp(c, -1, 1)
