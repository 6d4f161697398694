"""A module's tensors and modules by their dotted names, looked up once: what functional programs work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cltorch.nn.modules.module import Module
from cltorch.tensor import Tensor

__all__ = ["NamedMemberAccessor", "set_tensor", "swap_submodule", "swap_tensor"]

_MISSING: Any = object()


def _check(module: Any, kind: str, name: str) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')


def _check_tensor(value: Any) -> None:
    if value is not _MISSING and value is not None and not isinstance(value, Tensor):
        raise TypeError(f"{value} is not an instance of torch.Tensor")


def _holder(module: Any, name: str) -> dict[str, Any] | None:
    return next((kind for kind in (module._parameters, module._buffers) if name in kind), None)


def set_tensor(module: Any, name: str, tensor: Any) -> None:
    """Put a tensor in the place of a module's parameter, buffer or attribute."""
    swap_tensor(module, name, tensor, allow_missing=True)


def swap_tensor(module: Any, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Put a tensor in the place of a module's, and return that one; raise AttributeError where there is none."""
    _check(module, "tensor", name)
    _check_tensor(tensor)
    kind = _holder(module, name)
    if kind is not None:
        before = kind[name]
        if tensor is _MISSING:
            del kind[name]
        else:
            kind[name] = tensor
        return before
    before = getattr(module, name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if before is not _MISSING and before is not None and not isinstance(before, Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is not _MISSING:
        setattr(module, name, tensor)
    elif before is not _MISSING:
        delattr(module, name)
    return before


def swap_submodule(module: Any, name: str, submodule: Any) -> Any:
    """Put a module in the place of a child, and return that one."""
    _check(module, "submodule", name)
    if not isinstance(submodule, Module):
        raise TypeError(f"{submodule} is not an instance of torch.nn.Module")
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    before = module._modules[name]
    if not isinstance(before, Module):
        raise TypeError(f"{name} attribute is not an instance of torch.nn.Module")
    module._modules[name] = submodule
    return before


class NamedMemberAccessor:
    """Get, set and swap a module's tensors and modules by dotted names.

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 1, bias=False))
    >>> accessor = NamedMemberAccessor(net)
    >>> before = accessor.swap_tensor("0.weight", torch.zeros(1, 2))
    >>> accessor.get_tensor("0.weight"), accessor.check_keys(["0.bias"])
    (tensor([[0., 0.]]), (['0.weight'], ['0.bias']))
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.memo: dict[str, Any] = {}

    def get_submodule(self, name: str) -> Any:
        """Return a module by its name, the whole one for an empty name."""
        if not name:
            return self.module
        if name not in self.memo:
            prefix, _, attr = name.rpartition(".")
            owner = self.get_submodule(prefix)
            found = _attribute(owner, attr, attr)
            if not isinstance(found, Module):
                raise TypeError(f"submodule `{name}`: {found} is not an instance of torch.nn.Module")
            self.memo[name] = found
        return self.memo[name]

    def _split(self, name: str) -> tuple[Any, str]:
        prefix, _, attr = name.rpartition(".")
        return self.get_submodule(prefix), attr

    def swap_submodule(self, path: str, value: Any) -> Any:
        """Put a module in the place of one, and return that one."""
        return swap_submodule(*self._split(path), value)

    def get_tensor(self, name: str) -> Any:
        """Return a tensor by its name."""
        owner, attr = self._split(name)
        found = _attribute(owner, attr, name)
        _check_tensor(found)
        return found

    def set_tensor(self, name: str, value: Any) -> None:
        """Put a tensor in the place of one."""
        set_tensor(*self._split(name), value)

    def del_tensor(self, name: str) -> None:
        """Take a tensor away."""
        owner, attr = self._split(name)
        _attribute(owner, attr, name)
        delattr(owner, attr)

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        """Put a tensor in the place of one, and return that one."""
        return swap_tensor(*self._split(name), value, allow_missing=allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list[Any]:
        """Return tensors by their names."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Any]) -> None:
        """Put tensors in the place of those with these names."""
        self.set_tensors_dict(dict(_pairs(names, values)))

    def set_tensors_dict(self, named_tensors: dict[str, Any]) -> None:
        """Put tensors in the place of those with their names."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """Take tensors away."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False) -> list[Any]:
        """Put tensors in the place of those with these names, and return those."""
        return [self.swap_tensor(name, value, allow_missing) for name, value in _pairs(names, values)]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Any], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """Put tensors in the place of those with their names; return those, and the names that had none.

        Raises RuntimeError for such names unless ``allow_missing``; after an error everything is as it was.
        """
        before: dict[str, Any] = {}
        try:
            for name, tensor in named_tensors.items():
                before[name] = self.swap_tensor(name, tensor, allow_missing=True)
            missing = [name for name, tensor in before.items() if tensor is _MISSING]
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, tensor in before.items():
                self.swap_tensor(name, tensor, allow_missing=True)
            raise
        return before, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return the names of tensors that are not among some, and those of some that no tensor has."""
        given, own = set(keys), {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(own - given), sorted(given - own)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """Iterate over the parameters with their names."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """Iterate over the buffers with their names."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """Iterate over parameters, then buffers, with their names."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """Iterate over the modules with their names."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)


def _attribute(owner: Any, attr: str, name: str) -> Any:
    try:
        return getattr(owner, attr)
    except AttributeError as error:
        raise AttributeError(f"{owner._get_name()} has no attribute `{name}`") from error


def _pairs(names: Iterable[str], values: Iterable[Any]) -> list[tuple[str, Any]]:
    keys, given = list(names), list(values)
    if len(keys) != len(given):
        raise AssertionError(
            f"names and values must have the same length, got {len(keys)} names and {len(given)} values"
        )
    return list(zip(keys, given, strict=True))
