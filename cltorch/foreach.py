"""torch._foreach_*: one operator over every tensor of a list, as optimisers outside this library call it.

Each function is the operator of its name applied tensor by tensor, so that dtypes, derivatives and errors are the
operator's own. Those with ``_`` at the end work in place and return the list that they were given; the commonest of
them take a few launches for tensors on a device that need no derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from cltorch import linalg
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import check_inplace
from cltorch.autograd.layers import active
from cltorch.dtypes import TYPE_NAMES
from cltorch.ops.multi_tensor_each import each_in_place
from cltorch.tensor import Tensor
from cltorch.torch_function import overloaded

__all__ = ["FUNCTIONS"]

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round "
    "rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
_BINARY = "add sub mul div pow maximum minimum clamp_min clamp_max".split()
_TERNARY = "addcmul addcdiv".split()
_WITH_TENSOR = frozenset(("add", "mul", "div"))  # which PyTorch has a form of for one tensor
_SEVERAL = 3  # tensors from which on a list is worth its own launches
_OPERANDS = ("scalar", "scalars")  # other names of the second operand
_WITH_NUMBER = {"maximum": "clamp_min", "minimum": "clamp_max"}  # for numbers and in place


def _check(tensors: Any, *others: Any) -> None:
    if isinstance(tensors, Tensor):
        raise TypeError("_foreach functions: argument 'self' (position 1) must be tuple of Tensors, not Tensor")
    if not tensors:
        raise RuntimeError("Tensor list must have at least one tensor.")
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    for other in others:
        if other is None or isinstance(other, str):
            raise TypeError(f"_foreach functions received an invalid combination of arguments - got {other!r}")
        if isinstance(other, Sequence) and any(isinstance(x, Tensor) for x in other):
            for i, x in enumerate(other):
                if not isinstance(x, Tensor):
                    raise TypeError(f"expected Tensor as element {i} in argument 1, but got {type(x).__name__}")
        if isinstance(other, Sequence) and len(other) != len(tensors):
            if other and isinstance(other[0], Tensor):
                raise RuntimeError(
                    f"Tensor lists must have the same number of tensors, got {len(tensors)} and {len(other)}"
                )
            raise RuntimeError(
                f"Tensor list must have same number of elements as scalar list, got {len(tensors)} and {len(other)}"
            )


def _each(value: Any) -> Any:
    return value if isinstance(value, Sequence) else repeat(value)


def _scalars(value: Any) -> Any:
    """Return numbers, given as such or in a 1-d tensor."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim != 1:
        raise RuntimeError(f"Expected packed scalar Tensor to be of dimension 1. Got {value.ndim} instead.")
    return value.tolist()


def _unary(name: str) -> Callable[..., Any]:
    def fn(self: Any) -> list[Any]:
        _check(self)
        if name[-1] == "_" and _at_once(name[:-1], [self]):
            return self
        return [getattr(t, name)() for t in self]

    return fn


def _at_once(name: str, lists: Sequence[Any], *numbers: Any) -> bool:
    """Apply an operator in place to whole lists, where that is possible; return whether it was done."""
    first = lists[0]
    if not isinstance(first[0], Tensor) or first[0].device.type == "cpu" or len(first) < _SEVERAL:
        return False
    if any(type(x) not in (float, int) for x in numbers) or not all(isinstance(xs, Sequence) for xs in lists):
        return False
    if active or overloaded(tuple(lists), {}) is not None:  # transforms, classes and modes see operators one by one
        return False
    for t in (t for xs in lists for t in xs):
        if not isinstance(t, Tensor) or t._tangents is not None or (mode.enabled and t.requires_grad):
            return False
    for t in first:
        check_inplace(t, False)
    return each_in_place(name, lists, numbers)


def _check_scalar(name: str, other: Any, alpha: dict[str, Any]) -> None:
    """Raise where one operand for all tensors of a list has elements of its own, or a factor that is for lists."""
    if isinstance(other, Tensor):
        if other.ndim and name in _WITH_TENSOR:
            raise RuntimeError(
                f"scalar tensor expected to be 0 dim but it has {other.ndim} dimensions and {other.numel()} elements."
            )
        if other.ndim:
            raise TypeError(f"_foreach_{name}() received an invalid combination of arguments: other has dimensions")
        if alpha and name not in _WITH_TENSOR:
            raise TypeError(f"_foreach_{name}(): argument 'other' (position 2) must be tuple of Tensors, not Tensor")
    elif alpha and not isinstance(other, Sequence):
        raise TypeError(f"_foreach_{name}() received an invalid combination of arguments: alpha is for tensors")


