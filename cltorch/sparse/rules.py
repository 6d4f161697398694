"""What functions do to sparse tensors in coordinate format."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.formats import sparse_coo, strided
from cltorch.shapes import wrap_dim
from cltorch.sparse.coordinates import RULES, SparseTensor, added, made, numbered, sparse_dims
from cltorch.tensor import Tensor

__all__ = ["added_product", "product", "total"]


def _parts(x: Any) -> tuple[Any, Any]:
    return x._coo


def _with(x: Any, values: Any) -> Any:
    return made(_parts(x)[0].to(values.device), values, tuple(x.lay.shape), x._coalesced)


def _to_dense(x: Any, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
    indices, values = _parts(x)
    size = tuple(x.lay.shape)
    sparse = size[: indices.shape[0]]
    dense = added(math.prod(sparse), numbered(indices, sparse), values).reshape(size)
    return dense if dtype is None else dense.to(dtype)


def _asked_of_values(name: str) -> Callable[..., Any]:
    return lambda x: getattr(_parts(x)[1], name)


def _of_values(name: str) -> Callable[..., Any]:
    def rule(x: Any, *args: Any, **kwargs: Any) -> Any:
        return _with(x, getattr(_parts(x)[1], name)(*args, **kwargs))

    return rule


def _type(x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    if dtype is not None:
        return _of_values("type")(x, dtype, *args, **kwargs)
    module, _, name = _parts(x)[1].type().rpartition(".")
    return f"{module}.sparse.{name}"


def _to_sparse(x: Any, layout: Any = None, *, sparse_dim: int | None = None, **other: Any) -> Any:
    if layout is strided:
        return _to_dense(x)
    if sparse_dims(layout, sparse_dim, other) not in (None, _parts(x)[0].shape[0]):
        raise RuntimeError(
            "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"
        )
    return x


def _of_sums(name: str) -> Callable[..., Any]:
    """Return the rule of a function that is 0 at 0, but not linear: places come once before it is taken."""
    return lambda x, *args, **kwargs: _of_values(name)(x.coalesce(), *args, **kwargs)


def _matrix(x: Any, name: str) -> tuple[Any, Any, Any]:
    indices, values = _parts(x)
    if indices.shape[0] != 2 or values.ndim != 1:
        raise RuntimeError(f"{name}: expected a sparse matrix, got a tensor of {len(x.lay.shape)} dimensions")
    return indices[0], indices[1], values


def product(a: Any, b: Any) -> Any:
    """Return the product of two matrices, or of a matrix and a vector; it is dense, but not both of them are sparse."""
    kinds = isinstance(a, SparseTensor), isinstance(b, SparseTensor)
    if not any(kinds):
        return functions.mm(a, b)
    if all(kinds):
        raise NotImplementedError("products of two sparse tensors are not built in cltorch: take x.to_dense()")
    if max(a.ndim, b.ndim) > 2:
        raise NotImplementedError(
            "products of sparse tensors in more than two dimensions are not built in cltorch: take x.to_dense()"
        )
    if min(a.ndim, b.ndim) < 1 or a.lay.shape[-1] != b.lay.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a.lay.shape))} and "
            f"{'x'.join(map(str, b.lay.shape))})"
        )
    if kinds[1]:
        return product(_t(b), a.t()).t()
    rows, columns, values = _matrix(a, "mm")
    if values.dtype != b.dtype:
        raise RuntimeError(f"expected mat1 and mat2 to have the same dtype, but got: {values.dtype} != {b.dtype}")
    taken = b.index_select(0, columns)
    return added(a.lay.shape[0], rows, taken * (values if b.ndim == 1 else values.unsqueeze(1)))


def _transpose(x: Any, dim0: int, dim1: int) -> Any:
    indices, values = _parts(x)
    ndim = len(x.lay.shape)
    d0, d1 = wrap_dim(dim0, ndim), wrap_dim(dim1, ndim)
    if max(d0, d1) >= indices.shape[0]:
        raise RuntimeError(
            f"sparse transpose: transposed dimensions must be sparse. Got sparse_dim: {indices.shape[0]}, d0: {d0}, "
            f"d1: {d1}"
        )
    order, size = list(range(indices.shape[0])), list(x.lay.shape)
    order[d0], order[d1], size[d0], size[d1] = d1, d0, size[d1], size[d0]
    return made(functions.stack([indices[d] for d in order]), values, size, False)


def _t(x: Any) -> Any:
    indices, values = _parts(x)
    if indices.shape[0] > 2 or values.ndim > 1:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {indices.shape[0]} sparse and "
            f"{values.ndim - 1} dense dimensions"
        )
    return x if indices.shape[0] < 2 else _transpose(x, 0, 1)


def _add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    if not (isinstance(b, SparseTensor) and isinstance(a, Tensor)):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if tuple(a.lay.shape) != tuple(b.lay.shape):
        raise RuntimeError(f"add: expected sizes of 'self' and 'other' to match, but {list(a.lay.shape)} != "
                           f"{list(b.lay.shape)}")  # fmt: skip
    if not isinstance(a, SparseTensor):
        return a + _to_dense(b) * alpha
    if _parts(a)[0].shape[0] != _parts(b)[0].shape[0]:
        raise RuntimeError("add: expected 'self' and 'other' to have same number of sparse dimensions")
    (i, v), (j, w) = _parts(a), _parts(b)
    return made(functions.cat([i, j], 1), functions.cat([v, w * alpha]), tuple(a.lay.shape), False)


def _sub(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return _add(a, b, alpha=-alpha)


def _pow(x: Any, exponent: Any) -> Any:
    if isinstance(exponent, Tensor) or exponent <= 0:
        raise NotImplementedError(
            f"sparse tensors to the power of {exponent} are not built in cltorch: take x.to_dense()"
        )
    return _of_sums("pow")(x, exponent)


def added_product(mat: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Return ``beta * mat + alpha * (mat1 @ mat2)``, of which the first is dense."""
    if isinstance(mat, SparseTensor):
        raise NotImplementedError("addmm to a sparse tensor is not built in cltorch: take mat.to_dense()")
    return mat * beta + product(mat1, mat2) * alpha


