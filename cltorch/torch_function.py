"""``__torch_function__``: who handles a function that is called with subclasses of Tensor, with modes around it.

Functions of ``torch.*`` are apart from those that the package itself calls, which never ask. Methods run their own
code until a program defines such a class or enters a mode. From then on the methods of Tensor, which are the objects
that programs may hold already, run other code: it looks at the arguments first.

Source: https://docs.pytorch.org/docs/2.13/notes/extending.html#extending-torch-python-api
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

#: Classes whose objects are never asked: plain tensors, and what arguments mostly are beside them.
PLAIN: set[type] = {int, float, bool, complex, str, type(None)}
on = [False]  # whether a class or a mode has been seen
for_good = [False]  # whether one of them was a program's, so that methods ask from now on
_modes_anywhere = [0]  # modes entered, in all threads
_lock = threading.Lock()
_ENABLED, _NO_CLASSES, _NOTHING = 0, 1, 2


class _State(threading.local):
    """What a thread has switched off, and the modes it is in, the innermost last."""

    def __init__(self) -> None:
        self.off = _ENABLED
        self.modes: list[Any] = []
        self.skip = False  # the next question whether there is someone to ask is answered no
        self.outside = _ENABLED  # what was switched off around a running backward pass


state = _State()


class Unhandled(TypeError):
    """Every ``__torch_function__`` returned NotImplemented."""


def disabled(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Call a function without asking anyone: what a class that is not to be asked has as ``__torch_function__``."""
    with without(_NO_CLASSES):
        return func(*args, **(kwargs or {}))


