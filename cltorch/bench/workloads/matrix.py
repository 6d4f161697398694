"""Matrix products in float32, and in half precision as a storage type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench.workload import Side, Workload


def _product(
    a: tuple[int, ...], b: tuple[int, ...], ta: bool = False, tb: bool = False, cast: str = "float"
) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, y = (getattr(side.randn(*shape), cast)() for shape in (a, b))
        x = x.transpose(-2, -1) if ta else x
        y = y.transpose(-2, -1) if tb else y
        return lambda: x @ y

    return build


def _linear(side: Side) -> Callable[[], Any]:
    x, w, b = side.randn(128, 784, grad=True), side.randn(512, 784, grad=True), side.randn(512, grad=True)
    g, torch = side.randn(128, 512), side.torch
    return lambda: torch.autograd.grad(torch.nn.functional.linear(x, w, b), (x, w, b), g)


def _row(name: str, m: int, k: int, n: int, batch: int = 1, **options: Any) -> Workload:
    lead = () if batch == 1 else (batch,)
    ta, tb = options.get("ta", False), options.get("tb", False)
    a, b = (*lead, *((k, m) if ta else (m, k))), (*lead, *((n, k) if tb else (k, n)))
    size = 2 if options.get("cast") else 4
    tolerance = 1e-3 if size == 4 else 2e-2
    return Workload(
        name, _product(a, b, **options), flops=2.0 * batch * m * k * n, bytes=size * batch * (m * k + k * n + m * n),
        tolerance=tolerance,
    )  # fmt: skip


ROWS = [
    *(_row(f"matmul {n}", n, n, n) for n in (256, 512, 1024, 2048)),
    _row("matmul 64x4096x4096", 64, 4096, 4096),
    _row("matmul 4096x64x4096", 4096, 64, 4096),
    _row("matmul 1x4096x4096", 1, 4096, 4096),
    _row("matmul NT 1024", 1024, 1024, 1024, tb=True),
    _row("matmul TN 1024", 1024, 1024, 1024, ta=True),
    _row("matmul batched 64x(128x128x64)", 128, 64, 128, batch=64),
    _row("matmul f16 1024", 1024, 1024, 1024, cast="half"),
    _row("matmul bf16 1024", 1024, 1024, 1024, cast="bfloat16"),
    Workload("linear with gradients 128x784x512", _linear, flops=6.0 * 128 * 784 * 512, grad=True, tolerance=1e-3),
]
