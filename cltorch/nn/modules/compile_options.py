"""The options of torch.compile, which modules take too."""

from __future__ import annotations

from typing import Any


def check_options(
    *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = "inductor", mode: str | None = None,
    options: dict[str, Any] | None = None, disable: bool = False,
) -> None:  # fmt: skip
    """Raise RuntimeError where options contradict each other, TypeError for one that there is not."""
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
