"""What a workload is: one body, written against PyTorch's API, that runs on either side of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Step = Callable[[], Any]


class Inexpressible(Exception):
    """Say that a side has no such function, so that a row names it instead of a time."""


# 16 M of them take longer to draw than most rows to run, and rows that follow each other want the same ones
@lru_cache(maxsize=4)
def _normal(number: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(shape, np.float32)


class Side:
    """One of the compared frameworks: its module, its device, and inputs that are the same numbers on every side."""

    def __init__(self, name: str, torch: Any, device: str, synchronize: Callable[[], None]) -> None:
        self.name, self.torch, self.device, self.synchronize = name, torch, device, synchronize
        self._numbers, self._draws = np.random.default_rng(0), 0

    def restart(self) -> None:
        """Start the inputs' random numbers anew, so that the next workload gets the same ones on every side."""
        self._numbers, self._draws = np.random.default_rng(0), 0
        self.torch.manual_seed(0)

    def tensor(self, array: Any) -> Any:
        """Return a NumPy array as a tensor on the side's device."""
        return self.torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def randn(self, *shape: int, grad: bool = False) -> Any:
        """Return normally distributed float32 numbers; with ``grad`` as a leaf that wants a gradient."""
        x = self.tensor(self.normal(shape))
        return x.requires_grad_() if grad else x

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the next normally distributed numbers, the same on every side."""
        self._draws += 1
        return _normal(self._draws, shape).copy()

    def randint(self, high: int, *shape: int) -> Any:
        """Return int64 numbers from 0 to ``high`` - 1."""
        return self.tensor(self._numbers.integers(0, high, shape))

    def model(self, build: Callable[[Any], Any]) -> Any:
        """Return ``build(torch.nn)`` on the side's device, with parameters that are the same on every side."""
        made = build(self.torch.nn)
        with self.torch.no_grad():
            for p in made.parameters():
                p.copy_(self.torch.from_numpy(self.initial(tuple(p.shape))))
        return made.to(self.device)

    def initial(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the next parameter's numbers, uniform and smaller the more inputs it sums over."""
        bound = 1 / max(1, int(np.prod(shape[1:]))) ** 0.5
        return self._numbers.uniform(-bound, bound, shape).astype(np.float32)

    def prepare(self, build: Callable[[Side], Step]) -> Step:
        """Return a workload's step as this side's users would run it again and again."""
        return build(self)

    def read(self, part: Any) -> np.ndarray:
        """Return a copy of a tensor that a step returned: the next step may change it in place."""
        part = part.detach().cpu()
        return np.array(part.float().numpy() if part.is_floating_point() else part.numpy())


@dataclass(frozen=True)
class Workload:
    """Name something to be timed.

    ``build(side)`` prepares the inputs and returns the step, a function without arguments; what a step returns (one
    tensor or several) is compared between the sides once. ``flops`` and ``bytes`` are what one step needs at least:
    they give GFLOP/s, GB/s and the share of the roofline. ``grad`` says that the step records gradients; others run
    under ``no_grad``. ``tolerance`` is relative to the largest element; None for results that cannot agree (random
    numbers). ``items`` is how many of something a step gets through, such as images: the row tells how many a second.
    """

    name: str
    build: Callable[[Side], Step]
    flops: float = 0.0
    bytes: float = 0.0
    grad: bool = False
    tolerance: float | None = 1e-4
    items: int = 0
