"""Determinants, by the factors of A = P L U, under their names in torch.linalg and torch.

Source: https://docs.pytorch.org/docs/2.13/linalg.html#matrix-properties
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd.record import apply
from cltorch.functions import pointwise as p
from cltorch.functions.linalg_check import need_floating, need_full, need_square, store_all, store_one
from cltorch.functions.return_types import result_class
from cltorch.ops import linalg_solve as solve

__all__ = ["det", "linalg_det", "linalg_slogdet", "logdet", "slogdet"]

slogdet_return, old_slogdet_return = (
    result_class(name, "sign", "logabsdet") for name in ("linalg_slogdet", "slogdet")
)  # fmt: skip


def linalg_det(A: Any, *, out: Any = None) -> Any:
    """Return the determinants of square matrices.

    det A = Σ_σ sign(σ) Π_i A[i, σ(i)] over the permutations σ, computed by A = P L U.
    Shape: (*, n, n) to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.det.html

    >>> import cltorch as torch
    >>> torch.linalg.det(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor(8.)
    """
    need_square("linalg.det", A)
    need_floating("linalg.det", A)
    need_full("linalg.det", A, "lu_cpu")
    return store_one("linalg_det", out, apply(solve.Det, A))


def det(input: Any) -> Any:
    """Return the determinants of square matrices; the other name of ``torch.linalg.det``.

    Shape: (*, n, n) to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.det.html

    >>> import cltorch as torch
    >>> torch.det(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    return linalg_det(input)


def _slogdet(name: str, A: Any) -> tuple[Any, Any]:
    need_square(name, A)
    need_full(name, A)
    return apply(solve.Slogdet, A)


def linalg_slogdet(A: Any, *, out: Any = None) -> Any:
    """Return (sign, logabsdet) of the determinants of square matrices, (0, -inf) for singular ones.

    det A = sign · exp(logabsdet).
    Shape: (*, n, n) to two of (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.slogdet.html

    >>> import cltorch as torch
    >>> torch.linalg.slogdet(torch.eye(2)).sign
    tensor(1.)
    """
    return store_all("linalg_slogdet", slogdet_return, out, _slogdet("linalg.slogdet", A))


def slogdet(input: Any, *, out: Any = None) -> Any:
    """Return (sign, logabsdet) of the determinants of square matrices; see ``torch.linalg.slogdet``.

    Shape: (*, n, n) to two of (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.slogdet.html

    >>> import cltorch as torch
    >>> torch.slogdet(torch.tensor([[-2.0, 0.0], [0.0, 4.0]])).logabsdet
    tensor(2.0794)
    """
    return store_all("slogdet", old_slogdet_return, out, _slogdet("linalg.slogdet", input))


def logdet(input: Any) -> Any:
    """Return the logarithms of the determinants of square matrices, NaN for negative ones.

    Shape: (*, n, n) to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.logdet.html

    >>> import cltorch as torch
    >>> torch.logdet(torch.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(2.0794)
    """
    sign, log = _slogdet("logdet", input)
    if sign.dtype.is_complex:
        return p.add(log, p.log(sign))
    return p.add(log, p.log(p.add(p.mul(p.lt(sign, 0).to(log.dtype), -2), 1)))
