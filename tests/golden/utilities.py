"""What torch.nn.utils, packed sequences, masks and averages of models give, written once for PyTorch and this package.

A case is a function of the library and of numbers drawn as in modules.py; it returns tensors that need gradients,
others, and the modules whose parameters get them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tests.golden.modules import Draw, gradients

CASES: dict[str, Callable[..., tuple[Any, list[Any]]]] = {}


def case(f: Callable[..., Any]) -> Callable[..., Any]:
    CASES[f.__name__] = f
    return f


def _set(draw: Draw, module: Any) -> Any:
    """Give a module drawn parameters, those behind parametrizations too, and move it to the device."""
    module = module.to(draw.device)
    with draw.library.no_grad():
        for p in module.parameters():
            p.copy_(draw.tensor(draw.rng.uniform(-0.7, 0.7, tuple(p.shape))))
    return module


@case
def weight_norm(T, draw):
    linear = _set(draw, T.nn.utils.parametrizations.weight_norm(T.nn.Linear(3, 4), dim=1))
    return linear(draw.f(2, 3)), [linear]


@case
def spectral_norm(T, draw):
    conv = _set(draw, T.nn.utils.parametrizations.spectral_norm(T.nn.Conv1d(3, 4, 2), n_power_iterations=3))
    parametrization = conv.parametrizations.weight[0]
    for name, size in (("_u", 4), ("_v", 6)):
        v = draw.rng.standard_normal(size)
        getattr(parametrization, name).copy_(draw.tensor(v / np.linalg.norm(v)))
    return conv(draw.f(2, 3, 4)), [conv]


def _orthogonal(name: str) -> Callable[..., Any]:
    def f(T, draw):
        linear = T.nn.Linear(3, 3 if name != "householder" else 4)
        orthogonal = T.nn.utils.parametrizations.orthogonal
        linear = _set(draw, orthogonal(linear, orthogonal_map=name, use_trivialization=False))
        return linear(draw.f(2, 3)), [linear]

    return f


CASES |= {f"orthogonal {name}": _orthogonal(name) for name in ("matrix_exp", "cayley", "householder")}


@case
def packed_sequences(T, draw):
    utils = T.nn.utils.rnn
    network = _set(draw, T.nn.GRU(3, 4, num_layers=2, bidirectional=True))
    packed = utils.pack_padded_sequence(draw.f(5, 3, 3), T.tensor([2, 5, 3]), enforce_sorted=False)
    output, state = network(packed)
    padded, _ = utils.pad_packed_sequence(output, padding_value=0.5)
    return (padded, state), [network]


@case
def sequences_of_other_lengths(T, draw):
    padded = T.nn.utils.rnn.pad_sequence([draw.f(2, 3), draw.f(4, 3), draw.f(1, 3)], True, -1.0, "left")
    return padded * 2, []


@case
def masks(T, draw):
    layer = T.nn.TransformerEncoderLayer(4, 2, 6, 0.0, batch_first=True)
    encoder = _set(draw, T.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))
    left_out = T.tensor([[False, False, True], [False, True, True]]).to(draw.device)
    future = T.ones(3, 3, dtype=T.bool).triu(1).to(draw.device)
    return encoder(draw.f(2, 3, 4), future, left_out), [encoder]


@case
def weights_of_attention(T, draw):
    attention = _set(draw, T.nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True))
    mask = draw.f(4, 2, 3)  # for each of two samples and two heads
    given = draw.f(2, 2, 4), draw.f(2, 3, 4), draw.f(2, 3, 4)
    return attention(*given, attn_mask=mask, average_attn_weights=False), [attention]


def _clipped(**settings: Any) -> Callable[..., Any]:
    def f(T, draw):
        params = [T.nn.Parameter(draw.u(3, 2)), T.nn.Parameter(draw.u(4))]
        for p in params:
            p.grad = draw.f(*p.shape).detach()
        if "clip_value" in settings:
            T.nn.utils.clip_grad_value_(params, **settings)
            return [p.grad for p in params], []
        total = T.nn.utils.clip_grad_norm_(params, **settings)
        return [total, T.nn.utils.get_total_norm([p.grad for p in params]), *(p.grad for p in params)], []

    return f


CASES |= {
    "clip_grad_norm": _clipped(max_norm=0.7), "clip_grad_norm inf": _clipped(max_norm=0.5, norm_type=float("inf")),
    "clip_grad_value": _clipped(clip_value=0.4),
}  # fmt: skip


@case
def fused_normalisation(T, draw):
    conv = _set(draw, T.nn.ConvTranspose2d(2, 3, 2))
    norm = _set(draw, T.nn.BatchNorm2d(3))
    norm.running_mean.copy_(draw.u(3))
    norm.running_var.copy_(draw.u(3))
    fused = T.nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval(), transpose=True)
    return fused(draw.f(1, 2, 2, 3)), [fused]


@case
def pruned(T, draw):
    linear, prune = _set(draw, T.nn.Linear(4, 5)), import_module(f"{T.__name__}.nn.utils.prune")
    prune.l1_unstructured(linear, "weight", 6)
    prune.ln_structured(linear, "weight", 1, n=2, dim=0)
    return linear(draw.f(2, 4)), [linear]


def _averaged(decay: float | None) -> Callable[..., Any]:
    def f(T, draw):
        utils = T.optim.swa_utils
        linear = _set(draw, T.nn.Linear(2, 3))
        average = {} if decay is None else {"multi_avg_fn": utils.get_ema_multi_avg_fn(decay)}
        averaged = utils.AveragedModel(linear, **average)
        for _ in range(3):
            averaged.update_parameters(_set(draw, linear))
        return averaged(draw.f(2, 2)), [averaged]

    return f


CASES |= {"averages": _averaged(None), "moving averages": _averaged(0.7)}


@case
def functional_call(T, draw):
    linear = T.nn.Linear(3, 2).to(draw.device)
    return T.func.functional_call(linear, {"weight": draw.f(2, 3), "bias": draw.f(2)}, (draw.f(4, 3),)), []


def run(library, name: str, device: str = "cpu", layout: str = "contiguous") -> list[np.ndarray]:
    """Return what a case gives, then the gradients of inputs and parameters."""
    draw = Draw(library, name, device, layout)
    given, modules = CASES[name](library, draw)
    return gradients(draw, given, [p for module in modules for p in module.parameters()])
