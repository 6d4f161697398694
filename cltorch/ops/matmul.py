"""The operators of matrix multiplication: mm, bmm, matmul, addmm, baddbmm, linear, mv, dot, and their derivatives."""

from __future__ import annotations

import math
from typing import Any

from cltorch.layout import Layout
from cltorch.ops.array import view
from cltorch.ops.gemm import product
from cltorch.ops.op import Op


def _sum_to(m: Any, g: Any, shape: Any) -> Any:
    return g if g.lay.shape == shape else m.sum_to_size(g, shape)


def _flat(m: Any, x: Any) -> Any:
    """Return a tensor of at least two dimensions as one matrix of its rows."""
    return x if x.lay.ndim == 2 else m.reshape(x, (math.prod(x.lay.shape[:-1]), x.lay.shape[-1]))


def _conj(m: Any, *saved: Any) -> list[Any]:
    return [None if x is None else m.conj(x) for x in saved]


class Matmul(Op):
    """op(a) @ op(b) over the last two dimensions, where op exchanges them or not; leading dimensions broadcast."""

    name = "matmul"
    complex = True
    products = (0, 1)
    node = "UnsafeView"  # the last node of PyTorch's decomposition

    @staticmethod
    def forward(c: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
        c.save(a if c.needs[1] else None, b if c.needs[0] else None)
        c.flags, c.shapes = (transpose_a, transpose_b), (a.lay.shape, b.lay.shape)
        return product(a, b, transpose_a=transpose_a, transpose_b=transpose_b)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, b = _conj(m, *c.saved)
        ta, tb = c.flags
        shape_a, shape_b = c.shapes
        ga = gb = None
        if c.needs[0]:
            ga = m.matrix_product(b, g, tb, True) if ta else m.matrix_product(g, b, False, not tb)
            ga = _sum_to(m, ga, shape_a)
        if c.needs[1]:
            if len(shape_b) == 2 and not ta and len(shape_a) > 2:
                a, g = _flat(m, a), _flat(m, g)  # one tall product sums over the batch as well
            gb = m.matrix_product(g, a, True, ta) if tb else m.matrix_product(a, g, not ta, False)
            gb = _sum_to(m, gb, shape_b)
        return ga, gb, None, None


class Mm(Matmul):
    """Product of two matrices."""

    name = "mm"
    node = "Mm"


class Bmm(Matmul):
    """Products of two batches of matrices."""

    name = "bmm"
    node = "Bmm"


class Addmm(Op):
    """beta * input + alpha * a @ b, for matrices."""

    name = "addmm"
    complex = True

    @staticmethod
    def forward(c: Any, input: Any, a: Any, b: Any, beta: float, alpha: float) -> Any:
        c.save(a if c.needs[2] else None, b if c.needs[1] else None)
        c.shape, c.beta, c.alpha = input.lay.shape, beta, alpha
        return product(a, b, input, alpha, beta)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, b = _conj(m, *c.saved)
        gi = ga = gb = None
        if c.needs[0]:
            gi = _sum_to(m, g, c.shape)
            gi = gi if c.beta == 1 else m.mul(gi, c.beta.conjugate())
        if c.needs[1]:
            ga = m.matrix_product(g, b, False, True)
            ga = ga if c.alpha == 1 else m.mul(ga, c.alpha.conjugate())
        if c.needs[2]:
            gb = m.matrix_product(a, g, True, False)
            gb = gb if c.alpha == 1 else m.mul(gb, c.alpha.conjugate())
        return gi, ga, gb, None, None


class Baddbmm(Addmm):
    """beta * input + alpha * a @ b, for batches of matrices."""

    name = "baddbmm"


class Linear(Op):
    """x @ weight.T + bias, where x is (…, in), weight (out, in) and bias (out) or None."""

    name = "linear"
    node = "View"  # as Matmul
    complex = True
    products = (0, 1)
    offset = 2

    @staticmethod
    def forward(c: Any, x: Any, weight: Any, bias: Any) -> Any:
        c.save(x if c.needs[1] else None, weight if c.needs[0] else None)
        if x.lay.ndim > 1:
            return product(x, weight, bias, transpose_b=True)
        row = product(view(x, x.lay.unsqueeze(0)), weight, bias, transpose_b=True)
        return view(row, Layout.of(row.lay.shape[1:]))

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, weight = _conj(m, *c.saved)
        gx = gw = gb = None
        if c.needs[0]:
            gx = m.matmul(g, weight)
        if c.needs[1] or c.needs[2]:
            rows = _flat(m, g)
            if c.needs[1]:
                gw = m.matrix_product(rows, _flat(m, x), True, False)
            if c.needs[2]:
                gb = m.sum(rows, 0)
        return gx, gw, gb


class LinearMatrix(Linear):
    """``Linear`` of a matrix with a bias, which PyTorch records as addmm."""

    node = "Addmm"
    places = (2, 0, 1)


class LinearRows(Linear):
    """``Linear`` without a bias."""

    node = "UnsafeView"


class LinearProduct(Linear):
    """``Linear`` of a matrix without a bias, which PyTorch records as mm."""

    node = "Mm"


class Mv(Op):
    """Product of a matrix and a vector."""

    name = "mv"
    complex = True
    products = (0, 1)

    @staticmethod
    def forward(c: Any, a: Any, x: Any) -> Any:
        c.save(a if c.needs[1] else None, x if c.needs[0] else None)
        y = product(a, view(x, x.lay.unsqueeze(1)))
        return view(y, Layout.of(y.lay.shape[:1]))

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        a, x = _conj(m, *c.saved)
        return m.outer(g, x) if c.needs[0] else None, m.mv(m.transpose(a, 0, 1), g) if c.needs[1] else None


class Dot(Op):
    """Sum of the products of two vectors."""

    name = "dot"
    complex = True
    products = (0, 1)

    @staticmethod
    def forward(c: Any, x: Any, y: Any) -> Any:
        c.save(x if c.needs[1] else None, y if c.needs[0] else None)
        r = product(view(x, x.lay.unsqueeze(0)), view(y, y.lay.unsqueeze(1)))
        return view(r, Layout.of(()))

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        x, y = _conj(m, *c.saved)
        return m.mul(g, y) if c.needs[0] else None, m.mul(g, x) if c.needs[1] else None
