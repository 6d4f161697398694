"""What the loader is made of: collating, fetching, seeds, pinning, workers."""

import atexit
import os

from cltorch.utils.data._utils import collate, fetch, pin_memory, signal_handling, worker

MP_STATUS_CHECK_INTERVAL = 5.0  # seconds; workers that end are noticed at once here
HAS_NUMPY, IS_WINDOWS = True, os.name == "nt"
python_exit_status = False  # whether Python is ending, which loaders of other libraries ask before they end theirs

__all__ = ["collate", "fetch", "pin_memory", "signal_handling", "worker"]


def _set_python_exit_flag() -> None:
    global python_exit_status
    python_exit_status = True


atexit.register(_set_python_exit_flag)
