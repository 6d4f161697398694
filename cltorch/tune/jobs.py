"""What the tuner times for each kernel: a few typical sizes, whose results are compared with float64 on the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import cltorch
from cltorch.autograd.record import apply
from cltorch.nn import functional
from cltorch.ops import conv, gemm, recurrent
from cltorch.ops.conv_shape import Geometry

_T = cltorch.float32


@dataclass(frozen=True)
class Prepared:
    """A job with its operands on a device.

    ``plan()`` makes the launches anew, with the parameters that hold then, and returns the step. Its result may differ
    from ``reference`` by ``scale`` (the sum of the absolute terms, say) times a few units in the last place.
    """

    plan: Callable[[], Callable[[], Any]]
    reference: np.ndarray
    scale: np.ndarray

    def error(self, result: Any) -> float:
        """Return the largest difference from the reference in units of what is allowed: above 1 it is wrong."""
        got = result.cpu().numpy().astype(np.float64)
        if got.shape != self.reference.shape:
            return float("inf")
        worst = np.max(np.abs(got - self.reference) / (4e-6 * self.scale + 1e-30), initial=0.0)
        return float(worst) if np.isfinite(worst) else float("inf")


@dataclass(frozen=True)
class Job:
    """Name a size of a kernel's work; ``prepare`` gets the device and random numbers."""

    name: str
    prepare: Callable[[Any, np.random.Generator], Prepared]


def _product(m: int, k: int, n: int, variant: str, ta: bool = False, tb: bool = False) -> Job:
    def prepare(device: Any, rng: np.random.Generator) -> Prepared:
        a = rng.standard_normal((k, m) if ta else (m, k), np.float32)
        b = rng.standard_normal((n, k) if tb else (k, n), np.float32)
        x, y = (cltorch.from_numpy(v).to(device) for v in (a, b))

        def plan() -> Callable[[], Any]:
            run = gemm.make_plan(device.context, _T, x.lay, y.lay, None, ta, tb, variant)
            return lambda: run(x, y, None, 1, 1)

        left, right = ((v.T if turned else v).astype(np.float64) for v, turned in ((a, ta), (b, tb)))
        return Prepared(plan, left @ right, np.abs(left) @ np.abs(right))

    turned = ("T" if ta else "N") + ("T" if tb else "N")
    return Job(f"{m}x{k}x{n} {turned}", prepare)


def _convolution(
    n: int, c: int, k: int, size: int, variant: str = "gpu", stride: int = 1, groups: int = 1, weight: bool = False
) -> Job:
    """A 3x3 window over squares, without padding, or the gradient of its weight."""

    def prepare(device: Any, rng: np.random.Generator) -> Prepared:
        out, one = (size - 3) // stride + 1, (1, 1, 1)
        ends, window = (n, groups * k, out, out), (groups * k, c, 3, 3)
        a = rng.standard_normal((n, groups * c, size, size), np.float32)
        b = rng.standard_normal(ends if weight else window, np.float32)
        x, y = (cltorch.from_numpy(v).to(device) for v in (a, b))
        steps = (1, stride, stride)
        g = Geometry(n, groups, c, k, (1, size, size), (1, out, out), (1, 3, 3), steps, (0, 0, 0), one)

        def plan() -> Callable[[], Any]:
            if weight:
                back = conv.make_weight_plan(device.context, g, _T, x.lay, y.lay, False, window, variant)
                return lambda: back(x, y)[0]
            run = conv.make_plan(device.context, g, False, _T, x.lay, False, ends, variant)
            return lambda: run(x, y, None)

        def correlate(p: np.ndarray, q: np.ndarray) -> np.ndarray:
            slide: Any = np.lib.stride_tricks.sliding_window_view  # the stub of NumPy 2.2 knows one axis only
            columns = slide(p, (3, 3), (2, 3))[:, :, ::stride, ::stride].transpose(1, 4, 5, 0, 2, 3)
            columns = columns.reshape(groups, c * 9, n * out * out)
            if weight:
                rows = q.transpose(1, 0, 2, 3).reshape(groups, k, n * out * out)
                return (rows @ columns.transpose(0, 2, 1)).reshape(window)
            return (q.reshape(groups, k, c * 9) @ columns).reshape(-1, n, out, out).transpose(1, 0, 2, 3)

        wide = a.astype(np.float64), b.astype(np.float64)
        return Prepared(plan, correlate(*wide), correlate(*map(np.abs, wide)))

    channels = f"{groups * c}x{size}x{size} to {groups * k}"
    return Job(f"{n}x{channels}" + (f", steps of {stride}" if stride > 1 else ""), prepare)


