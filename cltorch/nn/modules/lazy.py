"""Layers that learn the sizes of their parameters from the first input: what all of them share.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.modules.lazy.LazyModuleMixin.html
"""

from __future__ import annotations

from typing import Any

from cltorch.autograd import no_grad
from cltorch.nn.parameter import UninitializedParameter, is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Give a module parameters whose shapes its first input decides; mix in before the module's own class.

    The module makes them as ``UninitializedParameter`` or ``UninitializedBuffer`` and defines
    ``initialize_parameters``, which is called with the arguments of the first call and gives each its shape. The module
    becomes ``cls_to_become`` then, where that is given. Loading a state of known shapes makes the parameters too.
    Raises RuntimeError where the first call leaves a parameter without shape.

    >>> import cltorch as torch
    >>> net = torch.nn.Sequential(torch.nn.LazyLinear(3), torch.nn.LazyBatchNorm1d())
    >>> net(torch.ones(2, 5)).shape
    torch.Size([2, 3])
    >>> net[0]
    Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        module: Any = self
        self._load_hook = module._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = module.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes by the arguments of the first call; to be defined by the module."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Return whether a parameter or buffer of the module itself has no shape yet."""
        module: Any = self
        return any(is_lazy(p) for members in (module._parameters, module._buffers) for p in members.values())

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        module: Any = self
        saved = {k: b for k, b in module._buffers.items() if k not in module._non_persistent_buffers_set}
        for name, value in (*module._parameters.items(), *saved.items()):
            if value is not None:
                # what has no shape cannot be detached, and is saved as what it is
                destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Give the parameters the shapes that a loaded state has."""
        module: Any = self
        for name, own in (*module._parameters.items(), *module._buffers.items()):
            given = state_dict.get(prefix + name)
            if is_lazy(own) and given is not None and not is_lazy(given):
                with no_grad():
                    own.materialize(given.shape)

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        """Give the parameters their shapes before the first call, which is what this hook is for."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        for name in ("_initialize_hook", "_load_hook"):
            getattr(module, name).remove()
            delattr(module, name)
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self) -> Any:
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )


class LazyLayer(LazyModuleMixin):
    """Be a layer that needs one size from its input, kept as the attribute ``_learned``."""

    _learned = ""

    def _size_of(self, input: Any) -> int:
        """Return the size that the layer needs."""
        raise NotImplementedError

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the members that have none yet."""
        raise NotImplementedError

    def _parameters_without_shape(self, bias: bool, device: Any, dtype: Any) -> None:
        for name in ("weight", "bias") if bias else ("weight",):
            setattr(self, name, UninitializedParameter(device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once they have shapes."""
        if not self.has_uninitialized_params() and getattr(self, self._learned) != 0:
            layer: Any = super()
            layer.reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Give the parameters the shapes that the input asks for, and their first values."""
        if not self.has_uninitialized_params():
            return
        setattr(self, self._learned, self._size_of(input))
        for name, shape in self._shapes().items():
            member = getattr(self, name)
            if is_lazy(member):
                member.materialize(shape)
        with no_grad():
            self.reset_parameters()
