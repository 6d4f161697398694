"""Matrix products: matmul, mm, bmm and their relatives, with PyTorch's checks in front of one kernel.

Source: https://docs.pytorch.org/docs/2.13/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

import math
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import called
from cltorch.dtypes import C_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import SCALAR_NAMES, need_array, read_dtype
from cltorch.functions.complex_parts import conj
from cltorch.functions.convert import to
from cltorch.functions.pointwise import into_out
from cltorch.functions.shape import expand, reshape, squeeze, unsqueeze
from cltorch.ops import matmul as ops
from cltorch.ops.array import Array
from cltorch.shapes import broadcast_shapes

__all__ = [
    "bmm", "dot", "dsmm", "ger", "inner", "inner_rows", "linear", "matmul", "matrix_product", "mm", "mv", "outer",
    "spmm", "vdot",
]  # fmt: skip


def check_operands(name: str, *given: tuple[str, Any]) -> None:
    """Raise where operands are not tensors of one device and one dtype that matrix products take."""
    for i, (argument, x) in enumerate(given):
        need_array(name, argument, i + 1, x)
    first = given[0][1]
    for argument, x in given[1:]:
        if x._storage.device is not first._storage.device:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but got {argument} is on {x.device}, different from "
                f"other tensors on {first.device} (when checking argument in method {name})"
            )
        if x.dtype is not first.dtype:
            if name == "dot":
                one, two = SCALAR_NAMES[first.dtype.name], SCALAR_NAMES[x.dtype.name]
                raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {one} and {two}")
            raise RuntimeError(
                "expected m1 and m2 to have the same dtype, but got: "
                f"{C_NAMES[first.dtype.name]} != {C_NAMES[x.dtype.name]}"
            )
    if first.dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}\" not implemented for '{SCALAR_NAMES['bool']}'")


def need_dim(argument: str, x: Any, n: int, what: str) -> None:
    """Raise RuntimeError for another number of dimensions."""
    if x.lay.ndim != n:
        raise RuntimeError(f"{argument} must be a {what}, but has {x.lay.ndim} dimensions: {list(x.lay.shape)}")


def check_inner(a: Any, b: Any) -> None:
    """Raise RuntimeError where the sizes that a product of matrices sums over differ."""
    (m, k), (k2, n) = a.lay.shape, b.lay.shape
    if k != k2:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n})")


def finish(name: str, result: Any, out: Any) -> Any:
    """Return a product, or put it into ``out``; raise RuntimeError for one of another dtype."""
    if out is None:
        return result
    if isinstance(out, Array) and out.dtype is not result.dtype:
        want, have = C_NAMES[result.dtype.name], C_NAMES[out.dtype.name]
        raise RuntimeError(f"Expected out tensor to have dtype {want}, but got {have} instead")
    return into_out(name, out, result)


def matrix_product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """Multiply over the last two dimensions, of which either operand's are exchanged as the flags say."""
    return apply(ops.Matmul, a, b, transpose_a, transpose_b)


def wide(name: str, a: Any, b: Any, out_dtype: Any) -> tuple[Any, Any]:
    """Return operands in the dtype that the result shall have, which is float32 for those of 16 bits."""
    t = read_dtype(name, out_dtype)
    if a.device.type == "cpu":
        raise NotImplementedError(f"Could not run 'aten::{name}.dtype' with arguments from the 'CPU' backend.")
    if t is not a.dtype and not (t is dtypes.float32 and a.dtype in (dtypes.float16, dtypes.bfloat16)):
        raise RuntimeError("out_dtype must be the same as input dtype or fp32 for fp16/bf16 inputs")
    return to(a, t), to(b, t)


