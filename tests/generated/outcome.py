"""What became of a call: a value, or an exception of an allowed kind; and whether two outcomes agree."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import cltorch
from tests.generated.nonsense import Built, Call

#: What a call may raise; RuntimeError is a base of NotImplementedError, OutOfMemoryError, DeviceError and LinAlgError.
DOCUMENTED = (TypeError, ValueError, RuntimeError, IndexError, OverflowError)
_NEVER = (RecursionError, UnicodeError, cltorch.DeviceMemoryError)
#: What a driver, its binding or a template says, where this library should have said it before.
_LEAKED = ("does not build", "BuildError", "std::bad_cast", "invalid_value", "INVALID_", "clEnqueue", "kernel template")
#: Functions that say by an assertion, as PyTorch's do, that ``padding_idx`` is out of range.
_ASSERT = ("embedding", "embedding_bag")


class Outcome:
    """The result of a call, or its exception, and the arguments afterwards."""

    def __init__(self, library: Any, call: Call, device: str | None = None) -> None:
        self.name = call.name
        self.built = Built(library, call, device)
        self.value, self.error = None, None
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                self.value = function(library, call)(*self.built.args, **self.built.named)
            except Exception as e:
                self.error = e
            if device is not None and (device != "cpu" or "away" in repr(call)):
                try:
                    cltorch.cl.synchronize()
                except cltorch.DeviceIndexError as e:  # an index out of range shows when the program waits
                    self.value, self.error = None, self.error or e

    @property
    def documented(self) -> bool:
        """Return whether the outcome is a value or one of the exceptions that are promised."""
        e = self.error
        if isinstance(e, AssertionError):
            return self.name in _ASSERT
        if isinstance(e, ZeroDivisionError):
            return self.name.startswith(("lp_pool", "group_norm"))  # a norm of 0, or no groups, as in PyTorch
        if e is None:
            return True
        if any(part in f"{type(e).__name__} {e}" for part in _LEAKED):
            return False
        return isinstance(e, DOCUMENTED) and not isinstance(e, _NEVER)

    def __repr__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {str(self.error)[:300]}"
        return f"value {described(self.value)}"


def function(library: Any, call: Call) -> Any:
    """Return the function of a call in a library."""
    where = library
    for part in call.space.split(".") if call.space != "torch" else ():
        where = getattr(where, part)
    return getattr(where, call.name)


def described(value: Any) -> str:
    """Say what a value is in a few words."""
    if hasattr(value, "numpy"):
        return f"{str(value.dtype).split('.')[-1]}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(described(x) for x in value) + ")"
    return repr(value)[:60]


def related(a: BaseException, b: BaseException) -> bool:
    """Return whether one exception's class is a kind of the other's."""
    return isinstance(a, type(b)) or isinstance(b, type(a)) or {type(a).__name__} == {type(b).__name__}


def sensible(value: Any) -> bool:
    """Return whether the tensors of a result have sizes that there can be."""
    if isinstance(value, (tuple, list)):
        return all(sensible(x) for x in value)
    return not isinstance(value, cltorch.Tensor) or min(value.shape, default=0) >= 0


def numbers(x: Any) -> np.ndarray:
    """Return a tensor's values."""
    if str(x.dtype).endswith(("bfloat16", "complex32")):
        x = x.float()
    if hasattr(x, "resolve_conj"):
        x = x.resolve_conj().resolve_neg()
    return x.numpy(force=True)


_TOLERANCE = {
    "float16": 4e-3,
    "bfloat16": 2e-2,
    "float32": 2e-4,
    "float64": 1e-7,
    "complex64": 2e-4,
    "complex128": 1e-7,
}


def differ(a: Any, b: Any, values: bool = True) -> str:
    """Return in what two results differ, nothing where they agree."""
    if hasattr(a, "numpy") or hasattr(b, "numpy"):
        if not (hasattr(a, "numpy") and hasattr(b, "numpy")):
            return f"{described(a)} and {described(b)}"
        if described(a) != described(b):
            return f"{described(a)} and {described(b)}"
        if not values:
            return ""
        x, y = numbers(a), numbers(b)
        t = _TOLERANCE.get(str(a.dtype).split(".")[-1], 0)
        with np.errstate(all="ignore"):
            good = np.allclose(x, y, rtol=t, atol=t, equal_nan=True) if t else np.array_equal(x, y)
        return "" if good else f"{x.tolist()} and {y.tolist()}"[:400]
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        if len(a) != len(b):
            return f"{len(a)} and {len(b)} results"
        return "; ".join(d for d in (differ(x, y, values) for x, y in zip(a, b, strict=True)) if d)
    if isinstance(a, (float, complex)) and isinstance(b, (float, complex)):
        return "" if not values or np.allclose(a, b, rtol=1e-3, equal_nan=True) else f"{a} and {b}"
    if isinstance(a, (bool, int, str)) or a is None:
        return "" if not values or a == b else f"{a} and {b}"
    return ""
