"""What products and layers, and their derivatives, are for PyTorch's dispatcher: operators with arguments.

What is one operator here and several there is told as the one that computes, on views of the operands.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from cltorch.autograd.dispatch import DERIVATIVES, OPERATORS, Told, aside
from cltorch.functions import reduce
from cltorch.functions.create import empty
from cltorch.functions.dim_orders import t, transpose
from cltorch.functions.shape import expand, reshape
from cltorch.ops import (
    attention,
    conv,
    distance,
    linalg_solve,
    local_response,
    loss,
    norm_batch,
    norm_rows,
    pool,
    random,
    recurrent,
    softmax,
)
from cltorch.ops import matmul as products
from cltorch.ops.embedding import Embedding
from cltorch.ops.op import Op
from cltorch.shapes import broadcast_shapes

__all__: list[str] = []

_REDUCTIONS = ("none", "mean", "sum")


def _view_of(f: Callable[..., Any], *args: Any) -> Any:
    """Return what a function gives, which no mode is told of: a part of an operation that is one here."""
    with aside():
        return f(*args)


# ---- products -------------------------------------------------------------------------------------------------------
def _told_matmul(op: type[Op], a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Told:
    left = _view_of(transpose, a, -2, -1) if transpose_a else a
    right = _view_of(transpose, b, -2, -1) if transpose_b else b
    first, second = left.lay.shape, right.lay.shape
    if (len(first), len(second)) == (2, 2):
        return Told("mm", args=(left, right))
    if len(second) == 2:
        return _parted("mm", (_view_of(reshape, left, (-1, first[-1])), right), (*first[:-1], second[-1]))
    lead = broadcast_shapes(first[:-2], second[:-2])
    parts = []
    for x, shape in ((left, first), (right, second)):
        whole = x if shape[:-2] == lead else _view_of(expand, x, (*lead, *shape[-2:]))
        parts.append(whole if len(lead) == 1 else _view_of(reshape, whole, (prod(lead), *shape[-2:])))
    return _parted("bmm", tuple(parts), (*lead, first[-2], second[-1]))


def _parted(name: str, args: tuple[Any, ...], whole: tuple[int, ...]) -> Told:
    """Tell of a product whose leading dimensions are one for the operator, and several in the result."""
    a, b = args[-2:]
    flat = (*a.lay.shape[:-1], b.lay.shape[-1])
    if tuple(whole) == flat:
        return Told(name, args=args)
    return Told(
        name, args=args, after=lambda y: _view_of(reshape, y, flat), before=lambda y: _view_of(reshape, y, whole)
    )


def _told_linear(op: type[Op], x: Any, weight: Any, bias: Any) -> Told | None:
    """Tell of a linear layer as the product of matrices that it is, of the input's rows."""
    if weight.lay.ndim != 2 or x.lay.ndim < 1:
        return None
    shape = x.lay.shape
    rows = x if len(shape) == 2 else _view_of(reshape, x, (-1, shape[-1]))
    args = rows, _view_of(t, weight)
    whole = (*shape[:-1], weight.lay.shape[0])
    return _parted("mm", args, whole) if bias is None else _parted("addmm", (bias, *args), whole)


