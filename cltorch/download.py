"""A file from the network, which appears under its name only when it is complete and right."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from typing import Any

from cltorch.serialization.atomic import atomic_write

__all__ = ["download"]

_CHUNK = 1 << 17
_PATIENCE = 60  # seconds without a byte after which a connection counts as broken


def download(url: str, path: str, digest: Any, check: Callable[[str], None], progress: bool = True) -> None:
    """Write what an address holds to ``path``, with a bar where tqdm is installed.

    ``digest`` is one of hashlib's, and ``check`` raises where its hexadecimal sum is not the one that was expected.
    Raises RuntimeError where the connection breaks; then, too, an older file at ``path`` stays as it was.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "cltorch"})
    with urllib.request.urlopen(request, timeout=_PATIENCE) as response, atomic_write(path) as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        with _bar(os.path.basename(path), total, progress) as bar:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        if total is not None and file.tell() != total:
            raise RuntimeError(f"the connection broke after {file.tell()} of {total} bytes")
        check(digest.hexdigest())


def _bar(name: str, total: int | None, progress: bool) -> Any:
    try:
        from tqdm import tqdm  # noqa: PLC0415 - optional
    except ImportError:
        return _NoBar()
    return tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False, disable=not progress)


class _NoBar:
    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def update(self, n: int) -> None:
        """Count nothing."""
