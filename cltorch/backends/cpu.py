"""What the host's processor can do: torch.backends.cpu."""

from __future__ import annotations

from functools import cache

import numpy as np

_LEVELS = (
    ("AVX512F", "AVX512"), ("X86_V4", "AVX512"), ("AVX2", "AVX2"), ("X86_V3", "AVX2"),
    ("VSX3", "VSX"), ("VXE", "Z VECTOR"),
)  # fmt: skip


@cache
def get_cpu_capability() -> str:
    """Return the widest vectors that NumPy, which computes on the host, finds: "AVX512", "AVX2" or "DEFAULT", say."""
    config = np.show_config(mode="dicts")
    found = config.get("SIMD Extensions", {}) if isinstance(config, dict) else {}
    names = {*found.get("baseline", ()), *found.get("found", ())}
    return next((level for feature, level in _LEVELS if any(n.startswith(feature) for n in names)), "DEFAULT")
