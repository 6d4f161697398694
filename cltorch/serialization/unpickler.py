"""A restricted unpickler: it builds containers, numbers and tensors, and calls nothing that is not on a list.

It interprets the pickle instructions itself. Python's own unpickler with a filtered ``find_class`` would not do: its
BUILD can set attributes of the allowed functions and classes themselves.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cltorch import functions
from cltorch.nn.parameter import Parameter
from cltorch.serialization import names, rebuild
from cltorch.serialization.safe_globals import BLOCKED_MODULES, user_allowed
from cltorch.tensor import Tensor

_MARK = object()
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_COPIES, _SPARE = 8, 1 << 16  # how much longer than the file all arguments of functions together may be


def refuse_global(module: str, name: str) -> pickle.UnpicklingError:
    """Return the error for a global that is not allowed, which says how to allow it."""
    full = names.full_name(module, name)
    if full.split(".")[0] in BLOCKED_MODULES:
        return pickle.UnpicklingError(
            f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked. Nothing in it belongs in a "
            "checkpoint: the file is hostile or not a checkpoint."
        )
    if full.startswith("torch."):
        return pickle.UnpicklingError(
            f"Weights only load failed. The file needs GLOBAL {full}, which has no counterpart here"
        )
    return pickle.UnpicklingError(
        f"Weights only load failed. Unsupported global: GLOBAL {full} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{name}])` or the `torch.serialization.safe_globals([{name}])` context "
        "manager to allowlist this global if you trust this class/function. Or pass `weights_only=False`, which "
        "can run any code the file holds: only for a file from a source you trust."
    )


class RestrictedUnpickler:
    """Read one pickle from a stream.

    ``persistent_load`` turns a persistent id into an object. Raises ``pickle.UnpicklingError`` for anything that is
    not allowed, malformed or cut off.
    """

    def __init__(
        self,
        f: Any,
        *,
        limit: int,
        persistent_load: Callable[[Any], Any] | None = None,
        encoding: str = "utf-8",
        collect: set[str] | None = None,
    ) -> None:
        self._f, self._limit, self._encoding = f, limit, encoding
        self._persistent_load = persistent_load
        self._user = user_allowed()
        self._foreign: Exception | None = None
        self._collect = collect  # names that are not allowed: collected here instead of raising

    def load(self) -> Any:
        """Return the object of the stream's next pickle."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._given = 0
        self._bare = 0  # tensors that still have to be told what they view
        try:
            while True:
                code = self._f.read(1)
                if not code:
                    raise EOFError
                if code == b".":
                    if self._bare:
                        raise pickle.UnpicklingError("Weights only load failed. A tensor views nothing")
                    return self._pop()
                action = _ACTIONS.get(code)
                if action is None:
                    raise pickle.UnpicklingError(_describe(code))
                action(self)
        except EOFError:
            raise EOFError("Ran out of input: the file is cut off") from None
        except pickle.UnpicklingError:
            raise
        except (IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error, OverflowError) as error:
            if error is self._foreign:
                raise
            raise pickle.UnpicklingError(f"Weights only load failed. The pickle is malformed: {error}") from error

    # ---- reading ---------------------------------------------------------------------------------------------------
    def _take(self, n: int) -> bytes:
        # compared with the file's length first: a length field may claim any amount of memory
        if n < 0 or n > self._limit:
            raise pickle.UnpicklingError(f"Weights only load failed. A string claims to be {n} bytes long")
        data = self._f.read(n)
        if len(data) != n:
            raise EOFError
        return bytes(data)

    def _number(self, format: str) -> int:
        return int(struct.unpack(format, self._take(struct.calcsize(format)))[0])

    def _line(self) -> str:
        line = self._f.readline(1 << 16)
        if not line.endswith(b"\n"):
            raise EOFError
        return str(line[:-1], "utf-8")

    # ---- stack -----------------------------------------------------------------------------------------------------
    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise pickle.UnpicklingError("Weights only load failed. Unexpected MARK found in the pickle")
        return value

    def _pop_mark(self) -> list[Any]:
        stack = self._stack
        for i in range(len(stack) - 1, -1, -1):
            if stack[i] is _MARK:
                items = stack[i + 1 :]
                del stack[i:]
                return items
        raise pickle.UnpicklingError("Weights only load failed. The pickle lacks a MARK")

    def _top(self, kind: type) -> Any:
        top = self._stack[-1]
        if not isinstance(top, kind):
            raise TypeError(f"{kind.__name__} expected, found {type(top).__name__}")
        return top

    # ---- instructions ----------------------------------------------------------------------------------------------
    def _proto(self) -> None:
        version = self._number("<B")
        if version > 5:
            raise pickle.UnpicklingError(f"Weights only load failed. Unsupported pickle protocol {version}")

    def _global(self) -> None:
        module, name = self._line(), self._line()
        self._stack.append(self._find(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise TypeError("STACK_GLOBAL requires str")
        self._stack.append(self._find(module, name))

    def _find(self, module: str, name: str) -> Any:
        full = names.full_name(module, name)
        if full.split(".")[0] not in BLOCKED_MODULES:
            found = names.SAFE.get(full, self._user.get(full))
            if found is not None:
                return found
        if self._collect is not None:
            self._collect.add(full)
            return _Refused()
        raise refuse_global(module, name)

    def _callable(self, func: Any) -> bool:
        # by identity: `in` would call the __eq__ of an object from the file
        return any(func is f for f in _CALLABLES) or any(func is f for f in self._user.values())

    def _reduce(self) -> None:
        args, func = self._pop(), self._pop()
        if isinstance(func, _Refused):
            self._stack.append(_Refused())
            return
        if func is Tensor and args == ():
            self._bare += 1
            self._stack.append(functions.empty(0))
            return
        if not self._callable(func) or not isinstance(args, tuple):
            raise pickle.UnpicklingError(f"Weights only load failed. Trying to call {_title(func)}: not allowed")
        self._spend(args)
        self._stack.append(func(*args))

    def _spend(self, args: tuple[Any, ...]) -> None:
        """Refuse a pickle that names one long value again and again for a function that copies it."""
        self._given += sum(len(a) for a in args if isinstance(a, _SIZED))
        if self._given > _COPIES * self._limit + _SPARE:
            raise pickle.UnpicklingError("Weights only load failed. The pickle makes far more than it holds")

    def _newobj(self) -> None:
        args, cls = self._pop(), self._pop()
        if isinstance(cls, _Refused):
            self._stack.append(_Refused())
        elif cls is Parameter:
            self._stack.append(rebuild.rebuild_parameter(args[0], args[1] if len(args) > 1 else True, None))
        elif isinstance(cls, type) and any(cls is f for f in self._user.values()):
            self._stack.append(cls.__new__(cls, *args))
        elif cls is names.ordered_dict and not args:
            self._stack.append(OrderedDict())
        else:
            raise pickle.UnpicklingError(f"Weights only load failed. Trying to make {_title(cls)}: not allowed")

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if isinstance(target, _Refused):
            return
        if isinstance(target, Tensor):
            self._bare -= rebuild.set_tensor_state(target, state)
        elif type(target) is OrderedDict:
            attributes = _attributes(state)
            if any(hasattr(OrderedDict, key) or key.startswith("__") for key in attributes):
                raise TypeError("the state of an OrderedDict replaces its methods")
            target.__dict__.update(attributes)
        elif any(type(target) is f for f in self._user.values()):
            if hasattr(target, "__setstate__"):
                target.__setstate__(state)
            else:
                parts = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                if parts[0]:  # an object with __slots__ alone has no __dict__
                    vars(target).update(_attributes(parts[0]))
                for key, value in _attributes(parts[1] or {}).items():
                    setattr(target, key, value)
        else:
            raise pickle.UnpicklingError(
                f"Weights only load failed. Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, but got {type(target).__name__}"
            )

    def _persistent(self) -> None:
        pid = self._pop()
        if self._persistent_load is None:
            raise pickle.UnpicklingError("Weights only load failed. A persistent id where none can be")
        try:
            value = self._persistent_load(pid)
        except Exception as error:
            self._foreign = error  # of the user's map_location, say: nothing about this pickle
            raise
        self._stack.append(value)

    def _append(self) -> None:
        value = self._pop()
        self._extend([value])

    def _appends(self) -> None:
        self._extend(self._pop_mark())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], _Refused):
            self._top(list).extend(items)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._update([key, value])

    def _setitems(self) -> None:
        self._update(self._pop_mark())

    def _update(self, items: list[Any]) -> None:
        if isinstance(self._stack[-1], _Refused):
            return
        target = self._top(dict)
        for key, value in _checked(items):
            target[key] = value

    def _additems(self) -> None:
        items = names.check_keys(self._pop_mark())
        self._top(set).update(items)

    def _tuple(self) -> None:
        self._stack.append(tuple(self._pop_mark()))

    def _tuple_of(self, n: int) -> None:
        items = [self._pop() for _ in range(n)]
        self._stack.append(tuple(reversed(items)))

    def _dict(self) -> None:
        self._stack.append(dict(_checked(self._pop_mark())))

    def _put(self, at: int) -> None:
        value = self._stack[-1]
        if value is _MARK:
            raise TypeError("MARK in the memo")
        self._memo[at] = value

    def _get(self, at: int) -> None:
        self._stack.append(self._memo[at])

    def _text(self, n: int) -> None:
        self._stack.append(str(self._take(n), "utf-8", "surrogatepass"))

    def _bytestring(self, n: int) -> None:
        # what Python 2 wrote as str: text in most files
        data = self._take(n)
        self._stack.append(data if self._encoding == "bytes" else data.decode(self._encoding))

    def _long(self, n: int) -> None:
        self._stack.append(int.from_bytes(self._take(n), "little", signed=True))


