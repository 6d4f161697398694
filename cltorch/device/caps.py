"""What operators ask about a device, and where they keep what they have prepared for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Caps:
    """What a device can do, asked of the device and never guessed from its vendor."""

    kind: str  # whose kernels suit it: cpu, gpu or accelerator
    name: str
    vendor: str
    driver: str
    c_version: str
    compute_units: int
    global_mem: int
    max_alloc: int
    local_mem: int
    max_work_group: int
    max_dims: int
    float_width: int
    fp64: bool
    fp16: bool
    int64_atomics: bool
    sub_groups: bool
    host_unified: bool
    quirks: frozenset[str] = frozenset()
    exact_division: bool = False  # its compiler rounds quotients and square roots correctly where it is asked to
    cache: int = 0  # bytes of the last cache in front of the memory, 0 where the device does not tell

    def outgrown(self, nbytes: int) -> bool:
        """Return whether so many bytes have no room in the last cache; never where the device does not tell of one."""
        return 0 < self.cache <= nbytes


class Ready(dict[Any, Any]):
    """Hold launch plans by key (a tuple), and things that are made once under a name (a string).

    Plans are forgotten when there are very many, as in a program whose shapes never repeat. ``by_default_dtype`` are
    the keys of those that hold for the present default dtype alone.
    """

    LIMIT = 50_000

    def __init__(self) -> None:
        super().__init__()
        self.by_default_dtype: set[Any] = set()

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= self.LIMIT:
            for old in list(self):
                if isinstance(old, tuple):
                    self.pop(old, None)
            self.by_default_dtype.clear()
        super().__setitem__(key, value)
