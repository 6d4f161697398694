"""Instructions of a processor that kernels use by name, asked of the device itself, once (kernels/instructions.cl)."""

from __future__ import annotations

from typing import Any

import numpy as np

#: in the order of the kernel's answers
NAMES = ("bfloat16 pairs", "quick bfloat16 pairs")


def has(context: Any, name: str) -> bool:
    """Return whether a device has an instruction of ``NAMES``; for plans only, since the first question waits."""
    found = context.ready.get("instructions")
    if found is None:
        found = context.ready["instructions"] = _ask(context) if context.caps.kind == "cpu" else frozenset()
    return name in found


def _ask(context: Any) -> frozenset[str]:
    answer = np.zeros(len(NAMES), np.int32)
    place = context.alloc(answer.nbytes)
    context.kernel("instructions", "ct_instructions", "b").launch((1,), (1,), (place.buf,))
    context.wait_for(context.read_later(place.buf, answer))
    return frozenset(name for name, there in zip(NAMES, answer, strict=True) if there)
