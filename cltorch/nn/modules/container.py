"""Containers of modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import Any, TypeVar

from cltorch.nn.modules.module import Module
from cltorch.nn.modules.parameter_containers import ParameterDict, ParameterList
from cltorch.nn.modules.utils import _addindent, checked_index, named_items

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

S = TypeVar("S", bound="Sequential")
L = TypeVar("L", bound="ModuleList")


class Container(Module):
    """Hold modules given by keyword; deprecated in PyTorch: a plain Module does the same.

    Source: https://docs.pytorch.org/docs/2.13/nn.html

    >>> import warnings
    >>> import cltorch as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.Container(act=torch.nn.ReLU()).act
    ReLU()
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Container:
            warnings.warn(
                "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. "
                "Subclass that instead.",
                FutureWarning,
                stacklevel=2,
            )
        return super().__new__(cls)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        for key, value in kwargs.items():
            self.add_module(key, value)


class _Numbered(Module):
    """Share what Sequential and ModuleList have in common: children named "0", "1", … in order."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def _key(self, index: Any) -> str:
        return list(self._modules)[checked_index(index, len(self))]

    def __setitem__(self, idx: int, module: Any) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        keys = list(self._modules)[idx] if isinstance(idx, slice) else [self._key(idx)]
        for key in keys:
            delattr(self, key)
        self._modules = {str(i): m for i, m in enumerate(self._modules.values())}

    def pop(self, key: int | slice) -> Any:
        """Remove a module, or a slice of them, and return it."""
        found = self[key]  # type: ignore[index]
        del self[key]
        return found


class Sequential(_Numbered):
    """Pass the input through modules, one after the other.

    y = module_n(… module_2(module_1(x))).
    The modules are the arguments, or the values of one OrderedDict, whose keys become their names.
    Shape: what the first module takes, to what the last one returns.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.Sequential.html

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    >>> net(torch.ones(2, 4)).shape
    torch.Size([2, 1])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for key, module in named:
            self.add_module(str(key), module)

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._key(idx)]

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    def append(self: S, module: Any) -> S:
        """Add a module to the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: S, sequential: Iterable[Any]) -> S:
        """Add modules to the end."""
        for module in sequential:
            self.append(module)
        return self

    def insert(self: S, index: int, module: Any) -> S:
        """Put a module in front of position ``index``."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        n = len(self._modules)
        if not -n <= index <= n:
            raise IndexError(f"Index out of range: {index}")
        found = list(self._modules.values())
        found.insert(index, module)
        self._modules = {str(i): m for i, m in enumerate(found)}
        return self

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self: S, other: Any) -> S:
        return self.extend(list(_sequential(other)))

    def __mul__(self, other: Any) -> Sequential:
        return Sequential(*list(self) * self._times(other))

    __rmul__ = __mul__

    def __imul__(self: S, other: Any) -> S:
        return self.extend(list(self) * (self._times(other) - 1))

    def _times(self, other: Any) -> int:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")
        return other


def _sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
    return other


class ModuleList(_Numbered):
    """Hold modules in a list; it has no ``forward``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ModuleList.html

    >>> import cltorch as torch
    >>> layers = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(3)])
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[str(checked_index(idx, len(self)))]

    def append(self: L, module: Any) -> L:
        """Add a module to the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: L, modules: Iterable[Any]) -> L:
        """Add modules to the end; raise TypeError for something that is not iterable."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}")
        for i, module in enumerate(modules, len(self)):
            self.add_module(str(i), module)
        return self

    def insert(self, index: int, module: Any) -> None:
        """Put a module in front of position ``index``."""
        found = list(self._modules.values())
        found.insert(index, module)
        self._modules = {str(i): m for i, m in enumerate(found)}

    def __iadd__(self: L, modules: Iterable[Any]) -> L:
        return self.extend(modules)

    def __add__(self, other: Iterable[Any]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __repr__(self) -> str:
        if not len(self):
            return f"{self._get_name()}()"
        blocks: list[list[Any]] = []  # runs of modules that print alike: [first, last, text]
        for i, text in enumerate(map(repr, self)):
            if blocks and blocks[-1][2] == text:
                blocks[-1][1] = i
            else:
                blocks.append([i, i, text])
        lines = []
        for first, last, text in blocks:
            line = f"({first}): {text}" if first == last else f"({first}-{last}): {last - first + 1} x {text}"
            lines.append(_addindent(line, 2, blank=True))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Hold modules in a dictionary, in the order in which they were added; it has no ``forward``.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.ModuleDict.html

    >>> import cltorch as torch
    >>> acts = torch.nn.ModuleDict({"relu": torch.nn.ReLU(), "tanh": torch.nn.Tanh()})
    >>> acts["relu"](torch.tensor([-1.0, 1.0]))
    tensor([0., 1.])
    """

    def __init__(self, modules: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Any) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: Any) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Remove a module and return it."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return names with modules."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs of name and module; those of the same names are replaced."""
        for key, module in named_items(modules, "ModuleDict"):
            self[key] = module