def mm(input: Any, mat2: Any, out_dtype: Any = None, *, out: Any = None) -> Any:
    """Multiply two matrices, (n, k) @ (k, m).

    ``out_dtype``, on devices, is the dtype of the result: the operands' own, or float32 for float16 and bfloat16.
    Raises RuntimeError where they are no matrices, their sizes do not fit, dtypes or devices differ, or the result
    cannot have ``out_dtype``, NotImplementedError for ``out_dtype`` on the host.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.mm.html

    >>> import cltorch as torch
    >>> torch.mm(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    check_operands("mm", ("self", input), ("mat2", mat2))
    need_dim("self", input, 2, "matrix")
    need_dim("mat2", mat2, 2, "matrix")
    check_inner(input, mat2)
    if out_dtype is not None:
        input, mat2 = wide("mm", input, mat2, out_dtype)
    return finish("mm", apply(ops.Mm, input, mat2, False, False), out)


dsmm = spmm = mm  # what programs for graphs call where the first matrix may be sparse


def check_batches(name: str, a: Any, b: Any) -> None:
    """Raise RuntimeError where operands are no batches of matrices that fit."""
    need_dim("batch1", a, 3, "3D tensor")
    need_dim("batch2", b, 3, "3D tensor")
    if a.lay.shape[0] != b.lay.shape[0] or a.lay.shape[2] != b.lay.shape[1]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.lay.shape[0]}, {a.lay.shape[2]}] but got: [{b.lay.shape[0]}, {b.lay.shape[1]}]."
        )


def bmm(input: Any, mat2: Any, out_dtype: Any = None, *, out: Any = None) -> Any:
    """Multiply two batches of matrices, (b, n, k) @ (b, k, m).

    ``out_dtype`` is as of ``mm``.
    Shape: (b, n, m) and (b, m, p) to (b, n, p).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.bmm.html

    >>> import cltorch as torch
    >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 4)).shape
    torch.Size([2, 1, 4])
    """
    check_operands("bmm", ("self", input), ("mat2", mat2))
    check_batches("bmm", input, mat2)
    if out_dtype is not None:
        input, mat2 = wide("bmm", input, mat2, out_dtype)
    return finish("bmm", apply(ops.Bmm, input, mat2, False, False), out)


def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """Multiply a matrix (n, m) and a vector (m).

    Shape: (n, m) and (m) to (n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.mv.html

    >>> import cltorch as torch
    >>> torch.mv(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    check_operands("mv", ("self", input), ("vec", vec))
    if input.lay.ndim != 2 or vec.lay.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {input.lay.ndim}, {vec.lay.ndim}: "
            f"{list(input.lay.shape)} @ {list(vec.lay.shape)}"
        )
    (n, k), size = input.lay.shape, vec.lay.shape[0]
    if k != size:
        raise RuntimeError(f"size mismatch, got input ({n}), mat ({n}x{k}), vec ({size})")
    return finish("mv", apply(ops.Mv, input, vec), out)


def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """Sum the products of two vectors.

    Shape: (n) twice to ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.dot.html

    >>> import cltorch as torch
    >>> torch.dot(torch.tensor([2, 3]), torch.tensor([2, 1]))
    tensor(7)
    """
    check_operands("dot", ("self", input), ("tensor", tensor))
    if input.lay.ndim != 1 or tensor.lay.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {input.lay.ndim}D and {tensor.lay.ndim}D tensors: "
            f"{list(input.lay.shape)} and {list(tensor.lay.shape)}"
        )
    n, k = input.lay.numel, tensor.lay.numel
    if n != k:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{k}] to have the same number of elements, "
            f"but got {n} and {k} elements respectively"
        )
    return finish("dot", apply(ops.Dot, input, tensor), out)


def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """Sum the products of two vectors, the first one conjugated.

    Shape: (n) twice to ().
    Raises as ``dot`` does. Source: https://docs.pytorch.org/docs/2.13/generated/torch.vdot.html

    >>> import cltorch as torch
    >>> torch.vdot(torch.tensor([1j, 2]), torch.tensor([1j, 2j]))
    tensor(1.+4.j)
    """
    need_array("vdot", "input", 1, input)
    return called(dot(conj(input), other, out=out), "VdotBackward0", out)


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """Multiply vectors, matrices or batches of matrices, whose leading dimensions broadcast.

    out[…, i, j] = Σ_k a[…, i, k] · b[…, k, j].
    Two vectors give their dot product, a matrix and a vector the vector of products; beyond that the last two
    dimensions are matrices. Raises RuntimeError for 0-d operands, sizes that do not fit, and mixed dtypes or devices.
    Shape: (*, n, k) and (*, k, m) to (*, n, m); (k) in place of the first gives (*, m), of the second (*, n), of both
    ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.matmul.html

    >>> import cltorch as torch
    >>> torch.matmul(torch.ones(5, 2, 3), torch.ones(3, 4)).shape
    torch.Size([5, 2, 4])
    """
    check_operands("matmul", ("input", input), ("other", other))
    a, b = input.lay.ndim, other.lay.ndim
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 2 and b == 2:
        check_inner(input, other)
        result = apply(ops.Mm, input, other, False, False)
    elif a == 1 and b == 1:
        result = dot(input, other)
    elif a == 2 and b == 1:
        result = mv(input, other)
    elif a == 1 and b == 2:
        row = unsqueeze(input, 0)
        check_inner(row, other)
        result = squeeze(apply(ops.Mm, row, other, False, False), 0)
    else:
        left = unsqueeze(input, 0) if a == 1 else input
        right = unsqueeze(other, 1) if b == 1 else other
        (m, k), (k2, n) = left.lay.shape[-2:], right.lay.shape[-2:]
        if k != k2:
            rows = left.lay.numel // max(k, 1) if b <= 2 else m
            raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{k} and {k2}x{n})")
        broadcast_shapes(left.lay.shape[:-2], right.lay.shape[:-2])
        result = apply(ops.Matmul, left, right, False, False)
        if a == 1 or b == 1:
            result = squeeze(result, -2 if a == 1 else -1)
    return finish("matmul", result, out)


