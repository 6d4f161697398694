"""The functions of the pointwise table: every row becomes ``name(input, …)`` and, where PyTorch has one, ``name_``.

Nothing here is written per operator: signatures, ``out=``, in-place forms, docstrings and the recording of gradients
come from the row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.dual_levels import top
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import check_inplace
from cltorch.autograd.record import pointwise, pointwise_
from cltorch.device import CPU
from cltorch.dtypes import TYPE_NAMES
from cltorch.functions.arguments import fit_number, need_room, refuse_zero
from cltorch.functions.old_forms import reordered
from cltorch.functions.outputs import check_dtype
from cltorch.functions.row_docs import doc, inplace_doc
from cltorch.ops.array import Array, from_host, two_devices
from cltorch.ops.overlap import check_apart, check_overlap
from cltorch.ops.pointwise import ARITH, SIGNED, TORCH, Pointwise
from cltorch.ops.promotion import result_type
from cltorch.ops.table import TABLE
from cltorch.public_forms import NUMPY_NAMES
from cltorch.torch_function import asking, refused

# rows whose second operand, where it is a number, has to fit the first one's dtype
_FITTING: dict[str, Callable[[Any, Any], None]] = {
    **dict.fromkeys(("clamp_max", "clamp_min"), need_room),
    **dict.fromkeys(("floor_divide", "floor_quotient", "fmod", "remainder", "trunc_divide"), refuse_zero),
}
# what PyTorch computes of two numbers too, as of tensors without dimensions
_OF_NUMBERS = frozenset({"add", "sub", "mul", "div", "floor_divide", "floor_quotient", "trunc_divide"})
_LEAST, _MOST = -(2**63), 2**63 - 1  # the integers that a kernel takes as they are


def number(name: str, argument: str, position: int, value: Any) -> Any:
    """Return a Python number for an operand that is not a tensor.

    Raises TypeError for anything else, OverflowError for an integer of more than 64 bits.
    """
    if isinstance(value, Array):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int):
        if not _LEAST <= value <= 2 * _MOST + 1:
            raise OverflowError("int too big to convert")
        return value
    if isinstance(value, (float, complex)):
        return value
    raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}")


def deliver(row: Pointwise, out: Any, operands: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """Compute a result and store it in ``out``, which is resized where its shape differs.

    Raises RuntimeError where the dtype cannot be cast, a gradient would be lost, or ``out`` overlaps an operand.
    """
    result = pointwise(row, operands, params)
    check_overlap(need_out(row.name, out), operands)
    _check_out(row.name, out, result)
    return out.write_out(result, in_order=True)


def need_out(name: str, out: Any) -> Any:
    """Return the tensor given as ``out=``; raise TypeError for anything else."""
    if not isinstance(out, Array):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    return out


def into_out(name: str, out: Any, result: Any, apart: Sequence[Any] = ()) -> Any:
    """Store a result in the tensor given as ``out=``, which must have no memory in common with those of ``apart``."""
    _check_out(name, need_out(name, out), result)
    if apart:
        check_apart(out, apart)
    return out.write_out(result)


# operators that PyTorch calls otherwise
_TOLD = {
    "floor_quotient": "div",
    "linalg_eigh": "_linalg_eigh",
    "linalg_svd": "_linalg_svd",
    "max_dim": "max",
    "min_dim": "min",
}


def _check_out(name: str, out: Any, result: Any) -> None:
    told = _TOLD.get(name, name)
    if out._batch or result._batch:
        raise RuntimeError(
            f"Batching rule not implemented for aten::{told}.out; the fallback path doesn't work on out= or view ops."
        )
    if top((result, out)):
        raise NotImplementedError(
            f"Trying to use forward AD with {told}_out that does not support it because it is an out= function"
        )
    if mode.enabled and (result._requires_grad or out._requires_grad):
        raise RuntimeError(
            f"{told}(): functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    if out._inference or mode.mutations is not None:
        check_inplace(out, False)
    check_dtype(name, result.dtype, out.dtype)
    can_hold(out, result)


def can_hold(out: Any, result: Any) -> None:
    """Raise RuntimeError where a result cannot be cast to the dtype of ``out``, or lies on another device."""
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"result type {TYPE_NAMES[result.dtype]} can't be cast to the desired output type {TYPE_NAMES[out.dtype]}"
        )
    if result.device is not out.device:
        raise two_devices(result.device, out.device)
    if out.lay.overlaps() and out.lay.shape == result.lay.shape:
        check_overlap(out, ())


def into_outs(name: str, outs: Any, results: Sequence[Any]) -> tuple[Any, ...]:
    """Store results in the tensors given as ``out=``: all of them or, where one does not fit, none."""
    if not isinstance(outs, (tuple, list)):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not {type(outs).__name__}")
    if len(outs) != len(results):
        raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(results)} Tensors, but has {len(outs)}")
    for out, result in zip(outs, results, strict=True):
        _check_out(name, need_out(name, out), result)
    return tuple(out.write_out(result) for out, result in zip(outs, results, strict=True))


def _operands(row: Pointwise, given: Sequence[Any]) -> list[Any]:
    operands = [number(row.name, a, i + 1, x) for i, (a, x) in enumerate(zip(row.args, given, strict=True))]
    if not any(isinstance(x, Array) for x in operands):
        if row.name in _OF_NUMBERS:
            return [from_host(np.asarray(operands[0]), dtypes.scalar_dtype(operands[0]), CPU), operands[1]]
        raise TypeError(
            f"{row.name}(): argument '{row.args[0]}' (position 1) must be Tensor, not {type(given[0]).__name__}"
        )
    if any(x.__class__ is int and x > _MOST for x in operands) and _integers(operands):
        operands = [x - 2**64 if x.__class__ is int and x > _MOST else x for x in operands]
    return operands


def _integers(operands: Sequence[Any]) -> bool:
    return not any(
        x.dtype.differentiable if isinstance(x, Array) else isinstance(x, (float, complex)) for x in operands
    )


def _plain(x: Any) -> bool:
    return x.__class__ is float or (x.__class__ is int and _LEAST <= x <= _MOST)


def _are_operands(x: Any, y: Any) -> bool:
    """Return whether two values are a tensor and another one or a number, in any order."""
    if isinstance(x, Array):
        return isinstance(y, Array) or _plain(y)
    return isinstance(y, Array) and _plain(x)


def _unary(row: Pointwise) -> Callable[..., Any]:
    defaults: tuple[Any, ...] = ()
    takes_out = row.out

    def f(input: Any = _MISSING, *, out: Any = None, **named: Any) -> Any:
        if named or not isinstance(input, Array):
            if named or input is _MISSING:
                input = _by_numpy_name(row.name, named, input)[0]
                _no_more(row.name, named)
            asked = refused(input)
            if asked is not None:
                return asked((input,), {} if out is None else {"out": out})
            _operands(row, (input,))
        if out is not None:
            if not takes_out:
                raise TypeError(f"{row.name}() got an unexpected keyword argument 'out'")
            return deliver(row, out, (input,), defaults)
        return pointwise(row, (input,), defaults)

    asking.add(f)
    return f


def _binary(row: Pointwise) -> Callable[..., Any]:
    defaults = row.defaults
    first, second = row.args
    fits = _FITTING.get(row.name)

    def f(input: Any = _MISSING, other: Any = _MISSING, *, out: Any = None, **named: Any) -> Any:
        if named or not _are_operands(input, other):
            if named or other is _MISSING:
                input, other = _by_numpy_name(row.name, named, input, other)
                _no_more(row.name, named)
            asked = refused(input, other)
            if asked is not None:
                return asked((input, other), {} if out is None else {"out": out})
            input, other = _operands(row, (input, other))
        if fits is not None:
            fits(input, other)
        if out is not None:
            return deliver(row, out, (input, other), defaults)
        return pointwise(row, (input, other), defaults)

    if second == "other":
        asking.add(f)
        return f

    def renamed(input: Any, *rest: Any, out: Any = None, **named: Any) -> Any:
        if second in named:
            rest = (*rest, named.pop(second))
        _no_more(row.name, named)
        return f(input, *rest, out=out)

    return renamed


def _general(row: Pointwise) -> Callable[..., Any]:
    names = row.args + tuple(row.params)
    count, defaults = row.arity, row.defaults

    def f(*given: Any, out: Any = None, **named: Any) -> Any:
        if out is None and not named and len(given) == count and isinstance(given[0], Array):
            if all(isinstance(x, Array) or _plain(x) for x in given):
                return pointwise(row, given, defaults)
        operands, params = _bind(row, names, given, named)
        if out is not None:
            return deliver(row, out, operands, params)
        return pointwise(row, operands, params)

    return f


def _bind(
    row: Pointwise, names: Sequence[str], given: Sequence[Any], named: dict[str, Any]
) -> tuple[list[Any], tuple[Any, ...]]:
    if len(given) > row.arity and row.params:
        given, found = reordered(row.name, row.arity, tuple(row.params), given)
        named = {**found, **named}
    if len(given) > len(names):
        raise TypeError(f"{row.name}() takes {len(names)} positional arguments but {len(given)} were given")
    values = dict(row.params)
    values.update(zip(names, given, strict=False))
    for k, v in named.items():
        if k not in names:
            raise TypeError(f"{row.name}() got an unexpected keyword argument '{k}'")
        values[k] = v
    missing = [a for a in row.args if a not in values]
    if missing:
        raise TypeError(f'{row.name}() missing {len(missing)} required positional arguments: "{missing[0]}"')
    operands = _operands(row, [values[a] for a in row.args])
    params = tuple(_param(row, k, values[k]) for k in row.params)
    if params and isinstance(params[0], complex) and "alpha" in row.params and not _any_complex(operands):
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    if params and params[0].__class__ is bool and "alpha" in row.params and row.arity > 1 and not _all_bool(operands):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if params and row.rule in (ARITH, SIGNED) and _integers(operands):
        if "alpha" in row.params and isinstance(params[0], float):
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        try:
            whole = tuple(map(int, params))  # the kernel of integers takes integers
        except TypeError as error:  # a complex number
            raise RuntimeError("value cannot be converted to type int64_t without overflow") from error
        except (OverflowError, ValueError):  # an infinity, NaN
            whole = params
        for x in params:
            fit_number(x, result_type(operands))
        params = whole
    return operands, params


def _any_complex(operands: Sequence[Any]) -> bool:
    return any(x.dtype.is_complex if isinstance(x, Array) else isinstance(x, complex) for x in operands)


def _all_bool(operands: Sequence[Any]) -> bool:
    return all((x.dtype is dtypes.bool_) if isinstance(x, Array) else x.__class__ is bool for x in operands)


def _param(row: Pointwise, name: str, value: Any) -> Any:
    if isinstance(value, Array):
        return value.item()
    if isinstance(value, (int, float, complex, np.generic)):
        return value.item() if isinstance(value, np.generic) else value
    raise TypeError(f"{row.name}(): argument '{name}' must be Number, not {type(value).__name__}")


_MISSING: Any = object()


def _by_numpy_name(name: str, named: dict[str, Any], *given: Any) -> list[Any]:
    """Return the operands, of which NumPy's names may have been given; take those names out of ``named``."""
    found = list(given)
    own = ("input", "other")[: len(found)]
    for k, name_here in NUMPY_NAMES.items():
        if k in named and name_here in own and found[own.index(name_here)] is _MISSING:
            found[own.index(name_here)] = named.pop(k)
    if found[0] is _MISSING and not isinstance(named.get("self", found[0]), Array):
        found[0] = named.pop("self", _MISSING)  # as overloads call a number there
    missing = [k for k, x in zip(own, found, strict=True) if x is _MISSING]
    if missing:
        raise TypeError(f"{name}() missing {len(missing)} required positional arguments: {', '.join(missing)}")
    return found


