"""Schedules of the learning rate: sequences against formulas and against PyTorch, state, warnings, errors."""

from __future__ import annotations

import gc
import io
import math
import warnings
import weakref

import pytest

import cltorch
from cltorch.optim import lr_scheduler
from cltorch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


def optimizer_of(*rates, library=cltorch):
    groups = [{"params": [library.nn.Parameter(library.zeros(1))], "lr": lr} for lr in rates]
    return library.optim.SGD(groups, lr=0.1)


def rates_of(optimizer, scheduler, epochs):
    """Return the first group's rate in each epoch."""
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


# ---- sequences ---------------------------------------------------------------------------------------------------
SEQUENCES = [
    (lambda o: LambdaLR(o, lambda t: 1 / (t + 1)), lambda t: 1 / (t + 1)),
    (lambda o: StepLR(o, 3, gamma=0.5), lambda t: 0.5 ** (t // 3)),
    (lambda o: MultiStepLR(o, [2, 5, 5, 7], gamma=0.5), lambda t: 0.5 ** sum(m <= t for m in (2, 5, 5, 7))),
    (lambda o: ConstantLR(o, factor=0.25, total_iters=4), lambda t: 0.25 if t < 4 else 1.0),
    (lambda o: LinearLR(o, 0.2, 0.8, total_iters=6), lambda t: 0.2 + 0.6 * min(t, 6) / 6),
    (lambda o: ExponentialLR(o, 0.9), lambda t: 0.9**t),
    (lambda o: CosineAnnealingLR(o, 6), lambda t: (1 + math.cos(math.pi * t / 6)) / 2),
    (lambda o: CosineAnnealingLR(o, 4, eta_min=1.0), lambda t: 0.5 + 0.25 * (1 + math.cos(math.pi * t / 4))),
    (
        lambda o: SequentialLR(o, [LinearLR(o, 0.1, 1.0, 4), StepLR(o, 3, 0.5)], [5]),
        lambda t: 0.1 + 0.9 * min(t, 4) / 4 if t < 5 else 0.5 ** ((t - 5) // 3),
    ),
]


@pytest.mark.parametrize(("make", "factor"), SEQUENCES)
def test_rates_follow_the_formula(make, factor):
    optimizer = optimizer_of(2.0)
    rates = rates_of(optimizer, make(optimizer), 15)
    assert rates == pytest.approx([2.0 * factor(t) for t in range(15)], rel=1e-9, abs=1e-12)


def test_every_group_has_its_own_rate():
    optimizer = optimizer_of(1.0, 0.2)
    scheduler = LambdaLR(optimizer, [lambda t: 0.5**t, lambda t: 1.0 + t])
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 0.4]
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.4]
    assert [g["initial_lr"] for g in optimizer.param_groups] == [1.0, 0.2]


def test_schedules_of_one_optimiser_combine():
    optimizer = optimizer_of(1.0)
    first, second = ExponentialLR(optimizer, 0.9), StepLR(optimizer, 2, 0.5)
    for _ in range(4):
        optimizer.step()
        first.step()
        second.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.9**4 * 0.5**2)


def test_a_rate_that_is_a_tensor_is_changed_in_place():
    rate = cltorch.tensor(1.0)
    optimizer = optimizer_of(rate)
    scheduler = ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.5
    last = scheduler.get_last_lr()[0]
    last.fill_(9.0)
    assert rate.item() == 0.5


def test_a_rate_changed_from_outside_is_where_the_schedule_goes_on():
    optimizer = optimizer_of(1.0)
    scheduler = ExponentialLR(optimizer, 0.5)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 8.0
    scheduler.step()
    assert scheduler.get_last_lr() == [4.0]


def test_a_given_epoch_uses_the_closed_form_and_warns():
    optimizer = optimizer_of(1.0)
    scheduler = StepLR(optimizer, 2, 0.5)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter in `scheduler.step\\(\\)` was not necessary"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [0.25] and scheduler.last_epoch == 5


def test_a_schedule_can_be_resumed_at_an_epoch():
    optimizer = optimizer_of(1.0)
    with pytest.raises(KeyError, match="param 'initial_lr' is not specified in param_groups\\[0\\]"):
        ExponentialLR(optimizer, 0.5, last_epoch=3)
    optimizer.param_groups[0].update(initial_lr=1.0, lr=0.125)
    scheduler = ExponentialLR(optimizer, 0.5, last_epoch=2)
    assert (scheduler.last_epoch, scheduler.get_last_lr()) == (3, [0.125])


