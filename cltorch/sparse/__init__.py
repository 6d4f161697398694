"""Sparse tensors in coordinate format: the values that are not zero, and where they are.

Such a tensor is made of two dense ones, on their device: ``indices``, a column for each value, and ``values``. What is
computed of it is computed of these, so gradients reach the values. Of the functions of dense tensors those that have a
rule (`rules`) take one; all others refuse it.

Source: https://docs.pytorch.org/docs/2.13/sparse.html

>>> import cltorch as torch
>>> x = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
>>> torch.sparse.mm(x, torch.ones(2, 1))
tensor([[2.],
        [3.]])
"""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.shapes import Size
from cltorch.sparse.coordinates import SparseTensor, sparse_coo_tensor
from cltorch.sparse.rules import added_product, product, total

__all__ = [
    "BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "ShortTensor", "addmm", "mm", "sum",
]  # fmt: skip


def mm(input: Any, mat2: Any) -> Any:
    """Return the product of two matrices (n, m) and (m, p), of which one is sparse; the result is dense.

    Raises RuntimeError for other shapes and different dtypes, NotImplementedError for two sparse ones.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sparse.mm.html

    >>> import cltorch as torch
    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.ones(2, 3))
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    return product(input, mat2)


def addmm(mat: Any, mat1: Any, mat2: Any, *, beta: Any = 1.0, alpha: Any = 1.0) -> Any:
    """Return ``beta * mat + alpha * (mat1 @ mat2)``, (n, p) of (n, p), a sparse (n, m) and (m, p).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sparse.addmm.html

    >>> import cltorch as torch
    >>> torch.sparse.addmm(torch.ones(2, 1), torch.eye(2).to_sparse(), torch.ones(2, 1), alpha=2.0)
    tensor([[3.],
            [3.]])
    """
    return added_product(mat, mat1, mat2, beta=beta, alpha=alpha)


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """Return the sum of all elements of a sparse tensor, or the sums along dimensions, which are sparse.

    The sums along all of its sparse dimensions are dense. Raises NotImplementedError for dense dimensions, RuntimeError
    for a dense tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.sparse.sum.html

    >>> import cltorch as torch
    >>> torch.sparse.sum(torch.eye(3).to_sparse())
    tensor(3.)
    """
    if not isinstance(input, SparseTensor):
        raise RuntimeError("coalesce expected sparse coordinate tensor layout but got Strided")
    return total(input, dim, dtype=dtype)


class _Typed:
    """Make sparse tensors of one dtype, as older programs do: ``torch.sparse.FloatTensor(indices, values, size)``."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.__name__, self._dtype = name, dtype

    def __call__(self, *args: Any) -> Any:
        if all(isinstance(n, int) for n in args):
            args = (Size(args),)
        return sparse_coo_tensor(*args, dtype=self._dtype)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, SparseTensor) and instance.dtype == self._dtype

    def __repr__(self) -> str:
        return f"<class 'torch.sparse.{self.__name__}'>"


BFloat16Tensor = _Typed("BFloat16Tensor", dtypes.bfloat16)
ByteTensor = _Typed("ByteTensor", dtypes.uint8)
CharTensor = _Typed("CharTensor", dtypes.int8)
DoubleTensor = _Typed("DoubleTensor", dtypes.float64)
FloatTensor = _Typed("FloatTensor", dtypes.float32)
HalfTensor = _Typed("HalfTensor", dtypes.float16)
IntTensor = _Typed("IntTensor", dtypes.int32)
LongTensor = _Typed("LongTensor", dtypes.int64)
ShortTensor = _Typed("ShortTensor", dtypes.int16)