def _no_more(name: str, named: dict[str, Any]) -> None:
    """Raise TypeError for a keyword that no argument has."""
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")


def _with_alpha(row: Pointwise) -> Callable[..., Any]:
    """Bind add and sub, whose one parameter is nearly always left alone."""
    general = _general(row)
    defaults = row.defaults

    def f(input: Any = _MISSING, other: Any = _MISSING, *rest: Any, out: Any = None, **named: Any) -> Any:
        if out is None and not named and not rest and _are_operands(input, other):
            return pointwise(row, (input, other), defaults)
        if input is _MISSING or other is _MISSING:
            input, other = _by_numpy_name(row.name, named, input, other)
        asked = refused(input, other)
        if asked is not None:
            return asked((input, other, *rest), named if out is None else {**named, "out": out})
        return general(input, other, *rest, out=out, **named)

    asking.add(f)
    return f


def _one_with_params(row: Pointwise) -> Callable[..., Any]:
    """Bind an activation with parameters, which are nearly always left alone or given as numbers in order."""
    general = _general(row)
    defaults = row.defaults
    count = len(defaults)

    def f(input: Any = _MISSING, *rest: Any, out: Any = None, **named: Any) -> Any:
        if out is None and not named and isinstance(input, Array) and input.dtype.is_floating_point:
            if not rest:
                return pointwise(row, (input,), defaults)
            if len(rest) == count and all(x.__class__ is float or x.__class__ is int for x in rest):
                return pointwise(row, (input,), rest)
        if input is _MISSING:
            input = _by_numpy_name(row.name, named, input)[0]
        asked = refused(input)
        if asked is not None:
            return asked((input, *rest), named if out is None else {**named, "out": out})
        return general(input, *rest, out=out, **named)

    asking.add(f)
    return f


