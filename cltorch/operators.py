"""What Tensor has by name: methods that are functions, operators, conversions; and what of it programs may override."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import CellType, FunctionType
from typing import Any

import numpy as np

from cltorch import dtypes, functions, torch_function
from cltorch.functions.arguments import need_array
from cltorch.functions.norms import norm
from cltorch.functions.strict import strict
from cltorch.methods import METHODS
from cltorch.ops.array import Array
from cltorch.ops.overlap import same_bytes
from cltorch.torch_function import Unhandled, asks

# an operator's function; then the method that ``__torch_function__`` is told of for x + y, y + x and x += y, where that
# is not the operator's own name
_OPERATORS = {
    "add": ("add", "add", "add", "add_"),
    "sub": ("sub", "sub", None, "sub_"),
    "mul": ("mul", "mul", "mul", "mul_"),
    "truediv": ("div", "div", None, "div_"),
    "floordiv": ("floor_divide", None, None, "floor_divide_"),
    "mod": ("remainder", "remainder", None, "remainder_"),
    "pow": ("pow", None, None, None),
    "and": ("bitwise_and", None, "bitwise_and", None),
    "or": ("bitwise_or", None, "bitwise_or", None),
    "xor": ("bitwise_xor", None, "bitwise_xor", None),
    "lshift": ("bitwise_left_shift", None, None, None),
    "rshift": ("bitwise_right_shift", None, None, None),
    "matmul": ("matmul", "matmul", None, None),
}
_NUMBERS = (Array, int, float, complex, np.generic)
_CONVERSIONS = {
    "half": dtypes.float16,
    "float": dtypes.float32,
    "double": dtypes.float64,
    "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "chalf": dtypes.complex32,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}
# dunder methods that ask nobody, or whose functions do
SILENT = frozenset("__new__ __init__ __hash__ __iter__ __init_subclass__ as_subclass".split())


def _operator(cls: Any, name: str, fn: Callable[[Any, Any], Any], told: str | None, swapped: bool = False) -> None:
    """Give a class a binary operator; ``told`` is the method that it calls, as the one that can be overridden."""
    accepted = _NUMBERS if "matmul" not in name else (Array,)
    call: Any
    if told is not None:
        call = getattr(cls, told)
    elif swapped:
        call = lambda self, other: fn(other, self)  # noqa: E731
    else:
        call = lambda self, other: fn(self, other)  # noqa: E731

    def f(self: Any, other: Any) -> Any:
        if not isinstance(other, accepted):
            if isinstance(other, np.ndarray):
                other = functions.from_numpy(other)
            elif not asks(type(other)):
                return NotImplemented
            elif not torch_function.for_good[0]:
                torch_function.switch_on()
        try:
            return call(self, other)
        except Unhandled:
            return NotImplemented

    f.__name__ = name
    if told is None:
        torch_function.method(call, f"torch.Tensor.{name}", f)
    setattr(cls, name, f)


def _inplace_operator(cls: Any, name: str, fn: Callable[[Any, Any], Any], told: str | None) -> None:
    call: Any = (lambda self, other: fn(self, other)) if told is None else getattr(cls, told)

    def f(self: Any, other: Any) -> Any:
        if not isinstance(other, _NUMBERS):  # of an array of NumPy x + array is made
            if not asks(type(other)):
                return NotImplemented
            if not torch_function.for_good[0]:
                torch_function.switch_on()
        try:
            return call(self, other)
        except Unhandled:
            return NotImplemented

    f.__name__ = name
    if told is None:
        torch_function.method(call, f"torch.Tensor.{name}", f)
    setattr(cls, name, f)


def _inverted(self: Any) -> Any:
    if self.dtype.differentiable:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return functions.bitwise_not(self)


def _converted(t: dtypes.dtype) -> Callable[..., Any]:
    def f(self: Any, memory_format: Any = None) -> Any:
        return functions.to(self, t) if memory_format is None else functions.to(self, t, memory_format=memory_format)

    return f


def _type_as(self: Any, other: Any) -> Any:
    return functions.to(self, need_array("type_as", "other", 1, other))


def _where(self: Any, condition: Any, other: Any) -> Any:
    return functions.where(condition, self, other)


def _norm(self: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return norm(self, p, dim, keepdim, dtype=dtype)


def _is_set_to(self: Any, tensor: Any) -> bool:
    return same_bytes(self._storage, tensor._storage) and self.lay.same(tensor.lay)


def _methods(cls: Any) -> None:
    for name, t in _CONVERSIONS.items():
        setattr(cls, name, _converted(t))
    cls.type_as, cls.where, cls.is_set_to, cls.__invert__ = _type_as, _where, _is_set_to, _inverted
    cls.norm = _norm
    for name in METHODS:
        fn = getattr(functions, name, None)
        if callable(fn) and name not in vars(cls):  # not the module functions.index
            setattr(cls, name, _without_out(strict(name, fn)))


def _without_out(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function's form that has no argument ``out``, which PyTorch's methods do not take.

    The form is as fast as the function: another name of the argument in its code, in that of the function inside where
    it is a wrapper.
    """
    if "out" not in inspect.signature(f).parameters:
        return f
    form = _hide_out(f)
    signature = inspect.signature(f)
    form.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[p for p in signature.parameters.values() if p.name != "out"]
    )
    return form


