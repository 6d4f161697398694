"""Every schedule of learning rates for some steps over two groups, written once for PyTorch and for this package."""

from __future__ import annotations

import warnings

import numpy as np

STEPS = 24
CASES = {
    "LambdaLR": "S.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)])",
    "MultiplicativeLR": "S.MultiplicativeLR(o, lambda t: 1 - t / 100)",
    "StepLR": "S.StepLR(o, 7, 0.5)",
    "MultiStepLR": "S.MultiStepLR(o, [3, 10, 10, 20], 0.5)",
    "ConstantLR": "S.ConstantLR(o, 0.25, 9)",
    "LinearLR": "S.LinearLR(o, 0.1, 0.9, 15)",
    "ExponentialLR": "S.ExponentialLR(o, 0.9)",
    "PolynomialLR": "S.PolynomialLR(o, 20, 1.7)",
    "CosineAnnealingLR": "S.CosineAnnealingLR(o, 11, 0.01)",
    "CosineAnnealingWarmRestarts": "S.CosineAnnealingWarmRestarts(o, 3, 2, 0.01)",
    "CyclicLR": "S.CyclicLR(o, 0.01, 0.5, 4, 7)",
    "CyclicLR triangular2": "S.CyclicLR(o, [0.01, 0.02], [0.5, 0.6], 3, mode='triangular2', base_momentum=[0.5, 0.6])",
    "CyclicLR exp_range": "S.CyclicLR(o, 0.01, 0.5, 5, mode='exp_range', gamma=0.97, cycle_momentum=False)",
    "OneCycleLR": "S.OneCycleLR(o, 0.5, total_steps=25)",
    "OneCycleLR linear": "S.OneCycleLR(o, [0.5, 0.7], epochs=5, steps_per_epoch=6, anneal_strategy='linear')",
    "OneCycleLR three_phase": "S.OneCycleLR(o, 0.5, total_steps=30, three_phase=True, pct_start=0.4, div_factor=10.0)",
    "ReduceLROnPlateau": "S.ReduceLROnPlateau(o, 'min', 0.5, patience=2, threshold=0.05, cooldown=1, min_lr=[0.01, 0])",
    "ReduceLROnPlateau max": "S.ReduceLROnPlateau(o, 'max', 0.3, patience=1, threshold=0.1, threshold_mode='abs')",
    "SequentialLR": "S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 5), S.CosineAnnealingLR(o, 20)], [5])",
    "ChainedScheduler": "S.ChainedScheduler([S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9), S.StepLR(o, 9)])",
    "SWALR": "S.SWALR(o, [0.3, 0.01], 12)",
    "SWALR linear": "S.SWALR(o, 0.3, 4, 'linear')",
}
PARTS = {"LRScheduler"}


class _Both:
    """Find a schedule in either of the modules that have some."""

    def __init__(self, library) -> None:
        self.library = library

    def __getattr__(self, name: str):
        optim = self.library.optim
        return optim.swa_utils.SWALR if name == "SWALR" else getattr(optim.lr_scheduler, name)


def run(library, case: str) -> list[np.ndarray]:
    """Return the rates and the momenta of both groups after each step, and the rates that the schedule tells."""
    params = [library.nn.Parameter(library.ones(2)) for _ in range(2)]
    o = library.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.02}], lr=0.1, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule = eval(CASES[case], {"S": _Both(library), "o": o})
    metrics = np.random.default_rng(0).uniform(0.5, 1.5, STEPS)
    seen = []
    for metric in metrics:
        o.step()
        schedule.step(*([metric] if case.startswith("ReduceLROnPlateau") else []))
        seen.append(
            [[g["lr"] for g in o.param_groups], [g["momentum"] for g in o.param_groups], schedule.get_last_lr()]
        )
    return [np.asarray(seen, np.float32)]
