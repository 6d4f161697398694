"""How memory is shared between processes: by files without names, whatever strategy is named."""

from __future__ import annotations

__all__ = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]

_STRATEGIES = ("file_descriptor", "file_system")
_chosen = _STRATEGIES[:1]


def get_all_sharing_strategies() -> set[str]:
    """Return the names of the ways in which memory is shared.

    Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html#torch.multiprocessing.get_all_sharing_strategies

    >>> "file_system" in get_all_sharing_strategies()
    True
    """
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """Return the name of the way in which memory is shared.

    Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html#torch.multiprocessing.get_sharing_strategy

    >>> get_sharing_strategy()
    'file_descriptor'
    """
    return _chosen[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Name the way in which memory is shared; both send descriptors of files that have no name.

    Raises ValueError for one that is not there.

    Source: https://docs.pytorch.org/docs/2.13/multiprocessing.html#torch.multiprocessing.set_sharing_strategy

    >>> set_sharing_strategy("file_descriptor")
    """
    global _chosen
    if new_strategy not in _STRATEGIES:
        raise ValueError(f"unknown sharing strategy {new_strategy!r}: there are {', '.join(_STRATEGIES)}")
    _chosen = (new_strategy,)