def _hide_out(f: Any) -> FunctionType:
    made = torch_function.twin(f)
    code = f.__code__
    if "out" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        hidden = [tuple("_out" if n == "out" else n for n in names) for names in (code.co_varnames, code.co_cellvars)]
        made.__code__ = code.replace(co_varnames=hidden[0], co_cellvars=hidden[1])
        made.__kwdefaults__ = {"_out" if n == "out" else n: v for n, v in (f.__kwdefaults__ or {}).items()}
        return made
    inner = _inner_form(f.__wrapped__)
    cells = tuple(CellType(inner) if c.cell_contents is f.__wrapped__ else c for c in f.__closure__)
    made = FunctionType(code, f.__globals__, f.__name__, f.__defaults__, cells)
    made.__kwdefaults__ = f.__kwdefaults__
    made.__dict__.update(f.__dict__, __wrapped__=inner)
    return made


@cache
def _inner_form(f: Any) -> FunctionType:
    return _hide_out(f)  # one for all names of a function


def _take_in(cls: Any, part: type) -> None:
    for name, member in vars(part).items():
        if name in vars(Array):  # what every class has
            continue
        setattr(cls, name, member)
        for f in (member.fget, member.fset, member.fdel) if isinstance(member, property) else (member,):
            if isinstance(f, FunctionType):
                f.__qualname__, f.__module__ = f"{cls.__name__}.{f.__name__}", cls.__module__


def attach(cls: Any, *parts: type) -> None:
    """Give Tensor the members of its parts, methods and operators, and let programs override them and its properties.

    They are Tensor's own, not a base's, so that ``vars`` and errors of calls tell of no other class.
    """
    for part in parts:
        _take_in(cls, part)
    _methods(cls)
    for name, f in list(vars(cls).items()):
        if name in SILENT or not isinstance(f, FunctionType) or (name[0] == "_" and name[:2] != "__"):
            continue
        f = torch_function.twin(f)  # apart from what is called elsewhere
        f.__name__, f.__qualname__, f.__module__ = name, f"Tensor.{name}", cls.__module__
        setattr(cls, name, f)
        torch_function.method(f, f"torch.Tensor.{name}")
    for name, (fn, plain, swapped, inplace) in _OPERATORS.items():
        _operator(cls, f"__{name}__", getattr(functions, fn), plain)
        if name != "truediv":
            _operator(cls, f"__r{name}__", getattr(functions, fn), swapped, swapped=True)
        if hasattr(functions, fn + "_"):
            _inplace_operator(cls, f"__i{name}__", getattr(functions, fn + "_"), inplace)
    _operator(cls, "__rtruediv__", functions.rdiv, None)  # its own function, for autocast treats it as reciprocal
    cls.__div__, cls.__rdiv__, cls.__idiv__ = cls.div, cls.__rtruediv__, cls.div_
    _operator(cls, "__eq__", functions.eq, None)
    for name in ("ne", "lt", "le", "gt", "ge"):
        _operator(cls, f"__{name}__", getattr(functions, name), name)
    cls.__neg__, cls.__abs__, cls.__pos__ = cls.neg, cls.abs, cls.positive
    properties = {name: p for c in (Array, cls) for name, p in vars(c).items() if isinstance(p, property)}
    for name in ("T", "mT", "H", "mH"):
        properties[name] = property(getattr(functions, "matrix_transpose_" + name))
    for name, p in properties.items():
        if name[0] != "_":
            setattr(cls, name, torch_function.getter(p, name))
    torch_function.PLAIN.add(cls)
    torch_function.AS_THEY_ARE.add(cls.grad.__get__)
