"""Pointwise workloads: 16 M elements for the bandwidth, 64 elements for the overhead of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench.workload import Side, Workload

_N, _SMALL = 1 << 24, 64
_SIDE = 1 << 12


def _unary(f: Callable[[Any, Any], Any], n: int = _N, grad: bool = False) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, torch = side.randn(n, grad=grad), side.torch
        return lambda: f(torch, x)

    return build


def _binary(f: Callable[[Any, Any, Any], Any], n: int = _N, grad: bool = False) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, y, torch = side.randn(n, grad=grad), side.randn(n), side.torch
        return lambda: f(torch, x, y)

    return build


def _matrix(*shape: int) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, y = side.randn(_SIDE, _SIDE), side.randn(*shape)
        return lambda: x + y

    return build


def _transposed(side: Side) -> Callable[[], Any]:
    x = side.randn(_SIDE, _SIDE).transpose(0, 1)
    return lambda: x.contiguous()


def _strided(side: Side) -> Callable[[], Any]:
    x = side.randn(_SIDE, 2 * _SIDE)[:, ::2]
    return lambda: x.contiguous()


def _cast(side: Side) -> Callable[[], Any]:
    x = side.randn(_N)
    return lambda: x.half().float()


def _where(side: Side) -> Callable[[], Any]:
    x, y, torch = side.randn(_N), side.randn(_N), side.torch
    mask = x > 0
    return lambda: torch.where(mask, x, y)


ROWS = [
    Workload("add 16M", _binary(lambda t, x, y: x + y), bytes=12 * _N),
    Workload("mul 16M", _binary(lambda t, x, y: x * y), bytes=12 * _N),
    Workload("saxpy 16M", _binary(lambda t, x, y: t.add(y, x, alpha=2.5)), bytes=12 * _N),
    Workload("exp 16M", _unary(lambda t, x: x.exp()), bytes=8 * _N),
    Workload("tanh 16M", _unary(lambda t, x: x.tanh()), bytes=8 * _N),
    Workload("sigmoid 16M", _unary(lambda t, x: x.sigmoid()), bytes=8 * _N),
    Workload("gelu 16M", _unary(lambda t, x: t.nn.functional.gelu(x)), bytes=8 * _N),
    Workload("add row 4096x4096", _matrix(_SIDE), bytes=8 * _N),
    Workload("add column 4096x4096", _matrix(_SIDE, 1), bytes=8 * _N),
    Workload("transposed copy 4096x4096", _transposed, bytes=8 * _N),
    # of each line that is read half of the elements are wanted
    Workload("strided copy 4096x4096 of 4096x8192", _strided, bytes=12 * _N),
    Workload("cast f32 f16 f32 16M", _cast, bytes=12 * _N, tolerance=1e-3),
    Workload("where 16M", _where, bytes=13 * _N),
    Workload("add 64", _binary(lambda t, x, y: x + y, _SMALL)),
    Workload("exp 64", _unary(lambda t, x: x.exp(), _SMALL)),
    Workload("add 64 with autograd", _binary(lambda t, x, y: x + y, _SMALL, True), grad=True),
    Workload("exp 64 with autograd", _unary(lambda t, x: x.exp(), _SMALL, True), grad=True),
]
