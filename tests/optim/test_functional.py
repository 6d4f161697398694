"""The functional forms of optimisers: lists in place of parameters with a state, beside PyTorch's and the classes."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest

import cltorch

MEANS = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-6}
# name: lists of state between gradients and the options, what they begin with, and the options
FORMS = {
    "adadelta": (["zeros", "zeros", "step"], {"rho": 0.9, "eps": 0.01, "weight_decay": 0.1, "maximize": True}),
    "adagrad": (["ones", "step"], {"weight_decay": 0.1, "lr_decay": 0.1, "eps": 1e-10, "maximize": False}),
    "adam": (
        ["zeros", "zeros", "zeros", "step"],
        {**MEANS, "amsgrad": True, "weight_decay": 0.1, "maximize": False, "decoupled_weight_decay": True},
    ),
    "adamw": (["zeros", "zeros", "none", "step"], {**MEANS, "amsgrad": False, "weight_decay": 0.1, "maximize": True}),
    "adamax": (["zeros", "zeros", "step"], {**MEANS, "weight_decay": 0.1, "maximize": True}),
    "asgd": (["zeros", "one", "rate", "step"], {"lambd": 0.1, "t0": 1.0, "alpha": 0.75, "weight_decay": 0.1}),
    "nadam": (["zeros", "zeros", "one", "step"], {**MEANS, "weight_decay": 0.1, "momentum_decay": 0.01}),
    "radam": (["zeros", "zeros", "step"], {**MEANS, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "rmsprop": (
        ["zeros", "zeros", "zeros", "step"],
        {"alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1, "momentum": 0.9, "centered": True},
    ),
    "rprop": (
        ["zeros", "rates", "step"],
        {"step_size_min": 1e-6, "step_size_max": 50, "etaminus": 0.5, "etaplus": 1.2},
    ),
    "sgd": (
        ["Nones"],
        {"weight_decay": 0.1, "momentum": 0.9, "dampening": 0.5, "nesterov": False, "maximize": True},
    ),
    "_adafactor": (
        ["rows", "columns", "Nones", "step"],
        {"d": 1.0, "beta2_decay": -0.8, "weight_decay": 0.1, "eps1": 1e-7, "eps2": 1e-3, "maximize": False},
    ),
    "_muon": (
        ["zeros"],
        {"weight_decay": 0.1, "momentum": 0.9, "nesterov": True, "ns_coefficients": (3.4445, -4.775, 2.0315),
         "ns_steps": 5, "eps": 1e-7, "adjust_lr_fn": None, "has_complex": False},
    ),
}  # fmt: skip
SHAPES = [(3, 4), (2, 5)]
RATE = 0.05


def form(library, name):
    return getattr(importlib.import_module(f"{library.__name__}.optim.{name}"), name.strip("_"))


def begin(library, kind, device):
    whole = {"zeros": 0.0, "ones": 1.0, "rates": RATE}
    count = {"one": 1.0, "rate": RATE, "step": 0.0}
    if kind in whole:
        return [library.full(s, whole[kind], device=device) for s in SHAPES]
    if kind in count:
        return [library.tensor(count[kind]) for _ in SHAPES]
    if kind in ("rows", "columns"):
        return [library.zeros((s[0], 1) if kind == "rows" else (1, s[1]), device=device) for s in SHAPES]
    return [None for _ in SHAPES] if kind == "Nones" else []


def run(library, name, device="cpu", **further):
    kinds, options = FORMS[name]
    rng = np.random.default_rng(0)

    def draw():
        return [library.tensor(rng.standard_normal(s), dtype=library.float32).to(device) for s in SHAPES]

    params, lists = draw(), [begin(library, kind, device) for kind in kinds]
    if name != "rprop":
        options = {**options, "lr": RATE}
    for _ in range(3):
        form(library, name)(params, draw(), *lists, **options, **further)
    return [*params, *(x for some in lists for x in some if x is not None)]


@pytest.mark.parametrize("name", FORMS)
def test_three_steps_are_pytorchs(name, device):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, theirs = inspect.signature(form(cltorch, name)).parameters, inspect.signature(form(torch, name)).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]
    tolerance = 0.02 if name == "_muon" else 1e-5  # its iterations are in bfloat16
    for x, y in zip(run(cltorch, name, device), run(torch, name), strict=True):
        np.testing.assert_allclose(x.cpu().numpy(), y.numpy(), rtol=tolerance, atol=tolerance)


def test_counts_on_a_device_are_advanced_there(cl_device):
    p, step = cltorch.ones(2, device=cl_device), cltorch.tensor(0.0, device=cl_device)
    means = [cltorch.zeros(2, device=cl_device)], [cltorch.zeros(2, device=cl_device)]
    options = {"beta1": 0.9, "beta2": 0.999, "lr": 0.1, "weight_decay": 0.0, "eps": 1e-8, "maximize": False}
    for _ in range(2):
        cltorch.optim.adam.adam([p], [2 * p], *means, [], [step], amsgrad=False, capturable=True, **options)
    assert step.device.type == "cl" and step.item() == 2
    np.testing.assert_allclose(p.cpu().numpy(), 0.8, atol=2e-3)


def test_scaled_gradients_are_for_fused_steps():
    p, g = cltorch.ones(2), cltorch.full((2,), 8.0)
    options = {"lr": 1.0, "weight_decay": 0, "momentum": 0, "dampening": 0, "nesterov": False, "maximize": False}
    scale = cltorch.tensor(4.0)
    with pytest.raises(AssertionError, match="Expected grad_scale and found_inf to be None"):
        cltorch.optim.sgd.sgd([p], [g], [None], grad_scale=scale, **options)
    cltorch.optim.sgd.sgd([p], [g], [None], fused=True, grad_scale=scale, found_inf=cltorch.tensor(1.0), **options)
    assert p.tolist() == [1.0, 1.0]
    cltorch.optim.sgd.sgd([p], [g], [None], fused=True, grad_scale=scale, found_inf=cltorch.tensor(0.0), **options)
    assert p.tolist() == [-1.0, -1.0]
    with pytest.raises(RuntimeError, match="must contain a list of singleton tensors"):
        cltorch.optim.adagrad.adagrad(
            [p], [g], [g], [1], lr=0.1, weight_decay=0.0, lr_decay=0.0, eps=0.0, maximize=False
        )
