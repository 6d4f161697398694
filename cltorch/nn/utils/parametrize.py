"""Parameters that are computed from others: torch.nn.utils.parametrize.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.register_parametrization.html
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cltorch.autograd import no_grad
from cltorch.nn.modules.container import ModuleDict, ModuleList
from cltorch.nn.modules.module import Module
from cltorch.nn.parameter import Parameter
from cltorch.tensor import Tensor

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_regions = [0]  # how many regions of ``cached`` are open
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Compute every parametrised tensor once until the region ends, however often it is used.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.cached.html

    >>> import cltorch as torch
    >>> from cltorch.nn.utils import parametrize
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    _regions[0] += 1
    try:
        yield
    finally:
        _regions[0] -= 1
        if not _regions[0]:
            _cache.clear()


def _register(module: Module, name: str, x: Any) -> None:
    if isinstance(x, Parameter):
        module.register_parameter(name, x)
    else:
        module.register_buffer(name, x)


class ParametrizationList(ModuleList):
    """Hold the parametrisations of one tensor, which are applied in order, and the tensors they begin with.

    w = f_n(… f_1(original)) for the n parametrizations f of the list.
    These are ``original``, or ``original0``, ``original1``, … where ``right_inverse`` of the first parametrisation
    returns several. Raises ValueError where a parametrisation changes shape or dtype, unless it is ``unsafe``.
    Shape: () to that of the parameter, which the call makes of ``original``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.ParametrizationList.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> type(net.parametrizations.weight).__name__, len(net.parametrizations.weight)
    ('ParametrizationList', 1)
    """

    original: Any

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new = self._inverted(original)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            for what in ("dtype", "device"):
                before, after = getattr(original, what), getattr(new, what)
                if before != after:
                    raise ValueError(
                        f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                        f"original.{what}: {before}\nright_inverse(original).{what}: {after}"
                    )
            _assign(original, new)
            _register(self, "original", original)
        else:
            for i, x in enumerate(new):
                if not isinstance(x, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(x).__name__}."
                    )
                if isinstance(original, Parameter):
                    x = Parameter(x.detach(), original.requires_grad)
                x.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", x)
        if not unsafe:
            self._check(self(), shape, dtype)

    def _inverted(self, value: Any) -> Any:
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    try:
                        value = module.right_inverse(value)
                    except NotImplementedError:
                        pass
                    # what has no inverse begins with the tensor as it is
        return value

    @staticmethod
    def _check(result: Any, shape: Any, dtype: Any) -> None:
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        for what, before, after in (("dtype", dtype, result.dtype), ("shape", shape, result.shape)):
            if before != after:
                raise ValueError(
                    f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                    f"enabled.\nunparametrized {what}: {before}\nparametrized {what}: {after}"
                )

    def right_inverse(self, value: Any) -> None:
        """Set the original tensors so that the parametrisations give ``value``.

        Raises RuntimeError where a parametrisation has no inverse, ValueError where one gives something else.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` has dtype "
                        f"{self.original.dtype}"
                    )
                _assign(self.original, value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}.")
            if len(value) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                    f"length {len(value)}."
                )
            for i, x in enumerate(value):
                mine = getattr(self, f"original{i}")
                if not isinstance(x, Tensor):
                    raise ValueError(
                        f"`right_inverse` must return a sequence of tensors. Got element {i} of type {type(x).__name__}"
                    )
                if mine.dtype != x.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {x.dtype} while `original{i}` has dtype "
                        f"{mine.dtype}"
                    )
                _assign(mine, x)

    def forward(self) -> Any:
        """Return the tensor that the parametrisations make of the originals."""
        originals = [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]
        x = self[0](*originals)
        # by number: where the original is parametrised itself, those parametrisations are a child too
        for i in itertools.count(1):
            module = self._modules.get(str(i))
            if module is None:
                return x
            x = module(x)


def _assign(tensor: Any, value: Any) -> None:
    """Give a tensor other memory; what refers to it goes on to do so."""
    if value is not tensor:
        tensor.data = value.detach()


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    found = memo.get(id(self))
    if found is not None:
        return found
    made = self.__new__(self.__class__)
    memo[id(self)] = made
    made.__dict__ = copy.deepcopy(self.__dict__, memo)
    # the class has the properties of this module; a copy may lose one and keep it here
    made.__class__ = type(self.__class__.__name__, self.__class__.__bases__, dict(_own(self.__class__)))
    return made


def _own(cls: type) -> dict[str, Any]:
    return {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}


def _getstate(self: Any) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _inject_class(module: Module) -> None:
    cls = module.__class__
    members: dict[str, Any] = {"__getstate__": _getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Module, name: str) -> None:
    def get(self: Any) -> Any:
        parametrization = self.parametrizations[name]
        if not _regions[0]:
            return parametrization()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def put(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(module.__class__, name, property(get, put))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let a parameter or buffer of a module be what ``parametrization`` makes of it, and return the module.

    w = f_n(… f_1(original)) for the n parametrizations f that were registered.
    The tensor becomes ``module.parametrizations.<name>.original``; reading it computes the parametrisations in order,
    assigning it calls their ``right_inverse``. Raises ValueError for a tensor that the module does not have, and for a
    parametrisation that changes shape or dtype, unless it is ``unsafe``.
    Shape: those of the parameter, unless ``unsafe``.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.register_parametrization.html

    >>> import cltorch as torch
    >>> from cltorch.nn.utils import parametrize
    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = parametrize.register_parametrization(torch.nn.Linear(3, 3), "weight", Symmetric())
    >>> torch.equal(layer.weight, layer.weight.T)
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_further(module, tensor_name, parametrization)
        kept = module.parametrizations[tensor_name]
        kept.append(parametrization)
        kept.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def _check_further(module: Module, name: str, parametrization: Any) -> None:
    y = getattr(module, name)
    x = parametrization(y)
    if not isinstance(x, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(x).__name__}.")
    for what in ("dtype", "shape"):
        if getattr(x, what) != getattr(y, what):
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless the `unsafe` flag is "
                f"enabled.\nmodule.{name}.{what}: {getattr(y, what)}\n"
                f"parametrization(module.{name}).{what}: {getattr(x, what)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        z = parametrization.right_inverse(x)
    except NotImplementedError:
        return
    if not isinstance(z, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(z).__name__}")
    for what in ("dtype", "shape"):
        if getattr(z, what) != getattr(y, what):
            raise ValueError(
                f"The tensor returned by parametrization.right_inverse must have the same {what} as module.{name}, "
                f"unless the `unsafe` flag is enabled.\nmodule.{name}.{what}: {getattr(y, what)}\n"
                f"returned {what}: {getattr(z, what)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether a module has parametrisations, or whether one of its tensors has.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.is_parametrized.html

    >>> import cltorch as torch
    >>> torch.nn.utils.parametrize.is_parametrized(torch.nn.Linear(2, 2))
    False
    """
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrised tensor a parameter or buffer of its own again, and return the module.

    It keeps its present value, or with ``leave_parametrized=False`` what the original has. Raises ValueError where
    nothing is parametrised, and where there are several originals to leave.
    Shape: those of the parameter.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.remove_parametrizations.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2, 2))
    >>> torch.nn.utils.parametrize.remove_parametrizations(net, 'weight')
    Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    kept = module.parametrizations[tensor_name]
    if kept.is_tensor:
        original = kept.original
        if leave_parametrized:
            with no_grad():
                _assign(original, getattr(module, tensor_name))
    elif leave_parametrized:
        t = getattr(module, tensor_name)
        original = Parameter(t.detach()) if t.requires_grad else t
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(module.__class__, tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = module.__class__.__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """Return the class of a module as it was before anything was parametrised.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.type_before_parametrizations.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(2, 2))
    >>> torch.nn.utils.parametrize.type_before_parametrizations(net).__name__
    'Linear'
    """
    return module.__class__.__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give ``to_module`` the parametrisations of another module (or of one tensor), with their originals; return it.

    Shape: those of the parameters.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.parametrize.transfer_parametrizations_and_params.html

    >>> import cltorch as torch
    >>> net = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
    >>> other = torch.nn.utils.parametrize.transfer_parametrizations_and_params(net, torch.nn.Linear(2, 2))
    >>> torch.nn.utils.parametrize.is_parametrized(other, 'weight')
    True
    """
    if is_parametrized(from_module):
        for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
            source = from_module.parametrizations[name]
            if not hasattr(to_module, name):
                setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
            for parametrization in source:
                register_parametrization(to_module, name, parametrization)
            target = to_module.parametrizations[name]
            for original in ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]:
                setattr(target, original, getattr(source, original))
    return to_module
