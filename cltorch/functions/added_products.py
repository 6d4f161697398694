"""Products that are added to a tensor: addmm and its relatives, with factors for both.

Source: https://docs.pytorch.org/docs/2.13/torch.html#blas-and-lapack-operations
"""

from __future__ import annotations

import inspect
from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import needs_grad
from cltorch.autograd.record import apply
from cltorch.autograd.renaming import as_one
from cltorch.dtypes import C_NAMES
from cltorch.functions import pointwise as p
from cltorch.functions.arguments import fit_number, need_array, read_number
from cltorch.functions.convert import to
from cltorch.functions.matmul import (
    check_batches,
    check_inner,
    check_operands,
    finish,
    mv,
    need_broadcast,
    need_dim,
    outer,
    wide,
)
from cltorch.functions.old_forms import in_old_forms
from cltorch.functions.overwrite import copy_
from cltorch.functions.shape import reshape
from cltorch.ops import matmul as ops
from cltorch.ops.promotion import result_type

__all__ = [
    "addbmm", "addbmm_", "addmm", "addmm_", "addmv", "addmv_", "addr", "addr_", "baddbmm", "baddbmm_",
]  # fmt: skip


def _scales(name: str, input: Any, beta: Any, alpha: Any) -> list[Any]:
    """Return beta and alpha as the dtype can hold them; raise RuntimeError where it cannot."""
    return [
        fit_number(x if x.__class__ is int or x.__class__ is float else read_number(name, what, at, x), input.dtype)
        for what, at, x in (("beta", 4, beta), ("alpha", 5, alpha))
    ]


def _widened(name: str, input: Any, a: Any, b: Any, out_dtype: Any) -> tuple[Any, Any, Any]:
    """Return operands in the dtype that the result shall have, which the input may have already."""
    check_operands(name, ("mat1", a), ("mat2", b))
    first, second = wide(name, a, b, out_dtype)
    if need_array(name, "self", 1, input).dtype not in (a.dtype, first.dtype):
        raise RuntimeError("self dtype must match either out_dtype or mat1 dtype")
    return to(input, first.dtype), first, second


@in_old_forms(3, "beta", "alpha")
def addmm(
    input: Any, mat1: Any, mat2: Any, out_dtype: Any = None, *, beta: Any = 1, alpha: Any = 1, out: Any = None
) -> Any:
    """Return ``beta * input + alpha * (mat1 @ mat2)``; the input broadcasts.

    ``out_dtype`` is as of ``mm``; the input has that dtype or the matrices'.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.addmm.html

    >>> import cltorch as torch
    >>> torch.addmm(torch.ones(1, 2), torch.ones(3, 4), torch.ones(4, 2), alpha=0.5)
    tensor([[3., 3.],
            [3., 3.],
            [3., 3.]])
    """
    if out_dtype is not None:
        input, mat1, mat2 = _widened("addmm", input, mat1, mat2, out_dtype)
    check_operands("addmm", ("self", input), ("mat1", mat1), ("mat2", mat2))
    need_dim("mat1", mat1, 2, "matrix")
    need_dim("mat2", mat2, 2, "matrix")
    check_inner(mat1, mat2)
    need_broadcast("addmm", input, (mat1.lay.shape[0], mat2.lay.shape[1]))
    return finish("addmm", apply(ops.Addmm, input, mat1, mat2, *_scales("addmm", input, beta, alpha)), out)