class _Refused:
    """Stand for a value whose global is not allowed while names are only being collected."""


def _title(value: Any) -> str:
    # not repr: the value comes from the file and may be nested without end
    return str(getattr(value, "__name__", type(value).__name__))


def _attributes(state: Any) -> dict[str, Any]:
    if not isinstance(state, dict) or any(type(key) is not str for key in state):
        raise TypeError("the state of an object must be a dict of attributes")
    return state


def _checked(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise ValueError("odd number of items for SETITEMS")
    keys = names.check_keys(items[::2])
    return list(zip(keys, items[1::2], strict=True))


def _describe(code: bytes) -> str:
    op = {op.code: op for op in pickletools.opcodes}.get(code.decode("latin-1"))
    if op is None:
        return f"Weights only load failed. invalid load key, {code!r}."
    return f"Weights only load failed. Unsupported operand {code[0]} ({op.name}): not an instruction a checkpoint needs"


_CALLABLES = tuple(v for v in names.SAFE.values() if callable(v) and not isinstance(v, (type, rebuild.StorageType)))

_ACTIONS: dict[bytes, Callable[[RestrictedUnpickler], Any]] = {
    pickle.PROTO: RestrictedUnpickler._proto,
    pickle.FRAME: lambda u: u._take(8),
    pickle.MARK: lambda u: u._stack.append(_MARK),
    pickle.POP: lambda u: u._stack.pop(),
    pickle.POP_MARK: lambda u: u._pop_mark(),
    pickle.DUP: lambda u: u._stack.append(u._stack[-1]),
    pickle.NONE: lambda u: u._stack.append(None),
    pickle.NEWTRUE: lambda u: u._stack.append(True),
    pickle.NEWFALSE: lambda u: u._stack.append(False),
    pickle.BININT: lambda u: u._stack.append(u._number("<i")),
    pickle.BININT1: lambda u: u._stack.append(u._number("<B")),
    pickle.BININT2: lambda u: u._stack.append(u._number("<H")),
    pickle.LONG1: lambda u: u._long(u._number("<B")),
    pickle.LONG4: lambda u: u._long(u._number("<i")),
    pickle.BINFLOAT: lambda u: u._stack.append(struct.unpack(">d", u._take(8))[0]),
    pickle.BINUNICODE: lambda u: u._text(u._number("<I")),
    pickle.SHORT_BINUNICODE: lambda u: u._text(u._number("<B")),
    pickle.BINUNICODE8: lambda u: u._text(u._number("<Q")),
    pickle.BINBYTES: lambda u: u._stack.append(u._take(u._number("<I"))),
    pickle.SHORT_BINBYTES: lambda u: u._stack.append(u._take(u._number("<B"))),
    pickle.BINBYTES8: lambda u: u._stack.append(u._take(u._number("<Q"))),
    pickle.BYTEARRAY8: lambda u: u._stack.append(bytearray(u._take(u._number("<Q")))),
    pickle.BINSTRING: lambda u: u._bytestring(u._number("<i")),
    pickle.SHORT_BINSTRING: lambda u: u._bytestring(u._number("<B")),
    pickle.EMPTY_LIST: lambda u: u._stack.append([]),
    pickle.EMPTY_TUPLE: lambda u: u._stack.append(()),
    pickle.EMPTY_DICT: lambda u: u._stack.append({}),
    pickle.EMPTY_SET: lambda u: u._stack.append(set()),
    pickle.LIST: lambda u: u._stack.append(u._pop_mark()),
    pickle.TUPLE: RestrictedUnpickler._tuple,
    pickle.TUPLE1: lambda u: u._tuple_of(1),
    pickle.TUPLE2: lambda u: u._tuple_of(2),
    pickle.TUPLE3: lambda u: u._tuple_of(3),
    pickle.DICT: RestrictedUnpickler._dict,
    pickle.APPEND: RestrictedUnpickler._append,
    pickle.APPENDS: RestrictedUnpickler._appends,
    pickle.SETITEM: RestrictedUnpickler._setitem,
    pickle.SETITEMS: RestrictedUnpickler._setitems,
    pickle.ADDITEMS: RestrictedUnpickler._additems,
    pickle.FROZENSET: lambda u: u._stack.append(frozenset(names.check_keys(u._pop_mark()))),
    pickle.GLOBAL: RestrictedUnpickler._global,
    pickle.STACK_GLOBAL: RestrictedUnpickler._stack_global,
    pickle.REDUCE: RestrictedUnpickler._reduce,
    pickle.NEWOBJ: RestrictedUnpickler._newobj,
    pickle.BUILD: RestrictedUnpickler._build,
    pickle.BINPERSID: RestrictedUnpickler._persistent,
    pickle.PUT: lambda u: u._put(int(u._line())),
    pickle.BINPUT: lambda u: u._put(u._number("<B")),
    pickle.LONG_BINPUT: lambda u: u._put(u._number("<I")),
    pickle.MEMOIZE: lambda u: u._put(len(u._memo)),
    pickle.GET: lambda u: u._get(int(u._line())),
    pickle.BINGET: lambda u: u._get(u._number("<B")),
    pickle.LONG_BINGET: lambda u: u._get(u._number("<I")),
}
