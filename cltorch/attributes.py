"""What a program hangs on a tensor: ``tensor.__dict__`` without the fields that make the tensor.

PyTorch's tensors keep theirs outside of ``__dict__``, and programs pass it on, to a constructor say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Attributes(dict[str, Any]):
    """A dictionary of attributes; what is written to it or deleted from it is on the tensor."""

    __slots__ = ("_whole",)

    def __init__(self, whole: dict[str, Any], inner: Callable[[str], bool]) -> None:
        super().__init__((name, value) for name, value in whole.items() if not inner(name))
        self._whole = whole

    def __setitem__(self, name: str, value: Any) -> None:
        self._whole[name] = value
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        del self._whole[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several attributes."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return an attribute, set to a default where it is missing."""
        if name not in self:
            self[name] = default
        return self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """Delete an attribute and return it."""
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def clear(self) -> None:
        """Delete all attributes."""
        for name in list(self):
            del self[name]

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)
