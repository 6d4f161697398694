"""What the functions of torch.linalg share: checks of matrices, errors of LAPACK, ``out=`` of several results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cltorch.autograd.batch_levels import bare
from cltorch.dtypes import C_NAMES, can_cast
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.functions.complex_parts import conj
from cltorch.functions.dim_orders import transpose
from cltorch.functions.pointwise import into_out, into_outs
from cltorch.functions.shape import expand
from cltorch.ops.array import Array, values
from cltorch.ops.lapack import LinAlgError, in_batch
from cltorch.shapes import broadcast_shapes

__all__: list[str] = []

_LOW = ("float16", "bfloat16")


def need_matrix(name: str, x: Any, argument: str = "A") -> Any:
    """Raise where an operand is not a batch of matrices."""
    need_array(name, argument, 1, x)
    if x.lay.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")
    return x


def need_square(name: str, x: Any, argument: str = "A") -> Any:
    """Raise where an operand is not a batch of square matrices."""
    need_matrix(name, x, argument)
    rows, columns = x.lay.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    return x


def need_floating(name: str, x: Any) -> None:
    """Raise RuntimeError for tensors of integers."""
    if not x.dtype.differentiable:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {SCALAR_NAMES[x.dtype.name]}"
        )


def need_full(name: str, x: Any, routine: str = "") -> None:
    """Raise where numbers are not single or double; ``routine`` is what PyTorch's message says is missing."""
    if routine and not x.dtype.is_complex and (x.dtype.name in _LOW or not x.dtype.is_floating_point):
        raise NotImplementedError(f"\"{routine}\" not implemented for '{SCALAR_NAMES[x.dtype.name]}'")
    need_floating(name, x)
    if x.dtype.name in _LOW:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {SCALAR_NAMES[x.dtype.name]}")


def need_same(name: str, a: Any, b: Any, first: str = "A", second: str = "B") -> None:
    """Raise where operands differ in dtype or device."""
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected {first} and {second} to have the same dtype, but found {first} of type "
            f"{SCALAR_NAMES[a.dtype.name]} and {second} of type {SCALAR_NAMES[b.dtype.name]} instead"
        )
    if a.device != b.device:
        raise RuntimeError(
            f"{name}: Expected {first} and {second} to be on the same device, but found {first} on {a.device} and "
            f"{second} on {b.device} instead."
        )


def need_fitting(name: str, a: Any, b: Any, left: bool = True) -> None:
    """Raise where the sizes of A X = B or X A = B do not fit."""
    rows, columns = a.lay.shape[-2:]
    m, n = b.lay.shape[-2:]
    if (m if left else n) != (rows if left else columns):
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} ({rows}x{columns} and {m}x{n})"
        )


def flip(x: Any) -> Any:
    """Return matrices with rows and columns exchanged."""
    return transpose(x, -2, -1)


def adjoint(x: Any) -> Any:
    """Return the transposes of matrices, of complex ones the conjugate transposes."""
    return conj(flip(x))


def batch_together(*operands: Any) -> list[Any]:
    """Return matrices expanded to one batch shape."""
    batch = broadcast_shapes(*(x.lay.shape[:-2] for x in operands))
    shapes = [(*batch, *x.lay.shape[-2:]) for x in operands]
    return [
        x if tuple(x.lay.shape) == s else expand(x, s)
        for x, s in zip(operands, shapes, strict=True)
    ]  # fmt: skip


def raise_failure(name: str, info: Any, words: str, kind: type[Exception] = LinAlgError) -> None:
    """Raise what PyTorch says of the first matrix whose ``info`` is not zero; ``words`` may name it {info}."""
    if info.device.type == "meta":  # nothing was computed that could have failed
        return
    found = values(bare(info))
    if np.any(found):
        at = int(np.argmax(found.reshape(-1) != 0))
        raise kind(f"{name}: {in_batch(found != 0)}{words.format(info=int(found.reshape(-1)[at]))}")


SINGULAR = (
    "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is singular."
)
UNSOLVABLE = "The solver failed because the input matrix is singular."
NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order "
    "{info} is not positive-definite)."
)
ZERO_PIVOT = (
    "U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. If you still want to "
    "perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)


# functions of one result that PyTorch computes apart and casts to the dtype of ``out``
# functions that cast their result into ``out``, by the names that PyTorch calls them where it cannot
_CASTS = {
    "cholesky": "cholesky",
    "cholesky_inverse": "cholesky_inverse",
    "cholesky_solve": "cholesky_solve",
    "linalg_cond": "linalg.cond",
    "linalg_matrix_rank": "torch.linalg.matrix_rank",
    "linalg_pinv": "linalg.pinv",
    "linalg_tensorinv": "tensorinv",
    "linalg_tensorsolve": "tensorsolve",
}


def store_one(name: str, out: Any, result: Any) -> Any:
    """Store a result in ``out``, whose dtype must be the result's except of the few functions that cast."""
    if out is None:
        return result
    if name not in _CASTS:
        _same_dtype(out, result)
    elif isinstance(out, Array):
        check_cast(_CASTS[name], "result", out, result)
    return into_out(name, out, result)


def check_cast(name: str, what: str, out: Any, result: Any) -> None:
    """Raise RuntimeError where a result cannot be cast to the dtype of ``out``."""
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"{name}: Expected {what} to be safely castable from {SCALAR_NAMES[result.dtype.name]} dtype, but got "
            f"{what} with dtype {SCALAR_NAMES[out.dtype.name]}"
        )


def _same_dtype(out: Any, result: Any) -> None:
    if isinstance(out, Array) and out.dtype is not result.dtype:
        want, have = C_NAMES[result.dtype.name], C_NAMES[out.dtype.name]
        raise RuntimeError(f"Expected out tensor to have dtype {want}, but got {have} instead")


def store_all(name: str, kind: Any, out: Any, results: Sequence[Any]) -> Any:
    """Return a named tuple of results, stored in the tensors of ``out`` where it is given."""
    if out is None:
        return kind(*results)
    for place, result in zip(out if isinstance(out, (tuple, list)) else (), results, strict=False):
        _same_dtype(place, result)
    return kind(*into_outs(name, out, results))
