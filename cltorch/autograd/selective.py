"""Operators whose results are kept by one run of a function and taken by the next, as selective checkpoints do.

While a run is watched, this stands around every operator. A run that keeps asks for each operator whether to; the run
that takes finds the results, and what the derivative needs besides the operands, by the operator's name and how many
of that name came before. Views, changes in place and functions that are no operators are run as they are.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from cltorch.autograd import record
from cltorch.autograd.layers import KINDS, active, lift
from cltorch.autograd.threads import carried
from cltorch.ops import matmul
from cltorch.ops.array import Array
from cltorch.ops.attention import Attention
from cltorch.ops.op import Op
from cltorch.ops.overloads import OpOverload

_RUN_AGAIN, _TAKEN = "run again", "taken"
_MISMATCH = (
    "The function must run the same operators in the second run as in the first: make sure that it does not depend on "
    "what changes between them."
)


class _State(threading.local):
    watch: Any = None  # what looks at the operators to come
    running: Any = None  # what looked when the one that runs began


state = carried(_State())


class _Kept(NamedTuple):
    """The results of an operator, and what its record holds: attributes and tensors, or the places of operands."""

    results: Any
    versions: list[int]
    attributes: dict[str, Any]
    tensors: list[Any]
    outside: list[int]


class Watch:
    """Stand around the operators of one run while it is entered."""

    def __init__(self, store: dict[tuple[Any, int], Any]) -> None:
        self.store = store
        self.counts: dict[Any, int] = {}
        self._before: list[Any] = []

    def __enter__(self) -> Watch:
        self.counts.clear()
        self._before.append(state.watch)
        state.watch = self
        active.append(self)
        return self

    def __exit__(self, *exc: Any) -> None:
        active.remove(self)
        state.watch = self._before.pop()

    def next_of(self, name: OpOverload) -> tuple[Any, int]:
        """Return the key of the next operator of a name."""
        n = self.counts.get(name, 0)
        self.counts[name] = n + 1
        return name, n

    def operator(self, op: type[Op], call: Any, args: Sequence[Any]) -> Any:
        """Run an operator's forward, or take what it gave."""
        raise NotImplementedError

    def pointwise(self, row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        """Run a row, or take what it gave."""
        raise NotImplementedError


def _alias(x: Any) -> Any:
    return Array.new(x._storage, x.lay, x.dtype) if isinstance(x, Array) else x


def _listed(out: Any) -> list[Any]:
    return list(out) if isinstance(out, tuple) else [out]


def _place(x: Any, among: Sequence[Any]) -> int | None:
    return next((i for i, y in enumerate(among) if y is x), None)


class Keeping(Watch):
    """Keep the results of those operators for which ``wanted(name, args, result)`` says so."""

    def __init__(self, store: dict[tuple[Any, int], Any], wanted: Callable[[OpOverload, Any, Any], bool]) -> None:
        super().__init__(store)
        self.wanted = wanted

    def _keep(self, name: OpOverload, args: Sequence[Any], out: Any, call: Any = None) -> None:
        key = self.next_of(name)
        tensors = [x for x in args if isinstance(x, Array)]
        single = tuple(map(_alias, out)) if isinstance(out, tuple) else _alias(out)
        if not self.wanted(name, tensors, single):
            self.store[key] = _RUN_AGAIN
            return
        results = _listed(out)
        kept: list[Any] = []
        attributes = {}
        if call is not None:
            attributes = {
                k: v for k, v in vars(call).items() if k not in ("needs", "recording", "kept", "outside", "unpack")
            }
            for x in call.kept:
                at, of = _place(x, args), _place(x, results)
                kept.append(("operand", at) if at is not None else ("result", of) if of is not None else ("own", x))
        self.store[key] = _Kept(
            single, [x._storage.version for x in results if isinstance(x, Array)], attributes, kept,
            [i for i, x in enumerate(results) if call is not None and _place(x, call.outside) is not None],
        )  # fmt: skip

    def operator(self, op: type[Op], call: Any, args: Sequence[Any]) -> Any:
        out = op.forward(call, *args)
        self._keep(overload_of(op, args), args, out, call)
        return out

    def pointwise(self, row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        out = row(*operands, params=params)
        self._keep(OpOverload.any_of("aten", row.name), operands, out)
        return out


class Taking(Watch):
    """Take what was kept, once, and run the other operators."""

    def __init__(self, store: dict[tuple[Any, int], Any], allow_mutation: bool) -> None:
        super().__init__(store)
        self.allow_mutation = allow_mutation

    def _take(self, name: OpOverload) -> Any:
        key = self.next_of(name)
        found = self.store.get(key)
        if found is None:
            raise RuntimeError(f"{name} encountered during backward but not found in storage. {_MISMATCH}")
        if found is _TAKEN:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under "
                "selective activation checkpoint."
            )
        if found is _RUN_AGAIN:
            return None
        self.store[key] = _TAKEN
        versions = [x._storage.version for x in _listed(found.results) if isinstance(x, Array)]
        if versions != found.versions and not self.allow_mutation:
            raise RuntimeError("Tensor cached during selective activation checkpoint has been mutated")
        return found

    def operator(self, op: type[Op], call: Any, args: Sequence[Any]) -> Any:
        found = self._take(overload_of(op, args))
        if found is None:
            return op.forward(call, *args)
        many = isinstance(found.results, tuple)
        results = [_alias(x) for x in _listed(found.results)]
        vars(call).update(found.attributes)
        sources = {"operand": args, "result": results}
        call.save(*(at if of == "own" else sources[of][at] for of, at in found.tensors))
        call.non_differentiable(*(results[i] for i in found.outside))
        return tuple(results) if many else results[0]

    def pointwise(self, row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
        found = self._take(OpOverload.any_of("aten", row.name))
        return row(*operands, params=params) if found is None else _alias(found.results)


def overload_of(op: type[Op], args: Sequence[Any]) -> OpOverload:
    """Return the name that PyTorch's dispatcher has for an operator on some arguments."""
    name = op.name
    if issubclass(op, matmul.Linear):
        name = "mm" if args[2] is None else "addmm"
    elif op is matmul.Matmul:
        name = "mm" if max(x.lay.ndim for x in args[:2]) == 2 else "bmm"
    elif issubclass(op, Attention):
        name = "_scaled_dot_product_flash_attention" + ("_for_cpu" if args[0].device.type == "cpu" else "")
    return OpOverload.any_of("aten", name)


# ---- the operations of ``record`` -----------------------------------------------------------------------------------
_watched_ops: dict[type[Op], type[Op]] = {}


def _watched(op: type[Op]) -> type[Op]:
    def forward(call: Any, *args: Any) -> Any:
        return state.running.operator(op, call, args)

    if op not in _watched_ops:
        _watched_ops[op] = type(op.__name__, (op,), {"forward": staticmethod(forward)})
    return _watched_ops[op]


@contextmanager
def _unseen() -> Iterator[Watch]:
    """Look away while an operation is run."""
    watch, before = state.watch, state.running
    state.watch, state.running = None, watch
    try:
        yield watch
    finally:
        state.watch, state.running = watch, before


def concerns(values: Sequence[Any]) -> bool:
    """Return whether operators are watched."""
    return state.watch is not None


def apply(op: type[Op], args: Sequence[Any]) -> Any:
    """Run a structured operator under the eyes of the watch, unless it is one on batches or dual numbers."""
    with _unseen():
        return record.apply(op if lift(args) is not None else _watched(op), *args)


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table under the eyes of the watch, unless it is one on batches or dual numbers."""
    with _unseen() as watch:
        if lift(operands) is not None:
            return record.pointwise(row, operands, params)
        return record.noted(row, operands, params, watch.pointwise(row, operands, params))


def _as_it_is(name: str) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        with _unseen():
            return getattr(record, name)(*args)

    return run


view, views, pointwise_ = map(_as_it_is, ("view", "views", "pointwise_"))


def inplace(x: Any, op: type[Op] | None, args: Sequence[Any], write: Callable[[], None]) -> Any:
    """Run a change in place."""
    with _unseen():
        return record.inplace(x, op, *args, write=write)


def function(cls: Any, args: Sequence[Any], kw: dict[str, Any]) -> Any:
    """Run a user's Function."""
    with _unseen():
        return cls.apply(*args, **kw)


KINDS.insert(0, sys.modules[__name__])
