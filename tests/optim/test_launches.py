"""A step over a model is a few launches, whatever tensors it has: counted on every device, for 40 shapes."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import cltorch
from cltorch import nn
from cltorch.device import context as contexts
from cltorch.optim import swa_utils

SHAPES = [
    (), *((n,) for n in range(1, 12)), *((n, n % 5 + 2) for n in range(2, 14)), (2, 3, 4),
    *((n, 2, 3, 3) for n in range(2, 12)), *((n, n, 1, 1) for n in range(2, 6)), (300, 70),
]  # fmt: skip
MATRICES = [(n % 7 + 2, n + 3) for n in range(40)]
assert len(set(SHAPES)) == len(set(MATRICES)) == 40
PER_ROW = 3  # launches of a formula over 40 tensors, at least 16 to one


@contextlib.contextmanager
def counted(monkeypatch):
    """Collect what is enqueued: the names of kernels, and copies, fills and waits for values."""
    seen: list[str] = []
    launch = contexts.Kernel.launch
    with monkeypatch.context() as patch:
        patch.setattr(contexts.Kernel, "launch", lambda self, *a: (seen.append(self.name), launch(self, *a))[1])
        for name in ("copy_bytes", "fill_bytes", "read"):
            method = getattr(contexts.Context, name)
            patch.setattr(
                contexts.Context, name,
                lambda self, *a, name=name, method=method, **kw: (seen.append(name), method(self, *a, **kw))[1],
            )  # fmt: skip
        yield seen


def parameters(device, shapes=SHAPES, seed=0, **how):
    rng = np.random.default_rng(seed)
    draw = lambda s: cltorch.tensor(rng.standard_normal(s), dtype=cltorch.float32).to(device)  # noqa: E731
    params = [nn.Parameter(draw(s)) for s in shapes]
    for p in params:
        p.grad = draw(tuple(p.shape))
    return params


CASES = [
    ("SGD", {"momentum": 0.9, "nesterov": True}, 2),
    ("SGD", {}, 1),
    ("Adam", {"amsgrad": True, "maximize": True}, PER_ROW),
    ("Adam", {"capturable": True, "foreach": True}, 2),
    ("AdamW", {"fused": True}, 2),
    ("RMSprop", {"momentum": 0.9, "centered": True}, PER_ROW),
    ("Adagrad", {"weight_decay": 0.1}, PER_ROW),
    ("Adamax", {}, PER_ROW),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}, PER_ROW),
    ("RAdam", {"foreach": True}, PER_ROW),
    ("Adadelta", {"capturable": True}, PER_ROW),
    ("Rprop", {}, PER_ROW),
    ("ASGD", {"maximize": True}, PER_ROW),
    ("Adafactor", {"weight_decay": 0.1, "maximize": True}, 9),
    ("Muon", {}, 38),
]


@pytest.mark.parametrize(("name", "options", "most"), CASES)
def test_a_step_takes_few_launches_and_waits_for_nothing(name, options, most, cl_device, monkeypatch):
    params = parameters(cl_device, MATRICES if name == "Muon" else SHAPES)
    optimizer = getattr(cltorch.optim, name)(params, **options)
    with counted(monkeypatch) as seen:
        optimizer.step()  # makes the state
    assert len(seen) <= most + 3 * 2 * PER_ROW and "read" not in seen, seen
    context = cltorch.device(cl_device).context
    syncs = context.syncs
    with counted(monkeypatch) as seen:
        optimizer.step()
    assert len(seen) <= most, seen
    assert "read" not in seen and context.syncs == syncs


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_steps_many_parameters_as_one_vector(search, cl_device, monkeypatch):
    iterations = 4

    def launches(shapes):
        params = parameters(cl_device, shapes)
        options = {"max_iter": iterations, "line_search_fn": search, "tolerance_change": 0.0}
        optimizer = cltorch.optim.LBFGS(params, lr=0.1, **options)
        # ever smaller gradients, which tell of a curvature, and a loss that falls
        ready = [[p.grad * 0.5**k for p in params] for k in range(20)]
        calls = iter(range(20))

        def closure():
            k = next(calls)
            for p, g in zip(params, ready[k], strict=True):
                p.grad = g
            return cltorch.tensor(0.5**k)

        with counted(monkeypatch) as seen:
            optimizer.step(closure)
        state = optimizer.state[params[0]]
        assert state["n_iter"] == iterations and len(state["old_dirs"]) == iterations - 1
        return seen, state["func_evals"]

    total = sum(int(np.prod(s)) for s in SHAPES)
    (one, evaluations), (many, same) = launches([(total,)]), launches(SHAPES)
    assert evaluations == same
    # gradients are gathered, steps added, and where a line is searched the parameters put back
    assert len(many) - len(one) <= (PER_ROW - 1) * 4 * (evaluations + 1), (one, many)


@pytest.mark.parametrize("fused", [None, True])
def test_a_scaled_step_takes_few_launches(fused, cl_device, monkeypatch):
    params = parameters(cl_device)
    optimizer = cltorch.optim.Adam(params, fused=fused)
    scaler = cltorch.amp.GradScaler(init_scale=4.0)
    scaler.scale(params[0].detach())
    for _ in range(2):
        with counted(monkeypatch) as seen:
            scaler.step(optimizer)
            scaler.update()
    assert len(seen) <= 2 * PER_ROW + 10, seen
    assert seen.count("read") == 1  # whether to step


def test_clipping_takes_few_launches_and_waits_for_nothing(cl_device, monkeypatch):
    params = parameters(cl_device)
    gaps = parameters(cl_device)
    for p in gaps:  # gradients that are not one run of memory
        p.grad = p.grad[..., None].repeat(*[1] * p.ndim, 2)[..., 0]
    turning = [nn.Parameter(cltorch.complex(p.detach(), p.detach())) for p in params]
    for p in turning:
        p.grad = p.detach().clone()
    for clip in (
        lambda: nn.utils.clip_grad_norm_(params, 1.0),
        lambda: nn.utils.clip_grad_norm_(params, 1.0, float("inf")),
        lambda: nn.utils.clip_grad_norm_(params, 1.0, 0.0),
        lambda: nn.utils.clip_grad_norm_(gaps, 1.0),
        lambda: nn.utils.clip_grad_norm_(turning, 1.0),
        lambda: nn.utils.clip_grad_value_(params, 0.5),
    ):
        clip()
        with counted(monkeypatch) as seen:
            clip()
        assert len(seen) <= 2 * PER_ROW + 6 and "read" not in seen, seen


def test_gradients_are_set_to_zero_in_few_launches(cl_device, monkeypatch):
    params = parameters(cl_device)
    module = nn.ParameterList(params)
    for clear in (cltorch.optim.SGD(params).zero_grad, module.zero_grad):
        for p in params:
            p.grad.fill_(3.0)
        versions = [p.grad._version for p in params]
        with counted(monkeypatch) as seen:
            clear(set_to_none=False)
        assert len(seen) <= PER_ROW, seen
        assert all((p.grad == 0).all() for p in params)
        assert [p.grad._version for p in params] == [v + 1 for v in versions]


def test_averages_of_a_model_take_few_launches(cl_device, monkeypatch):
    layers = [layer for n in range(2, 22) for layer in (nn.Linear(n, n + 1), nn.BatchNorm1d(n + 1))]
    model = nn.Sequential(*layers).to(cl_device)
    lists = 2 * PER_ROW * 2  # 80 parameters, and 60 buffers of two dtypes
    for make in (None, swa_utils.get_ema_multi_avg_fn(0.9), swa_utils.get_swa_multi_avg_fn()):
        averaged = swa_utils.AveragedModel(model, multi_avg_fn=make)
        for _ in range(2):
            with counted(monkeypatch) as seen:
                averaged.update_parameters(model)
            assert len([name for name in seen if name != "read"]) <= lists, seen


def test_parameters_become_one_vector_in_few_launches(cl_device, monkeypatch):
    params = parameters(cl_device)
    with counted(monkeypatch) as seen:
        vector = nn.utils.parameters_to_vector(params)
    assert len(seen) <= PER_ROW, seen
    assert vector.tolist() == [x for p in params for x in p.reshape(-1).tolist()]
    with counted(monkeypatch) as seen:
        nn.utils.vector_to_parameters(vector, params)
    assert not seen


def test_parameters_that_lie_in_another_order_than_their_gradients_share_launches(cl_device, monkeypatch):
    shapes = [(n, 3, 3, 4) for n in range(2, 34)]
    params = [nn.Parameter(cltorch.randn(s, device=cl_device).to(memory_format=cltorch.channels_last)) for s in shapes]
    before = [p.detach().cpu().numpy().copy() for p in params]
    for p in params:
        p.grad = cltorch.randn(p.shape, device=cl_device)
    optimizer = cltorch.optim.SGD(params, lr=0.5)
    with counted(monkeypatch) as seen:
        optimizer.step()
    assert len(seen) == 1, seen
    for p, b in zip(params, before, strict=True):
        np.testing.assert_allclose(p.detach().cpu().numpy(), b - 0.5 * p.grad.cpu().numpy(), rtol=1e-6, atol=1e-6)
