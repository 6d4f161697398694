"""Reductions, softmax, cross entropy and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench.workload import Side, Workload

_SIDE = 4096
_N = _SIDE * _SIDE


def _softmax_backward(name: str) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, g, torch = side.randn(_SIDE, 1024, grad=True), side.randn(_SIDE, 1024), side.torch
        f = getattr(torch, name)
        return lambda: torch.autograd.grad(f(x, 1), x, g)

    return build


def _cross_entropy(side: Side) -> Callable[[], Any]:
    x, target, torch = side.randn(4096, 1000, grad=True), side.randint(1000, 4096), side.torch
    return lambda: torch.autograd.grad(torch.nn.functional.cross_entropy(x, target), x)


def _random(name: str) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        draw = getattr(side.torch, name)
        return lambda: draw(_N, device=side.device)

    return build


def _reduction(name: str, dims: tuple[int, ...]) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, f = side.randn(_SIDE, _SIDE), getattr(side.torch, name)
        return lambda: f(x, *dims)

    return build


ROWS = [
    *(
        Workload(f"{name} {where} 4096x4096", _reduction(name, dims), bytes=4 * _N)
        for name in ("sum", "amax", "argmax", "var")
        for where, dims in (("all", ()), ("last", (1,)), ("first", (0,)))
    ),
    Workload("softmax 4096x4096", _reduction("softmax", (1,)), bytes=8 * _N),
    Workload("log_softmax 4096x4096", _reduction("log_softmax", (1,)), bytes=8 * _N),
    Workload("softmax forward+backward 4096x1024", _softmax_backward("softmax"), bytes=20 * _N // 4, grad=True),
    Workload("log_softmax forward+backward 4096x1024", _softmax_backward("log_softmax"), bytes=20 * _N // 4, grad=True),
    Workload("cross_entropy forward+backward 4096x1000", _cross_entropy, bytes=12 * 4096000, grad=True),
    Workload("rand 16M", _random("rand"), bytes=4 * _N, tolerance=None),
    Workload("randn 16M", _random("randn"), bytes=4 * _N, tolerance=None),
]
