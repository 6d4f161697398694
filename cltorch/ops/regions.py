"""Means over the bins of regions of maps, and their adjoint: pooling for detectors.

Both sides of a region are cut into bins. A bin is the mean of bilinear samples or of the elements that it covers, which
is a row of weights along each side: on the host a region is two small matrices around a piece of its map. Each element
of a gradient is summed up by one item, region after region, so that gradients have the same bits in every run.

Source: https://docs.pytorch.org/vision/0.28/generated/torchvision.ops.roi_align.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cltorch import dtypes
from cltorch.device import faults
from cltorch.ops.array import check_dtype, empty, from_host, host_compute
from cltorch.ops.op import Op
from cltorch.ops.plan import grid
from cltorch.ops.softmax import dense


class Bins(NamedTuple):
    """How regions are cut and what their bins mean: all but the regions themselves."""

    size: tuple[int, int]
    scale: float
    ratio: int  # samples along each side of a bin, or 0 for as many as it covers elements
    aligned: bool  # whether an element's centre lies half an element from its corner
    own: bool  # whether each bin has channels of its own
    covered: bool  # whether a bin is the mean of the elements that it covers
    name: str  # of the function, for its notes
    largest: bool = False  # whether bins are not means but their greatest elements


def _launch(
    context: Any, b: Bins, x: Any, rois: Any, out: Any, maps: tuple[int, ...], back: bool, variant: str
) -> None:  # fmt: skip
    gpu = (variant or context.caps.kind) != "cpu"
    t = x.dtype
    h, w = b.size
    n, all_channels, rows, columns = maps
    channels = all_channels if back or not b.own else all_channels // (h * w)
    together = 1 if b.own and back or gpu and not back else 8
    mode = ("items" if gpu else "planes") if back else "items" if gpu else "runs"
    kernel = context.kernel(
        "regions", "ct_regions_back" if back else "ct_regions", "ill" + "i" * 10 + ("dd" if t.itemsize == 8 else "ff")
        + "blblb" + ("" if back else "e"), name="regions_back" if back else "regions", back=back, bins=b.covered,
        own=b.own, largest=b.largest, mode=mode, CH=together, X=t.ctype,
    )  # fmt: skip
    chunks = -(-channels // together)
    regions = rois.lay.shape[0]
    units = (n * rows * columns if gpu else n) * chunks if back else regions * chunks * h * w
    per_item = 0
    size: Any
    if gpu:
        size, local = grid(context, units)
    else:
        work = regions * channels * h * w * 16 + back * out.lay.numel
        items = max(1, min(units, context.caps.compute_units * 4, -(-work // 16384)))
        per_item = -(-units // items)
        size, local = (-(-units // per_item),), (1,)
    offset = 0.5 if b.aligned else 0.0
    kernel.launch(
        size, local,
        (faults.site(faults.teller(b.name)), units, per_item, regions, n, all_channels, channels, rows, columns, h, w,
         b.ratio, int(b.aligned), b.scale, offset, x._storage.buf, x.lay.offset, rois._storage.buf,
         rois.lay.offset, out._storage.buf),
    )  # fmt: skip


def means(x: Any, rois: Any, b: Bins, variant: str = "") -> Any:
    """Return the means (K, channels, h, w) over bins of regions (K, 5) of an Array of maps (N, C, H, W).

    With ``largest`` it is the places of the bins' greatest elements in their planes, -1 where a bin is empty.
    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """
    h, w = b.size
    n, channels, _, _ = x.lay.shape
    shape = (rois.lay.shape[0], channels // (h * w) if b.own else channels, h, w)
    if x.device.type == "cpu":
        return _host(x, rois, b, shape)
    check_dtype(x.dtype, x.device)
    out = empty(shape, dtypes.int64 if b.largest else x.dtype, x.device)
    if out.lay.numel:
        _launch(x.device.context, b, dense(x), dense(rois), out, x.lay.shape, False, variant)
    return out


def spread(g: Any, rois: Any, maps: tuple[int, ...], b: Bins, variant: str = "") -> Any:
    """Return what the bins of an Array (K, channels, h, w) give back to each element of the maps (N, C, H, W)."""
    if g.device.type == "cpu":
        return _host_back(g, rois, b, maps)
    out = empty(maps, g.dtype, g.device)
    if out.lay.numel:
        _launch(g.device.context, b, dense(g), dense(rois), out, maps, True, variant)
    return out


# ---- on the host ---------------------------------------------------------------------------------------------------
def _covered(low: Any, high: Any, bins: int, limit: int, b: Bins) -> list[tuple[int, int]]:
    """Return the elements that each bin covers along one side."""
    f = type(low)
    start, end = (np.trunc(v * f(b.scale) + np.copysign(f(0.5), v)) for v in (low, high))
    step = max(end - start + b.largest, f(1)) / f(bins)
    limit -= not b.largest
    return [
        (int(np.clip(np.floor(i * step) + start, 0, limit)), int(np.clip(np.ceil((i + 1) * step) + start, 0, limit)))
        for i in np.arange(bins, dtype=f)
    ]


def _sides(r: np.ndarray, b: Bins, limits: tuple[int, int]) -> list[tuple[slice, np.ndarray]]:
    """Return for height and width the elements that a region reads and each bin's weights of them."""
    sides = []
    f = r.dtype.type
    for low, high, bins, limit in ((r[2], r[4], b.size[0], limits[0]), (r[1], r[3], b.size[1], limits[1])):
        weights = np.zeros((bins, limit), r.dtype)
        if b.covered:
            for k, (p, q) in enumerate(_covered(low, high, bins, limit, b)):
                weights[k, p:q] = f(1) / f(max(q - p, 1))
        else:
            offset = f(0.5 if b.aligned else 0)
            start = low * f(b.scale) - offset
            length = high * f(b.scale) - offset - start
            length = length if b.aligned else max(length, f(1))
            step = length / f(bins)
            points = b.ratio if b.ratio > 0 else int(np.ceil(step)) if np.isfinite(step) else 0
            i, k = np.mgrid[:bins, : max(points, 0)]
            at = start + i.astype(r.dtype) * step + (k.astype(r.dtype) + f(0.5)) * step / f(max(points, 1))
            i, at = i.ravel(), at.ravel()
            inside = (at >= -1) & (at <= limit)
            i, at = i[inside], np.maximum(at[inside], 0)
            lower = np.minimum(at.astype(np.int64), limit - 1)
            upper = np.minimum(lower + 1, limit - 1)
            share = np.where(lower < limit - 1, at - lower, 0).astype(r.dtype)
            np.add.at(weights, (i, lower), (1 - share) / max(points, 1))
            np.add.at(weights, (i, upper), share / max(points, 1))
        read = np.flatnonzero(weights.any(0))
        piece = slice(read[0], read[-1] + 1) if len(read) else slice(0, 0)
        sides.append((piece, weights[:, piece]))
    return sides


