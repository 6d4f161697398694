"""Seeds and states of the default random number generators: torch.random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from cltorch.device import CPU
from cltorch.device import device as Device
from cltorch.ops import generator as generators
from cltorch.ops.generator import Generator

__all__ = [
    "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state",
    "thread_safe_generator",
]  # fmt: skip


default_generator: Generator = generators.default_generator(CPU)
"""The host's generator, from which random functions on the host draw unless they are given another."""


def manual_seed(seed: int) -> Generator:
    """Seed the default generators of the host and of all OpenCL devices; return the host's.

    The same seed gives the same numbers on every device. Raises ValueError for a seed of more than 64 bits.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.manual_seed.html

    >>> import cltorch as torch
    >>> a = torch.manual_seed(0) and torch.rand(3); b = torch.manual_seed(0) and torch.rand(3)
    >>> torch.equal(a, b)
    True
    """
    return generators.manual_seed_all(int(seed))


def seed() -> int:
    """Seed the default generators with a random number from the operating system and return it.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.seed.html

    >>> import cltorch as torch
    >>> torch.seed() == torch.initial_seed()
    True
    """
    chosen = default_generator.seed()
    generators.manual_seed_cl(chosen)
    return chosen


def initial_seed() -> int:
    """Return the seed of the host's default generator.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.initial_seed.html

    >>> import cltorch as torch
    >>> _ = torch.manual_seed(7)
    >>> torch.initial_seed()
    7
    """
    return default_generator.initial_seed()


def get_rng_state() -> Any:
    """Return the state of the host's default generator as a ByteTensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.get_rng_state.html

    >>> import cltorch as torch
    >>> state = torch.get_rng_state()
    >>> x = torch.rand(2)
    >>> torch.set_rng_state(state)
    >>> torch.equal(torch.rand(2), x)
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the host's default generator back to a state that get_rng_state returned.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.set_rng_state.html

    >>> import cltorch as torch
    >>> state = torch.get_rng_state()
    >>> x = torch.rand(2)
    >>> torch.set_rng_state(state)
    >>> torch.equal(torch.rand(2), x)
    True
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cl",
) -> Iterator[None]:
    """Put the default generators back, on leaving a ``with`` block, to where they stood on entering it.

    ``devices`` names the OpenCL devices concerned (all of them by default); the host always is.

    Source: https://docs.pytorch.org/docs/2.13/random.html

    >>> import cltorch as torch
    >>> g = torch.manual_seed(0)
    >>> with torch.random.fork_rng():
    ...     a = torch.rand(2)
    >>> torch.equal(a, torch.rand(2))
    True
    """
    if not enabled:
        yield
        return
    saved = generators.snapshot()
    if devices is None:
        places = None
    else:
        places = [Device(d) if not isinstance(d, int) else Device(device_type, d) for d in devices]
    try:
        yield
    finally:
        concerned = generators.snapshot() if places is None else [place.resolve() for place in places]
        for place in {CPU, *concerned}:
            generators.restore(saved, place)


def thread_safe_generator() -> Generator | None:
    """Return None, for the default generator: workers of a DataLoader are processes, and each has its own.

    Source: https://docs.pytorch.org/docs/2.13/random.html

    >>> import cltorch as torch
    >>> torch.randint(0, 10, (2,), generator=torch.thread_safe_generator()).shape
    torch.Size([2])
    """
    return None