@in_old_forms(3, "beta", "alpha")
def baddbmm(
    input: Any, batch1: Any, batch2: Any, out_dtype: Any = None, *, beta: Any = 1, alpha: Any = 1, out: Any = None
) -> Any:
    """Return ``beta * input + alpha * (batch1 @ batch2)`` for batches of matrices; the input broadcasts.

    ``out_dtype`` is as of ``addmm``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.baddbmm.html

    >>> import cltorch as torch
    >>> torch.baddbmm(torch.ones(1, 1, 1), torch.ones(1, 1, 3), torch.ones(1, 3, 1))
    tensor([[[4.]]])
    """
    if out_dtype is not None:
        input, batch1, batch2 = _widened("baddbmm", input, batch1, batch2, out_dtype)
    check_operands("baddbmm", ("self", input), ("batch1", batch1), ("batch2", batch2))
    check_batches("baddbmm", batch1, batch2)
    need_broadcast("baddbmm", input, (*batch1.lay.shape[:2], batch2.lay.shape[2]))
    return finish("baddbmm", apply(ops.Baddbmm, input, batch1, batch2, *_scales("baddbmm", input, beta, alpha)), out)


@in_old_forms(3, "beta", "alpha")
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """Return ``beta * input`` plus ``alpha`` times the sum of the products of a batch.

    Shape: input (n, p) or what broadcasts, batches (b, n, m) and (b, m, p), result (n, p).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.addbmm.html

    >>> import cltorch as torch
    >>> torch.addbmm(torch.ones(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1))
    tensor([[7.]])
    """
    check_operands("addbmm", ("self", input), ("batch1", batch1), ("batch2", batch2))
    check_batches("addbmm", batch1, batch2)
    b, n, k = batch1.lay.shape
    size = input.lay.shape

    def run(input: Any, batch1: Any, batch2: Any) -> Any:
        # the sum over the batch is one product of matrices that lie side by side
        wide = reshape(batch1.transpose(0, 1), (n, b * k))
        high = reshape(batch2, (b * k, batch2.lay.shape[2]))
        return addmm(input, wide, high, beta=beta, alpha=alpha)

    def back(m: Any, g: Any, _: Any, batch1: Any, batch2: Any) -> Any:
        scaled = m.mul(g, _conj(alpha))
        return (
            m.sum_to_size(m.mul(g, _conj(beta)), size),
            None if batch2 is None else m.matmul(scaled, m.conj_physical(batch2.transpose(1, 2))),
            None if batch1 is None else m.matmul(m.conj_physical(batch1.transpose(1, 2)), scaled),
        )

    keeps = [i for i, x in ((2, batch1), (1, batch2)) if needs_grad(x)]
    return finish("addbmm", as_one("AddbmmBackward0", run, back, input, batch1, batch2, keeps=keeps), out)


@in_old_forms(3, "beta", "alpha")
def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """Return ``beta * input + alpha * (mat @ vec)``.

    Shape: input (n) or what broadcasts, (n, m) and (m), result (n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.addmv.html

    >>> import cltorch as torch
    >>> torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3))
    tensor([4., 4.])
    """
    check_operands("addmv", ("self", input), ("mat", mat), ("vec", vec))
    beta, alpha = (+x for x in _scales("addmv", input, beta, alpha))  # cut to whole numbers where addr refuses others

    def run(input: Any, mat: Any, vec: Any) -> Any:
        product = mv(mat, vec)
        need_broadcast("addmv", input, product.lay.shape)
        scaled = product if alpha == 1 else p.mul(product, alpha)
        return scaled if beta == 0 else p.add(scaled, input, alpha=beta)

    size = input.lay.shape

    def back(m: Any, g: Any, _: Any, mat: Any, vec: Any) -> Any:
        scaled = m.mul(g, _conj(alpha))
        return (
            m.sum_to_size(m.mul(g, _conj(beta)), size),
            None if vec is None else m.outer(scaled, m.conj_physical(vec)),
            None if mat is None else m.mv(m.conj_physical(mat.t()), scaled),
        )

    keeps = [i for i, x in ((2, mat), (1, vec)) if needs_grad(x)]
    return finish("addmv", as_one("AddmvBackward0", run, back, input, mat, vec, keeps=keeps), out)


def _conj(x: Any) -> Any:
    return x.conjugate() if isinstance(x, complex) else x


