"""What decides which elements of a parameter stay: the classes of torch.nn.utils.prune.

Source: https://docs.pytorch.org/docs/2.13/nn.html#utilities
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from cltorch import functions
from cltorch.functions.norms import norm
from cltorch.nn.modules.module import Module

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer",
    "RandomStructured", "RandomUnstructured",
]  # fmt: skip


class BasePruningMethod(ABC):
    """Mask a parameter before every forward pass. A subclass says which elements stay, in ``compute_mask``.

    w = w_orig · mask, with the mask that ``compute_mask`` makes of what older methods have left.
    ``PRUNING_TYPE`` is "unstructured", "structured" (with an attribute ``dim``) or "global": what of a tensor that was
    pruned before the method gets to see.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.BasePruningMethod.html

    >>> import cltorch as torch
    >>> class Half(torch.nn.utils.prune.BasePruningMethod):
    ...     PRUNING_TYPE = 'unstructured'
    ...     def compute_mask(self, t, default_mask):
    ...         return default_mask * (torch.arange(t.numel()).view_as(t) % 2)
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = Half.apply(net, 'weight')
    >>> int(net.weight_mask.sum())
    4
    """

    _tensor_name: str
    PRUNING_TYPE = "unstructured"

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return a mask of ones and zeros for a tensor of importances, on top of ``default_mask``."""

    def apply_mask(self, module: Module) -> Any:
        """Return the parameter with its mask."""
        mask, orig = getattr(module, self._tensor_name + "_mask"), getattr(module, self._tensor_name + "_orig")
        return functions.mul(mask.to(dtype=orig.dtype), orig)

    @classmethod
    def apply(cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any) -> Any:
        """Prune a parameter of a module by this method, on top of what has pruned it before; return the hook."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        before = [
            k for k, h in module._forward_pre_hooks.items()
            if isinstance(h, BasePruningMethod) and h._tensor_name == name
        ]  # fmt: skip
        if len(before) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
                "PruningContainer."
            )
        hook: BasePruningMethod = method
        for k in before:
            old = module._forward_pre_hooks.pop(k)
            hook = old if isinstance(old, PruningContainer) else PruningContainer(old)
            hook.add_pruning_method(method)
        orig = getattr(module, name)
        if importance_scores is None:
            importance_scores = orig
        elif importance_scores.shape != orig.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got "
                f"{importance_scores.shape} vs {orig.shape}"
            )
        if before:
            default = functions.clone(getattr(module, name + "_mask").detach())
        else:
            default = functions.ones_like(orig.detach())
            module.register_parameter(name + "_orig", orig)
            del module._parameters[name]
        try:
            module.register_buffer(name + "_mask", hook.compute_mask(importance_scores.detach(), default_mask=default))
            setattr(module, name, hook.apply_mask(module))
            module.register_forward_pre_hook(hook)
        except Exception:
            if not before:
                module.register_parameter(name, getattr(module, name + "_orig"))
                del module._parameters[name + "_orig"]
            raise
        return hook

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """Return a tensor with its mask, which is on top of ``default_mask``."""
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as tensor t, got {importance_scores.shape} vs {t.shape}"
            )
        default_mask = functions.ones_like(t) if default_mask is None else default_mask
        return functions.mul(t, self.compute_mask(importance_scores, default_mask=default_mask))

    def remove(self, module: Module) -> None:
        """Make the pruned values permanent and the parameter one of its own again."""
        weight = self.apply_mask(module)
        if hasattr(module, self._tensor_name):
            delattr(module, self._tensor_name)
        orig = module._parameters.pop(self._tensor_name + "_orig")
        assert orig is not None
        orig.data = weight.data
        del module._buffers[self._tensor_name + "_mask"]
        setattr(module, self._tensor_name, orig)


class PruningContainer(BasePruningMethod):
    """Hold the methods that have pruned one parameter, in order.

    w = w_orig · mask, the mask being that of each method in turn, for what those before it have left.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.PruningContainer.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.l1_unstructured(torch.nn.utils.prune.l1_unstructured(net, 'weight', 2), 'weight', 2)
    >>> int(net.weight_mask.sum())
    4
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add a method; raises TypeError for something else, ValueError for one of another parameter."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer "
                f"{self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask of the last method on top of the others'."""
        method = self._pruning_methods[-1]
        mask = functions.clone(default_mask.to(dtype=t.dtype))
        place: Any
        if method.PRUNING_TYPE == "unstructured":
            place = default_mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
                )
            dim = method.dim + t.ndim if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {t.ndim}")
            kept = default_mask.sum(dim=[d for d in range(t.ndim) if d != dim]) != 0
            place = (*[slice(None)] * dim, kept)
        elif method.PRUNING_TYPE == "global":
            place = ...
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask[place] = method.compute_mask(t[place], default_mask=default_mask[place]).to(dtype=mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prune nothing, but have a mask.

    w = w_orig · mask with a mask of ones.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.Identity.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.Identity.apply(net, 'weight')
    >>> int(net.weight_mask.sum())
    8
    """

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return ``default_mask``."""
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Any:  # type: ignore[override]
        """Add the mask."""
        return super().apply(module, name)


def _without(mask: Any, scores: Any, count: int, largest: bool) -> Any:
    """Return a copy of a mask without the elements of the largest or smallest scores."""
    mask = functions.clone(mask).contiguous()
    if count:
        found = functions.topk(functions.reshape(scores, (-1,)), count, largest=largest)[1]
        mask.view(-1)[found] = 0
    return mask


class RandomUnstructured(BasePruningMethod):
    """Prune elements at random: a part of them (a float), or a number.

    w = w_orig · mask, the mask being 0 at ``amount`` places.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.RandomUnstructured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.RandomUnstructured.apply(net, 'weight', 0.25)
    >>> int(net.weight_mask.sum())
    6
    """

    def __init__(self, amount: Any) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask."""
        return _without(default_mask, functions.rand_like(t), _count(self.amount, t.numel()), True)

    @classmethod
    def apply(cls, module: Module, name: str, amount: Any) -> Any:  # type: ignore[override]
        """Prune a parameter."""
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """Prune the elements of the smallest absolute values: a part of them (a float), or a number.

    w = w_orig · mask, the mask being 0 where |w_orig| is among the ``amount`` least.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.L1Unstructured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.L1Unstructured.apply(net, 'weight', 3)
    >>> int(net.weight_mask.sum())
    5
    """

    def __init__(self, amount: Any) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask."""
        return _without(default_mask, functions.abs(t), _count(self.amount, t.numel()), False)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Any, importance_scores: Any = None
    ) -> Any:
        """Prune a parameter."""
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class _Structured(BasePruningMethod):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount, self.dim = amount, dim

    def _scores(self, t: Any) -> Any:
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask."""
        _validate_structured_pruning(t)
        _validate_pruning_dim(t, self.dim)
        size = t.shape[self.dim]
        count = _count(self.amount, size)
        if count == 0:
            return default_mask
        channels = functions.ones(size, dtype=t.dtype, device=t.device)
        channels = _without(channels, self._scores(t), count, False)
        shape = [1] * t.ndim
        shape[self.dim] = size
        return functions.mul(default_mask.to(dtype=t.dtype), functions.reshape(channels, shape))


class RandomStructured(_Structured):
    """Prune whole slices along ``dim`` at random: a part of them (a float), or a number.

    w = w_orig · mask, the mask being 0 for ``amount`` slices along ``dim``.
    Shape: (*) of two dimensions at least, and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.RandomStructured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.RandomStructured.apply(net, 'weight', 1, dim=1)
    >>> int(net.weight_mask.sum())
    6
    """

    def _scores(self, t: Any) -> Any:
        return functions.rand(t.shape[self.dim], device=t.device)

    @classmethod
    def apply(cls, module: Module, name: str, amount: Any, dim: int = -1) -> Any:  # type: ignore[override]
        """Prune a parameter."""
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(_Structured):
    """Prune the slices along ``dim`` of the smallest ``n``-norms: a part of them (a float), or a number.

    w = w_orig · mask, the mask being 0 for the ``amount`` slices along ``dim`` with the least ‖w_orig‖ₙ.
    Shape: (*) of two dimensions at least, and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.LnStructured.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.LnStructured.apply(net, 'weight', 1, n=2, dim=0)
    >>> int(net.weight_mask.sum())
    4
    """

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Any) -> Any:
        return _compute_norm(t, self.n, self.dim)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None
    ) -> Any:
        """Prune a parameter."""
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """Prune by a given mask.

    w = w_orig · mask.
    Shape: (*), and so the mask.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.prune.CustomFromMask.html

    >>> import cltorch as torch
    >>> net = torch.nn.Linear(4, 2, bias=False)
    >>> _ = torch.nn.utils.prune.CustomFromMask.apply(net, 'weight', torch.zeros(2, 4))
    >>> int(net.weight.count_nonzero())
    0
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Return the mask."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return functions.mul(default_mask, self.mask.to(dtype=default_mask.dtype, device=default_mask.device))

    @classmethod
    def apply(cls, module: Module, name: str, mask: Any) -> Any:  # type: ignore[override]
        """Prune a parameter."""
        return super().apply(module, name, mask=mask)