def _cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Join tensors of as many sparse dimensions along one of these: places move by the sizes before them."""
    first = tensors[0]
    if not all(isinstance(x, SparseTensor) for x in tensors):
        raise RuntimeError("Concatenating sparse tensors, but a dense tensor was found among them")
    n, size = _parts(first)[0].shape[0], list(first.lay.shape)
    d = dim % len(size)
    if d >= n:
        raise NotImplementedError("sparse tensors are not joined along dense dimensions in cltorch")
    before, indices = 0, []
    for x in tensors:
        own, places = list(x.lay.shape), _parts(x)[0]
        if places.shape[0] != n or own[:d] + own[d + 1 :] != size[:d] + size[d + 1 :]:
            raise RuntimeError(
                f"All tensors must have the same shape: {size} (except in the concatenating dimension), but got {own}"
            )
        indices.append(functions.stack([row + before if i == d else row for i, row in enumerate(places)]))
        before += own[d]
    size[d] = before
    return made(functions.cat(indices, 1), functions.cat([_parts(x)[1] for x in tensors]), size, False)


def _mul(a: Any, b: Any) -> Any:
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if isinstance(b, SparseTensor):
        raise NotImplementedError("products of two sparse tensors are not built in cltorch: take x.to_dense()")
    indices, values = _parts(a)
    if isinstance(b, Tensor) and b.ndim:
        if tuple(b.shape) != tuple(a.lay.shape):
            raise NotImplementedError(
                "products of a sparse and a dense tensor of another shape are not built in cltorch"
            )
        b = b[tuple(indices)]
    return _with(a, values * b)


def _div(a: Any, b: Any) -> Any:
    if not isinstance(a, SparseTensor) or isinstance(b, Tensor) and b.ndim:
        raise RuntimeError("Sparse division requires a scalar or zero-dim dense tensor divisor")
    return _with(a, _parts(a)[1] / b)


def _sum(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if dtype is None and not (x.dtype.is_floating_point or x.dtype.is_complex):
        dtype = dtypes.int64  # where torch.sparse.sum keeps what it gets
    return total(x, dim, keepdim, dtype=dtype)


def _requires_grad(x: Any, requires_grad: bool = True) -> Any:
    if requires_grad:
        raise NotImplementedError("gradients of sparse leaves are not built in cltorch: let the values require them")
    return x


def total(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum of all elements, or the sums along sparse dimensions: a sparse tensor, unless all of those go."""
    indices, values = _parts(x)
    if dim is None:
        return values.sum(dtype=dtype)
    size, n = list(x.lay.shape), indices.shape[0]
    gone = {wrap_dim(d, len(size)) for d in ([dim] if isinstance(dim, int) else dim)}
    if keepdim:
        raise NotImplementedError("sums of sparse tensors that keep dimensions are not built: take x.to_dense()")
    if max(gone, default=-1) >= n:
        raise NotImplementedError("sums along dense dimensions of sparse tensors are not built: take x.to_dense()")
    if dtype is not None:
        values = values.to(dtype)
    kept = [d for d in range(n) if d not in gone]
    if not kept:
        return values.sum(0)
    return made(
        functions.stack([indices[d] for d in kept]), values, [size[d] for d in range(len(size)) if d not in gone], False
    )


RULES |= {
    "layout.__get__": lambda x: sparse_coo,
    "get_device": lambda x: _parts(x)[1].get_device(),
    **{f"{name}.__get__": _asked_of_values(name) for name in (
        "device is_cuda is_cpu is_meta requires_grad grad_fn is_leaf"
    ).split()},
    "T.__get__": _t,
    "type": _type,
    "sparse_dim": lambda x: int(_parts(x)[0].shape[0]),
    "dense_dim": lambda x: int(_parts(x)[1].ndim) - 1,
    "to_dense": _to_dense,
    "to_sparse": _to_sparse,
    "requires_grad_": _requires_grad,
    "t": _t,
    "transpose": _transpose,
    "sum": _sum,
    **dict.fromkeys(("mm", "matmul", "__matmul__", "mv", "spmm", "dsmm"), product),
    "__rmatmul__": lambda x, other: product(other, x),
    **dict.fromkeys(("add", "__add__"), _add),
    "__radd__": lambda x, other: _add(other, x),
    **dict.fromkeys(("sub", "subtract", "__sub__"), _sub),
    **dict.fromkeys(("pow", "__pow__"), _pow),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "addmm": added_product,
    **dict.fromkeys(("mul", "multiply", "__mul__", "__rmul__"), _mul),
    **dict.fromkeys(("div", "divide", "true_divide", "__truediv__"), _div),
    **{name: _of_values(name) for name in (
        "to cpu cuda cl float double half bfloat16 int long short char byte bool clone detach contiguous neg "
        "__neg__"
    ).split()},
    **{name: _of_sums(name) for name in "abs sqrt square sin tan sinh tanh asin atan relu sign floor ceil".split()},
}  # fmt: skip
