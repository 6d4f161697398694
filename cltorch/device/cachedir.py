"""The user's cache folder: where it is, and JSON files in it that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def folder() -> Path | None:
    """Return the folder for what can be computed again, or None where the user has no home.

    ``CLTORCH_CACHE`` names it; otherwise it is ``cltorch`` in the system's place for caches (``XDG_CACHE_HOME`` or
    ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows). It need not exist yet.
    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    chosen = os.environ.get("CLTORCH_CACHE")
    if chosen:
        return Path(chosen)
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home() / "AppData" / "Local") / "cltorch" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "cltorch"
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        # the specification tells to ignore a relative path
        return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "cltorch"
    except RuntimeError:
        return None


def writable() -> bool:
    """Return whether files can be made in the cache folder, which is made if it is missing."""
    root = folder()
    if root is None:
        return False
    try:
        root.mkdir(parents=True, exist_ok=True)
        # asking os.access is not enough: it says yes to root on a read-only file system
        with tempfile.TemporaryFile(dir=root):
            return True
    except OSError:
        return False


def read_json(name: str) -> Any:
    """Return the value stored under a file name, or None where there is none that can be read."""
    root = folder()
    if root is None:
        return None
    try:
        return json.loads((root / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_text(name: str, text: str) -> bool:
    """Store text under a file name, atomically; return False where the folder cannot be written."""
    return write_bytes(name, text.encode("utf-8"))


def write_bytes(name: str, data: bytes) -> bool:
    """Store bytes under a file name, atomically; return False where the folder cannot be written."""
    root = folder()
    if root is None:
        return False
    path, temporary = root / name, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with open(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
        return True
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False


def write_json(name: str, value: Any) -> bool:
    """Store a value under a file name, atomically; return False where the folder cannot be written."""
    return write_text(name, json.dumps(value, indent=1))
