"""Convolution, pooling and normalisation, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench.workload import Side, Workload

_BATCH = 32


def _conv(
    function: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], which: str, **settings: int
) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        f, grad = getattr(side.torch.nn.functional, function), side.torch.autograd.grad
        x = side.randn(*x_shape, grad=which in ("input", "both gradients"))
        w = side.randn(*w_shape, grad=which in ("weight", "both gradients"))
        if which == "forward":
            return lambda: f(x, w, **settings)
        y = f(x, w, **settings)
        g = side.randn(*y.shape)
        wanted = {"input": (x,), "weight": (w,)}.get(which, (x, w))
        return lambda: grad(y, wanted, g, retain_graph=True)

    return build


def _conv_rows(
    c: int, k: int, hw: int, window: int, stride: int, groups: int = 1, batch: int = _BATCH
) -> list[Workload]:
    name = f"conv {window}x{window}/{stride} {c}-{k} {hw}x{hw}" + (" depthwise" if groups > 1 else "")
    name += "" if batch == _BATCH else f" batch {batch}"
    out = -(-hw // stride)
    flops = 2.0 * batch * k * (c // groups) * window * window * out * out
    shapes = (batch, c, hw, hw), (k, c // groups, window, window)
    return [
        Workload(
            f"{name} {which}",
            _conv("conv2d", *shapes, which, stride=stride, padding=window // 2, groups=groups),
            flops=flops,
            grad=which != "forward",
            tolerance=1e-3,
        )
        for which in ("forward", "input", "weight")
    ]


def _other_conv_rows(
    name: str, function: str, x: tuple[int, ...], w: tuple[int, ...], flops: float, **settings: int
) -> list[Workload]:
    """Return the rows of a convolution of another kind, of which one pass needs ``flops``."""
    return [
        Workload(f"{name} forward", _conv(function, x, w, "forward", **settings), flops=flops, tolerance=1e-3),
        Workload(
            f"{name} both gradients",
            _conv(function, x, w, "both gradients", **settings),
            flops=2 * flops,
            grad=True,
            tolerance=1e-3,
        ),
    ]


def _pool(name: str) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        f = getattr(side.torch.nn.functional, name)
        x, g, torch = side.randn(128, 32, 28, 28, grad=True), side.randn(128, 32, 14, 14), side.torch
        return lambda: torch.autograd.grad(f(x, 2), x, g)

    return build


def _batch_norm(side: Side) -> Callable[[], Any]:
    f, torch = side.torch.nn.functional, side.torch
    x, g = side.randn(128, 64, 28, 28, grad=True), side.randn(128, 64, 28, 28)
    w, b = side.randn(64, grad=True), side.randn(64, grad=True)
    mean, var = torch.zeros(64, device=side.device), torch.ones(64, device=side.device)
    return lambda: torch.autograd.grad(f.batch_norm(x, mean, var, w, b, True), (x, w, b), g)


def _layer_norm(name: str) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        f, torch = side.torch.nn.functional, side.torch
        x, g = side.randn(4096, 1024, grad=True), side.randn(4096, 1024)
        w, b = side.randn(1024, grad=True), side.randn(1024, grad=True)
        if name == "rms_norm":
            return lambda: torch.autograd.grad(f.rms_norm(x, (1024,), w), (x, w), g)
        return lambda: torch.autograd.grad(f.layer_norm(x, (1024,), w, b), (x, w, b), g)

    return build


def _both(name: str, build: Callable[[Side], Callable[[], Any]], elements: float) -> Workload:
    return Workload(name, build, bytes=4 * elements, grad=True, tolerance=1e-3)


ROWS = [
    *_conv_rows(1, 32, 28, 3, 1, batch=128),
    *_conv_rows(32, 64, 14, 3, 1, batch=128),
    *_conv_rows(64, 64, 56, 3, 1),
    *_conv_rows(128, 128, 28, 3, 1),
    *_conv_rows(256, 256, 14, 3, 1),
    *_conv_rows(512, 512, 7, 3, 1),
    *_conv_rows(64, 128, 56, 3, 2),
    *_conv_rows(128, 256, 28, 3, 2),
    *_conv_rows(256, 512, 14, 3, 2),
    *_conv_rows(256, 64, 56, 1, 1),
    *_conv_rows(256, 512, 28, 1, 2),
    *_conv_rows(3, 64, 112, 7, 2),
    *_conv_rows(3, 64, 224, 7, 2),
    *_conv_rows(256, 1024, 14, 1, 1),
    *_conv_rows(2048, 512, 7, 1, 1),
    *_conv_rows(128, 128, 28, 3, 1, groups=128),
    *_conv_rows(128, 128, 28, 3, 2, groups=128),
    *_other_conv_rows(
        "conv1d 5 64-128 1024", "conv1d", (32, 64, 1024), (128, 64, 5), 2.0 * 32 * 128 * 64 * 5 * 1024, padding=2
    ),
    *_other_conv_rows(
        "conv3d 3x3x3 32-32 16x28x28",
        "conv3d",
        (4, 32, 16, 28, 28),
        (32, 32, 3, 3, 3),
        2.0 * 4 * 32 * 32 * 27 * 16 * 28 * 28,
        padding=1,
    ),
    *_other_conv_rows(
        "conv_transpose2d 4x4/2 128-64 28x28",
        "conv_transpose2d",
        (32, 128, 28, 28),
        (128, 64, 4, 4),
        2.0 * 32 * 128 * 64 * 16 * 28 * 28,
        stride=2,
        padding=1,
    ),
    _both("max_pool 2x2 forward+backward", _pool("max_pool2d"), 2.5 * 128 * 32 * 784),
    _both("avg_pool 2x2 forward+backward", _pool("avg_pool2d"), 2.5 * 128 * 32 * 784),
    _both("batch_norm forward+backward 128x64x28x28", _batch_norm, 7 * 128 * 64 * 784),
    _both("layer_norm forward+backward 4096x1024", _layer_norm("layer_norm"), 5 * 4096 * 1024),
    _both("rms_norm forward+backward 4096x1024", _layer_norm("rms_norm"), 5 * 4096 * 1024),
]
