"""What views are for PyTorch's dispatcher: the operator of the node's name, with arguments that give this very layout.

The layouts alone are known. A view for which no arguments are found is told as a strided one.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.dispatch import VIEWS, Told
from cltorch.layout import Layout

__all__: list[str] = []


def _transposed(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    pairs = ((i, j) for i in range(old.ndim) for j in range(i, old.ndim))
    return next((p for p in pairs if old.transpose(*p).same(new)), None)


def _permuted(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    left = list(range(old.ndim))
    dims = []
    for size, stride in zip(new.shape, new.strides, strict=True):
        found = next((d for d in left if (old.shape[d], old.strides[d]) == (size, stride)), None)
        if found is None:
            return None
        left.remove(found)
        dims.append(found)
    return (dims,)


def _selected(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    for d in range(old.ndim):
        step, ahead = old.strides[d], new.offset - old.offset
        i = ahead // step if step else 0
        if 0 <= i < old.shape[d] and old.select(d, i).same(new):
            return d, i
    return None


def _sliced(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    for d in range(min(old.ndim, new.ndim)):
        stride = old.strides[d]
        if not stride or (old.shape[d] == new.shape[d] and old.ndim == new.ndim and not old.same(new)):
            continue
        step = max(new.strides[d] // stride, 1)
        start = (new.offset - old.offset) // stride
        end = start + (new.shape[d] - 1) * step + 1 if new.shape[d] else start
        if 0 <= start <= end <= old.shape[d] and old.slice(d, start, end, step).same(new):
            return (d, start, end) if step == 1 else (d, start, end, step)
    return None


def _without_ones(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    if old.squeeze().same(new):
        return ()
    return next(((d,) for d in range(old.ndim) if old.squeeze(d).same(new)), None)


def _with_one(old: Layout, new: Layout) -> tuple[Any, ...] | None:
    return next(((d,) for d in range(new.ndim) if old.unsqueeze(d).same(new)), None)


def _shape(old: Layout, new: Layout) -> tuple[Any, ...]:
    return (list(new.shape),)


_VIEWS: dict[str, tuple[str, str, Callable[[Layout, Layout], tuple[Any, ...] | None]]] = {
    "T": ("t", "default", lambda old, new: ()),
    "Alias": ("alias", "default", lambda old, new: () if old.same(new) else None),
    "View": ("view", "default", _shape),
    "UnsafeView": ("_unsafe_view", "default", _shape),
    "Expand": ("expand", "default", _shape),
    "Transpose": ("transpose", "int", _transposed),
    "Permute": ("permute", "default", _permuted),
    "Select": ("select", "int", _selected),
    "Slice": ("slice", "Tensor", _sliced),
    "Unsqueeze": ("unsqueeze", "default", _with_one),
    "Squeeze": ("squeeze", "default", _without_ones),
    "ViewAsReal": ("view_as_real", "default", lambda old, new: ()),
    "ViewAsComplex": ("view_as_complex", "default", lambda old, new: ()),
}


_PARTS = ("Alias", "Select", "Slice", "Unsqueeze")  # what an index may be, whatever the node is called


def _told_view(x: Any, layout: Layout, node: str, dtype: Any) -> Told:
    """Tell of a view by its node's name, with arguments that give this very layout, else as a strided one."""
    kind = re.sub(r"Backward\d+$", "", node)
    for stem in (kind, *(_PARTS if dtype is None and kind in _PARTS else ())):
        name, overload, find = _VIEWS.get(stem, ("", "", lambda old, new: None))
        args = find(x.lay, layout)
        if args is not None:
            return Told(name, "dim" if name == "squeeze" and args else overload, (x, *args))
    sizes = list(layout.shape), list(layout.strides), layout.offset
    return Told("as_strided" if dtype is None else "cltorch::view", args=(x, *sizes))


def _told_views(x: Any, layouts: Sequence[Layout], node: str, dtype: Any) -> Told:
    first = layouts[0]
    if node.startswith("Unbind"):
        along = _selected(x.lay, first)
        return Told("unbind", "int", (x, along[0] if along else 0))
    d = next((d for d in range(first.ndim) if first.shape[d] != x.lay.shape[d]), 0)
    sizes = [lay.shape[d] for lay in layouts]
    if node.startswith("SplitBackward"):
        return Told("split", "Tensor", (x, sizes[0], d))
    return Told("split_with_sizes", args=(x, sizes, d))


VIEWS.update(view=_told_view, views=_told_views)
