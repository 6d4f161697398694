"""Products that are put together from others: kron, cross, trace, chains and powers of matrices.

Source: https://docs.pytorch.org/docs/2.13/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.autograd.layers import active
from cltorch.autograd.renaming import as_one
from cltorch.dtypes import C_NAMES, TYPE_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions import reduce as r
from cltorch.functions.arguments import need_array, numpy_names, read_int
from cltorch.functions.convert import contiguous
from cltorch.functions.create import eye
from cltorch.functions.create_like import ones_like
from cltorch.functions.linalg_check import check_cast
from cltorch.functions.matmul import matmul
from cltorch.functions.parts import diagonal
from cltorch.functions.pointwise import into_out, need_out
from cltorch.functions.rearrange import roll
from cltorch.functions.shape import expand, reshape, squeeze, unsqueeze
from cltorch.ops.cross import crossed
from cltorch.ops.few import refuse
from cltorch.ops.notices import warn_once
from cltorch.shapes import broadcast_shapes, wrap_dim

__all__ = ["chain_matmul", "cross", "kron", "matrix_power", "multi_dot", "trace"]


def trace(input: Any) -> Any:
    """Sum the diagonal of a matrix; integers are summed in int64. Raises RuntimeError for anything but a matrix.

    Shape: (n, m) to ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.trace.html

    >>> import cltorch as torch
    >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    need_array("trace", "input", 1, input)
    if input.lay.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.lay.ndim}")
    refuse("trace", input.dtype)
    if input.dtype is dtypes.bool_:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    n, m = input.lay.shape
    t, at = input.dtype, input.device
    return as_one(
        "TraceBackward0",
        lambda x: r.sum(diagonal(x)),
        lambda f, g, _: (f.mul(eye(n, m, dtype=t, device=at), g),),
        input,
    )


def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """Return the Kronecker product: blocks of ``other``, each times an element of ``input``.

    Where one has fewer dimensions, further ones of size 1 are put in front.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.kron.html

    >>> import cltorch as torch
    >>> torch.kron(torch.tensor([1, 2]), torch.tensor([1, 10]))
    tensor([ 1, 10,  2, 20])
    """
    need_array("kron", "input", 1, input)
    need_array("kron", "other", 2, other)
    n = max(input.lay.ndim, other.lay.ndim)
    a, b = ([1] * (n - x.lay.ndim) + list(x.lay.shape) for x in (input, other))
    left = reshape(input, [k for size in a for k in (size, 1)])
    right = reshape(other, [k for size in b for k in (1, size)])
    result = reshape(p.mul(left, right), [k * m for k, m in zip(a, b, strict=True)])
    return result if out is None else into_out("kron", out, result)


def _crossed(input: Any, other: Any, d: int) -> Any:
    """Return cross products along a dimension of size 3, one node of the graph."""
    sizes = input.lay.shape, other.lay.shape
    shape = broadcast_shapes(*sizes)

    def run(a: Any, b: Any) -> Any:
        if not (active or a.dtype.few or a.dtype is dtypes.bool_ or a.device is not b.device):
            return crossed(a, b, d, tuple(shape))
        a, b = (x if x.lay.shape == shape else expand(x, shape) for x in (a, b))
        return p.sub(p.mul(roll(a, -1, d), roll(b, -2, d)), p.mul(roll(a, -2, d), roll(b, -1, d)))

    def back(m: Any, g: Any, a: Any, b: Any) -> Any:
        found = (
            None if x is None else _crossed(*((m.conj_physical(x), g) if first else (g, m.conj_physical(x))), d)
            for first, x in ((True, b), (False, a))
        )
        return [f if f is None else m.sum_to_size(f, size) for f, size in zip(found, sizes, strict=True)]

    # each factor's gradient takes the other
    keeps = [1 - i for i in (0, 1) if needs_grad((input, other)[i])]
    return as_one("LinalgCrossBackward0", run, back, input, other, keeps=keeps)


@numpy_names
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """Return the cross product of vectors of three elements along a dimension (the first of size 3 by default).

    The other dimensions broadcast. Raises RuntimeError where the dimension is not of size 3, or there is none.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cross.html

    >>> import cltorch as torch
    >>> torch.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]), dim=0)
    tensor([0, 0, 1])
    """
    need_array("cross", "input", 1, input)
    need_array("cross", "other", 2, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"expected scalar type {TYPE_NAMES[input.dtype]} but found {TYPE_NAMES[other.dtype]}"
        )  # fmt: skip
    if input.lay.ndim != other.lay.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if dim is not None and input.lay.ndim:
        d = wrap_dim(dim, input.lay.ndim)
        if input.lay.shape[d] != 3 or other.lay.shape[d] != 3:
            raise RuntimeError(
                f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.lay.shape[d]} and "
                f"{other.lay.shape[d]}"
            )
    shape = broadcast_shapes(input.lay.shape, other.lay.shape)
    if dim is None:
        warn_once(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or "
            "simply use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross "
            "in a future release."
        )
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        d = list(shape).index(3)
    else:
        d = wrap_dim(dim, len(shape))
    if input.lay.shape[d] != 3 or other.lay.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.lay.shape[d]} and "
            f"{other.lay.shape[d]}"
        )
    result = _crossed(input, other, d)
    return contiguous(result) if out is None else into_out("cross", out, result)


