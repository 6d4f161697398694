"""What a program used of PyTorch: which names ran, how often, and for how long."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from types import ModuleType
from typing import Any

import cltorch
from cltorch.compat.finder import Facade
from cltorch.compat.missing import Missing
from cltorch.nn import Module
from cltorch.ops.fallback import RAN_ON_HOST
from cltorch.stand_ins import StandIns

_QUIET = frozenset("size dim numel is_contiguous stride is_floating_point register_hook data_ptr".split())


class Report:
    """Count and time calls between ``start`` and ``stop``; a call's time is its own, without that of calls in it.

    Functions of PyTorch's modules, methods of Tensor, forward calls of modules and steps of optimisers are counted.
    After each the device is waited for, so that its time is that of the call that queued the work: a program runs
    slower under a report.
    """

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = {}  # name: (calls, seconds)
        self._inner = [0.0]
        self._stand_ins = StandIns()

    def start(self) -> None:
        """Begin to count; ``{}`` in a label is the class of the first argument."""
        for name in dir(cltorch.Tensor):
            method = inspect.getattr_static(cltorch.Tensor, name)
            if inspect.isfunction(method) and name not in _QUIET and (not name.startswith("_") or name in _OPERATORS):
                self._replace(cltorch.Tensor, name, f"Tensor.{name}")
        self._replace(Module, "__call__", "nn.{}")
        optimisers: list[type] = [cltorch.optim.Optimizer]
        for cls in optimisers:
            optimisers += cls.__subclasses__()
            self._replace(cls, "step", "optim.{}.step")
        original = Facade.__init__

        def init(facade: Facade, name: str, module: ModuleType | None) -> None:
            original(facade, name, module)
            self._facade(facade)

        self._stand_ins.set(Facade, "__init__", init)
        for module in list(sys.modules.values()):
            if isinstance(module, Facade):
                self._facade(module)

    def stop(self) -> None:
        """End counting."""
        self._stand_ins.end()

    def _facade(self, facade: Facade) -> None:
        for name, value in list(facade.__dict__.items()):
            if inspect.isroutine(value) and not name.startswith("_"):
                facade.__dict__[name] = self._timed(value, f"{facade.__name__}.{name}")

    def _replace(self, cls: type, name: str, label: str) -> None:
        original = vars(cls).get(name)
        if original is not None:
            self._stand_ins.set(cls, name, self._timed(original, label))

    def _timed(self, function: Any, label: str) -> Any:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                if cltorch.cl.is_initialized():
                    cltorch.cl.synchronize()
                took = time.perf_counter() - begin
                own = took - self._inner.pop()
                self._inner[-1] += took
                entry = self.calls.setdefault(label.format(type(args[0]).__name__ if args else ""), [0, 0.0])
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
        if RAN_ON_HOST:
            lines += ["", "ran on the host: " + ", ".join(sorted(RAN_ON_HOST))]
        if self.missing():
            lines += ["", "imported but not available in cltorch: " + ", ".join(self.missing())]
        return "\n".join(lines)


_OPERATORS = frozenset(
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __matmul__ __pow__ __neg__ "
    "__getitem__ __setitem__ __iadd__ __isub__ __imul__ __itruediv__ __eq__ __lt__ __gt__ __le__ __ge__".split()
)