def _inplace(row: Pointwise) -> Callable[..., Any]:
    names = row.args + tuple(row.params)
    absolute = row.name == "abs"  # whose result is of another dtype
    count, defaults = row.arity, row.defaults
    short = count <= 2 and not absolute
    fits = _FITTING.get(row.name)

    def f(*given: Any, **named: Any) -> Any:
        if short and not named and len(given) == count and isinstance(given[0], Array):
            rest = given[1:]
            if not rest or isinstance(rest[0], Array) or _plain(rest[0]):
                if fits is not None:
                    fits(*given)
                return pointwise_(row, given[0], rest, defaults)
        operands, params = _bind(row, names, given, named)
        if not isinstance(operands[0], Array):
            raise TypeError(
                f"{row.name}_(): argument 'input' (position 1) must be Tensor, not {type(operands[0]).__name__}"
            )
        if absolute and operands[0].dtype.is_complex:
            raise RuntimeError("In-place abs is not supported for complex tensors.")
        if fits is not None:
            fits(*operands)
        return pointwise_(row, operands[0], operands[1:], params)

    return f


def make(row: Pointwise) -> Callable[..., Any]:
    """Return the public function of a row."""
    if row.params and row.arity == 1:
        f = _one_with_params(row)
    elif row.params:
        f = _with_alpha(row) if tuple(row.params) == ("alpha",) and row.arity == 2 else _general(row)
    elif row.arity == 1:
        f = _unary(row)
    elif row.arity == 2:
        f = _binary(row)
    else:
        f = _general(row)
    f.__name__ = f.__qualname__ = row.name
    f.__doc__ = doc(row)
    f.__signature__ = _signature(row, out=row.out)  # type: ignore[attr-defined]
    f.row = row  # type: ignore[attr-defined]
    return f


