"""What a program used of PyTorch: which names ran, how often, and for how long."""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cltorch
from cltorch.compat.finder import Facade
from cltorch.compat.missing import Missing
from cltorch.nn import Module
from cltorch.ops.fallback import RAN_ON_HOST
from cltorch.stand_ins import StandIns

_QUIET = frozenset("size dim numel is_contiguous stride is_floating_point register_hook data_ptr".split())
_WIDTH = 120
_LOOK_AT_CALLERS = frozenset({"cltorch.fx.patching"})  # a frame in between would be taken for the program's


class Report:
    """Count and time calls between ``start`` and ``stop``; a call's time is its own, without that of calls in it.

    Functions of PyTorch's modules, methods of Tensor, constructors of classes, forward calls of modules and steps of
    optimisers are counted. After each the device is waited for, so that its time is that of the call that queued the
    work: a program runs slower under a report. Besides, the names that the program took from PyTorch's modules are
    noted, the flags that it set there, and the attributes of tensors that it read.
    """

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = {}  # name: (calls, seconds)
        self.named: set[str] = set()
        self.flags: set[str] = set()
        self._open = threading.local()  # threads run at the same time: each has calls within calls of its own
        self._stand_ins = StandIns()
        self._functions: dict[str, tuple[ModuleType, str, Any, Any]] = {}  # its module, its name there, it, it timed
        self._constructed: dict[type, str] = {}

    def start(self) -> None:
        """Begin to count; ``{}`` in a label is the class of the first argument."""
        for name in dir(cltorch.Tensor):
            found = inspect.getattr_static(cltorch.Tensor, name)
            if inspect.isfunction(found) and name not in _QUIET and (not name.startswith("_") or name in _OPERATORS):
                self._replace(cltorch.Tensor, name, f"Tensor.{name}")
            if isinstance(found, property) and not name.startswith("_"):
                self._stand_ins.set(cltorch.Tensor, name, self._noted(found, f"Tensor.{name}"))
        self._replace(Module, "__call__", "nn.{}")
        optimisers: list[type] = [cltorch.optim.Optimizer]
        for cls in optimisers:
            optimisers += cls.__subclasses__()
            self._replace(cls, "step", "optim.{}.step")
        made, asked, assigned = Facade.__init__, Facade.__getattr__, Facade.__setattr__

        def init(facade: Facade, name: str, module: ModuleType | None) -> None:
            made(facade, name, module)
            self._facade(facade)

        def get(facade: Facade, name: str) -> Any:
            known = self._functions.get(f"{facade.__name__}.{name}")
            value = asked(facade, name) if known is None else known[3]
            self._name(facade, name, value)
            return value

        def put(facade: Facade, name: str, value: Any) -> None:
            if not isinstance(value, ModuleType) and not name.startswith("__"):
                self.flags.add(f"{facade.__name__}.{name}")
                self._functions.pop(f"{facade.__name__}.{name}", None)
            assigned(facade, name, value)

        for name, function in (("__init__", init), ("__getattr__", get), ("__setattr__", put)):
            self._stand_ins.set(Facade, name, function)
        for module in list(sys.modules.values()):
            if isinstance(module, Facade):
                self._facade(module)

    def stop(self) -> None:
        """End counting."""
        self._stand_ins.end()
        for module, name, value, _ in self._functions.values():
            module.__dict__.setdefault(name, value)
        self._functions.clear()

    def _facade(self, facade: Facade) -> None:
        """Take what a module of PyTorch's name keeps ready out of it, so that it is asked for each time."""
        for name, value in list(facade.__dict__.items()):
            if name.startswith("_") or isinstance(value, ModuleType) or not callable(value):
                continue
            whole = f"{facade.__name__}.{name}"
            timed = value
            if inspect.isclass(value):
                self._constructor(value)
            elif inspect.isroutine(value) and getattr(value, "__module__", None) not in _LOOK_AT_CALLERS:
                timed = self._timed(value, whole)
            self._functions[whole] = facade, name, value, timed
            del facade.__dict__[name]

    def _name(self, facade: Facade, name: str, value: Any) -> None:
        if isinstance(value, (ModuleType, Missing)) or name.startswith("__"):
            return
        if inspect.isclass(value):
            self._constructed.setdefault(value, f"{facade.__name__}.{name}")
        self.named.add(f"{facade.__name__}.{name}")

    def _constructor(self, cls: type) -> None:
        """Count the objects of a class that the program named, and of classes of its own derived from one."""
        original = vars(cls).get("__init__")
        if issubclass(cls, (BaseException, cltorch.Tensor)) or not inspect.isfunction(original):
            return  # of tensors there are as many as results
        if hasattr(original, "_counts"):
            return  # met before by another name
        timed = self._timed(original, lambda obj: f"{self._called(type(obj))}()")

        @functools.wraps(original)
        def init(obj: Any, *args: Any, **kwargs: Any) -> Any:
            first = next(c for c in type(obj).__mro__ if hasattr(vars(c).get("__init__"), "_counts"))
            counted = first is cls and self._called(type(obj)) is not None
            return (timed if counted else original)(obj, *args, **kwargs)

        init._counts = True  # type: ignore[attr-defined]
        self._stand_ins.set(cls, "__init__", init)

    def _called(self, cls: type) -> str | None:
        """Return the name that the program took a class by, or the nearest class that it is derived from."""
        return next((self._constructed[base] for base in cls.__mro__ if base in self._constructed), None)

    def _noted(self, found: property, label: str) -> property:
        """Return a property that notes when anything but the package reads it."""
        getter = found.fget
        assert getter is not None

        @functools.wraps(getter)
        def get(obj: Any) -> Any:
            if sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] != "cltorch":
                self.named.add(label)
            return getter(obj)

        return property(get, found.fset, found.fdel, found.__doc__)

    def _replace(self, cls: type, name: str, label: str) -> None:
        original = vars(cls).get(name)
        if original is not None:
            self._stand_ins.set(cls, name, self._timed(original, label))

    def _timed(self, function: Any, label: str | Callable[[Any], str]) -> Any:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner: list[float] = vars(self._open).setdefault("inner", [0.0])
            begin = time.perf_counter()
            inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                if cltorch.cl.is_initialized():
                    cltorch.cl.synchronize()
                took = time.perf_counter() - begin
                own = took - inner.pop()
                inner[-1] += took
                first = args[0] if args else None
                name = label(first) if callable(label) else label.format(type(first).__name__ if args else "")
                entry = self.calls.setdefault(name, [0, 0.0])
                entry[0] += 1
                entry[1] += own

        return timed

    def missing(self) -> list[str]:
        """Return the names that the program imported and that cltorch does not have."""
        return sorted(
            value.__name__
            for module in list(sys.modules.values())
            if isinstance(module, Facade)
            for value in module.__dict__.values()
            if isinstance(value, Missing)
        )

    def __str__(self) -> str:
        rows = sorted(self.calls.items(), key=lambda item: -item[1][1])
        total = sum(seconds for _, (_, seconds) in rows) or 1.0
        lines = [f"{'name':48} {'calls':>9} {'ms':>11} {'share':>6}"]
        lines += [f"{name:48} {calls:9.0f} {s * 1e3:11.2f} {s / total:6.1%}" for name, (calls, s) in rows]
        called = {name.removesuffix("()") for name in self.calls}
        for title, names in (
            ("named besides: ", self.named - called - self.flags),
            ("set: ", self.flags),
            ("ran on the host: ", RAN_ON_HOST),
            ("imported but not available in cltorch: ", self.missing()),
        ):
            if names:
                text = title + ", ".join(sorted(names))
                lines += ["", *textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]
        return "\n".join(lines)


_OPERATORS = frozenset(
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __matmul__ __pow__ __neg__ "
    "__getitem__ __setitem__ __iadd__ __isub__ __imul__ __itruediv__ __eq__ __lt__ __gt__ __le__ __ge__".split()
)