# ---- plateau -----------------------------------------------------------------------------------------------------
def test_the_rate_falls_when_the_metric_no_longer_improves():
    optimizer = optimizer_of(1.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    rates = []
    for loss in [3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]:
        scheduler.step(cltorch.tensor(loss))
        rates.append(scheduler.get_last_lr()[0])
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]


def test_what_counts_as_better():
    def better(new, best, **kw):
        return ReduceLROnPlateau(optimizer_of(1.0), threshold=0.1, **kw)._is_better(new, best)

    assert better(8.9, 10) and not better(9.1, 10)
    assert better(9.8, 10, threshold_mode="abs") and not better(9.95, 10, threshold_mode="abs")
    assert better(11.1, 10, mode="max") and not better(10.9, 10, mode="max")
    assert better(10.2, 10, mode="max", threshold_mode="abs") and not better(
        10.05, 10, mode="max", threshold_mode="abs"
    )


def test_a_group_added_later_has_the_lowest_rate_too():
    optimizer = optimizer_of(1.0)
    one, many = (
        ReduceLROnPlateau(optimizer, patience=0, min_lr=0.5),
        ReduceLROnPlateau(optimizer, patience=0, min_lr=[0]),
    )
    optimizer.add_param_group({"params": [cltorch.nn.Parameter(cltorch.zeros(1))], "lr": 0.8})
    for _ in range(2):
        one.step(1.0)
    assert one.get_last_lr() == [0.5, 0.5]
    many.step(1.0)
    with pytest.raises(RuntimeError, match="The number of param groups in the `optimizer` \\(2\\) differs"):
        many.step(1.0)


# ---- state -------------------------------------------------------------------------------------------------------
class Decay:
    """A function with a state."""

    def __init__(self, base):
        self.base = base

    def __call__(self, epoch):
        return self.base**epoch


