"""Caches that PoCL and PyOpenCL keep below the home folder, where nothing can be written there.

PoCL lists no device then (seen in 3.1), and PyOpenCL fails at the first kernel (seen in 2026.1).
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from cltorch.device import cachedir

_ROOM = 1 << 16  # bytes that must fit, for a folder on a full disk can be written just as little


def ensure() -> None:
    """Give PoCL a folder that can be written, and let PyOpenCL do without, where their own choice cannot be."""
    if sys.platform == "win32":
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/"), ".cache"))
    if not _takes(cache):
        os.environ["PYOPENCL_NO_CACHE"] = "1"  # for the probe's processes, and this one if it imports it later
        if "pyopencl" in sys.modules:
            sys.modules["pyopencl"]._PYOPENCL_NO_CACHE = True  # type: ignore[attr-defined]
    # https://portablecl.org/docs/html/env_variables.html
    if _takes(Path(os.environ.get("POCL_CACHE_DIR") or cache / "pocl")):
        return
    ours = cachedir.folder()
    if ours is not None and _takes(ours):
        os.environ["POCL_CACHE_DIR"] = str(ours / "pocl")
        return
    try:
        made = tempfile.mkdtemp(prefix="cltorch-pocl-")
    except OSError:
        return  # nothing can be written anywhere
    os.environ["POCL_CACHE_DIR"] = made
    atexit.register(shutil.rmtree, made, ignore_errors=True)


def _takes(folder: Path) -> bool:
    """Return whether files can be written in a folder, or in the nearest above it that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
            return True
    except OSError:
        return False
