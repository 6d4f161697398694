"""The user's additions to the classes and functions that a checkpoint may name under ``weights_only=True``.

Source: https://docs.pytorch.org/docs/2.13/notes/serialization.html#weights-only
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

SafeGlobal = Callable[..., Any] | tuple[Callable[..., Any], str]

_allowed: list[SafeGlobal] = []

# a checkpoint has no business with these, whatever the user allowed
BLOCKED_MODULES = frozenset({"sys", "os", "posix", "nt", "subprocess", "shutil", "socket", "importlib", "runpy", "pty"})


def add_safe_globals(safe_globals: Sequence[SafeGlobal]) -> None:
    """Allow classes or functions in files that are loaded with ``weights_only=True``.

    Each is a class or function, or a pair of one and the full name under which files hold it. Calling it with what a
    file says must be harmless.

    >>> import cltorch as torch
    >>> torch.serialization.add_safe_globals([range])
    >>> torch.serialization.get_safe_globals()
    [<class 'range'>]
    >>> torch.serialization.clear_safe_globals()
    """
    for entry in safe_globals:
        name_of(entry)
    _allowed.extend(entry for entry in safe_globals if entry not in _allowed)


def clear_safe_globals() -> None:
    """Forget everything that ``add_safe_globals`` allowed."""
    _allowed.clear()


def get_safe_globals() -> list[SafeGlobal]:
    """Return what ``add_safe_globals`` allowed so far."""
    return list(_allowed)


@contextlib.contextmanager
def safe_globals(safe_globals: Sequence[SafeGlobal]) -> Iterator[None]:
    """Allow classes or functions within a ``with`` block.

    >>> import cltorch as torch
    >>> with torch.serialization.safe_globals([range]):
    ...     pass
    """
    before = list(_allowed)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _allowed[:] = before


def name_of(entry: SafeGlobal) -> str:
    """Return the full name under which a file holds an allowed object; raise TypeError for anything else."""
    if isinstance(entry, tuple):
        if len(entry) != 2 or not callable(entry[0]) or not isinstance(entry[1], str):
            raise TypeError(f"Expected a (global, str of full path) pair, got {entry}")
        return entry[1]
    if not callable(entry):
        raise TypeError(f"Expected a class or function, got {type(entry).__name__}")
    return f"{entry.__module__}.{entry.__qualname__}"


# what is ours here is PyTorch's or torchvision's in the files that these wrote
_PACKAGES = (("cltorch.vision.", "torchvision."), ("cltorch.", "torch."))


def _names(entry: SafeGlobal) -> list[str]:
    name = name_of(entry)
    if not isinstance(entry, tuple):
        for ours, theirs in _PACKAGES:
            for here, there in ((ours, theirs), (theirs, ours)):
                if name.startswith(here):
                    return [name, there + name[len(here) :]]
    return [name]


def user_allowed() -> dict[str, Callable[..., Any]]:
    """Return the allowed objects by full name, a class of this package by PyTorch's name for it too."""
    return {name: entry[0] if isinstance(entry, tuple) else entry for entry in _allowed for name in _names(entry)}
