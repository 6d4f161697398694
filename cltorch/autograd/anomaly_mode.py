"""Finding where a bad gradient comes from.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#anomaly-detection
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch.autograd.graph import Node, Settings


class set_detect_anomaly:
    """Switch anomaly detection on or off at once; as a context manager it is undone at the end.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     print(torch.is_anomaly_enabled())
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (Settings.anomaly, Settings.check_nan)
        Settings.anomaly, Settings.check_nan = bool(mode), check_nan

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        Settings.anomaly, Settings.check_nan = self._before


class detect_anomaly:
    """Record where each operation was called, and stop at a gradient that is NaN, naming that place.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> with torch.autograd.detect_anomaly():
    ...     x = torch.tensor(1.0, requires_grad=True)
    ...     (x * 2).backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = (Settings.anomaly, Settings.check_nan)
        Settings.anomaly, Settings.check_nan = True, self._check

    def __exit__(self, *exc: Any) -> None:
        Settings.anomaly, Settings.check_nan = self._before


def is_anomaly_enabled() -> bool:
    """Return whether anomaly detection is on.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> torch.is_anomaly_enabled()
    False
    """
    return Settings.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether anomaly detection stops at a gradient that is NaN.

    >>> import cltorch as torch
    >>> torch.is_anomaly_check_nan_enabled()
    True
    """
    return Settings.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switch anomaly detection on or off.

    >>> import cltorch as torch
    >>> torch.set_anomaly_enabled(False)
    """
    Settings.anomaly, Settings.check_nan = bool(mode), bool(check_nan)


def tell_origin(node: Node, level: int) -> None:
    """Warn of the call that made a node, and of those that made the nodes in whose gradients it was made."""
    what = (
        "Traceback of forward call that caused the error:\n" + "".join(node.trace)
        if node.trace
        else "No forward pass information available. Enable detect anomaly during forward pass for more information."
    )
    _tell(f"Error detected in {node.name()}. {what}", level + 2)
    parent = node.parent
    while parent is not None:
        what = (
            "Traceback of forward call that induced the previous calculation:\n" + "".join(parent.trace)
            if parent.trace
            else "No forward pass information available."
        )
        _tell(f"\n\nPrevious calculation was induced by {parent.name()}. {what}", level + 2)
        parent = parent.parent


def _tell(text: str, level: int) -> None:
    """Warn; a warning that is made an error goes to the standard error, for the error at hand must not get lost."""
    try:
        warnings.warn(text, stacklevel=level + 1)
    except UserWarning as warning:
        print(f"UserWarning: {warning}", file=sys.stderr)


def check_nan(node: Node, results: Sequence[Any]) -> None:
    if not Settings.check_nan:
        return
    for i, g in enumerate(results):
        if g is not None and g.dtype.differentiable and bool(Settings.functions.isnan(g).any()):
            tell_origin(node, 5)
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