def _validate_pruning_amount_init(amount: Any) -> None:
    if not _is(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = _is(amount, numbers.Integral)
    if amount < 0 or (not whole and amount > 1.0):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")


def _validate_pruning_amount(amount: Any, tensor_size: int) -> None:
    if _is(amount, numbers.Integral) and amount > tensor_size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={tensor_size}")


def _compute_nparams_toprune(amount: Any, tensor_size: int) -> int:
    return int(amount) if _is(amount, numbers.Integral) else round(amount * tensor_size)


def _count(amount: Any, size: int) -> int:
    _validate_pruning_amount(amount, size)
    return _compute_nparams_toprune(amount, size)


def _validate_structured_pruning(t: Any) -> None:
    if t.ndim <= 1:
        raise ValueError(
            f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {t.shape} with "
            f"{t.ndim} dims"
        )


def _validate_pruning_dim(t: Any, dim: int) -> None:
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _compute_norm(t: Any, n: Any, dim: int) -> Any:
    """Return the norm of each slice of a tensor along a dimension."""
    dim %= t.ndim
    return norm(t, p=n, dim=[d for d in range(t.ndim) if d != dim])


def _is(amount: Any, kind: type) -> bool:
    """Do what isinstance does, but for type checkers, which know no arithmetic of the classes of ``numbers``."""
    return isinstance(amount, kind)
