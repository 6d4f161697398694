"""How functions that are no operators take batches under vmap as a whole: rules by name, for ``batch_loops``.

A rule is called with (fn, given, number, size), where ``given`` are the arguments by name, and returns results with the
batch in front; ``NotImplemented`` means: not for these arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cltorch.autograd.batch_levels import expose, level_of
from cltorch.autograd.graph import Settings
from cltorch.ops.array import Array

__all__ = ["RULES", "named_arguments"]

Given = dict[str, Any]


@lru_cache(maxsize=512)
def _signature(fn: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(fn)


def named_arguments(fn: Callable[..., Any], args: Any, kw: Any) -> Given | None:
    """Return all arguments of a call by name, defaults too, or None where they do not fit."""
    try:
        bound = _signature(fn).bind(*args, **kw)
    except TypeError:
        return None
    bound.apply_defaults()
    return dict(bound.arguments)


def _others(given: Given, *names: str) -> bool:
    """Return whether there are tensors besides those of some names."""
    return any(isinstance(x, Array) for name, x in given.items() if name not in names)


def _mapped(out: Any, f: Callable[[Any], Any]) -> Any:
    if not isinstance(out, tuple):
        return f(out)
    parts = [f(x) for x in out]
    return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)


def _along(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    """Move the dimensions that are named by one; all of them are one dimension less the batch."""
    x, dim = given["input"], given.get("dim")
    n = x.lay.ndim
    if _others(given, "input"):
        return NotImplemented
    m, whole = Settings.functions, expose(x, number, size)
    if dim is None:
        flat = m.reshape(whole, (size, x.lay.numel))
        out = fn(**given | {"input": flat, "dim": 1} | ({"keepdim": False} if "keepdim" in given else {}))
        if fn.__name__ == "nanmedian":
            out = out[0]
        return _mapped(out, lambda y: m.reshape(y, (size, *[1] * n))) if given.get("keepdim") else out
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    room = max(n, 1)
    if not dims or not all(isinstance(d, int) and -room <= d < room for d in dims):
        return NotImplemented
    moved = [d % room + 1 for d in dims]
    if not n:
        whole = m.unsqueeze(whole, 1)
    out = fn(**given | {"input": whole, "dim": moved if isinstance(dim, (tuple, list)) else moved[0]})
    return out if n else _mapped(out, lambda y: m.reshape(y, (size,)))


def _leading(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    """Give the batch to every tensor, each of which has leading dimensions of its own."""
    whole = {k: expose(x, number, size) if isinstance(x, Array) else x for k, x in given.items()}
    return fn(**whole)


def _matrices(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    """Give the batch to every tensor, where two matrices have equally many leading dimensions."""
    a, b = (given[k] for k in (("A", "B") if "A" in given else ("LU", "B") if "LU" in given else ("LU_data", "b")))
    if min(a.lay.ndim, b.lay.ndim) < 2 or a.lay.ndim != b.lay.ndim:
        return NotImplemented
    m = Settings.functions

    def every(y: Any) -> Any:  # least squares leave out residuals and ranks by an empty vector for all matrices
        return m.expand(m.unsqueeze(y, 0), (size, 0)) if tuple(y.lay.shape) == (0,) != (size,) else y

    return _mapped(_leading(fn, given, number, size), every)


def _searched(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    line, x, order = given["sorted_sequence"], given["input"], given["sorter"]
    if not isinstance(x, Array):
        return NotImplemented
    if level_of(line) != number and level_of(order) != number and line.lay.ndim == 1:
        return fn(**given | {"input": x._inner})
    m = Settings.functions
    line, found = expose(line, number, size), expose(x, number, size)
    if order is not None:
        order = expose(order, number, size)
    if line.lay.ndim == 2:  # every slice has its own line, in which values of any shape are looked for
        found = m.reshape(found, (size, x.lay.numel))
    out = fn(**given | {"sorted_sequence": line, "input": found, "sorter": order})
    return m.reshape(out, (size, *x.lay.shape))


def _sorted_into(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    line, x = given["boundaries"], given["input"]
    if not isinstance(x, Array) or line.lay.ndim != 1:
        return NotImplemented
    options = {k: given[k] for k in ("out_int32", "right")}
    asked = {"sorted_sequence": line, "input": x, "sorter": None, **options}
    return _searched(Settings.functions.searchsorted, asked, number, size)


def _found(fn: Callable[..., Any], given: Given, number: int, size: int) -> Any:
    if level_of(given["test_elements"]) == number:
        return NotImplemented
    return fn(**given | {"elements": given["elements"]._inner})


RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys("all any argmax argmin argsort aminmax count_nonzero hash_tensor mode nanmedian".split(), _along),
    **dict.fromkeys("cholesky_inverse linalg_lu linalg_matrix_exp lu_unpack matrix_exp".split(), _leading),
    **dict.fromkeys("linalg_lstsq linalg_lu_solve lu_solve".split(), _matrices),
    "searchsorted": _searched,
    "bucketize": _sorted_into,
    "isin": _found,
}
