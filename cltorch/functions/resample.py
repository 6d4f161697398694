"""Resampling to other sizes: what torch.nn.functional.interpolate is made of.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cltorch import dtypes
from cltorch.autograd.record import apply
from cltorch.device import host_memory
from cltorch.functions.arguments import SCALAR_NAMES
from cltorch.functions.convert import clone
from cltorch.layout import Layout
from cltorch.ops import resample as ops
from cltorch.ops.resample_taps import taps, whole_taps

__all__ = ["resample", "upsample_to"]

_TAPS = {
    "nearest": "nearest",
    "nearest-exact": "nearest-exact",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "bicubic": "cubic",
    "lanczos": "lanczos",
}


def resample(x: Any, steps: Any) -> Any:
    """Resample along dimensions by (dimension, taps), in the order given."""
    return apply(ops.Resample, x, steps)


def upsample_to(
    input: Any, size: Sequence[int], mode: str, align_corners: bool, antialias: bool, factors: Sequence[float] | None
) -> Any:
    """Return (N, C, *sizes) resampled to other sizes; ``factors`` are the scales that were asked for, if any.

    Raises RuntimeError for sizes of zero and NotImplementedError for integers other than uint8.
    """
    shape, t = input.lay.shape, input.dtype
    old, new = shape[2:], tuple(size)
    if min(*old, *new) <= 0:
        letters = "DHW"[3 - len(old) :]
        x, y = (", ".join(f"{c}: {n}" for c, n in zip(letters, s, strict=True)) for s in (old, new))
        link = " and" if len(old) == 1 else ""
        raise RuntimeError(f"Input and output sizes should be greater than 0, but got input ({x}){link} output ({y})")
    if shape[1] == 0:
        raise RuntimeError(f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes {list(shape)}")
    if not t.is_floating_point and t is not dtypes.uint8:
        raise NotImplementedError(f"\"upsample_{mode}{len(old)}d\" not implemented for '{SCALAR_NAMES[t.name]}'")
    kind = _TAPS[mode] + ("-aa" if antialias else "")
    whole = t is dtypes.uint8 and mode in ("bilinear", "bicubic")
    steps = []
    for d, (n, m) in enumerate(zip(old, new, strict=True)):
        factor = float(factors[d]) if factors is not None else 0.0
        # positions do not move where the size stays and no other scale was asked for
        if n != m or factor not in (0, 1):
            Layout.of((m,))  # raises where there are too many
            if whole:
                work = partial(whole_taps, kind, n, m, align_corners, factor)
            else:
                work = partial(taps, kind, n, m, align_corners, factor, t is dtypes.float64)
            steps.append((m / n, -d, (d + 2, host_memory.attempt("interpolate", work))))
    if not steps:
        return clone(input)
    # what shrinks most comes first, so that the passes after it have less to do; bytes are rounded after each, so that
    # they keep to PyTorch's order
    ordered = tuple(step for _, _, step in sorted(steps, key=lambda s: s[1] if whole else s[:2]))
    return apply(ops.KINDS[mode + ("-aa" if antialias else ""), len(old)], input, ordered)
