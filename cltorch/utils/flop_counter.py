"""torch.utils.flop_counter for programs that make a counter and do not count with it: operations are not counted."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FlopCounterMode"]


class FlopCounterMode:
    """Stand for the counter; entering it raises NotImplementedError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> NoReturn:
        raise NotImplementedError("torch.utils.flop_counter.FlopCounterMode does not count operations in cltorch")

    def __exit__(self, *error: Any) -> None:
        pass

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """Return what has been counted: nothing."""
        return {}

    def get_total_flops(self) -> int:
        """Return 0: nothing has been counted."""
        return 0
