"""Finding where a bad gradient comes from.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#anomaly-detection
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.autograd.graph import Settings


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