def _maps(rois: np.ndarray, n: int, name: str) -> np.ndarray:
    """Return which map each region lies on; raises IndexError for one that is not there."""
    at = rois[:, 0]
    wrong = ~((at > -1) & (at < n))
    if wrong.any():
        raise IndexError(f"{name}(): index {int(at[wrong][0])} is out of bounds for dimension 0 with size {n}.")
    return at.astype(np.int64)


def _host_largest(a: np.ndarray, r: np.ndarray, b: Bins, shape: tuple[int, ...]) -> np.ndarray:
    out = np.full(shape, -1, np.int64)
    for k, at in enumerate(_maps(r, len(a), b.name)):
        for i, (top, bottom) in enumerate(_covered(r[k, 2], r[k, 4], b.size[0], a.shape[2], b)):
            for j, (left, right) in enumerate(_covered(r[k, 1], r[k, 3], b.size[1], a.shape[3], b)):
                if top < bottom and left < right:
                    best = a[at, :, top:bottom, left:right].reshape(a.shape[1], -1).argmax(1)
                    y, x = np.divmod(best, right - left)
                    out[k, :, i, j] = (top + y) * a.shape[3] + left + x
    return out


def _host(x: Any, rois: Any, b: Bins, shape: tuple[int, ...]) -> Any:
    a, r = host_compute(x), host_compute(rois)
    h, w = b.size
    n, _, rows, columns = a.shape
    if b.largest:
        return from_host(_host_largest(a, r, b, shape), dtypes.int64, x.device)
    out = np.zeros(shape, a.dtype)
    for k, at in enumerate(_maps(r, n, b.name)):
        (ys, down), (xs, across) = _sides(r[k], b, (rows, columns))
        piece = a[at, :, ys, xs]
        if not piece.size:
            continue
        if b.own:
            out[k] = np.einsum("cijyx,iy,jx->cij", piece.reshape(-1, h, w, *piece.shape[1:]), down, across)
        else:
            out[k] = down @ piece @ across.T
    return from_host(out, x.dtype, x.device)


def _host_back(g: Any, rois: Any, b: Bins, maps: tuple[int, ...]) -> Any:
    a, r = host_compute(g), host_compute(rois)
    out = np.zeros(maps, a.dtype)
    for k, at in enumerate(_maps(r, maps[0], b.name)):
        (ys, down), (xs, across) = _sides(r[k], b, maps[2:])  # type: ignore[arg-type]
        if b.own:
            back = np.einsum("cij,iy,jx->cijyx", a[k], down, across)
            out[at, :, ys, xs] += back.reshape(maps[1], *back.shape[3:])
        else:
            out[at, :, ys, xs] += down.T @ a[k] @ across
    return from_host(out, g.dtype, g.device)


class RegionMeans(Op):
    """The means over the bins of regions, linear in the maps; regions have no gradient."""

    name = "region_means"
    node = "RegionMeans"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, x: Any, rois: Any, b: Bins) -> Any:
        c.maps, c.bins = tuple(x.lay.shape), b
        c.save(rois)
        return means(x, rois, b)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (rois,) = c.saved
        return m.region_spread(g, rois, c.maps, c.bins), None, None


class RegionSpread(Op):
    """The adjoint of the means over bins."""

    name = "region_spread"
    node = "RegionSpread"
    linear = slice(1)

    @staticmethod
    def forward(c: Any, g: Any, rois: Any, maps: tuple[int, ...], b: Bins) -> Any:
        c.bins = b
        c.save(rois)
        return spread(g, rois, maps, b)

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        (rois,) = c.saved
        return m.region_means(g, rois, c.bins), None, None, None


class RegionLargest(Op):
    """The places of the bins' greatest elements; they have no gradient."""

    name = "region_largest"

    @staticmethod
    def forward(c: Any, x: Any, rois: Any, b: Bins) -> Any:
        out = means(x, rois, b)
        c.non_differentiable(out)
        return out

    @staticmethod
    def vjp(m: Any, c: Any, g: Any) -> Any:
        return None, None, None
