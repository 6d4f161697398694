"""The default random number generators of OpenCL devices."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from cltorch.cl.devices import context_of, device_count
from cltorch.ops.generator import Generator, default_generator, manual_seed_cl

__all__ = [
    "get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all", "seed", "seed_all",
    "set_rng_state", "set_rng_state_all",
]  # fmt: skip


def _generator(device: Any = "cl") -> Generator:
    return default_generator(context_of(device).device)


def manual_seed(seed: int) -> None:
    """Seed the current device's generator.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.manual_seed.html
    """
    if device_count():
        _generator().manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed the generators of all OpenCL devices.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.manual_seed_all.html
    """
    manual_seed_cl(int(seed))


def seed() -> None:
    """Seed the current device's generator with a random number.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.seed.html
    """
    _generator().seed()


def seed_all() -> None:
    """Seed the generators of all OpenCL devices with one random number.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.seed_all.html
    """
    manual_seed_cl(int.from_bytes(os.urandom(8), "little"))


def initial_seed() -> int:
    """Return the seed of the current device's generator.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.initial_seed.html
    """
    return _generator().initial_seed()


def get_rng_state(device: Any = "cl") -> Any:
    """Return the state of a device's generator as a ByteTensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_rng_state.html
    """
    return _generator(device).get_state()


def set_rng_state(new_state: Any, device: Any = "cl") -> None:
    """Go back to a state that get_rng_state returned.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.set_rng_state.html
    """
    _generator(device).set_state(new_state)


def get_rng_state_all() -> list[Any]:
    """Return the states of the generators of all devices.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.get_rng_state_all.html
    """
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Go back to the states that get_rng_state_all returned.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.cuda.set_rng_state_all.html
    """
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
