"""Whole training steps, and the optimizers alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cltorch.bench import models
from cltorch.bench.workload import Side, Workload

# the shapes of ResNet-18's parameters for 1000 classes (K. He et al., Deep Residual Learning, 2015)
_STAGES = ((64, 64), (64, 128), (128, 256), (256, 512))


def resnet18_shapes() -> list[tuple[int, ...]]:
    """Return the shapes of ResNet-18's 62 parameters in order."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    for before, width in _STAGES:
        for first in (before, width):
            shapes += [(width, first, 3, 3), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            if first != width:
                shapes += [(width, first, 1, 1), (width,), (width,)]
    return [*shapes, (1000, 512), (1000,)]


def _optimizer(name: str, **options: Any) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        params = [side.randn(*shape, grad=True) for shape in resnet18_shapes()]
        for p in params:
            p.grad = side.randn(*p.shape) * 1e-3
        optimizer = getattr(side.torch.optim, name)(params, lr=1e-3, **options)

        def step() -> Any:
            optimizer.step()
            return params[-1]

        return step

    return build


def _mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))


def _cnn(nn: Any) -> Any:
    """Return the network of examples/fashion_mnist.py, without dropout so that both sides compute the same."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def learning(side: Side, model: Any, x: Any, target: Any, lr: float) -> Callable[[], Any]:
    """Return one step of learning: forward, cross entropy, backward, Adam."""
    torch = side.torch
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def training(build: Callable[[Any], Any], shape: tuple[int, ...], classes: int) -> Callable[[Side], Callable[[], Any]]:
    """Return the workload of one step: forward, cross entropy, backward, Adam."""

    def prepare(side: Side) -> Callable[[], Any]:
        model = side.model(build)
        return learning(side, model, side.randn(*shape), side.randint(classes, shape[0]), 1e-3)

    return prepare


first_step = training(_cnn, (128, 1, 28, 28), 10)
# what is timed from the start of a fresh process
FIRST_STEPS = {
    "the example's network": first_step,
    "ResNet-18": training(models.resnet18, (32, 3, 32, 32), 10),
}

_RESNET = sum(math.prod(shape) for shape in resnet18_shapes())
_MLP_FLOPS = 6.0 * 128 * (784 * 512 + 512 * 10)
_CNN_FLOPS = 6.0 * 128 * (784 * 32 * 9 + 196 * 32 * 64 * 9 + 3136 * 128 + 1280)

ROWS = [
    Workload("SGD with momentum, ResNet-18", _optimizer("SGD", momentum=0.9), bytes=20.0 * _RESNET, grad=True),
    Workload("Adam, ResNet-18", _optimizer("Adam"), bytes=28.0 * _RESNET, grad=True),
    Workload("AdamW, ResNet-18", _optimizer("AdamW"), bytes=28.0 * _RESNET, grad=True),
    Workload("train MLP 784-512-10 batch 128", training(_mlp, (128, 784), 10), flops=_MLP_FLOPS, grad=True),
    Workload("train example CNN batch 128", first_step, flops=_CNN_FLOPS, grad=True, tolerance=1e-3),
]
