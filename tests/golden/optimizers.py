"""Every optimiser for five steps on numbers that NumPy draws, written once for PyTorch and for this package."""

from __future__ import annotations

import numpy as np

CASES = {
    "ASGD": "lr=0.05, lambd=0.1, t0=2",
    "Adadelta": "lr=0.5, weight_decay=0.1",
    "Adafactor": "lr=0.05, weight_decay=0.1",
    "Adagrad": "lr=0.05, lr_decay=0.1, initial_accumulator_value=0.2",
    "Adam": "lr=0.05, amsgrad=True, weight_decay=0.1",
    "Adam maximize": "lr=0.05, betas=(0.5, 0.9), maximize=True",
    "AdamW": "lr=0.05",
    "Adamax": "lr=0.05, weight_decay=0.1",
    "LBFGS": "lr=0.5, max_iter=3, line_search_fn='strong_wolfe'",
    "Muon": "lr=0.05",
    "NAdam": "lr=0.05, decoupled_weight_decay=True, weight_decay=0.1",
    "RAdam": "lr=0.05, betas=(0.8, 0.9)",
    "RMSprop": "lr=0.05, centered=True, momentum=0.9",
    "Rprop": "lr=0.05",
    "SGD": "lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.1",
    "SGD nesterov": "lr=0.05, momentum=0.9, nesterov=True",
}
PARTS = {"Optimizer", "SparseAdam"}  # the second takes sparse gradients only


def run(library, case: str, device: str = "cpu", layout: str = "contiguous") -> list[np.ndarray]:
    """Return the parameters and the tensors of their states after five steps; parameters may lie transposed."""
    rng = np.random.default_rng(0)
    shapes = [(4, 6), (3, 2)] if case == "Muon" else [(3, 4), (5,)]

    def draw(shape):
        values = rng.standard_normal(shape).astype(np.float32)
        if layout == "contiguous" or len(shape) < 2:
            return library.tensor(values).to(device)
        return library.tensor(np.ascontiguousarray(values.T)).to(device).T

    params = [library.nn.Parameter(draw(s)) for s in shapes]
    targets = [draw(s) for s in shapes]
    optimizer = eval(f"O(params, {CASES[case]})", {"O": getattr(library.optim, case.split()[0]), "params": params})

    def closure():
        optimizer.zero_grad()
        loss = sum(((p - t) ** 2 * (t + 2) ** 2).sum() for p, t in zip(params, targets, strict=True))
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    states = [optimizer.state[p] for p in params]
    kept = [] if case == "LBFGS" else [x for state in states for x in state.values()]
    return [np.asarray(x.detach().cpu().numpy(), np.float32) for x in (*params, *kept)]
