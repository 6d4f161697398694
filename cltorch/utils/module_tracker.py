"""torch.utils.module_tracker: which modules are running, forward or backward.

Source: https://docs.pytorch.org/docs/2.13/module_tracker.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from cltorch.autograd.engine import tasks
from cltorch.autograd.multi_hooks import register_multi_grad_hook
from cltorch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from cltorch.tensor import Tensor
from cltorch.utils._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Keep the names of the modules that are running in ``parents``, within a ``with`` block.

    A module's name is that of its class where nothing called it, else ``Outer.name``. "Global" is always among them.
    In a backward pass a module is among them from the gradients of its results to those of its arguments.

    Source: https://docs.pytorch.org/docs/2.13/module_tracker.html#torch.utils.module_tracker.ModuleTracker

    >>> import cltorch as torch
    >>> with ModuleTracker() as tracker:
    ...     layer = torch.nn.Sequential(torch.nn.Linear(2, 1))
    ...     _ = layer[0].register_forward_pre_hook(lambda *_: print(sorted(tracker.parents)))
    ...     _ = layer(torch.ones(1, 2))
    ['Global', 'Sequential', 'Sequential.0']
    """

    def __init__(self) -> None:
        self._parents = {"Global"}
        self._names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._entered: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
        self._handles: list[Any] = []
        self._task: Any = None  # the backward pass that has entered modules

    @property
    def is_bw(self) -> bool:
        """Whether a backward pass is running."""
        return bool(tasks.running)

    @property
    def parents(self) -> set[str]:
        """The names of the modules that are running, and "Global"."""
        if self._task is not None and self._task not in tasks.running:
            self._parents, self._task = {"Global"}, None  # a backward pass that has ended has left its modules
        return self._parents

    def __enter__(self) -> ModuleTracker:
        self._handles += [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after),
        ]
        return self

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _name(self, module: Any) -> str:
        name = self._names.setdefault(module, type(module).__name__)
        if module not in self._entered:
            self._entered[module] = True
            for part, inner in module.named_children():
                self._names[inner] = f"{name}.{part}"
                self._name(inner)
        return name

    def _before(self, module: Any, args: Any) -> None:
        name = self._name(module)
        self.parents.add(name)
        self._watch(args, lambda: self._leave(name))

    def _after(self, module: Any, args: Any, output: Any) -> None:
        name = self._name(module)
        self._leave(name)
        self._watch(output, lambda: self._enter_backward(name))

    def _watch(self, values: Any, act: Callable[[], None]) -> None:
        """Act in each backward pass that has come to the gradients of tensors."""
        found = [x for x in tree_leaves(values) if isinstance(x, Tensor) and x.requires_grad]
        if found:
            self._handles.append(register_multi_grad_hook(found, lambda _: act()))

    def _leave(self, name: str) -> None:
        self.parents.discard(name)

    def _enter_backward(self, name: str) -> None:
        self.parents.add(name)
        self._task = tasks.running[-1]