def undispatched(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Call an operator: what a class that does not handle operators has as ``__torch_dispatch__``."""
    return func(*args, **(kwargs or {}))


def asks(kind: type) -> bool:
    """Return whether objects of a class are asked."""
    handler = getattr(kind, "__torch_function__", None)
    return handler is not None and handler is not disabled


@contextmanager
def without(level: int) -> Iterator[None]:
    """Ask no classes (1), or no modes either (2), within."""
    now = state
    before, now.off = now.off, level
    try:
        yield
    finally:
        now.off = before


class DisableTorchFunctionSubclass:
    """Let functions ask no subclass within a ``with`` block; modes go on."""

    _level = _NO_CLASSES

    def __enter__(self) -> None:
        self._before, state.off = state.off, max(state.off, self._level)

    def __exit__(self, *error: Any) -> None:
        state.off = self._before


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """Let functions ask neither subclasses nor modes within a ``with`` block."""

    _level = _NOTHING


def _add(found: list[Any] | None, x: Any) -> list[Any]:
    """Add an argument to those that are asked: one of each class, a subclass before what it derives from."""
    if found is None:
        return [x]
    kind = type(x)
    at = len(found)
    for i, other in enumerate(found):
        if type(other) is kind:
            return found
        if at == len(found) and issubclass(kind, type(other)):
            at = i
    found.insert(at, x)
    return found


def handlers(args: Iterable[Any]) -> list[Any] | None:
    """Return the arguments that are to be asked, those in lists and tuples too, in the order to ask them."""
    found: list[Any] | None = None
    for x in args:
        kind = type(x)
        if kind in PLAIN:
            continue
        if kind is tuple or kind is list:
            for y in x:
                if type(y) not in PLAIN and asks(type(y)):
                    found = _add(found, y)
        elif asks(kind):
            found = _add(found, x)
    return found


def overloaded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
    """Return whom to ask: arguments (none of them where there are but modes), or None where nobody is to be asked."""
    now = state
    if now.skip:
        now.skip = False
        return None
    if now.off == _NOTHING:
        return None
    found = None
    if now.off == _ENABLED:
        found = handlers(args)
        if kwargs:
            more = handlers(kwargs.values())
            if more:
                for x in more:
                    found = _add(found, x)
    return ([] if now.modes else None) if found is None else found


def dispatch(func: Any, asked: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what the innermost mode, or else the first argument that does not decline, makes of a call.

    Raises Unhandled, a TypeError, where all return NotImplemented.
    """
    types = tuple([type(x) for x in asked])
    modes = state.modes
    mode = None
    if modes:
        mode = modes.pop()
        try:
            result = mode.__torch_function__(func, types, args, kwargs)
        finally:
            modes.append(mode)
        if result is not NotImplemented:
            return result
    for x in asked:
        result = x.__torch_function__(func, types, args, kwargs)
        if result is not NotImplemented:
            return result
    names = [f"tensor subclass {t}" for t in types] + ([] if mode is None else [f"mode object {mode}"])
    raise Unhandled(
        f"Multiple dispatch failed for '{path_of(func)}'; all __torch_function__ handlers returned NotImplemented: no "
        f"implementation found for '{path_of(func)}' on types that implement __torch_function__: " + ", ".join(names)
    )


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Return whether a mode, or the class of an argument, is to be asked before a function runs; without any, False."""
    args = tuple(relevant_args)
    return bool(args) and overloaded(args, {}) is not None


def has_torch_function_unary(x: Any) -> bool:
    """Return whether a mode, or the class of the one argument, is to be asked before a function runs."""
    return has_torch_function((x,))


def has_torch_function_variadic(*args: Any) -> bool:
    """Return whether a mode, or the class of one of the arguments, is to be asked before a function runs."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Return what modes, or else the classes of the relevant arguments, make of a function's call.

    Raises TypeError where all of them return NotImplemented.
    """
    return dispatch(public_api, handlers(relevant_args) or [], args, kwargs)


def redispatch(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function, whose own question who handles it is answered by nobody."""
    compute = _BARE.get(func)
    if compute is not None:  # its parts are not PyTorch's
        with without(_NOTHING):
            return compute(*args, **kwargs)
    state.skip = True
    try:
        return func(*args, **kwargs)
    finally:
        state.skip = False


# ---- functions and methods that can be overridden ----------------------------------------------------------------

#: The path of each public function and method, as ``torch.Tensor.add``; getters of properties are among them.
PATHS: dict[Any, str] = {}
_BARE: dict[Any, Callable[..., Any]] = {}
_SPREAD = {"torch.einsum"}  # functions whose list of operands is handed on one by one
_switches: list[tuple[FunctionType, CodeType, CodeType]] = []  # methods: the code that asks, and their own
_getters: list[tuple[FunctionType, CodeType, CodeType]] = []  # of properties: with both codes
_properties: dict[str, list[Any]] = {}  # Tensor's, with the calls that get and set them
#: Functions whose results are not made of a subclass: what is kept on a tensor and must be the same at each access.
AS_THEY_ARE: set[Any] = set()


def path_of(func: Any) -> str:
    """Return a function's path, as ``torch.add``."""
    found = PATHS.get(func)
    return f"{getattr(func, '__module__', '')}.{getattr(func, '__name__', func)}" if found is None else found


def called(func: Any, compute: Callable[..., Any], modes_only: bool = False) -> Callable[..., Any]:
    """Return the call of an overridable function by its arguments."""
    _BARE[func] = compute

    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        asked = overloaded(args, kwargs)
        if asked is None:
            return compute(*args, **kwargs)
        if asked and len(args) == 2 and PATHS.get(func) in _SPREAD and isinstance(args[1], (list, tuple)):
            args = (args[0], *args[1])
        return dispatch(func, asked, args, kwargs)

    def call_for_modes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with without(max(_NO_CLASSES, state.off)):
            asked = overloaded((), {})
            if asked is None:
                return compute(*args, **kwargs)
        return dispatch(func, asked, args, kwargs)

    return call_for_modes if modes_only else call


#: Functions that call ``refused`` themselves, so that their public forms need nothing around them.
asking: set[Any] = set()
#: Functions around another one, which they do nothing but call while a switch is off: the switch and the other one.
unless: dict[Any, tuple[Any, Callable[..., Any]]] = {}
_calls: dict[int, tuple[CodeType, Callable[..., Any]]] = {}  # of public forms and methods, by their code


def refused(*operands: Any) -> Any:
    """Return the call that asks an operand which the calling function cannot take, None where it is not to be asked.

    Whether the function was called as a method, or by the package itself, its code tells: each form has one of its own.
    """
    for x in operands:
        if type(x) not in PLAIN and asks(type(x)):
            found = _calls.get(id(sys._getframe(1).f_code))
            return None if found is None else found[1]
    return None


@functools.cache
def _asking_code(free: int) -> CodeType:
    """Return the code that hands its arguments over to the keyword ``_call``, for a function of so many free names."""
    names = ", ".join(f"_{i}" for i in range(free))
    closed = f"    ({names},)\n" if free else ""
    source = (
        "def make():\n"
        + "".join(f"    _{i} = None\n" for i in range(free))
        + "    def asking(*args, _call, **kwargs):\n"
        + ("    " + closed.replace("(", "if 0: (") if free else "")
        + "        return _call(args, kwargs)\n"
        + "    return asking\n"
    )
    space: dict[str, Any] = {}
    exec(source, space)
    code: CodeType = space["make"]().__code__
    return code


def twin(f: FunctionType) -> FunctionType:
    """Return another function object of the same code."""
    made = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    made.__kwdefaults__, made.__doc__ = f.__kwdefaults__, f.__doc__
    made.__module__, made.__qualname__, made.__annotations__ = f.__module__, f.__qualname__, f.__annotations__
    made.__dict__.update(f.__dict__)
    return made


def _switchable(f: FunctionType, call: Callable[..., Any]) -> CodeType:
    f.__kwdefaults__ = {**(f.__kwdefaults__ or {}), "_call": call}  # which the function's own code does not look at
    return _asking_code(len(f.__code__.co_freevars)).replace(co_name=f.__code__.co_name)


def method(f: FunctionType, path: str, public: Any = None) -> None:
    """Make a method one that asks once there is someone to ask; ``public`` is the method that is told of instead of it.

    Only what overrides may see must call it: others need a ``twin``.
    """
    compute = twin(f)
    func = f if public is None else public
    PATHS[func] = path
    f.__code__ = f.__code__.replace()  # another object, which refused() knows the method by
    call = called(func, compute)
    _calls[id(f.__code__)] = f.__code__, call
    code = _switchable(f, call)
    f.__wrapped__ = compute  # type: ignore[attr-defined]  # for its signature
    _switches.append((f, code, f.__code__))
    if on[0]:
        f.__code__ = code


def getter(prop: property, name: str) -> property:
    """Return a property that asks modes while there are any; ``install`` makes those of it that ask subclasses."""
    parts: list[Any] = [None if f is None else twin(f) for f in (prop.fget, prop.fset)]  # type: ignore[arg-type]
    made = property(parts[0], parts[1], prop.fdel, prop.__doc__)
    entry: list[Any] = [made]
    _properties[name] = entry
    for f, func, kind in zip(parts, (made.__get__, made.__set__), ("__get__", "__set__"), strict=True):
        if f is not None:
            PATHS[func] = f"torch.Tensor.{name}.{kind}"
            entry.append(called(func, twin(f)))
            _getters.append((f, f.__code__, _switchable(f, entry[-1])))
    return made


def install(cls: Any) -> None:
    """Let a subclass of Tensor be asked for its properties."""
    for name, entry in _properties.items():
        if getattr(cls, name, None) is entry[0]:
            setattr(cls, name, _asking(*entry))
    if not cls.__module__.startswith("cltorch."):  # ours are seen when one is made
        switch_on()


def _asking(prop: property, get: Any, put: Any = None) -> property:
    setter = None if put is None else (lambda x, value: put((x, value), {}))
    return property(lambda x: get((x,), {}), setter, prop.fdel, prop.__doc__)


def switch_on(lasting: bool = True) -> None:
    """Let all methods ask, from now on or until ``switch_off``."""
    for_good[0] |= lasting
    if not on[0]:
        on[0] = True
        for f, code, _ in _switches:
            f.__code__ = code


def switch_off() -> None:
    """Let methods run their own code again, unless a program's class or mode is to be asked or a mode is entered."""
    with _lock:
        if on[0] and not for_good[0] and not _modes_anywhere[0]:
            on[0] = False
            for f, _, own in _switches:
                f.__code__ = own


def push(mode: Any, lasting: bool = True) -> None:
    """Enter a mode."""
    switch_on(lasting)
    with _lock:
        _modes_anywhere[0] += 1
        if _modes_anywhere[0] == 1:
            for f, _, code in _getters:
                f.__code__ = code
    state.modes.append(mode)


def pop() -> Any:
    """Leave the innermost mode and return it."""
    mode = state.modes.pop()
    with _lock:
        _modes_anywhere[0] -= 1
        if not _modes_anywhere[0]:
            for f, code, _ in _getters:
                f.__code__ = code
    return mode


@contextmanager
def entered(mode: Any) -> Iterator[None]:
    """Be in a mode of the package's own, after which methods run their own code again."""
    push(mode, lasting=False)
    try:
        yield
    finally:
        pop()
        switch_off()


@contextmanager
def quiet() -> Iterator[None]:
    """Let a backward pass ask nobody, while what the program itself has put into it does (see ``loud``)."""
    now = state
    off, outside = now.off, now.outside
    now.off, now.outside = _NOTHING, off
    try:
        yield
    finally:
        now.off, now.outside = off, outside


@contextmanager
def loud() -> Iterator[None]:
    """Ask as around the running backward pass."""
    with without(state.outside):
        yield
