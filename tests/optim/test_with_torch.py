"""Optimisers and schedules beside PyTorch's own: the same steps, the same checkpoints, the same words."""

from __future__ import annotations

import io

import numpy as np
import pytest

import cltorch

torch = pytest.importorskip("torch", reason="torch is not installed")

SHAPES = [(5, 7), (33,), (), (40, 50)]
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"betas": (0.0, 0.9), "maximize": True}),
    ("Adam", {"weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("RMSprop", {"centered": True, "alpha": 0.9}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3}),
]


def make(library, name, options, device="cpu", dtype="float32"):
    rng = np.random.default_rng(0)
    params = [
        library.nn.Parameter(library.tensor(rng.standard_normal(s)).to(getattr(library, dtype)).to(device))
        for s in SHAPES
    ]
    return params, getattr(library.optim, name)(params, **options)


def steps(library, params, optimizer, times, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(times):
        for p in params:
            p.grad = library.tensor(rng.standard_normal(tuple(p.shape))).to(p.dtype).to(p.device)
        optimizer.step()


def close(ours, theirs, rtol, atol):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().double().cpu().numpy(), q.detach().double().numpy(), rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_twenty_steps_are_pytorchs(name, options, device):
    options = {"lr": 0.05, **options}
    ours, optimizer = make(cltorch, name, options, device)
    theirs, reference = make(torch, name, options)
    steps(cltorch, ours, optimizer, 20)
    steps(torch, theirs, reference, 20)
    close(ours, theirs, 1e-6, 2e-6)
    for p, q in zip(ours, theirs, strict=True):
        mine, state = optimizer.state[p], reference.state[q]
        assert list(mine) == list(state)
        close(mine.values(), state.values(), 1e-5, 1e-6)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_float64_agrees_to_the_last_bits(name, options, device, fp64):
    if not fp64:
        pytest.skip("no float64 on this device")
    ours, optimizer = make(cltorch, name, options, device, "float64")
    theirs, reference = make(torch, name, options, dtype="float64")
    steps(cltorch, ours, optimizer, 20)
    steps(torch, theirs, reference, 20)
    close(ours, theirs, 1e-13, 1e-14)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_step_as_pytorchs_fused_optimiser(dtype, device):
    # PyTorch's fused step alone rounds once, as ours does; its other ones round after every operation
    options = {"lr": 0.05, "eps": 1e-3, "fused": True}
    ours, optimizer = make(cltorch, "Adam", options, device, dtype)
    theirs, reference = make(torch, "Adam", options, dtype=dtype)
    steps(cltorch, ours, optimizer, 5)
    steps(torch, theirs, reference, 5)
    close(ours, theirs, 2e-3 if dtype == "float16" else 2e-2, 2e-3)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_checkpoints_go_both_ways(name, options, device):
    options = {"lr": 0.05, **options}
    ours, optimizer = make(cltorch, name, options, device)
    theirs, reference = make(torch, name, options)
    steps(cltorch, ours, optimizer, 3)
    steps(torch, theirs, reference, 3)

    def through_file(save, load, state):
        file = io.BytesIO()
        save(state, file)
        file.seek(0)
        return load(file, map_location="cpu")

    others, continued = make(cltorch, name, {"lr": 1.0}, device)
    continued.load_state_dict(through_file(torch.save, cltorch.load, reference.state_dict()))
    again, resumed = make(torch, name, {"lr": 1.0})
    resumed.load_state_dict(through_file(cltorch.save, torch.load, optimizer.state_dict()))
    for params, source in ((others, ours), (again, theirs)):
        for p, q in zip(params, source, strict=True):
            p.data.copy_(q.data)
    steps(cltorch, ours, optimizer, 3, seed=2)
    steps(torch, theirs, reference, 3, seed=2)
    steps(cltorch, others, continued, 3, seed=2)
    steps(torch, again, resumed, 3, seed=2)
    close(ours, theirs, 1e-6, 2e-6)
    close(others, theirs, 1e-6, 2e-6)
    close(ours, again, 1e-6, 2e-6)
    assert continued.state_dict()["param_groups"] == resumed.state_dict()["param_groups"]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_repr_and_groups_are_pytorchs(name, options):
    _, optimizer = make(cltorch, name, options)
    _, reference = make(torch, name, options)
    assert repr(optimizer) == repr(reference)
    assert optimizer.state_dict()["param_groups"] == reference.state_dict()["param_groups"]
    assert list(optimizer.param_groups[0]) == list(reference.param_groups[0])


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_the_derivative_of_differentiable_steps_is_pytorchs(name):
    def gradients(library):
        # PyTorch's other two take no rate that wants a gradient
        rate = library.tensor(0.05, dtype=library.float64, requires_grad=True) if name in ("SGD", "Adam") else 0.05
        start = library.tensor([0.3, -0.7, 1.1], dtype=library.float64, requires_grad=True)
        p = start.clone()
        optimizer = getattr(library.optim, name)([p], lr=rate, weight_decay=0.1, differentiable=True)
        for factor in (0.5, 2.0):
            p.grad = factor * start + 0.2
            optimizer.step()
        (p**2).sum().backward()
        return [*start.grad.tolist(), *([] if isinstance(rate, float) else [rate.grad.item()])]

    # PyTorch computes Adam's corrections from a count in float32
    assert gradients(cltorch) == pytest.approx(gradients(torch), rel=1e-5 if name == "Adam" else 1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "SGD([])",
        "SGD(T.ones(2))",
        "SGD([1])",
        "SGD([w * 2])",
        "SGD([{'params': {w}}])",
        "SGD([w], lr=-1)",
        "SGD([w], momentum=-1)",
        "SGD([w], weight_decay=-1)",
        "SGD([w], momentum=0.9, dampening=0.5, nesterov=True)",
        "SGD([w], lr=T.ones(2))",
        "SGD([w], fused=True, foreach=True)",
        "SGD([{'params': [w]}, {'params': [w]}])",
        "SGD([('a', w), v])",
        "SGD([w]).add_param_group([v])",
        "SGD([w]).add_param_group({'params': [('v', v)]})",
        "SGD([w]).load_state_dict(SGD([w, v]).state_dict())",
        "SGD([w]).load_state_dict(SGD([{'params': w}, {'params': v}]).state_dict())",
        "Adam([w], betas=(1.5, 0.9))",
        "Adam([w], betas=(0.9, 1.0))",
        "Adam([w], betas=(0, 0.9))",
        "Adam([w], eps=-1)",
        "Adam([w], lr=T.tensor(0.1), foreach=True)",
        "RMSprop([w], alpha=-1)",
        "RMSprop([w], eps=-1)",
        "Adagrad([w], lr_decay=-1)",
        "Adagrad([w], initial_accumulator_value=-1)",
    ],
)
def test_errors_are_pytorchs(text):
    def error(library):
        names = {name: getattr(library.optim, name) for name in ("SGD", "Adam", "RMSprop", "Adagrad")}
        w, v = (library.nn.Parameter(library.ones(2)) for _ in range(2))
        with pytest.raises(Exception) as caught:
            eval(text, {**names, "T": library, "w": w, "v": v})
        return caught.type, str(caught.value)

    assert error(cltorch) == error(torch)