def _recurrent(mode: str, batch: int, units: int, steps: int, variant: str) -> Job:
    """All steps of one direction and back to few inputs, so that the states' products are most of the work."""

    def prepare(device: Any, rng: np.random.Generator) -> Prepared:
        inputs, lines = 8, recurrent.GATES[mode] * units
        shapes = [(steps * batch, inputs), (batch, units), (batch, units), (lines, inputs), (lines, units), (lines,)]
        arrays = [rng.standard_normal(shape, np.float32) / np.sqrt(shape[-1]) for shape in shapes]
        g = rng.standard_normal((steps * batch, units), np.float32)

        def step(place: Any, t: Any, variant: str) -> Callable[[], Any]:
            x, h, c, w_ih, w_hh, b = (cltorch.from_numpy(v).to(place, t) for v in arrays)
            grad = cltorch.from_numpy(g).to(place, t)
            given = (x.requires_grad_(), h, c if mode == "lstm" else None, w_ih, w_hh, b, b, None)

            def run() -> Any:
                out = apply(recurrent.Recurrent, *given, (batch,) * steps, mode, False, variant)[0]
                return cltorch.autograd.grad(out, x, grad)[0]

            return run

        reference = step("cpu", cltorch.float64, "")().numpy()
        # what cancels in a sum is as wrong as the largest sums are, and one step takes over the last one's errors
        scale = np.full_like(reference, np.abs(reference).max())
        return Prepared(lambda: step(device, _T, variant), reference, scale)

    return Job(f"{mode} {batch}x{steps}x{units}", prepare)


def _function(
    name: str, shape: tuple[int, ...], step: Callable[[Any], Any], reference: Callable[[np.ndarray], Any]
) -> Job:
    """A function of one tensor; ``reference`` returns what must come out, and the scale of errors."""

    def prepare(device: Any, rng: np.random.Generator) -> Prepared:
        a = rng.standard_normal(shape, np.float32)
        x = cltorch.from_numpy(a).to(device)
        return Prepared(lambda: lambda: step(x), *reference(a.astype(np.float64)))

    return Job(f"{name} {'x'.join(map(str, shape))}", prepare)


def _softmax(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    e = np.exp(a - a.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, y


def _standardised(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)
    return y, 1 + np.abs(y)


def _vectors(n: int, variant: str) -> list[Job]:
    return [_product(1, n, n, variant), _product(1, n, n, variant, tb=True), _product(64 * n, 64, 1, variant)]


def jobs(kernel: str, kind: str, quirks: frozenset[str] = frozenset()) -> list[Job]:
    """Return what is timed for a kernel on a device of a kind; nothing where that device does not run the kernel.

    A processor runs a GPU's kernels too, to test them or because of a quirk, and gets smaller sizes then.
    """
    gpu = kind != "cpu"
    big, rows = (2048, 65536) if gpu and "loops_end_early" not in quirks else (256, 1024)
    found: dict[str, list[Job]] = {
        "matmul cpu": [
            _product(512, 512, 512, "cpu"), _product(768, 768, 768, "cpu", ta=True),
            _product(256, 1024, 768, "cpu", tb=True),
        ],
        "matmul cpu few rows": [
            _product(64, 2048, 2048, "cpu", tb=True), _product(16, 2048, 2048, "cpu", tb=True),
            _product(128, 784, 512, "cpu", tb=True),
        ],
        "matrix vector cpu": _vectors(2048, "cpu"),
        "convolution cpu": [
            _convolution(4, 32, 64, 30, "cpu"), _convolution(4, 64, 96, 29, "cpu", 2),
            _convolution(8, 64, 96, 15, "cpu", 2),
        ],
        "convolution weight cpu": [
            _convolution(4, 32, 64, 30, "cpu", weight=True), _convolution(4, 64, 96, 29, "cpu", 2, weight=True),
            _convolution(8, 256, 256, 6, "cpu", weight=True),
        ],
        "depthwise cpu": [_convolution(8, 1, 1, 30, "cpu", 1, 128), _convolution(8, 1, 1, 29, "cpu", 2, 128)],
        "depthwise weight cpu": [
            _convolution(8, 1, 1, 30, "cpu", 1, 128, weight=True),
            _convolution(8, 1, 1, 29, "cpu", 2, 128, weight=True),
        ],
        "recurrent cpu": [
            _recurrent("lstm", 32, 256, 8, "cpu"), _recurrent("lstm", 32, 128, 16, "cpu"),
            _recurrent("lstm", 4, 256, 8, "cpu"),
        ],
        "matmul gpu": [
            _product(big, big, big, "gpu"), _product(big, big // 4, big, "gpu", tb=True),
            _product(big // 2, big, big, "gpu", ta=True),
        ],
        "matmul gpu small": [_product(32, big, big, "gpu"), _product(big, big, 32, "gpu", tb=True)],
        "matrix vector gpu": _vectors(2 * big, "gpu"),
        "convolution gpu": [_convolution(big // 32, 64, 64, 30), _convolution(big // 64, 128, 128, 16)],
        "convolution gpu small": [_convolution(big // 32, 16, 32, 30)],
        "recurrent gpu": [_recurrent("lstm", 64, big // 4, 4, "gpu")],
    }  # fmt: skip
    if gpu:
        found["reduction gpu"] = [
            _function("sum", (rows // 64, 4096), lambda x: x.sum(1), lambda a: (a.sum(1), np.abs(a).sum(1))),
            _function("sum", (rows, 256), lambda x: x.sum(1), lambda a: (a.sum(1), np.abs(a).sum(1))),
        ]
        found["softmax gpu"] = [
            _function("softmax", shape, lambda x: functional.softmax(x, -1), _softmax)
            for shape in ((rows // 64, 4096), (rows // 4, 512))
        ]
        found["normalisation gpu"] = [
            _function("layer_norm", shape, lambda x: functional.layer_norm(x, x.shape[-1:]), _standardised)
            for shape in ((rows // 64, 4096), (rows // 4, 768))
        ]
    return found.get(kernel, [])
