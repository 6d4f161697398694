"""Compiled programs on disk: one file each in the cache folder, written whole or not at all, read without a lock.

A file holds the SHA-256 of the binary and the binary, so that a damaged file never reaches a driver. PyOpenCL has a
cache of its own; it waits on a lock file that a process which was killed leaves behind, and is slower to read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cltorch.device import cachedir

FOLDER = "programs"
# raised when the same source and options begin to mean another binary
FORMAT = 1
# whether new programs are written: PoCL compiles a kernel once more to show its binary, a third of a cold start
keep = True
LIMIT = 512 << 20  # bytes of all files; beyond it the oldest go
_DIGEST = hashlib.sha256().digest_size
_pruned = False


def key_of(cl_device: Any, source: str, options: Sequence[str]) -> str:
    """Return the file name for a program: the same only for one device, driver, source and set of options."""
    platform = cl_device.platform
    device = (platform.name, platform.version, cl_device.vendor, cl_device.name, cl_device.version)
    parts = (str(FORMAT), *device, cl_device.driver_version, *options, source)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def load(key: str) -> bytes | None:
    """Return the binary under a key, or None where there is none that is whole."""
    root = cachedir.folder()
    if root is None:
        return None
    path = root / FOLDER / key
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, binary = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(binary).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # what is used stays
    return binary


def store(key: str, binary: bytes) -> bool:
    """Keep a binary under a key; return False where the folder cannot be written."""
    global _pruned
    root = cachedir.folder()
    if root is None or not binary:
        return False
    if not _pruned:
        _pruned = True
        prune(root / FOLDER, LIMIT)
    return cachedir.write_bytes(f"{FOLDER}/{key}", hashlib.sha256(binary).digest() + binary)


def prune(folder: Path, limit: int) -> None:
    """Remove the files that were used least recently until the rest is well below ``limit`` bytes."""
    files, total = [], 0
    try:
        for entry in os.scandir(folder):
            found = entry.stat()
            files.append((found.st_mtime_ns, found.st_size, entry.path))
            total += found.st_size
    except OSError:
        return
    if total <= limit:
        return
    for _, size, path in sorted(files):
        with contextlib.suppress(OSError):
            os.unlink(path)
            total -= size
        if total <= limit * 3 // 4:
            return