def need_broadcast(name: str, input: Any, shape: Any) -> None:
    """Raise RuntimeError where what a product is added to does not broadcast to it."""
    have = input.lay.shape
    for i in range(-min(len(have), len(shape)), 0):
        if have[i] != shape[i] and have[i] != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i]}) must match the existing size ({have[i]}) at "
                f"non-singleton dimension {len(shape) + i}.  Target sizes: {list(shape)}.  Tensor sizes: {list(have)}"
            )
    if len(have) > len(shape):
        raise RuntimeError(
            f"{name}: the input of shape {list(input.lay.shape)} does not broadcast to the product's {list(shape)}"
        )


def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """Return the matrix of all products of the elements of two vectors.

    Shape: (n) and (m) to (n, m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.outer.html

    >>> import cltorch as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for argument, x in (("self", input), ("vec2", vec2)):
        need_array("outer", argument, 1, x)
        if x.lay.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {argument}, but got {x.lay.ndim}-D")
    return p.mul(unsqueeze(input, 1), vec2, out=out)


ger = outer


def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """Sum the products over the last dimension of two tensors, for all pairs of the other dimensions.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.inner.html

    >>> import cltorch as torch
    >>> torch.inner(torch.tensor([1, 2, 3]), torch.tensor([0, 2, 1]))
    tensor(7)
    """
    need_array("inner", "input", 1, input)
    need_array("inner", "other", 2, other)
    if input.lay.ndim == 0 or other.lay.ndim == 0:
        return p.mul(input, other, out=out)
    if input.lay.ndim == other.lay.ndim == 1 and input.lay.shape == other.lay.shape:
        check_operands("inner", ("self", input), ("other", other))
        return dot(input, other, out=out)
    return inner_rows(input, other, out=out)


def inner_rows(input: Any, other: Any, *, out: Any = None) -> Any:
    """Return ``inner`` of what are not two vectors, which alone autocast on the host casts."""
    check_operands("inner", ("self", input), ("other", other))
    a, b = input.lay.shape, other.lay.shape
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a)} and {list(b)}"
        )
    left, right = (reshape(x, (math.prod(x.lay.shape[:-1]), a[-1])) for x in (input, other))
    rows = matrix_product(left, right, False, True)
    return finish("inner", reshape(rows, (*a[:-1], *b[:-1])), out)


def linear(input: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    """Return ``input @ weight.T + bias`` for inputs (…, in), weights (out, in) or (in) and a bias (out).

    Raises RuntimeError where sizes do not fit or dtypes or devices differ.
    Shape: input (*, in), weight (out, in), bias (out) to (*, out); weight (in) to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.linear.html

    >>> import cltorch as torch
    >>> torch.nn.functional.linear(torch.ones(1, 3), torch.ones(2, 3), torch.tensor([0.0, 1.0]))
    tensor([[3., 4.]])
    """
    if out is not None:
        return finish("linear", linear(input, weight, bias), out)
    if bias is None:
        check_operands("linear", ("input", input), ("weight", weight))
    else:
        check_operands("linear", ("input", input), ("weight", weight), ("bias", bias))
    shape, w = input.lay.shape, weight.lay.shape
    if len(w) == 1:
        result = matmul(input, weight)
        return result if bias is None else p.add(result, bias)
    if len(w) != 2 or not shape:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {len(shape)}D and {len(w)}D")
    if shape[-1] != w[1]:
        rows = input.lay.numel // max(shape[-1], 1)
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{shape[-1]} and {w[1]}x{w[0]})")
    if bias is not None and bias.lay.shape != (w[0],):
        need_broadcast("linear", bias, (*shape[:-1], w[0]))
        bias = expand(bias, (w[0],)) if bias.lay.ndim <= 1 else bias
        if bias.lay.ndim > 1:
            return p.add(apply(ops.Linear, input, weight, None), bias)
    if len(shape) == 2:
        return apply(ops.LinearProduct if bias is None else ops.LinearMatrix, input, weight, bias)
    return apply(ops.LinearRows if bias is None else ops.Linear, input, weight, bias)
