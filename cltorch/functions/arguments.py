"""Reading of arguments that factory functions share: sizes, dtypes, numbers, ``out`` and ``requires_grad``."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.grad_mode import mode
from cltorch.dtypes import C_NAMES, OF_PYTHON, TYPE_NAMES, dtype
from cltorch.formats import strided
from cltorch.ops.array import MOST_DIMS, Array
from cltorch.ops.promotion import result_type
from cltorch.public_forms import NUMPY_NAMES
from cltorch.shapes import Size, wrap_dims

#: PyTorch's names of the element types in its messages.
SCALAR_NAMES = {t.name: name for t, name in TYPE_NAMES.items()}
_C_KINDS = {
    "bool": "bool", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "int32": "int",
}  # fmt: skip


def read_dtype(name: str, t: Any, default: dtype | None = None) -> Any:
    """Return the dtype that ``dtype=`` means: one of ours, Python's float, int or bool, or the default for None."""
    if t is None:
        return default
    if isinstance(t, dtype):
        if type(t) is not dtype:
            _ = t.np  # a dtype that is a name: raises
        return t
    if isinstance(t, type) and t in OF_PYTHON:
        return OF_PYTHON[t]
    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(t).__name__}")


def wanted_dtype(name: str, out: Any, t: Any, default: dtype | None = None) -> Any:
    """Return the dtype of ``out`` where it is given, else that which ``dtype=`` means."""
    if out is None:
        return read_dtype(name, t, default)
    return need_array(name, "out", 1, out).dtype


def _index(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def read_size(name: str, size: Any) -> Size:
    """Return sizes given as one sequence or one by one, ``((2, 3),)`` or ``(2, 3)``.

    Raises TypeError where they are not integers and RuntimeError where one is negative.
    """
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    for n in given:
        if n.__class__ is not int or not 0 <= n < 2**63:
            break
    else:
        return Size(given)
    given = size
    if (
        len(given) == 1
        and not isinstance(given[0], Array)
        and isinstance(given[0], Sequence)
        and not isinstance(given[0], str)
    ):
        given = given[0]
    out = []
    for i, n in enumerate(given):
        value = _index(n)
        if value is None:
            if i == 0 and len(given) == 1:
                raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {type(n).__name__}")
            raise TypeError(
                f"{name}(): argument 'size' failed to unpack the object at pos {i + 1} with error "
                f'"type must be tuple of ints,but got {type(n).__name__}"'
            )
        out.append(value)
    if any(n >= 2**63 for n in out):
        raise TypeError(f"{name}(): argument 'size' failed to unpack {out} with error \"Overflow when unpacking long\"")
    if any(n < 0 for n in out):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {out}")
    return Size(out)


def read_int(name: str, argument: str, position: int, value: Any) -> int:
    """Return an integer argument; raise TypeError for anything else and ValueError for one beyond 64 bits."""
    found = _index(value)
    if found is None:
        raise TypeError(
            f"{name}(): argument '{argument}' (position {position}) must be int, not {type(value).__name__}"
        )
    if not -(2**63) <= found < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return found


def read_number(name: str, argument: str, position: int, value: Any) -> Any:
    """Return a Python number; a 0-d tensor and a NumPy scalar count as the number they hold."""
    if isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, (np.generic, Array)) and value.ndim == 0:
        return value.item()
    raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Number, not {type(value).__name__}")


_iinfo, _finfo = functools.cache(dtypes.iinfo), functools.cache(dtypes.finfo)


def no_room(t: dtype) -> RuntimeError:
    """Return the error for a number that a dtype cannot hold."""
    kind = _C_KINDS.get(t.name) or (f"{t.name}_t" if t.form is None else C_NAMES[t.name])
    return RuntimeError(f"value cannot be converted to type {kind} without overflow")