def _signature(row: Pointwise, out: bool) -> inspect.Signature:
    """Return the signature that help() and the stubs show."""
    both, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    given = [inspect.Parameter(a, both, annotation="Any") for a in row.args]
    # alpha and value come by name only, as in PyTorch
    kind = named if row.arity > 1 else both
    given += [inspect.Parameter(k, kind, default=v, annotation="Any") for k, v in row.params.items()]
    if out:
        given.append(inspect.Parameter("out", named, default=None, annotation="Any"))
    return inspect.Signature(given, return_annotation="Tensor")


def make_inplace(row: Pointwise) -> Callable[..., Any]:
    """Return the in-place function of a row."""
    f = _inplace(row)
    f.__name__ = f.__qualname__ = row.name + "_"
    f.__doc__ = inplace_doc(row)
    f.__signature__ = _signature(row, out=False)  # type: ignore[attr-defined]
    return f


if TYPE_CHECKING:  # the functions of the rows are put here at run time

    def __getattr__(name: str) -> Any: ...


__all__: list[str] = []
ELSEWHERE: set[str] = set()  # names that PyTorch does not have in torch.*
# whether torch.* has a row's in-place form does not follow from the row: mostly it has those of one operand
_WITH_INPLACE = frozenset("clamp_max clamp_min gcd lcm xlogy".split())
_WITHOUT_INPLACE = frozenset("bitwise_not digamma erfinv lgamma logical_not sgn sign".split())


def register(row: Pointwise) -> Callable[..., Any]:
    """Add a row: return its function and put it (and its in-place form) among this module's functions."""
    TABLE[row.name] = row
    if row.scope != TORCH:
        ELSEWHERE.add(row.name)
    if row.scope != TORCH or row.name in _WITHOUT_INPLACE or (row.arity > 1 and row.name not in _WITH_INPLACE):
        ELSEWHERE.add(row.name + "_")
    f = globals()[row.name] = make(row)
    __all__.append(row.name)
    if row.inplace:
        globals()[row.name + "_"] = make_inplace(row)
        __all__.append(row.name + "_")
    return f


for _row in list(TABLE.values()):
    register(_row)
