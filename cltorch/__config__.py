"""How the package was built: torch.__config__. Nothing was, it is Python; kernels are built for the device at hand."""

from __future__ import annotations

import platform

import numpy as np

from cltorch.settings import get_num_interop_threads, get_num_threads
from cltorch.version import __version__

__all__ = ["parallel_info", "show"]


def show() -> str:
    """Return the versions of the package and of what it runs on.

    >>> show().splitlines()[0]
    'cltorch built with:'
    """
    return (
        f"cltorch built with:\n  - cltorch {__version__}\n  - Python {platform.python_version()}\n"
        f"  - NumPy {np.__version__}\n"
    )


def parallel_info() -> str:
    """Return how many threads are set for the host.

    >>> "at::get_num_threads()" in parallel_info()
    True
    """
    return f"at::get_num_threads() : {get_num_threads()}\nat::get_num_interop_threads() : {get_num_interop_threads()}\n"
