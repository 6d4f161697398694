"""Levels of batches: what is a batch at which one, and tensors seen with and without their batches."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cltorch.autograd.graph import Settings
from cltorch.autograd.layers import active
from cltorch.autograd.threads import carried
from cltorch.ops.array import Array

_numbers = itertools.count(1)


class _State(threading.local):
    levels: tuple[tuple[int, int, str], ...] = ()  # (number, size, randomness), the innermost last


state = carried(_State())


@contextmanager
def level(size: int, randomness: str = "error") -> Iterator[int]:
    """Begin a level of batches of a size, and end it with the block."""
    number = next(_numbers)
    before = state.levels
    state.levels = (*before, (number, size, randomness))
    active.append(number)
    try:
        yield number
    finally:
        state.levels = before
        active.remove(number)


#: what a level says of random numbers where autograd, not a program, makes batches: of vectors to be multiplied with
OWN = "none"


def own_batches() -> bool:
    """Return whether all levels around the caller are autograd's own."""
    return all(randomness == OWN for _, _, randomness in state.levels)


@contextmanager
def outside(number: int) -> Iterator[None]:
    """Leave a level and those inside it for a while."""
    before = state.levels
    state.levels = tuple(k for k in before if k[0] < number)
    try:
        yield
    finally:
        state.levels = before


def wrap(x: Any, number: int) -> Any:
    """Return a tensor as a batch along its first dimension; tangents are batches too."""
    out = Settings.batched(x, number)
    if x._tangents is not None:
        out._tangents = {k: hide(t, number) for k, t in x._tangents.items()}
        out._tangent_version = x._tangent_version
    return out


def level_of(x: Any) -> int:
    """Return the number of a batched tensor's innermost level, 0 for any other value."""
    return x._batch if isinstance(x, Array) else 0


def top(values: Sequence[Any]) -> int:
    """Return the innermost level at which a value is a batch, or 0."""
    return max(map(level_of, values), default=0)


def concerns(values: Sequence[Any]) -> bool:
    """Return whether some value is a batch."""
    for x in values:
        if isinstance(x, Array) and x._batch:
            return True
    return False


def expose(x: Any, number: int, size: int) -> Any:
    """Return a tensor with the batch of a level as its first dimension, which it gets where it has no such batch."""
    mine = x._batch
    if mine == number:
        out = x._inner
        found = x._tangents
        if found is not None:
            out = Settings.functions.view_as(out, out)
            out._tangents = {k: expose(t, number, size) for k, t in found.items()}
            out._tangent_version = out._storage.version
        return out
    m = Settings.functions
    if mine > number:
        return wrap(m.transpose(expose(x._inner, number, size), 0, 1), mine)
    if x._tangents is not None:
        return expose(in_level(x, number, size), number, size)
    return m.expand(m.unsqueeze(x, 0), (size, *x.lay.shape))


def in_level(x: Any, number: int, size: int) -> Any:
    """Return a tensor as a batch at a level; its tangents may be that already."""
    if has_level(x, number):
        return x
    m = Settings.functions
    found, x._tangents = x._tangents, None
    try:
        out = hide(m.expand(m.unsqueeze(x, 0), (size, *x.lay.shape)), number)
    finally:
        x._tangents = found
    if found is not None:
        _give(out, {k: in_level(t, number, size) for k, t in found.items()})
    return out


def _give(x: Any, tangents: dict[int, Any]) -> None:
    """Give a batch its tangents, and the whole tensor theirs: gradients are recorded for that."""
    x._tangents, x._tangent_version = tangents, x._storage.version
    if x._batch:
        size = x._inner.lay.shape[0]
        _give(x._inner, {k: expose(t, x._batch, size) for k, t in tangents.items()})


def hide(x: Any, number: int) -> Any:
    """Return a tensor as a batch of a level along its first dimension, under what batches it is inside of that."""
    if x._batch > number:
        return wrap(hide(Settings.functions.transpose(x._inner, 0, 1), number), x._batch)
    return wrap(x, number)


def has_level(x: Any, number: int) -> bool:
    """Return whether a tensor is a batch at a level."""
    while x._batch > number:
        x = x._inner
    return bool(x._batch == number)


def bare(x: Any) -> Any:
    """Return the whole tensor that a batch is of."""
    while x._batch:
        x = x._inner
    return x


def room(x: Any, others: Sequence[Any]) -> Any:
    """Return a tensor as a batch at every level of others, which are to be written into a copy of it."""
    for y in others:
        while level_of(y):
            x = in_level(x, y._batch, y._inner.lay.shape[0])
            y = y._inner
    return x


def in_every_level(x: Any) -> Any:
    """Return a tensor that is a batch at every level there is, so that gradients at it belong to single slices."""
    for number, size, _ in state.levels:
        x = in_level(x, number, size)
    return x


def aligned(x: Any, ndim: int) -> Any:
    """Return a tensor with the batch in front with dimensions of size 1 after it, ``ndim`` besides the batch."""
    shape = x.lay.shape
    missing = ndim - (len(shape) - 1)
    return x if missing <= 0 else Settings.functions.reshape(x, (shape[0], *[1] * missing, *shape[1:]))
