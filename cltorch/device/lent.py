"""What goes back to where it came from when the last reference to it is gone."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

#: A ``give_back`` of what need not go back.
NOTHING: Callable[[], Any] = int


class Lent:
    """Call ``give_back()``, an attribute that a subclass has, when the object dies.

    Python looks for a signal wherever a function of its own begins, ``__del__`` as well, and what a handler raises
    there is printed and forgotten: the program would go on after Ctrl-C, and the memory would be lost. So ``__del__``
    is found by code in C alone, and ``give_back`` should be such code too: a ``partial`` of a built-in method.
    """

    __slots__ = ()

    give_back: Callable[[], Any]
    __del__: Any = property(attrgetter("give_back"))
