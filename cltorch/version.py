"""The version of the package, what PyTorch's torch.version says besides, and how versions are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from typing import Any

__version__ = "0.1.0"
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
debug = False

_PARTS = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)"  # epoch and release
    r"(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?"
    r"([-_.]?dev[-_.]?(\d*))?"
    r"(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
_STAGES = {"alpha": "a", "beta": "b", "preview": "rc", "pre": "rc", "c": "rc"}


def _key(version: Any) -> tuple[Any, ...] | None:
    """Return what versions are ordered by (PEP 440), None for a text that is none."""
    if not isinstance(version, str) and isinstance(version, Iterable):
        version = ".".join(str(part) for part in version)
    found = _PARTS.fullmatch(str(version).strip().lower())
    if found is None:
        return None
    epoch, release, stage, number, dash, post, dev, dev_number, local = found.groups()
    numbers = [int(part) for part in release.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    is_post = dash is not None or post is not None
    if stage is None:
        before: Any = (-inf,) if dev is not None and not is_post else (inf,)
    else:
        before = (0, _STAGES.get(stage, stage), int(number or 0))
    after = int(dash or post or 0) if is_post else -1
    parts = [] if local is None else re.split(r"[-_.]", local)
    return (
        int(epoch or 0),
        numbers,
        before,
        after,
        inf if dev is None else int(dev_number or 0),
        [(int(part), "") if part.isdigit() else (-1, part) for part in parts],
    )


class TorchVersion(str):
    """A version that is compared part by part with other versions, with texts, and with sequences of numbers.

    What is no version is compared as a text.
    Source: https://peps.python.org/pep-0440/

    >>> TorchVersion("2.13.0") > "2.2", TorchVersion("2.13.0") >= (2, 13), TorchVersion("2.13.0rc1") < "2.13"
    (True, True, True)
    """

    def _sides(self, other: Any) -> tuple[Any, Any]:
        mine, theirs = _key(self), _key(other)
        return (str(self), other) if mine is None or theirs is None else (mine, theirs)

    def __lt__(self, other: Any) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine < theirs)

    def __le__(self, other: Any) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine <= theirs)

    def __gt__(self, other: Any) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine > theirs)

    def __ge__(self, other: Any) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine >= theirs)

    def __eq__(self, other: Any) -> bool:
        mine, theirs = self._sides(other)
        return bool(mine == theirs)

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = str.__hash__