def _told_addmm(op: type[Op], input: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Told:
    scales = {k: v for k, v in (("beta", beta), ("alpha", alpha)) if v != 1}
    return Told("addmm" if a.lay.ndim == 2 else "baddbmm", args=(input, a, b), kwargs=scales)


OPERATORS.update(dict.fromkeys((products.Matmul, products.Mm, products.Bmm), _told_matmul))
OPERATORS.update(dict.fromkeys((products.Addmm, products.Baddbmm), _told_addmm))
OPERATORS[products.Linear] = _told_linear
OPERATORS[products.Mv] = lambda op, a, x: Told("mv", args=(a, x))
OPERATORS[products.Dot] = lambda op, x, y: Told("dot", args=(x, y))


# ---- layers ---------------------------------------------------------------------------------------------------------
def _sizes(x: Any, geometry: Any) -> list[list[int]]:
    n = x.lay.ndim - 2
    return [list(size[-n:]) for size in (geometry.stride, geometry.padding, geometry.dilation)]


def _told_convolution(op: type[Op], x: Any, weight: Any, bias: Any, geometry: Any, shape: Any) -> Told:
    n = x.lay.ndim - 2
    return Told("convolution", args=(x, weight, bias, *_sizes(x, geometry), False, [0] * n, geometry.groups))


def _more(sizes: list[list[int]], places: Any, kernel: Any, outs: Any) -> list[int]:
    """Return the output padding of a transposed convolution from ``places`` to ``outs``."""
    return [
        out - ((n - 1) * step - 2 * pad + d * (k - 1) + 1)
        for out, n, k, step, pad, d in zip(outs, places, kernel, *sizes, strict=True)
    ]


def _told_transposed(op: type[Op], x: Any, weight: Any, bias: Any, geometry: Any, shape: Any) -> Told:
    sizes = _sizes(x, geometry)
    more = _more(sizes, x.lay.shape[2:], weight.lay.shape[2:], shape[2:])
    return Told("convolution", args=(x, weight, bias, *sizes, True, more, geometry.groups))


def _back_of_convolution(op: type[Op], call: Any, g: Any) -> Told:
    x, weight = call.shapes
    kept = [
        _view_of(lambda shape: empty(shape, dtype=g.dtype, device="meta"), shape) if y is None else y
        for y, shape in zip(call.saved, call.shapes, strict=True)
    ]  # the one whose values nobody needs is not kept
    sizes = _sizes(g, call.geometry)
    turned = issubclass(op, conv.TransposedConvolution)
    more = _more(sizes, x[2:], weight[2:], g.lay.shape[2:]) if turned else [0] * (len(x) - 2)
    biased = [g.lay.shape[1]] if call.needs[2] is not None else None
    mask = [bool(need) for need in call.needs[:3]]
    return Told(
        "convolution_backward",
        args=(g, *kept, biased, *sizes, turned, more, call.geometry.groups, mask),
        after=lambda found: tuple(found[:3]), before=lambda found: (*found, None, None),
    )  # fmt: skip


def _whole(op: type[Op], call: Any, *grads: Any) -> Told:
    """Tell of a derivative that is one operator here, by its name."""
    kept = tuple(call.saved)
    return Told(f"cltorch::{op.name}_backward", args=(*grads, *kept))


def _back_of_softmax(op: Any, call: Any, g: Any) -> Told:
    (y,) = call.saved
    return Told(
        f"_{op.name}_backward_data", args=(g, y, call.dim, y.dtype),
        after=lambda found: found[0], before=lambda found: (found, None),
    )  # fmt: skip


def _told_layer_norm(op: type[Op], x: Any, weight: Any, bias: Any, w: Any, eps: float) -> Told:
    shape = list(x.lay.shape)
    lead = next(i for i in range(len(shape), -1, -1) if prod(shape[i:]) == w.n and prod(shape[:i]) == w.rows)
    lead = lead if weight is None else len(shape) - weight.lay.ndim
    wide = (*shape[:lead], *(1 for _ in shape[lead:]))

    def shaped(found: Any, to: tuple[int, ...]) -> Any:
        return found[0], *(_view_of(reshape, y, to) for y in found[1:])

    return Told(
        op.name, args=(x, shape[lead:], weight, bias, eps), after=lambda found: shaped(found, wide),
        before=lambda found: shaped(found, (w.rows,)),
    )  # fmt: skip


OPERATORS[conv.Convolution] = _told_convolution
OPERATORS[conv.TransposedConvolution] = _told_transposed
OPERATORS[softmax.Softmax] = lambda op, x, dim: Told(f"_{op.name}", args=(x, dim, False))
OPERATORS[attention.Attention] = lambda op, q, k, v, mask, causal, scale, drop, variant="": Told(
    "scaled_dot_product_attention",
    args=(q, k, v, mask, 0.0 if drop is None else drop[1], causal),
    kwargs={"scale": scale},
)
OPERATORS[norm_batch.NativeBatchNorm] = lambda op, *args: Told("native_batch_norm", args=args)
OPERATORS[norm_rows.NativeLayerNorm] = _told_layer_norm
OPERATORS[norm_rows.NativeGroupNorm] = lambda op, x, weight, bias, w, eps: Told(
    "cltorch::native_group_norm", args=(x, weight, bias, w.groups, eps)
)
OPERATORS[norm_rows.FusedRmsNorm] = lambda op, x, weight, bias, w, eps: Told(
    "cltorch::_fused_rms_norm", args=(x, weight, eps)
)
OPERATORS[Embedding] = lambda op, weight, places, padding, by_frequency: Told(
    "embedding", args=(weight, places, *((padding, by_frequency) if padding != -1 or by_frequency else ()))
)
OPERATORS[loss.Nll] = lambda op, x, target, weight, ignore, reduction, smooth: Told(
    op.name, args=(x, target, weight, _REDUCTIONS.index(reduction), ignore, *((smooth,) if smooth else ()))
)
OPERATORS[random.Dropout] = lambda op, x, keep, scale, at: Told("dropout", args=(x, 1 - keep, True))
for _op in (conv.Convolution, conv.TransposedConvolution):
    DERIVATIVES[_op] = _back_of_convolution
DERIVATIVES[softmax.Softmax] = _back_of_softmax
DERIVATIVES.update(
    dict.fromkeys(
        (
            norm_rows.NormRows, norm_batch.NativeBatchNorm, distance.CDist, recurrent.Recurrent, loss.Nll,
            local_response.LocalResponseNorm, attention.Attention, reduce.Prod, linalg_solve.Inverse,
        ),
        _whole,
    )
)  # fmt: skip


def _told_max_pool(op: type[Op], x: Any, w: Any, indices: bool) -> Told:
    n, name = w.ndim, "adaptive_max_pool" if w.adaptive else "max_pool"
    if w.adaptive:
        return Told(f"{name}{n}d" if indices else f"cltorch::{name}{n}d", args=(x, list(w.out[-n:])))
    sizes = [list(size[-n:]) for size in (w.kernel, w.stride, w.padding, w.dilation)]
    return Told(f"{name}{n}d{'_with_indices' * indices}", args=(x, *sizes, _ceils(w)))


def _told_avg_pool(op: type[Op], x: Any, w: Any, include_pad: bool, override: int) -> Told:
    n = w.ndim
    if w.adaptive:
        return Told(f"_adaptive_avg_pool{n}d" if n > 1 else "adaptive_avg_pool1d", args=(x, list(w.out[-n:])))
    sizes = [list(size[-n:]) for size in (w.kernel, w.stride, w.padding)]
    more = (_ceils(w), include_pad, *((override or None,) if n > 1 else ()))
    return Told(f"avg_pool{n}d", args=(x, *sizes, *more))


def _ceils(w: Any) -> bool:
    """Return whether the last windows reach beyond the padded input: what ``ceil_mode`` lets them do."""
    n = w.ndim
    return any(
        (out - 1) * step + d * (k - 1) + 1 > size + 2 * pad
        for size, out, k, step, pad, d in zip(
            w.size[-n:], w.out[-n:], w.kernel[-n:], w.stride[-n:], w.padding[-n:], w.dilation[-n:], strict=True
        )
    )


OPERATORS[pool.MaxPool] = _told_max_pool
OPERATORS[pool.AvgPool] = _told_avg_pool
