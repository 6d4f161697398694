"""Scans, sorting, gathering and embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench.workload import Side, Workload

_ROWS, _WIDTH = 4096, 1024
_N = _ROWS * _WIDTH
_WORDS, _FEATURES, _TOKENS = 32000, 512, 8192


def _of_rows(f: Callable[[Any], Any]) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x = side.randn(_ROWS, _WIDTH)
        return lambda: f(x)

    return build


def _sort_all(side: Side) -> Callable[[], Any]:
    x = side.randn(1 << 20)
    return lambda: x.sort()[0]


def _topk(side: Side) -> Callable[[], Any]:
    x, torch = side.randn(_ROWS, _WIDTH), side.torch
    return lambda: torch.topk(x, 16)[0]


def _gather(dim: int) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        x, index, torch = side.randn(_ROWS, _WIDTH), side.randint(_WIDTH, _ROWS, _WIDTH), side.torch
        return lambda: torch.gather(x, dim, index)

    return build


def _index_select(side: Side) -> Callable[[], Any]:
    x, index, torch = side.randn(_WORDS, _FEATURES), side.randint(_WORDS, _TOKENS), side.torch
    return lambda: torch.index_select(x, 0, index)


def _embedding(backward: bool) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        torch, f = side.torch, side.torch.nn.functional
        table, words = side.randn(_WORDS, _FEATURES, grad=backward), side.randint(_WORDS, _TOKENS)
        if not backward:
            return lambda: f.embedding(words, table)
        g, y = side.randn(_TOKENS, _FEATURES), f.embedding(words, table)
        return lambda: torch.autograd.grad(y, table, g, retain_graph=True)

    return build


ROWS = [
    Workload("cumsum last 4096x1024", _of_rows(lambda x: x.cumsum(1)), bytes=8 * _N),
    Workload("cumsum first 4096x1024", _of_rows(lambda x: x.cumsum(0)), bytes=8 * _N),
    Workload("sort last 4096x1024", _of_rows(lambda x: x.sort(1)[0]), bytes=16 * _N),
    Workload("sort 1M", _sort_all, bytes=16 << 20),
    Workload("topk 16 of 4096x1024", _topk, bytes=4 * _N),
    Workload("gather last 4096x1024", _gather(1), bytes=16 * _N),
    Workload("gather first 4096x1024", _gather(0), bytes=16 * _N),
    Workload("index_select 8192 of 32000x512", _index_select, bytes=8 * _TOKENS * _FEATURES),
    Workload("embedding 8192 of 32000x512", _embedding(False), bytes=8 * _TOKENS * _FEATURES),
    Workload(
        "embedding gradient 8192 of 32000x512", _embedding(True), grad=True, tolerance=1e-4,
        bytes=4 * _FEATURES * (_TOKENS + _WORDS),
    ),
]  # fmt: skip
