"""Affine maps of the last dimension.

Source: https://docs.pytorch.org/docs/2.13/nn.functional.html#linear-functions
"""

from __future__ import annotations

from typing import Any

from cltorch import functions
from cltorch.functions.arguments import need_array
from cltorch.functions.matmul import linear, matmul

__all__ = ["bilinear", "linear"]


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Return ``input1 @ weight[k] @ input2 + bias[k]`` for every output ``k``.

    ``input1`` (…, in1), ``input2`` (…, in2), ``weight`` (out, in1, in2), ``bias`` (out) give (…, out).
    Raises RuntimeError where sizes do not fit.
    Shape: (*, in1) and (*, in2), weight (out, in1, in2), bias (out) to (*, out).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.bilinear.html

    >>> import cltorch as torch
    >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2, 3))
    tensor([[6.]])
    """
    need_array("bilinear", "input1", 1, input1)
    need_array("bilinear", "input2", 2, input2)
    need_array("bilinear", "weight", 3, weight)
    a, b, w = input1.lay.shape, input2.lay.shape, weight.lay.shape
    if len(a) != len(b):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(a)} and {len(b)}")
    for d, (n, k) in enumerate(zip(a[:-1], b[:-1], strict=True)):
        if n != k:
            raise RuntimeError(f"bilinear(): input batch dimensions do not match at dim {d}: got {n} and {k}")
    for i, (n, k) in enumerate(((a[-1], w[1]), (b[-1], w[2])), 1):
        if n != k:
            raise RuntimeError(f"bilinear(): input{i} size does not match weight size: got {n} but expected {k}")
    if bias is not None and tuple(bias.lay.shape) != (w[0],):
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.lay.shape[0]} but expected {w[0]}"
        )
    first = functions.reshape(input1, (-1, a[-1]))
    second = functions.reshape(input2, (-1, 1, b[-1]))
    # for each row: (1, in2) @ (in2, out * in1) would repeat work for every row, so the weight meets input1 first
    half = matmul(first, functions.reshape(functions.permute(weight, 1, 0, 2), (w[1], w[0] * w[2])))
    out = functions.sum(functions.mul(functions.reshape(half, (-1, w[0], w[2])), second), -1, dtype=half.dtype)
    if bias is not None:
        out = functions.add(out, bias)
    return functions.reshape(out, (*a[:-1], w[0]))