def _binary(name: str, mark: str) -> Callable[..., Any]:
    numbers = _WITH_NUMBER.get(name, name) + mark

    def fn(self: Any, other: Any = None, **given: Any) -> list[Any]:
        words = [k for k in (*_OPERANDS, *(("exponent",) if name == "pow" else ())) if k in given]
        if other is None and len(words) == 1:
            other = given.pop(words[0])
        alpha = given
        if name == "pow" and not mark and not isinstance(self, Sequence):
            _check(other)
            return [self**t for t in other]
        _check(self, other)
        _check_scalar(name, other, alpha)
        if mark and _binary_at_once(name, self, other, **alpha):
            return self
        return [
            getattr(t, name if isinstance(o, Tensor) and not mark else numbers)(o, **alpha)
            for t, o in zip(self, _each(other), strict=False)
        ]

    return fn


def _binary_at_once(name: str, self: Any, other: Any, alpha: Any = 1) -> bool:
    if isinstance(other, Sequence):
        if not isinstance(other[0], Tensor):
            return False
        return _at_once(name, [self, other], *([alpha] if name in ("add", "sub") else []))
    if type(other) not in (float, int) or type(alpha) not in (float, int):
        return False
    return _at_once(name, [self], other * alpha)


def _ternary(name: str) -> Callable[..., Any]:
    def fn(self: Any, tensor1: Any, tensor2: Any, value: Any = 1, *, scalars: Any = None) -> list[Any]:
        value = _scalars(value if scalars is None else scalars)
        _check(self, tensor1, tensor2, value)
        if name[-1] == "_" and _at_once(name[:-1], [self, tensor1, tensor2], value):
            return self
        return [
            getattr(t, name)(a, b, value=v) for t, a, b, v in zip(self, tensor1, tensor2, _each(value), strict=False)
        ]

    return fn


def _lerp(name: str) -> Callable[..., Any]:
    def fn(self: Any, tensors1: Any, weight: Any = None, *, weights: Any = None) -> list[Any]:
        weight = weights if weight is None else weight
        _check(self, tensors1, weight)
        if name[-1] == "_" and isinstance(weight, (float, int)):
            if _at_once("lerp near" if weight < 0.5 else "lerp far", [self, tensors1], weight):
                return self
        return [getattr(t, name)(e, w) for t, e, w in zip(self, tensors1, _each(weight), strict=False)]

    return fn


def _foreach_norm(self: Any, ord: float = 2, dtype: Any = None) -> list[Any]:
    _check(self)
    if not isinstance(ord, (float, int, complex)):
        raise TypeError(f"_foreach_norm(): argument 'ord' (position 2) must be Number, not {type(ord).__name__}")
    if isinstance(ord, (bool, complex)):
        raise RuntimeError("foreach_tensor_norm_slow expects ord to be integer or float")
    return [linalg.vector_norm(t, ord, dtype=dtype) for t in self]


def _foreach_clone(self: Any, *, memory_format: Any = None) -> list[Any]:
    _check(self)
    given = {} if memory_format is None else {"memory_format": memory_format}
    return [t.clone(**given) for t in self]


def _foreach_max(self: Any) -> list[Any]:
    _check(self)
    return [t.max() for t in self]


def _foreach_copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
    _check(self, src)
    if not _at_once("copy", [self, src]):
        for t, s in zip(self, src, strict=True):
            t.copy_(s, non_blocking)
    return self


def _foreach_mm(self: Any, mat2: Any) -> list[Any]:
    _check(self, mat2)
    return [a.mm(b) for a, b in zip(self, mat2, strict=True)]


def _foreach_powsum(self: Any, ord: float = 2, dtype: Any = None) -> list[Any]:
    _check(self)
    for t in self:
        if not t.dtype.differentiable:
            raise NotImplementedError(f"\"powsum\" not implemented for '{TYPE_NAMES[t.dtype]}'")
    return [t.to(t.dtype if dtype is None else dtype).abs().pow(ord).sum() for t in self]


def _in_place(fn: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        fn(self, *args, **kwargs)
        return self

    return run


def _table() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for mark in ("", "_"):
        made = {n: _unary(n + mark) for n in _UNARY}
        made |= {n: _binary(n, mark) for n in _BINARY}
        made |= {n: _ternary(n + mark) for n in _TERNARY}
        made["lerp"] = _lerp("lerp" + mark)
        for name, fn in made.items():
            found[f"_foreach_{name}{mark}"] = _in_place(fn) if mark else fn
    found["_foreach_zero_"] = _in_place(_unary("zero_"))
    for name, fn in found.items():
        fn.__name__ = fn.__qualname__ = name
    for fn in (_foreach_norm, _foreach_clone, _foreach_max, _foreach_copy_, _foreach_mm, _foreach_powsum):
        found[fn.__name__] = fn
    return {name: fn if name.endswith("_") else _as_tuple(fn) for name, fn in found.items()}


def _as_tuple(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def run(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        return tuple(fn(*args, **kwargs))

    return run


#: Every function of the family by its name in ``torch``.
FUNCTIONS = _table()
