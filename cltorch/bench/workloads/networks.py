"""Attention, recurrent layers, dropout, and training steps of the networks in ``cltorch.bench.models``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cltorch.bench import models
from cltorch.bench.workload import Side, Workload
from cltorch.bench.workloads.train import FIRST_STEPS, learning

_BATCH, _HEADS, _LENGTH, _DEPTH = 4, 8, 512, 64


def _attention(causal: bool, backward: bool) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        torch, shape = side.torch, (_BATCH, _HEADS, _LENGTH, _DEPTH)
        q, k, v = (side.randn(*shape, grad=backward) for _ in range(3))
        f, g = torch.nn.functional.scaled_dot_product_attention, side.randn(*shape)
        if not backward:
            return lambda: f(q, k, v, is_causal=causal)
        return lambda: torch.autograd.grad(f(q, k, v, is_causal=causal), (q, k, v), g)

    return build


def _attention_row(causal: bool, backward: bool) -> Workload:
    words = ("attention", "causal" if causal else "", "forward+backward" if backward else "")
    # two products forward and five backward, of which a causal mask leaves half
    flops = 2.0 * _BATCH * _HEADS * _LENGTH**2 * _DEPTH * (7 if backward else 2) / (2 if causal else 1)
    name = " ".join(w for w in words if w) + f" {_BATCH}x{_HEADS}x{_LENGTH}x{_DEPTH}"
    return Workload(name, _attention(causal, backward), flops=flops, grad=backward, tolerance=1e-3)


def _dropout(side: Side) -> Callable[[], Any]:
    f, torch = side.torch.nn.functional, side.torch
    x, g = side.randn(4096, 1024, grad=True), side.randn(4096, 1024)
    return lambda: torch.autograd.grad(f.dropout(x, 0.1), x, g)


def _recurrent(name: str) -> Callable[[Side], Callable[[], Any]]:
    def build(side: Side) -> Callable[[], Any]:
        torch = side.torch
        layer = side.model(lambda nn: getattr(nn, name)(256, 256))
        x, g = side.randn(64, 32, 256, grad=True), side.randn(64, 32, 256)
        wanted = (x, *layer.parameters())
        return lambda: torch.autograd.grad(layer(x)[0], wanted, g)

    return build


def _language(build: Callable[[Any], Any], batch: int, length: int) -> Callable[[Side], Callable[[], Any]]:
    """Return the workload of one step that learns to say the words after words: Adam on the cross entropy."""

    def prepare(side: Side) -> Callable[[], Any]:
        model = side.model(build)
        return learning(side, model, side.randint(256, batch, length), side.randint(256, batch * length), 1e-4)

    return prepare


# multiplications and additions of a forward pass, three times over with the backward pass
_RESNET_FLOPS = 3 * 2.0 * 32 * 37.0e6
_GATE_FLOPS = 3 * 2.0 * 32 * 64 * 2 * 256 * 256
_GPT_FLOPS = 3 * 2.0 * 2048 * (6 * (12 * 256**2 + 256 * 256) + 256 * 256)

ROWS = [
    *(_attention_row(causal, backward) for backward in (False, True) for causal in (False, True)),
    Workload("dropout forward+backward 4096x1024", _dropout, bytes=16 * 4096 * 1024, grad=True, tolerance=None),
    *(
        Workload(
            f"{name} forward+backward 64 steps, batch 32, 256 wide", _recurrent(name), flops=gates * _GATE_FLOPS,
            grad=True, tolerance=1e-3,
        )
        for name, gates in (("LSTM", 4), ("GRU", 3))
    ),
    Workload(
        "train ResNet-18 batch 32 of 32x32", FIRST_STEPS["ResNet-18"], flops=_RESNET_FLOPS,
        grad=True, tolerance=1e-3,
    ),
    Workload("train GPT 6x256 batch 8x256", _language(models.gpt, 8, 256), flops=_GPT_FLOPS, grad=True, tolerance=1e-3),
    Workload(
        "train LSTM language model batch 32x64", _language(models.lstm_language_model, 32, 64),
        flops=4 * _GATE_FLOPS + 3 * 2.0 * 32 * 64 * 256 * 256, grad=True, tolerance=1e-3,
    ),
]  # fmt: skip
