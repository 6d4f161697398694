"""Dictionaries that do not keep their keys alive, with keys told apart by identity: torch.utils.weak.

Tensors compare element by element, so that ``weakref.WeakKeyDictionary`` cannot have them as keys.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

from cltorch.tensor import Tensor

__all__ = ["TensorWeakRef", "WeakIdKeyDictionary", "WeakIdRef", "WeakTensorKeyDictionary"]


class WeakIdRef(weakref.ref):
    """Refer to an object weakly; two references are equal where they are to the same object, dead or alive.

    >>> import cltorch as torch
    >>> x = torch.ones(2)
    >>> WeakIdRef(x) == WeakIdRef(x), WeakIdRef(x) == WeakIdRef(torch.ones(2)), WeakIdRef(x)() is x
    (True, False, True)
    """

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Callable[[Any], Any] | None = None) -> None:
        self._id = id(key)
        super().__init__(key, callback)  # type: ignore[call-arg]

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        # numbers alone do not do: a new object may have got that of a dead one
        mine = self()
        if mine is None or not isinstance(other, weakref.ref):
            return self is other
        return mine is other()

    def __ne__(self, other: object) -> bool:
        return not self == other


class TensorWeakRef:
    """Refer to a tensor weakly: a call returns it, or None when it is gone. TypeError for what is no tensor.

    >>> import cltorch as torch
    >>> x = torch.ones(2)
    >>> r = TensorWeakRef(x)
    >>> found = r() is x
    >>> del x
    >>> found, r()
    (True, None)
    """

    def __init__(self, tensor: Tensor) -> None:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"expected torch.Tensor, got {type(tensor)}")
        self.ref = weakref.ref(tensor)

    def __call__(self) -> Tensor | None:
        return self.ref()


class WeakIdKeyDictionary(MutableMapping):
    """Map objects, told apart by identity, to values; an entry goes when its key is no longer used elsewhere.

    >>> import cltorch as torch
    >>> x, y = torch.ones(2), torch.ones(2)
    >>> names = WeakIdKeyDictionary({x: "x"})
    >>> names[y] = "y"
    >>> names[x], len(names)
    ('x', 2)
    >>> del y
    >>> list(names.values())
    ['x']
    """

    def __init__(self, dict: Any = None, ref_type: Any = WeakIdRef) -> None:
        self.data: Any = {}
        self.ref_type = ref_type
        mine = weakref.ref(self)

        def remove(reference: Any) -> None:
            found = mine()
            if found is not None:
                found.data.pop(reference, None)

        self._remove = remove
        if dict is not None:
            self.update(dict)

    def _alive(self) -> Iterator[tuple[Any, Any]]:
        # entries may go while a program goes through them
        for reference, value in list(self.data.items()):
            key = reference()
            if key is not None:
                yield key, value

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self.ref_type(key, self._remove)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: Any) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # what cannot be referred to is no key
            return False

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._alive())

    def __len__(self) -> int:
        return len(self.data)

    def keys(self) -> Any:
        """Return an iterator of the keys."""
        return iter(self)

    def values(self) -> Any:
        """Return an iterator of the values."""
        return (value for _, value in self._alive())

    def items(self) -> Any:
        """Return an iterator of the keys with their values."""
        return self._alive()

    def keyrefs(self) -> list[Any]:
        """Return references to the keys, which may be dead by the time they are used."""
        return list(self.data)

    def popitem(self) -> tuple[Any, Any]:
        """Take out the entry that came last; KeyError where there is none."""
        while True:
            reference, value = self.data.popitem()
            key = reference()
            if key is not None:
                return key, value

    def update(self, dict: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Put in what another mapping, or a sequence of pairs, holds."""
        pairs = [] if dict is None else dict
        if hasattr(dict, "items"):
            pairs = dict.items()
        elif hasattr(dict, "keys"):
            pairs = [(key, dict[key]) for key in dict.keys()]
        for key, value in [*pairs, *kwargs.items()]:
            self[key] = value

    def copy(self) -> WeakIdKeyDictionary:
        """Return a dictionary of the same keys and values."""
        return type(self)(self, self.ref_type)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> WeakIdKeyDictionary:
        # the keys are what they are: a copy of one would be gone at once
        return type(self)([(key, deepcopy(value, memo)) for key, value in self._alive()], self.ref_type)

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        made = self.copy()
        made.update(other)
        return made

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        made = type(self)(other, self.ref_type)
        made.update(self)
        return made

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {id(k): v for k, v in self.items()} == {id(k): v for k, v in other.items()}

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"


WeakTensorKeyDictionary = WeakIdKeyDictionary