def fit_number(value: Any, t: dtype) -> Any:
    """Return the number that an element becomes; raise RuntimeError where a type cannot hold it.

    Negative integers go round in unsigned types, as in PyTorch; infinities and NaN fit in all types of fractions.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if t.form is not None and not isinstance(value, (bool, complex)):
        assert t.limits is not None
        _, most, least, _ = t.limits
        fraction, endless = isinstance(value, float), t.form.infinity and math.isinf(value)
        if (abs(value) > most and not endless) or (fraction and not t.form.sign and value < least):
            raise no_room(t)
        return value
    if t.is_complex or not value:
        return value
    if t.family == "b":
        return True
    if isinstance(value, complex):
        if value.imag:
            raise no_room(t)
        value = value.real
    fraction = isinstance(value, float)
    if t.family in "ui":
        limits = _iinfo(t)
        lowest = limits.min if t.family == "i" or fraction else -limits.max
        if not lowest <= value <= limits.max:
            raise no_room(t)
        value = int(value) & limits.max if t.family == "u" else int(value)
    elif abs(value) > _finfo(t).max and not (fraction and math.isinf(value)):
        raise no_room(t)
    return value


def need_room(*operands: Any) -> None:
    """Raise RuntimeError where the dtype to which operands are promoted cannot hold one of them, a number."""
    for x in operands:
        if (x.__class__ is int or x.__class__ is float) and not -128 <= x <= 127:  # which all dtypes hold
            fit_number(x, result_type(operands))


def need_limits(t: dtype, *limits: Any) -> None:
    """Raise RuntimeError for a number that a dtype of fractions cannot hold; rows ask themselves for integers."""
    if t.is_floating_point:
        for x in limits:
            if (x.__class__ is int or x.__class__ is float) and not -240 <= x <= 240:  # which all of them hold
                fit_number(x, t)


def refuse_zero(input: Any, other: Any) -> None:
    """Raise RuntimeError for a number by which integers on a device cannot be divided; what the host divides raises.

    Numbers go round in the dtype first: 256 is 0 among integers of 8 bits.
    """
    if other.__class__ is not int and other.__class__ is not bool or other & 255 or not isinstance(input, Array):
        return
    if input.device.type != "cl" or input.dtype.differentiable or 0 in input.lay.shape:
        return
    t = result_type((input, other))
    if t.family in "ui" and not other & (1 << 8 * t.itemsize) - 1:
        raise RuntimeError("ZeroDivisionError")


def need_array(name: str, argument: str, position: int, value: Any) -> Any:
    """Return a tensor argument; raise TypeError for anything else."""
    if not isinstance(value, Array):
        raise TypeError(
            f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}"
        )
    return value


def no_gradient(name: str, **tensors: Any) -> None:
    """Raise where a tensor that an operator has no gradient for asks for one."""
    for argument, x in tensors.items():
        if x is not None and x.requires_grad and mode.enabled:
            raise RuntimeError(
                f"The function '{name}' is not differentiable with respect to argument '{argument}'. "
                "This input cannot have requires_grad True."
            )


def check_layout(layout: Any, pin_memory: bool = False) -> None:
    """Raise where a layout other than strided is asked for; pinned memory has no meaning here and is accepted."""
    if layout is not None and layout != strided:
        raise NotImplementedError(f"only torch.strided tensors can be created, but got layout={layout}")


def finish(result: Any, requires_grad: bool) -> Any:
    """Mark a new tensor as one that wants a gradient."""
    if requires_grad:
        if not result.dtype.differentiable:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        result._asking(True)
    return result


def into(out: Any, t: Any, result: Any) -> Any:
    """Write a factory's result into ``out``, which takes on its shape and keeps its own dtype and device."""
    t = read_dtype("out", t)
    if t is not None and t is not out.dtype:
        raise RuntimeError(
            f"dtype {SCALAR_NAMES[t.name]} does not match dtype of out parameter ({SCALAR_NAMES[out.dtype.name]})"
        )
    if out.shape != result.shape:
        out.resize_(result.shape)
    out.copy_(result)
    return out


# reductions whose ``dim`` is a number that must be there: a form of its own, without ``keepdim``, takes all elements
_ONE_DIM = frozenset("max median min nanmedian prod".split())
_KEEP_NEEDS_DIM = _ONE_DIM | {"mean", "sum"}
_OUT_NEEDS_DIM = frozenset("median nanmedian prod sum".split())


