"""What a failed comparison says, and the exception that carries it to the one that raises it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.tensor import Tensor


class ErrorMeta(Exception):
    """Carry the kind of an error, its words, and the place among nested inputs where it was found."""

    def __init__(self, type: type[Exception], msg: str, *, id: tuple[Any, ...] = ()) -> None:
        super().__init__(f"{type.__name__}: {msg}")
        self.type = type
        self.msg = msg
        self.id = id

    def to_error(self, msg: str | Callable[[str], str] | None = None) -> Exception:
        """Return the error to be raised: in its own words, in others, or in what a function makes of its own."""
        if isinstance(msg, str):
            return self.type(msg)
        words = self.msg
        if self.id:
            words += "\n\nThe failure occurred for item " + "".join(f"[{item!r}]" for item in self.id)
        return self.type(words if msg is None else msg(words))


def numbers(x: Tensor) -> np.ndarray:
    """Return a tensor's values on the host, in a dtype that holds them and their differences."""
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.dtype.opaque:
        x = x.float()
    values = x.numpy()
    # an extended float holds every int64, which a float64 does not
    if values.dtype.kind == "c":
        return values.astype(np.complex128)
    return values.astype(np.float64 if values.dtype.kind == "f" else np.longdouble)


def _named(default: str, identifier: str | Callable[[str], str] | None) -> str:
    if identifier is None:
        return default
    return identifier(default) if callable(identifier) else identifier


def _told(what: str, extra: str, differences: list[tuple[str, float, float]], exact: bool) -> str:
    lines = [f"{what} are not {'equal' if exact else 'close'}!", "", extra]
    for label, value, allowed in differences:
        lines.append(f"{label.format(value)}" + ("" if exact else f" (up to {allowed} allowed)"))
    return "\n".join(lines)


def make_scalar_mismatch_msg(
    actual: Any, expected: Any, *, rtol: float, atol: float, identifier: str | Callable[[str], str] | None = None
) -> str:
    """Say how two numbers differ."""
    apart = abs(actual - expected)
    relative = float("inf") if expected == 0 else apart / abs(expected)
    return _told(
        _named("Scalars", identifier),
        f"Expected {expected} but got {actual}.",
        [("Absolute difference: {}", apart, atol), ("Relative difference: {}", relative, rtol)],
        rtol == 0 and atol == 0,
    )


def make_tensor_mismatch_msg(
    actual: Tensor, expected: Tensor, matches: Tensor, *, rtol: float, atol: float,
    identifier: str | Callable[[str], str] | None = None,
) -> str:  # fmt: skip
    """Say how many elements of two tensors differ, and by how much and where they differ most."""
    close = matches.cpu().numpy()
    wrong = close.size - int(close.sum())
    what = _named("Tensor-likes", identifier)
    extra = f"Mismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})"
    if actual.dtype.is_floating_point and actual.dtype.itemsize == 1:
        first = tuple(int(i) for i in np.argwhere(~close)[0])
        return f"{what} are not 'equal'!\n\n{extra}\nThe first mismatched element is at index {first}."
    x, y = numbers(actual), numbers(expected)
    with np.errstate(all="ignore"):
        apart = np.abs(x - y)
        relative = apart / np.abs(y)
    differences = []
    for kind, values, allowed in (("absolute", apart, atol), ("relative", relative, rtol)):
        # a difference that is no number counts as the greatest, and what matches not at all
        ranked = np.where(close, -1.0, np.where(np.isnan(values), np.inf, values))
        at = tuple(int(i) for i in np.unravel_index(int(ranked.argmax()), ranked.shape))
        value = int(values[at]) if kind == "absolute" and not actual.dtype.differentiable else float(values[at])
        differences.append((f"Greatest {kind} difference: {{}} at index {at}", value, allowed))
    return _told(what, extra, differences, rtol == 0 and atol == 0)
