"""Which devices are used, in which order: the user's choice by environment variables, then the kind of device.

``CLTORCH_PLATFORM`` and ``CLTORCH_DEVICE`` take an index or a part of a name (upper and lower case are the same).
A device's index counts over the platforms that ``CLTORCH_PLATFORM`` leaves, in the order in which
``python -m cltorch doctor`` lists them; ``0,2`` names several, and ``gpu``, ``cpu`` and ``accelerator`` name a kind.
``none`` leaves the host only, and no driver is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

RANK = {"gpu": 0, "accelerator": 1, "cpu": 2}


@dataclass(frozen=True)
class Candidate:
    """Hold what decides about one device. ``platform`` and ``device`` are its indices in the loader's lists."""

    platform: int
    device: int
    platform_name: str
    platform_version: str
    name: str
    kind: str
    driver: str
    fp64: bool
    unified: bool


def wants_none() -> bool:
    """Return whether the environment asks for no OpenCL device at all."""
    return any(os.environ.get(name, "").strip().lower() == "none" for name in ("CLTORCH_PLATFORM", "CLTORCH_DEVICE"))


def choose(candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[tuple[Candidate, str]]]:
    """Return the devices to use, best first, and the others with the reason why each is left out."""
    chosen, left_out = [], []
    platform, device = os.environ.get("CLTORCH_PLATFORM", ""), os.environ.get("CLTORCH_DEVICE", "")
    number = -1
    for candidate in candidates:
        if candidate.kind not in RANK:
            left_out.append((candidate, "a custom device runs no OpenCL C"))
        elif not _matches(platform, candidate.platform, candidate.platform_name):
            left_out.append((candidate, f"not what CLTORCH_PLATFORM={platform} names"))
        else:
            number += 1
            if _matches(device, number, candidate.name, candidate.kind):
                chosen.append(candidate)
            else:
                left_out.append((candidate, f"not what CLTORCH_DEVICE={device} names"))
    return sorted(chosen, key=_order), left_out


def _order(candidate: Candidate) -> tuple[int, bool, bool]:
    # a GPU with memory of its own before one inside the processor, then one that has double precision
    return RANK[candidate.kind], candidate.kind == "gpu" and candidate.unified, not candidate.fp64


def _matches(wish: str, index: int, name: str, kind: str = "") -> bool:
    wish = wish.strip().lower()
    if not wish:
        return True
    if wish == "none":
        return False
    parts = wish.split(",")
    if all(part.strip().isdigit() for part in parts):
        return index in {int(part) for part in parts}
    return wish == kind or wish in name.lower()
