"""Calls in the order of PyTorch's first versions, with numbers in front of the tensors that they multiply.

``x.add_(alpha, y)``, ``x.addcmul_(value, y, z)``, ``torch.addmm(beta, x, alpha, y, z)``: PyTorch takes them still, and
optimisers written long ago make them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from cltorch.ops.array import Array
from cltorch.ops.notices import warn_once

__all__: list[str] = []

F = TypeVar("F", bound=Callable[..., Any])

_FORMS = {  # "n" a number, "t" a tensor: by the names of the numbers and how many tensors there are
    (("alpha",), 2): ("tnt",),
    (("value",), 3): ("tntt",),
    (("beta", "alpha"), 3): ("tntt", "tnntt", "nttt", "ntntt"),
}


def reordered(
    name: str, count: int, numbers: tuple[str, ...], given: Sequence[Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return the tensors of a call in an old form, and its numbers by their names; of any other the call as it is."""
    form = "".join("t" if isinstance(x, Array) else "n" if _is_number(x) else "?" for x in given)
    if form not in _FORMS.get((numbers, count), ()):
        return given, {}
    words = ", ".join(f"{n}=…" for n in numbers)
    warn_once(
        f"This overload of {name} is deprecated: numbers stand behind the tensors, as keywords: {name}(…, {words})"
    )
    values = [x for x in given if not isinstance(x, Array)]
    return [x for x in given if isinstance(x, Array)], dict(zip(numbers, values, strict=False))


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float, complex, np.generic))


def in_old_forms(count: int, *numbers: str) -> Callable[[F], F]:
    """Return a decorator for a function of ``count`` tensors, that lets some numbers stand among them."""

    def decorate(f: F) -> F:
        name = f.__name__

        @functools.wraps(f)
        def g(*given: Any, **named: Any) -> Any:
            if len(given) <= count:
                return f(*given, **named)
            tensors, found = reordered(name, count, numbers, given)
            return f(*tensors, **found, **named)

        return g  # type: ignore[return-value]

    return decorate