def numpy_names(f: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function take NumPy's names of its arguments too, ``axis`` for ``dim`` and ``keepdims`` for ``keepdim``.

    The function also refuses, with a TypeError, a ``keepdim`` that is no truth value, a truth value as ``dim``, and
    forms that no overload of PyTorch's has, as ``sum(x, keepdim=True)``.
    Source: PyTorch's ``numpy_compatibility_arg_names``, which hold for every function of these arguments.
    """

    code = f.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]  # trapezoid(y, x) has an x of its own
    names = {k: v for k, v in NUMPY_NAMES.items() if k not in own}
    if own[0] in ("x", "A"):
        names["input"] = own[0]
    at = code.co_varnames.index("keepdim") if "keepdim" in own[: code.co_argcount] else 99
    one = f.__name__ in _ONE_DIM

    @functools.wraps(f)
    def g(*args: Any, **named: Any) -> Any:
        if named:
            if not names.keys().isdisjoint(named):
                named = {names.get(k, k): v for k, v in named.items()}
            _check_named(f.__name__, len(args), named)
        if len(args) > 1:
            if at < len(args):
                read_flag(f.__name__, "keepdim", at + 1, args[at])
            if one and args[1] is None:
                raise TypeError(f"{f.__name__}(): argument 'dim' (position 2) must be int, not NoneType")
        return f(*args, **named)

    return g


def also_named(**names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function take arguments by the names in PyTorch's overloads, where its documentation has others."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def g(*args: Any, **named: Any) -> Any:
            if named and not names.keys().isdisjoint(named):
                named = {names.get(k, k): v for k, v in named.items()}
            return f(*args, **named)

        return g

    return declare


def read_flag(name: str, argument: str, position: int | None, value: Any) -> bool:
    """Return a truth value, given by position or (None) by name; raise TypeError for anything else, numbers too."""
    if value.__class__ is not bool and not isinstance(value, np.bool_):
        where = f"'{argument}'" if position is None else f"'{argument}' (position {position})"
        raise TypeError(f"{name}(): argument {where} must be bool, not {type(value).__name__}")
    return bool(value)


def _check_named(name: str, count: int, named: dict[str, Any]) -> None:
    """Check the ``dim`` and the ``keepdim`` given by name to a reduction with ``count`` arguments in order."""
    if "keepdim" in named:
        read_flag(name, "keepdim", None, named["keepdim"])
        if count < 2 and "dim" not in named and name in _KEEP_NEEDS_DIM:
            raise TypeError(f"{name}(): received an invalid combination of arguments: keepdim needs a dim")
    if "dim" in named:
        dim = named["dim"]
        if dim.__class__ is bool or (dim is None and name in _ONE_DIM):
            raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
        if isinstance(dim, Array):
            named["dim"] = read_int(name, "dim", 2, dim)
    elif count < 2 and named.get("out") is not None and name in _OUT_NEEDS_DIM:
        raise TypeError(f"{name}(): received an invalid combination of arguments: out needs a dim")


def read_dims(name: str, input: Any, dim: Any) -> tuple[int, ...]:
    """Return the dimensions that ``dim=`` means (all of them for None or an empty list), none of a 0-d tensor.

    Raises TypeError for anything but integers, IndexError for one out of range, RuntimeError for one given twice.
    """
    need_array(name, "input", 1, input)
    n = input.lay.ndim
    if n > MOST_DIMS:
        raise RuntimeError(f"{name}(): only tensors with up to {MOST_DIMS} dims are supported, but got {n}")
    if dim is None:
        return tuple(range(n))
    if dim.__class__ is not int:
        if isinstance(dim, (tuple, list)):
            dim = tuple(read_int(name, "dim", 2, d) for d in dim)
        else:
            found = _index(dim)
            if found is None:
                raise TypeError(f"{name}(): argument 'dim' must be tuple of ints, not {type(dim).__name__}")
            dim = found
    dims = wrap_dims(dim, n)
    return dims if n else ()