@in_old_forms(3, "beta", "alpha")
def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """Return ``beta * input + alpha * outer(vec1, vec2)``.

    Shape: input (n, m) or what broadcasts, (n) and (m), result (n, m).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.addr.html

    >>> import cltorch as torch
    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    product = outer(vec1, vec2)
    need_broadcast("addr", input, product.lay.shape)
    t = result_type([product, input])
    for name, value in (("beta", beta), ("alpha", alpha)):
        if isinstance(value, (float, complex)) and not t.differentiable:
            raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
        if isinstance(value, complex) and not t.is_complex:
            raise RuntimeError(f"value cannot be converted to type {C_NAMES[t.name]} without overflow")
        if value.__class__ is bool and t is not dtypes.bool_:
            raise RuntimeError(f"Boolean {name} only supported for Boolean results.")
    if product.dtype is dtypes.bool_ and input.dtype is dtypes.bool_:
        scaled = p.logical_and(product, bool(alpha))
        result = p.logical_or(scaled, p.logical_and(input, bool(beta)))
    else:
        shape, kinds = input.lay.shape, (input.dtype, vec1.dtype, vec2.dtype)

        def run(input: Any, *_: Any) -> Any:
            scaled = product if alpha == 1 else p.mul(product, alpha)
            if beta == 0:  # the input's values do not count, but its dtype does
                return to(scaled, t)
            return p.add(input if beta == 1 else p.mul(input, beta), scaled)  # which lies as the input does

        def back(m: Any, g: Any, _: Any, vec1: Any, vec2: Any) -> Any:
            scaled = g if alpha == 1 else m.mul(g, _conj(alpha))
            found = (
                m.sum_to_size(m.mul(g, _conj(beta)), shape),
                None if vec2 is None else m.mv(scaled, to(m.conj_physical(vec2), g.dtype)),
                None if vec1 is None else m.mv(m.transpose(scaled, 0, 1), to(m.conj_physical(vec1), g.dtype)),
            )
            return [
                x if x is None or x.dtype is kind else m.gradient_cast(x, kind)
                for x, kind in zip(found, kinds, strict=True)
            ]

        keeps = [i for i, x in ((2, vec1), (1, vec2)) if needs_grad(x)]
        result = as_one("AddrBackward0", run, back, input, vec1, vec2, keeps=keeps)
    return result if out is None else p.into_out("addr", out, result)  # which is cast, unlike a product of matrices


def _inplace(name: str, f: Any) -> Any:
    own = inspect.signature(f).parameters
    names = list(own)[1:3]

    def g(input: Any, *operands: Any, beta: Any = 1, alpha: Any = 1, **named: Any) -> Any:
        if named and not named.keys() <= set(names):
            raise TypeError(f"{name}() got an unexpected keyword argument '{min(named.keys() - set(names))}'")
        result = f(input, *operands, beta=beta, alpha=alpha, **named)
        if name == "addbmm_" and result.lay.shape != input.lay.shape:
            input.resize_(result.lay.shape)  # PyTorch lets this one grow
        if tuple(result.lay.shape) != tuple(input.lay.shape):
            raise RuntimeError(
                f"Bad in-place call: input tensor size {list(input.lay.shape)} and output tensor size "
                f"{list(result.lay.shape)} should match"
            )
        return copy_(input, result)

    shown = [own[k].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in ("input", *names)]
    shown += [own[k] for k in ("beta", "alpha")]
    g.__signature__ = inspect.Signature(shown, return_annotation="Any")  # type: ignore[attr-defined]
    g.__name__ = g.__qualname__ = name
    g.__doc__ = f"Do what ``{name[:-1]}`` does, in place on the first operand."
    return in_old_forms(3, "beta", "alpha")(g)


addmm_, baddbmm_, addbmm_ = _inplace("addmm_", addmm), _inplace("baddbmm_", baddbmm), _inplace("addbmm_", addbmm)
addmv_, addr_ = _inplace("addmv_", addmv), _inplace("addr_", addr)