MAKERS = {
    "LambdaLR": lambda m, o: m.LambdaLR(o, Decay(0.9)),
    "StepLR": lambda m, o: m.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, [2, 5, 5, 7], gamma=0.3),
    "ConstantLR": lambda m, o: m.ConstantLR(o, factor=0.3, total_iters=4),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.2, 0.7, total_iters=6),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 4, eta_min=0.01),
    "SequentialLR": lambda m, o: m.SequentialLR(
        o, [m.ConstantLR(o, 0.1, 3), m.CosineAnnealingLR(o, 5), m.ExponentialLR(o, 0.9)], [3, 8]
    ),
    "nested": lambda m, o: m.SequentialLR(
        o, [m.SequentialLR(o, [m.LinearLR(o), m.StepLR(o, 2)], [3]), m.ExponentialLR(o, 0.5)], [6]
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call")  # a sequence within a sequence warns, in PyTorch too
@pytest.mark.parametrize("name", list(MAKERS))
def test_a_schedule_goes_on_from_its_saved_state(name):
    optimizer = optimizer_of(0.7)
    scheduler = MAKERS[name](lr_scheduler, optimizer)
    rates_of(optimizer, scheduler, 4)
    file = io.BytesIO()
    cltorch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    wanted = rates_of(optimizer, scheduler, 8)

    again = optimizer_of(0.7)
    other = MAKERS[name](lr_scheduler, again)
    file.seek(0)
    saved = cltorch.load(file)
    again.load_state_dict(saved["optimizer"])
    other.load_state_dict(saved["scheduler"])
    assert rates_of(again, other, 8) == wanted
    assert other.get_last_lr() == scheduler.get_last_lr()


def test_functions_with_a_state_are_saved_and_plain_ones_are_not():
    optimizer = optimizer_of(1.0, 1.0)
    state = LambdaLR(optimizer, [Decay(0.5), lambda t: 1.0]).state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    other = LambdaLR(optimizer, [Decay(0.9), lambda t: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].base == 0.5 and state["lr_lambdas"][0] == {"base": 0.5}


def test_the_plateaus_state_holds_its_counts():
    optimizer = optimizer_of(1.0)
    scheduler = ReduceLROnPlateau(optimizer, patience=2)
    for loss in (2.0, 1.0, 1.0):
        scheduler.step(loss)
    other = ReduceLROnPlateau(optimizer_of(1.0), mode="max")
    other.load_state_dict(scheduler.state_dict())
    assert (other.best, other.num_bad_epochs, other.mode, other.mode_worse) == (1.0, 1, "min", math.inf)
    assert "optimizer" not in scheduler.state_dict()


# ---- warnings and errors -----------------------------------------------------------------------------------------
def test_the_wrong_order_of_steps_warns_once():
    optimizer = optimizer_of(1.0)
    scheduler = ExponentialLR(optimizer, 0.9)
    with pytest.warns(UserWarning, match="`lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        right = optimizer_of(1.0)
        other = ExponentialLR(right, 0.9)
        right.step()
        other.step()


def test_a_step_replaced_afterwards_warns():
    optimizer = optimizer_of(1.0)
    scheduler = ExponentialLR(optimizer, 0.9)
    optimizer.step = lambda closure=None: None
    with pytest.warns(UserWarning, match="`optimizer.step\\(\\)` has been overridden"):
        scheduler.step()


def test_asking_for_the_next_rate_warns():
    with pytest.warns(UserWarning, match="please use `get_last_lr\\(\\)`"):
        ExponentialLR(optimizer_of(1.0), 0.9).get_lr()


def test_hooks_and_closures_work_under_a_schedule():
    optimizer = optimizer_of(1.0)
    ExponentialLR(optimizer, 0.9)
    StepLR(optimizer, 2)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(1))
    assert optimizer.step(lambda: 5) == 5 and seen == [1]


def test_a_schedule_does_not_keep_its_optimiser_alive_in_itself():
    optimizer = optimizer_of(1.0)
    ExponentialLR(optimizer, 0.9)
    ref = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer
        assert ref() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: StepLR(o.param_groups, 1), TypeError, "list is not an Optimizer"),
        (lambda o: ReduceLROnPlateau(3), TypeError, "int is not an Optimizer"),
        (lambda o: LambdaLR(o, [abs, abs]), ValueError, "Expected 1 lr_lambdas, but got 2"),
        (lambda o: ConstantLR(o, 1.5), ValueError, "Constant multiplicative factor expected to be between 0 and 1."),
        (lambda o: LinearLR(o, 0), ValueError, "Starting multiplicative factor expected to be greater than 0"),
        (lambda o: LinearLR(o, 0.5, 2), ValueError, "Ending multiplicative factor expected to be between 0 and 1."),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0."),
        (lambda o: ReduceLROnPlateau(o, mode="up"), ValueError, "mode up is unknown!"),
        (lambda o: ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold mode x is unknown!"),
        (lambda o: ReduceLROnPlateau(o, min_lr=[0, 0]), ValueError, "expected 1 min_lrs, got 2"),
        (lambda o: SequentialLR(o, [], []), ValueError, "expects at least one scheduler"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [3]), ValueError, "to be one more than the number of milestone"),
        (lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []), ValueError, "does not support `ReduceLROnPlateau`"),
        (lambda o: SequentialLR(o, [StepLR(optimizer_of(1.0), 1)], []), ValueError, "belong to the same optimizer"),
        (lambda o: SequentialLR(o, [3], []), TypeError, "should have `optimizer` as its attribute"),
        (lambda o: LRScheduler(o), NotImplementedError, "^$"),
    ],
)
def test_mistakes_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(optimizer_of(1.0))


# ---- beside PyTorch ----------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore:Detected call")
@pytest.mark.parametrize("name", list(MAKERS))
def test_rates_and_state_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = []
    for library in (cltorch, torch):
        optimizer = optimizer_of(0.7, 0.3, library=library)
        scheduler = MAKERS[name](library.optim.lr_scheduler, optimizer)
        rates = rates_of(optimizer, scheduler, 17)
        if name != "SequentialLR" and name != "nested":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scheduler.step(5)  # the closed form
            rates += scheduler.get_last_lr()
        found.append((rates, scheduler.get_last_lr(), scheduler.state_dict()))
    assert found[0] == found[1]


@pytest.mark.parametrize("options", [{}, {"mode": "max"}, {"threshold_mode": "abs", "cooldown": 2, "min_lr": 0.01}])
def test_the_plateau_is_pytorchs(options):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    found = []
    for library in (cltorch, torch):
        optimizer = optimizer_of(0.7, 0.3, library=library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, **options)
        rates = []
        for t in range(30):
            scheduler.step(math.sin(t * 0.7) + 1 / (t + 1))
            rates.append(scheduler.get_last_lr())
        found.append((rates, scheduler.state_dict()))
    assert found[0] == found[1]