def _best_order(sizes: Sequence[int]) -> list[list[int]]:
    """Return where to split each range of a chain of matrices so that the fewest multiplications are made."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            choices = [cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)]
            cost[i][j] = min(choices)
            split[i][j] = i + choices.index(cost[i][j])
    return split


def multi_dot(tensors: Any, *, out: Any = None) -> Any:
    """Multiply a chain of matrices in the order that takes the fewest multiplications.

    A_1 @ A_2 @ … @ A_n.
    The first and the last may be vectors. Raises RuntimeError for fewer than two tensors and for sizes that do not fit.
    Shape: (n_0, n_1), (n_1, n_2) … to (n_0, n); without n_0 or n where vectors begin or end.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.multi_dot.html

    >>> import cltorch as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            "linalg_multi_dot(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    given = list(tensors)
    if len(given) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(given)}")
    for i, x in enumerate(given):
        need_array("multi_dot", "tensors", i + 1, x)
        ends = i in (0, len(given) - 1)
        if x.lay.ndim != 2 and not (ends and x.lay.ndim == 1):
            which = f"the {'last' if i else 'first'} tensor must be 1D or 2D" if ends else f"tensor {i} must be 2D"
            raise RuntimeError(f"multi_dot(): {which} but got {x.lay.ndim}D")
        if x.dtype is not given[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {C_NAMES[given[0].dtype.name]} "
                f"and tensor {i} {C_NAMES[x.dtype.name]}"
            )
    first, last = given[0].lay.ndim == 1, given[-1].lay.ndim == 1
    if first:
        given[0] = unsqueeze(given[0], 0)
    if last:
        given[-1] = unsqueeze(given[-1], 1)
    for i, (a, b) in enumerate(zip(given, given[1:], strict=False)):
        if a.lay.shape[1] != b.lay.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.lay.shape)} and {list(b.lay.shape)} "
                "cannot be multiplied"
            )
    split = _best_order([given[0].lay.shape[0], *(x.lay.shape[1] for x in given)])

    def multiply(i: int, j: int) -> Any:
        return given[i] if i == j else matmul(multiply(i, split[i][j]), multiply(split[i][j] + 1, j))

    result = multiply(0, len(given) - 1)
    if last:
        result = squeeze(result, 1)
    if first:
        result = squeeze(result, 0)
    return result if out is None else into_out("multi_dot", out, result)


def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """Multiply matrices in the best order; the older name of ``torch.linalg.multi_dot``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.chain_matmul.html

    >>> import cltorch as torch
    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 5)).shape
    torch.Size([2, 5])
    """
    warn_once(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters."
    )
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for i, x in enumerate(matrices):
        if need_array("chain_matmul", "matrices", i + 1, x).lay.ndim != 2:
            raise RuntimeError(f"Tensor dimension is {x.lay.ndim}, expected 2 instead.")
    if len(matrices) == 1:
        return matrices[0] if out is None else into_out("chain_matmul", out, matrices[0])
    return multi_dot(matrices, out=out)


def matrix_power(input: Any, n: int, *, out: Any = None) -> Any:
    """Multiply square matrices ``n`` times with themselves; a negative power is one of the inverse.

    A^n = A · A · … · A.
    Raises RuntimeError for matrices that are not square.
    Shape: (*, n, n) to the same.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.linalg.matrix_power.html

    >>> import cltorch as torch
    >>> torch.matrix_power(torch.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    need_array("matrix_power", "input", 1, input)
    n = read_int("matrix_power", "n", 2, n)
    shape = input.lay.shape
    if len(shape) < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if shape[-1] != shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {shape[-2]} by {shape[-1]} "
            "matrices"
        )
    if n < 0:
        inverse = getattr(Settings.functions, "inverse", None)
        if inverse is None:
            raise NotImplementedError("matrix_power() with a negative power is not built: it needs the inverse")
        input, n = inverse(input), -n
    if n == 0:
        result = p.clone(expand(eye(shape[-1], dtype=input.dtype, device=input.device), shape))
        if needs_grad(input):  # its gradient is zero, and there
            result = p.where(ones_like(result, dtype=dtypes.bool_), result, input)
    else:
        # square and multiply, from the highest binary digit of n
        result = input
        for digit in bin(n)[3:]:
            result = matmul(result, result)
            if digit == "1":
                result = matmul(result, input)
        if n == 1:
            result = p.clone(result)
    if out is None:
        return result
    check_cast("matrix_power", "result", need_out("matrix_power", out), result)
    return into_out("matrix_power", out, result)
