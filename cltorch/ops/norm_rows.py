"""Normalisation of rows by their own statistics: layer, RMS, group and instance normalisation.

J. Ba et al., Layer Normalization, 2016; B. Zhang, R. Sennrich, Root Mean Square Layer Normalization, 2019;
Y. Wu, K. He, Group Normalization, 2018.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cltorch.dtypes import dtype
from cltorch.ops import norm_host
from cltorch.ops.array import check_dtype, empty
from cltorch.ops.channels import in_format, laid_as, suggested
from cltorch.ops.evaluate import compute_dtype
from cltorch.ops.norm_batch import NUMBER, BatchPlan, work_group
from cltorch.ops.op import Op
from cltorch.ops.plan import GRAIN, VECTOR, past_the_caches, singly
from cltorch.ops.softmax import dense


class Rows(NamedTuple):
    """Name the geometry: row r of ``n`` elements uses the ``channels`` weights from r % groups * channels on.

    Each weight stands for n / channels consecutive elements. ``rms``: divide by the root of the mean square only.
    """

    rows: int
    n: int
    groups: int
    channels: int
    rms: bool = False


class RowsPlan:
    """The launches of a normalisation of rows for one pair of dtypes; ``variant`` overrides the device's kind."""

    def __init__(self, context: Any, w: Rows, t: dtype, p: dtype, variant: str = "") -> None:
        self.context, self.rows, self.dtype, self.param = context, w, t, p
        self.acc = compute_dtype(t)
        self.gpu = (variant or context.caps.kind) != "cpu"
        self.variant = "gpu" if self.gpu else "cpu"
        self.group = work_group(context)
        self.stream = past_the_caches(context.caps, w.rows * w.n * t.itemsize) and not self.gpu
        self.inner = w.n // w.channels
        if self.gpu:
            per_item, self.size, self.local = 0, (w.rows * self.group,), (self.group,)
        else:
            items = max(1, min(w.rows, context.caps.compute_units * 4, -(-w.rows * w.n // GRAIN)))
            per_item = -(-w.rows // items)
            self.size, self.local = (-(-w.rows // per_item),), (1,)
        self.pre = (w.rows, w.n, w.groups, w.channels, self.inner, per_item)
        self._kernels: dict[Any, Any] = {}

    def kernel(self, stage: str, weighted: bool, biased: bool, partial: bool) -> Any:
        """Return a kernel of the template, compiled at its first use."""
        key = (stage, weighted, biased, partial)
        found = self._kernels.get(key)
        if found is not None:
            return found
        a = self.acc.compute
        letters = {
            "forward": "llllll" + NUMBER[a] + "blblblbbb",
            "backward": "llllll" + NUMBER[a] + "blblblbbb" + ("bb" if partial else ""),
            "finish": "lllbbbbi",
        }[stage]
        name = f"norm_rows_{stage}"
        found = self._kernels[key] = self.context.kernel(
            "norm_rows",
            f"ct_{name}",
            letters,
            name=name,
            stage=stage,
            variant=self.variant,
            rms=self.rows.rms,
            runs=self.inner > 1,
            weighted=weighted,
            biased=biased,
            partial=partial,
            A=a,
            W=VECTOR[a],
            G=self.group,
            stream=self.stream and stage != "finish",
            X=self.dtype.ctype,
            xtag=self.dtype.tag,
            P=self.param.ctype,
            ptag=self.param.tag,
        )
        return found

    def forward(self, x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
        """Return (result, mean, 1 / deviation) of dense Arrays."""
        buf, dev = x._storage.buf, x.device
        out = empty(x.shape, self.dtype, dev)
        rstd = empty((self.rows.rows,), self.acc, dev)
        mean = rstd if self.rows.rms else empty((self.rows.rows,), self.acc, dev)
        # what is absent is not read: any buffer will do
        w, b = ((buf, 0) if a is None else (a._storage.buf, a.lay.offset) for a in (weight, bias))
        self.kernel("forward", weight is not None, bias is not None, False).launch(
            self.size,
            self.local,
            (
                *self.pre, eps, buf, x.lay.offset, *w, *b, mean._storage.buf, rstd._storage.buf, out._storage.buf
            ),
        )  # fmt: skip
        return out, mean, rstd

    def backward(
        self, g: Any, x: Any, weight: Any, mean: Any, rstd: Any, needs: tuple[bool, ...]
    ) -> tuple[Any, Any, Any]:
        """Return the gradients of (x, weight, bias), None for weight and bias where they are not needed."""
        buf, dev, w = x._storage.buf, x.device, self.rows
        gx = empty(x.shape, self.dtype, dev)
        partial = needs[1] or needs[2]
        entries = w.groups * w.channels
        parts, one, two = self.size[0], None, None
        sums: tuple[Any, ...] = ()
        if partial and not self.gpu:
            one, two = (self.context.alloc(parts * entries * self.acc.itemsize) for _ in range(2))
            sums = one.buf, two.buf
        offset = (buf, 0) if weight is None else (weight._storage.buf, weight.lay.offset)
        self.kernel("backward", weight is not None, False, bool(sums)).launch(
            self.size,
            self.local,
            (
                *self.pre, 0.0, buf, x.lay.offset, g._storage.buf, g.lay.offset, *offset, mean._storage.buf,
                rstd._storage.buf, gx._storage.buf, *sums,
            ),
        )  # fmt: skip
        if not partial:
            return gx, None, None
        if self.gpu:
            # every weight sums over the samples and its run of elements: the sums of a batch norm
            plan = BatchPlan(self.context, (w.rows // w.groups, entries, self.inner), self.dtype, self.param, "gpu")
            parts = plan.parts
            one, two = plan.partials()
            plan.kernel("stats", True, rowwise=True, rms=w.rms).launch(
                plan.size,
                plan.local,
                (
                    *plan.pre, buf, x.lay.offset, g._storage.buf, g.lay.offset, mean._storage.buf,
                    rstd._storage.buf, w.channels, two.buf, one.buf,
                ),
            )  # fmt: skip
        gw, gb = (empty((entries,), self.param, dev) if need else None for need in needs[1:3])
        per_item = max(-(-entries // (self.context.caps.compute_units * 4)), 256) if not self.gpu else 1
        assert one is not None and two is not None
        self.kernel("finish", False, False, False).launch(
            *(singly(self.context, entries) if self.gpu else ((-(-entries // per_item),), (1,))),
            (
                entries, parts, per_item, one.buf, two.buf, *(buf if a is None else a._storage.buf for a in (gw, gb)),
                (gw is not None) + 2 * (gb is not None),
            ),
        )  # fmt: skip
        return gx, gw, gb


def _plan(x: Any, w: Rows, p: dtype) -> RowsPlan:
    context = x.device.context
    key = ("norm_rows", w, x.dtype, p)
    plan = context.ready.get(key)
    if plan is None:
        plan = context.ready[key] = RowsPlan(context, w, x.dtype, p)
    return plan


class NormRows(Op):
    """Normalise rows; returns (result, mean, 1 / deviation), of which only the first carries a gradient.

    Weight and bias have ``groups * channels`` entries, in any shape.
    """

    name = "norm_rows"

    @staticmethod
    def forward(c: Any, x: Any, weight: Any, bias: Any, w: Rows, eps: float) -> Any:
        c.rows, c.eps = w, eps
        p = next((a.dtype for a in (weight, bias) if a is not None), x.dtype)
        c.param = p
        given = x, weight  # a second derivative goes through these, not through dense copies
        if x.lay.numel == 0:
            acc = compute_dtype(x.dtype)
            found = (empty(x.shape, x.dtype, x.device), *(empty((w.rows,), acc, x.device) for _ in range(2)))
        elif x.device.type == "cpu":
            found = norm_host.norm_rows(x, weight, bias, w, eps)
        else:
            check_dtype(x.dtype, x.device)
            x, weight, bias = (None if a is None else dense(a) for a in (x, weight, bias))
            found = _plan(x, w, p).forward(x, weight, bias, eps)
        c.save(*given, found[1], found[2])
        c.bias_shape = None if bias is None else bias.shape
        c.non_differentiable(*found[1:])
        return found

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *unused: Any) -> Any:
        x, weight, mean, rstd = c.saved
        w = c.rows
        if x.lay.numel == 0:
            zero = m.zeros(w.groups * w.channels, dtype=c.param, device=x.device)
            found = m.zeros_like(x), zero, zero
        elif m.is_grad_enabled():
            found = _composed(m, g, x, weight, w, c.eps, c.param)
        elif g.device.type == "cpu":
            found = norm_host.norm_rows_backward(g, x, weight, mean, rstd, w, c.param)
        else:
            g, x, weight = (None if a is None else dense(a) for a in (g, x, weight))
            found = _plan(x, w, c.param).backward(g, x, weight, mean, rstd, c.needs)
        gx, gw, gb = (a if need else None for a, need in zip(found, c.needs, strict=False))
        if gw is not None and gw.shape != weight.shape:
            gw = m.reshape(gw, weight.shape)
        if gb is not None and gb.shape != c.bias_shape:
            gb = m.reshape(gb, c.bias_shape)
        return gx, gw, gb, None, None


def _composed(m: Any, g: Any, x: Any, weight: Any, w: Rows, eps: float, p: dtype) -> tuple[Any, Any, Any]:
    """Return the gradients from differentiable functions."""
    acc = compute_dtype(x.dtype)
    shape = (w.rows // w.groups, w.groups, w.channels, w.n // w.channels)
    dims = (2, 3)
    wide, gv = (m.to(m.reshape(a, shape), acc) for a in (x, g))
    centred = wide if w.rms else m.sub(wide, m.mean(wide, dims, True))
    r = m.rsqrt(m.add(m.mean(m.mul(centred, centred), dims, True), eps))
    h = m.mul(centred, r)
    u = gv if weight is None else m.mul(gv, m.reshape(m.to(weight, acc), (w.groups, w.channels, 1)))
    inside = u if w.rms else m.sub(u, m.mean(u, dims, True))
    inside = m.sub(inside, m.mul(h, m.mean(m.mul(u, h), dims, True)))
    return (
        m.reshape(m.to(m.mul(inside, r), x.dtype), x.shape),
        m.reshape(m.to(m.sum(m.mul(gv, h), (0, 3)), p), (-1,)),
        m.reshape(m.to(m.sum(gv, (0, 3)), p), (-1,)),
    )


class NativeLayerNorm(NormRows):
    """layer_norm."""

    name = "native_layer_norm"
    places = (0, 1, 2)


class NativeGroupNorm(NormRows):
    """group_norm and instance_norm."""

    name = "native_group_norm"
    places = (0, 1, 2)

    @staticmethod
    def forward(c: Any, x: Any, weight: Any, bias: Any, w: Rows, eps: float) -> Any:
        c.format = suggested(x.lay)
        found = NormRows.forward(c, x, weight, bias, w, eps)
        return laid_as(found[0], x), *found[1:]

    @staticmethod
    def vjp(m: Any, c: Any, g: Any, *unused: Any) -> Any:
        gx, *others = NormRows.vjp(m, c, g)
        return in_format(m, c.format, gx), *others


class FusedRmsNorm(NormRows):
    """rms_norm."""

    name = "fused_rms_norm"
    places = (0, 1)

    @staticmethod
    def forward(c: Any, x: Any, weight: Any, bias: Any, w: Rows, eps: float) -> Any:
        found = NormRows.forward(c, x, weight, bias, w, eps)
        return laid_as(found[0], x), *found[1:]
