"""What the distributions share: arguments broadcast together, probabilities and their logarithms, lazy attributes.

Source: https://docs.pytorch.org/docs/2.13/distributions.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from numbers import Number
from typing import Any, Generic, TypeVar

from cltorch.autograd import enable_grad
from cltorch.dtypes import finfo, get_default_dtype
from cltorch.functions import public as fn
from cltorch.nn.functional import binary_cross_entropy_with_logits, softmax
from cltorch.tensor import Tensor, is_tensor

euler_constant = 0.57721566490153286060

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip

T = TypeVar("T")
R = TypeVar("R")


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Return tensors of one shape from tensors and numbers; numbers take the dtype and device of the first tensor.

    Without a tensor among them, the numbers become tensors of the default dtype. Raises ValueError for anything else.

    >>> import cltorch as torch
    >>> torch.distributions.utils.broadcast_all(torch.zeros(2), 1)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    if not all(is_tensor(v) or isinstance(v, Number) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                         "__torch_function__.")  # fmt: skip
    first = next((v for v in values if is_tensor(v)), None)
    options: dict[str, Any] = {"dtype": get_default_dtype()}
    if first is not None:
        options = {"dtype": first.dtype, "device": first.device}
    tensors = [v if is_tensor(v) else fn.tensor(v, **options) for v in values]
    return tuple(fn.broadcast_tensors(*tensors))


def _standard_normal(shape: Sequence[int], dtype: Any, device: Any) -> Tensor:
    return fn.randn(tuple(shape), dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """Sum the last ``dim`` dimensions."""
    return value if dim == 0 else value.reshape(value.shape[: value.dim() - dim] + (-1,)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Return the probabilities of log-odds (``is_binary``), or of unnormalised log-probabilities in the last dim."""
    return fn.sigmoid(logits) if is_binary else softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Return probabilities moved inside (0, 1), by the least that their dtype can tell from the ends.

    >>> import cltorch as torch
    >>> torch.distributions.utils.clamp_probs(torch.tensor([0.0, 0.5])) > 0
    tensor([True, True])
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Return the log-odds of probabilities (``is_binary``), or their logarithms; both finite for probability 0."""
    inside = clamp_probs(probs)
    return fn.log(inside) - fn.log1p(-inside) if is_binary else fn.log(inside)


def negative_cross_entropy(logits: Tensor, value: Tensor) -> Tensor:
    """Return value * ln p + (1 - value) * ln(1 - p) of log-odds, exact where p is near 0 or 1."""
    return -binary_cross_entropy_with_logits(logits, value, reduction="none")


class lazy_property(Generic[T, R]):
    """Make an attribute of a method that computes it: once, at its first use, with gradients on.

    >>> from cltorch.distributions.utils import lazy_property
    >>> class Circle:
    ...     radius = 2
    ...     @lazy_property
    ...     def area(self):
    ...         return 3 * self.radius**2
    >>> Circle().area
    12
    """

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property[T, R], property):
    """What a class shows for a lazy attribute: a property, so that documentation finds it."""

    def __init__(self, wrapped: Callable[[T], R]) -> None:
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """Return the lower triangle of matrices [..., D, D], up to diagonal ``diag``, as vectors, row by row.

    >>> import cltorch as torch
    >>> torch.distributions.utils.tril_matrix_to_vec(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = fn.tril_indices(n, n, offset=diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Return lower triangular matrices [..., D, D] of vectors that hold them row by row, up to diagonal ``diag``.

    Raises ValueError where the vectors' length is not that of a triangle.

    >>> import cltorch as torch
    >>> torch.distributions.utils.vec_to_tril_matrix(torch.tensor([1.0, 3.0, 4.0]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    # the positive root of D**2 + (1 + 2 diag) D = 2 length + |diag| (diag + 1)
    half = 1 + 2 * diag
    length = vec.shape[-1]
    n = (-half + (half**2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if not round(n) - n == 0:
        raise ValueError(f"The size of last dimension is {length} which cannot be expressed as the lower triangular "
                         "part of a square D x D matrix.")  # fmt: skip
    size = round(n)
    out = fn.zeros((*vec.shape[:-1], size, size), dtype=vec.dtype, device=vec.device)
    rows, columns = fn.tril_indices(size, size, offset=diag, device=vec.device)
    out[..., rows, columns] = vec
    return out
