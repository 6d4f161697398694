"""Batch normalisation: every channel (the second dimension) over the batch and all positions.

S. Ioffe, C. Szegedy, Batch Normalization, 2015. Means and squared deviations are taken block by block and joined as in
T. Chan, G. Golub, R. LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979, so that
a large mean does not ruin the variance.
"""

from __future__ import annotations

import math
from typing import Any

from cltorch.dtypes import dtype
from cltorch.layout import Layout
from cltorch.ops import norm_host, tuning
from cltorch.ops.array import Array, check_dtype, empty
from cltorch.ops.channels import copied_in, format_of, laid_as
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.op import Op
from cltorch.ops.plan import MASK, VECTOR, grid
from cltorch.ops.softmax import dense
from cltorch.ops.strided import copy_into

_GRAIN = 8192  # elements below which another work-item on a CPU device costs more than it brings
NUMBER = {"float": "f", "double": "d"}
WEIGHT, BIAS, RUNNING, GX, GW, GB = 1, 2, 4, 8, 16, 32


def work_group(context: Any) -> int:
    """Return the size of work-groups with trees in local memory: a power of two."""
    return tuning.group_items(context, "normalisation gpu")


class BatchPlan:
    """The launches of a batch normalisation of (outer, channels, inner) for one pair of dtypes.

    ``variant`` ("cpu", "gpu") overrides the device's kind.
    """

    def __init__(self, context: Any, shape: tuple[int, int, int], t: dtype, p: dtype, variant: str = "") -> None:
        outer, channels, inner = shape
        self.context, self.dtype, self.param = context, t, p
        self.acc = compute_dtype(t)
        self.channels, total = channels, outer * inner
        a = self.acc.compute
        gpu = (variant or context.caps.kind) != "cpu"
        columns = inner == 1
        units = context.caps.compute_units
        self.width = VECTOR[a]
        self.tile = 32 if columns else 1
        self.group = work_group(context)
        self.variant = "groups" if gpu else "columns" if columns else "planes"
        across = self.tile if gpu else 4 * self.width if columns else 1
        blocks = -(-channels // across)
        if not gpu and (blocks >= 2 * units or blocks == units):
            parts = 1  # whole channels keep all units busy
        else:
            most = -(-total * across // (_GRAIN if gpu else _GRAIN // 2))
            parts = max(1, min(-(-units * (8 if gpu else 4) // max(blocks, 1)), most, 64))
        per_part = -(-total // parts)
        if inner <= per_part:
            per_part = -(-per_part // inner) * inner  # parts end where runs of elements do
        parts = -(-total // per_part)
        self.parts, self.fuses = parts, parts == 1 and not gpu
        cells = parts * blocks
        if gpu:
            per_item, self.size, self.local = 0, (cells * self.group,), (self.group,)
        else:
            items = max(1, min(cells, units * 4, -(-total * channels // _GRAIN)))
            per_item = -(-cells // items)
            self.size, self.local = (-(-cells // per_item),), (1,)
        self.pre = (outer, channels, inner, parts, per_part, per_item)
        self._kernels: dict[Any, Any] = {}

    def kernel(self, stage: str, backward: bool, fixed: bool = False, rowwise: bool = False, rms: bool = False) -> Any:
        """Return a kernel of the template, compiled at its first use."""
        key = (stage, backward, fixed, rowwise, rms)
        found = self._kernels.get(key)
        if found is not None:
            return found
        number = NUMBER[self.acc.compute]
        if stage == "spread":
            letters = "llllllbb" + number + "ib"
        else:
            letters = "llllllbl" + ("blb" if backward else "")
            if backward and (rowwise or stage != "stats"):
                letters += "bl" if rowwise else "b"
            letters += "bb"
            if stage != "stats":
                letters += "iblb" + ("bb" if backward else number * 2 + "blblblbb")
        name = f"batch_norm_{stage}{'_backward' if backward else ''}"
        found = self._kernels[key] = self.context.kernel(
            "norm_batch",
            f"ct_{name}",
            letters,
            name=name,
            stage=stage,
            backward=backward,
            variant=self.variant,
            fixed=fixed,
            rowwise=rowwise,
            rms=rms,
            A=self.acc.compute,
            M=MASK[self.acc.compute],
            W=self.width,
            X=self.dtype.ctype,
            xtag=self.dtype.tag,
            P=self.param.ctype,
            ptag=self.param.tag,
            T=self.tile,
            G=self.group,
        )
        return found

    def partials(self) -> tuple[Any, Any]:
        """Return two buffers for what "stats" leaves."""
        n = self.parts * self.channels * self.acc.itemsize
        return self.context.alloc(n), self.context.alloc(n)

    def forward(
        self, x: Any, weight: Any, bias: Any, mean: Any, var: Any, fixed: bool, momentum: float, eps: float
    ) -> tuple[Any, Any, Any]:
        """Return (result, mean, 1 / deviation) of dense Arrays; the running statistics move unless ``fixed``."""
        buf, dev = x._storage.buf, x.device
        out = empty(x.shape, self.dtype, dev)
        kept = empty((self.channels,), self.acc, dev), empty((self.channels,), self.acc, dev)
        one, two = self.partials()
        start = (*self.pre, buf, x.lay.offset, one.buf, two.buf)
        if not fixed and not self.fuses:
            self.kernel("stats", False).launch(self.size, self.local, start)
        flags = 0
        operands: list[Any] = []
        for flag, a in ((WEIGHT, weight), (BIAS, bias), (RUNNING, mean), (RUNNING, var)):
            flags |= 0 if a is None else flag
            # what is absent is not read: any buffer will do
            operands += (buf, 0) if a is None else (a._storage.buf, a.lay.offset)
        stage = "apply" if fixed or not self.fuses else "fused"
        self.kernel(stage, False, fixed).launch(
            self.size,
            self.local,
            (
                *start, flags, *operands[:2], out._storage.buf, eps, momentum, *operands[2:],
                kept[0]._storage.buf, kept[1]._storage.buf,
            ),
        )  # fmt: skip
        return out, *kept

    def spread(self, x: Any, divisor: float, root: bool) -> Any:
        """Return the variances of the channels of a dense Array, or their roots, as an Array of [channels]."""
        out = empty((self.channels,), self.dtype, x.device)
        one, two = self.partials()
        self.kernel("stats", False).launch(
            self.size, self.local, (*self.pre, x._storage.buf, x.lay.offset, one.buf, two.buf)
        )
        size, local = grid(self.context, self.channels)
        self.kernel("spread", False).launch(
            size, local, (*self.pre, one.buf, two.buf, divisor, int(root), out._storage.buf)
        )
        return out

    def backward(
        self, g: Any, x: Any, weight: Any, mean: Any, rstd: Any, fixed: bool, needs: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Return the gradients of (x, weight, bias), None for those that are not needed."""
        buf, dev = x._storage.buf, x.device
        one, two = self.partials()
        start = (*self.pre, buf, x.lay.offset, g._storage.buf, g.lay.offset, mean._storage.buf)
        if not self.fuses:
            self.kernel("stats", True).launch(self.size, self.local, (*start, one.buf, two.buf))
        gx = empty(x.shape, self.dtype, dev) if needs[0] else None
        gw = empty((self.channels,), self.param, dev) if needs[1] else None
        gb = empty((self.channels,), self.param, dev) if needs[2] else None
        flags = (weight is not None) * WEIGHT | (gx is not None) * GX | (gw is not None) * GW | (gb is not None) * GB
        w = (buf, 0) if weight is None else (weight._storage.buf, weight.lay.offset)
        self.kernel("fused" if self.fuses else "apply", True, fixed).launch(
            self.size,
            self.local,
            (
                *start, rstd._storage.buf, one.buf, two.buf, flags, *w,
                *(buf if a is None else a._storage.buf for a in (gx, gw, gb)),
            ),
        )  # fmt: skip
        return gx, gw, gb


def _plan(x: Any, p: dtype) -> BatchPlan:
    context = x.device.context
    key = ("batch_norm", x.lay.key, x.dtype, p)
    plan = context.ready.get(key)
    if plan is None:
        shape = x.shape
        plan = context.ready[key] = BatchPlan(context, (shape[0], shape[1], math.prod(shape[2:])), x.dtype, p)
    return plan


def _rows(x: Any) -> Any:
    """Return an Array whose channels come last in memory as the matrix (places, channels) that it is."""
    lay, channels = x.lay, x.lay.shape[1]
    return Array.new(x._storage, Layout((lay.numel // channels, channels), (channels, 1), lay.offset), x.dtype)


class NativeBatchNorm(Op):
    """Batch normalisation; ``training`` by the batch's statistics, else by the running ones.

    Returns (result, mean, 1 / deviation), of which only the first carries a gradient.
    """

    name = "native_batch_norm"
    places = (0, 1, 2)

    @staticmethod
    def forward(
        c: Any,
        x: Any,
        weight: Any,
        bias: Any,
        running_mean: Any,
        running_var: Any,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Any:
        c.options = (training, eps)
        given = x, weight  # a second derivative goes through these, not through dense copies
        p = next((a.dtype for a in (weight, bias, running_mean, running_var) if a is not None), x.dtype)
        if x.lay.numel == 0:
            acc = compute_dtype(x.dtype)
            found = (empty(x.shape, x.dtype, x.device), *(empty((x.shape[1],), acc, x.device) for _ in range(2)))
        elif x.device.type == "cpu":
            found = norm_host.batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps)
            found = _laid(found[0], x), *found[1:]
        else:
            check_dtype(x.dtype, x.device)
            format = format_of(x.lay)
            rows = x = dense(x) if format is None else x
            if format is not None:
                rows = _rows(x)
            weight, bias = (None if a is None else dense(a) for a in (weight, bias))
            running = tuple(None if a is None else dense(a) for a in (running_mean, running_var))
            found = _plan(rows, p).forward(rows, weight, bias, running[0], running[1], not training, momentum, eps)
            if format is not None:
                found = Array.new(found[0]._storage, format.lay(x.lay.shape), x.dtype), *found[1:]
            if training:
                for a, b in zip((running_mean, running_var), running, strict=True):
                    if b is not a:
                        copy_into(a, b)
        if training and running_mean is not None:
            running_mean._storage.version += 1
            running_var._storage.version += 1
        c.param = p
        c.save(*given, found[1], found[2])
        c.non_differentiable(*found[1:])
        return found

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *unused: Any) -> Any:
        x, weight, mean, rstd = c.saved
        training, eps = c.options
        if x.lay.numel == 0:
            zero = m.zeros(x.shape[1], dtype=c.param, device=x.device)
            found = m.zeros_like(x), zero, zero
        elif m.is_grad_enabled():
            found = _composed(m, g, x, weight, mean, rstd, training, eps, c.param)
        elif g.device.type == "cpu":
            found = norm_host.batch_norm_backward(g, x, weight, mean, rstd, training, c.param)
            found = _laid(found[0], x), *found[1:]
        else:
            format = format_of(x.lay)
            weight = None if weight is None else dense(weight)
            if format is None:
                x = dense(x)
                found = _plan(x, c.param).backward(dense(g), x, weight, mean, rstd, not training, c.needs)
            else:
                rows, g = _rows(x), _rows(g if format_of(g.lay) is format else laid_as(dense(g), x))
                found = _plan(rows, c.param).backward(g, rows, weight, mean, rstd, not training, c.needs)
                if found[0] is not None:
                    found = Array.new(found[0]._storage, format.lay(x.lay.shape), x.dtype), *found[1:]
        return (*(a if need else None for a, need in zip(found, c.needs, strict=False)), *(None,) * 5)


def _laid(out: Any, x: Any) -> Any:
    """Return a dense result in the format of an image, also where its strides fit another order as well."""
    format = format_of(x.lay)
    return laid_as(out, x) if format is None else copied_in(format, out)


def _composed(
    m: Any, g: Any, x: Any, weight: Any, mean: Any, rstd: Any, training: bool, eps: float, p: dtype
) -> tuple[Any, Any, Any]:
    """Return the gradients from differentiable functions."""
    dims = [0, *range(2, x.lay.ndim)]
    line = [1] * x.lay.ndim
    line[1] = x.shape[1]
    acc = compute_dtype(x.dtype)
    wide, gw = m.to(x, acc), m.to(g, acc)
    if training:
        centred = m.sub(wide, m.mean(wide, dims, True))
        r = m.rsqrt(m.add(m.mean(m.mul(centred, centred), dims, True), eps))
    else:
        centred, r = m.sub(wide, m.reshape(mean, line)), m.reshape(rstd, line)
    h = m.mul(centred, r)
    scale = r if weight is None else m.mul(r, m.reshape(m.to(weight, acc), line))
    inside = gw
    if training:
        inside = m.sub(m.sub(gw, m.mean(gw, dims, True)), m.mul(h, m.mean(m.mul(gw, h), dims, True)))
    return (
        m.to(m.mul(inside, scale), x.dtype),
        m.to(m.sum(m.mul(gw, h), dims), p),
        m.to(m.sum(gw, dims), p),
    )
