"""Every schedule beside PyTorch's own over fifty steps, its state in both directions, and its errors."""

from __future__ import annotations

import copy
import warnings

import pytest

import cltorch

torch = pytest.importorskip("torch", reason="torch is not installed")

STEPS = 50
CASES = {
    "Lambda": "S.LambdaLR(o, lambda t: 0.95 ** t)",
    "Multiplicative": "S.MultiplicativeLR(o, [lambda t: 0.95, lambda t: 1 - t / 100])",
    "Step": "S.StepLR(o, 7, 0.5)",
    "MultiStep": "S.MultiStepLR(o, [3, 10, 10, 30], 0.5)",
    "Constant": "S.ConstantLR(o, 0.25, 9)",
    "Linear": "S.LinearLR(o, 0.1, 0.9, 20)",
    "Exponential": "S.ExponentialLR(o, 0.9)",
    "Polynomial": "S.PolynomialLR(o, 30, 1.7)",
    "Cosine": "S.CosineAnnealingLR(o, 11, 0.01)",
    "Restarts": "S.CosineAnnealingWarmRestarts(o, 5, 2, 0.01)",
    "RestartsPlain": "S.CosineAnnealingWarmRestarts(o, 7)",
    "Cyclic": "S.CyclicLR(o, 0.01, 0.5, 4, 7)",
    "Cyclic2": "S.CyclicLR(o, [0.01, 0.02], [0.5, 0.6], 6, mode='triangular2', base_momentum=[0.5, 0.6])",
    "CyclicExp": "S.CyclicLR(o, 0.01, 0.5, 5, mode='exp_range', gamma=0.97, cycle_momentum=False)",
    "CyclicOwn": "S.CyclicLR(o, 0.01, 0.5, 5, scale_fn=lambda x: 1 / (5 ** (x * 0.0001)), scale_mode='iterations')",
    "OneCycle": "S.OneCycleLR(o, 0.5, total_steps=STEPS + 1)",
    "OneCycleLinear": "S.OneCycleLR(o, [0.5, 0.7], epochs=6, steps_per_epoch=9, anneal_strategy='linear')",
    "OneCycle3": "S.OneCycleLR(o, 0.5, total_steps=60, three_phase=True, pct_start=0.4, div_factor=10.0)",
    "Sequential": "S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 5), S.CosineAnnealingLR(o, 20)], [5])",
    "Chained": "S.ChainedScheduler([S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9), S.StepLR(o, 9)])",
    "SWA": "L.optim.swa_utils.SWALR(o, [0.3, 0.01], 12)",
    "SWALinear": "L.optim.swa_utils.SWALR(o, 0.3, 0, 'linear')",
}


def make(library, text, optimizer="SGD"):
    params = [library.nn.Parameter(library.ones(2)) for _ in range(2)]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.02}]
    options = {"momentum": 0.9} if optimizer == "SGD" else {}
    o = getattr(library.optim, optimizer)(groups, lr=0.1, **options)
    return o, eval(text, {"S": library.optim.lr_scheduler, "L": library, "o": o, "STEPS": STEPS})


def run(optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(scheduler.get_last_lr())
        seen.append([g["lr"] for g in optimizer.param_groups])
        seen.append([g["betas"][0] if "betas" in g else g["momentum"] for g in optimizer.param_groups])
    return [x for row in seen for x in row]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", list(CASES))
def test_fifty_steps_are_pytorchs(name, optimizer):
    ours, theirs = (run(*make(library, CASES[name], optimizer), STEPS) for library in (cltorch, torch))
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


def plain(state):
    """Return a state without what belongs to one of the libraries."""
    if isinstance(state, dict):
        return {k: plain(v) for k, v in state.items() if k not in ("lr_lambdas", "anneal_func")}
    return [plain(v) for v in state] if isinstance(state, list) else state


@pytest.mark.parametrize("name", list(CASES))
def test_states_go_both_ways(name):
    sides = [make(library, CASES[name]) for library in (cltorch, torch)]
    for side in sides:
        run(*side, 20)
    fresh = [make(library, CASES[name]) for library in (cltorch, torch)]
    (ours, theirs), (o, t) = sides, fresh
    a, b = copy.deepcopy(ours[1].state_dict()), copy.deepcopy(theirs[1].state_dict())
    assert list(a) == list(b)
    for (optimizer, scheduler), state, groups in ((o, b, theirs[0]), (t, a, ours[0])):
        for mine, other in zip(optimizer.param_groups, groups.param_groups, strict=True):
            mine.update({k: v for k, v in other.items() if k != "params"})
        scheduler.load_state_dict(state)
    wanted = run(*theirs, 10)
    assert run(*o, 10) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    assert run(*t, 10) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", ["Polynomial", "Step", "Cosine", "Linear", "Exponential", "Restarts"])
def test_a_given_epoch_is_pytorchs(name):
    def rates(library):
        optimizer, scheduler = make(library, CASES[name])
        optimizer.step()
        seen = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (1, 4, 12, 29, 40, 2):
                scheduler.step(epoch)
                seen += scheduler.get_last_lr()
            if name == "Restarts":
                for epoch in (0.5, 5.25, 17.75):
                    scheduler.step(epoch)
                    seen += scheduler.get_last_lr()
        return seen

    assert rates(cltorch) == pytest.approx(rates(torch), rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "S.MultiplicativeLR(o, 3)",
        "S.MultiplicativeLR(o, [lambda t: 1])",
        "S.CyclicLR(o, [0.1], 0.5)",
        "S.CyclicLR(o, 0.1, 0.5, mode='up')",
        "S.CyclicLR(L.optim.Adagrad([L.nn.Parameter(L.ones(1))]), 0.1, 0.5)",
        "S.CyclicLR(3, 0.1, 0.5)",
        "S.OneCycleLR(o, 0.5)",
        "S.OneCycleLR(o, 0.5, total_steps=0)",
        "S.OneCycleLR(o, 0.5, epochs=0, steps_per_epoch=3)",
        "S.OneCycleLR(o, 0.5, epochs=3, steps_per_epoch=-3)",
        "S.OneCycleLR(o, 0.5, total_steps=9, pct_start=1.5)",
        "S.OneCycleLR(o, 0.5, total_steps=9, anneal_strategy='up')",
        "[o.step(), s := S.OneCycleLR(o, 0.5, total_steps=2), s.step(), s.step(), s.step()]",
        "S.CosineAnnealingWarmRestarts(o, 0)",
        "S.CosineAnnealingWarmRestarts(o, 3, 0)",
        "S.CosineAnnealingWarmRestarts(o, 3, 1, 'a')",
        "S.CosineAnnealingWarmRestarts(o, 3).step(-1)",
        "S.ChainedScheduler([])",
        "S.ChainedScheduler([S.ReduceLROnPlateau(o)])",
        "L.optim.swa_utils.SWALR(o, 0.1, -1)",
        "L.optim.swa_utils.SWALR(o, 0.1, 1, 'up')",
        "L.optim.swa_utils.get_ema_avg_fn(2.0)",
        "L.optim.swa_utils.get_ema_multi_avg_fn(-2.0)",
    ],
)
def test_errors_are_pytorchs(text):
    def error(library):
        with warnings.catch_warnings(), pytest.raises(Exception) as caught:
            warnings.simplefilter("ignore")
            make(library, text)
        return caught.type, str(caught.value)

    assert error(cltorch) == error(torch)
