"""The part of Tensor that takes part in autograd: its place in the graph, its gradient and its hooks."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import batch_levels, gradients
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import Retained, Settings, needs_grad, refresh_view, refuse_in_transform
from cltorch.autograd.handle import RemovableHandle, add_hook
from cltorch.dtypes import dtype
from cltorch.ops.array import Array


class Gradients(Array):
    """Give Tensor its history, ``grad`` and what is called when gradients come."""

    _grad_fn: Any = None
    _output_nr = 0
    _requires_grad = False
    _grad: Any = None
    _grad_dtype: Any = ...  # the tensor's own
    _base: Any = None
    _view_version = 0
    _accumulate: Any = None
    _hooks: dict[int, Any] | None = None
    _post_hooks: dict[int, Any] | None = None
    _retains: Retained | None = None
    _base_seq = 0  # the number of the base's grad_fn when this view took its history from it
    _view_kind: str | None = None  # why a view must not be changed in place
    _inference = False
    _batch = 0  # the level at which it is a batch under vmap
    _tangents: dict[int, Any] | None = None  # of forward-mode derivatives, by level
    _tangent_version = -1  # the storage's version when they were made

    @property
    def grad_fn(self) -> Any:
        """Return the node that made this tensor, None for a leaf."""
        if self._base is not None and self._view_version != self._storage.version:
            refresh_view(self)
        return self._grad_fn

    @property
    def requires_grad(self) -> bool:
        """Return whether a gradient is wanted."""
        return needs_grad(self)

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if not isinstance(on, bool):
            raise RuntimeError("requires_grad must be a bool")
        _want_grad(self, on)  # not by the method, which a subclass may write by this

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Say whether a gradient is wanted; raise RuntimeError where that cannot change, or under torch.func."""
        if Settings.transforms or batch_levels.state.levels:
            refuse_in_transform("requires_grad_()", " (or perhaps using torch.autograd.functional.* APIs)")
        return self._asking(requires_grad)

    def _asking(self, requires_grad: bool = True) -> Any:
        _want_grad(self, requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Return whether no recorded operation made this tensor."""
        return self.grad_fn is None

    @property
    def grad(self) -> Any:
        """Return the accumulated gradient."""
        if self._grad is None and self._grad_fn is not None and self._retains is None:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(). If you indeed want the .grad field to be populated for "
                "a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
                "mistake, make sure you access the leaf Tensor instead.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Array):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            wanted = self.dtype if self._grad_dtype is ... else self._grad_dtype
            if value.dtype is not wanted and wanted is not None:
                have, names = dtypes.C_NAMES.get(value.dtype.name), dtypes.TYPE_NAMES
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{have}' to a tensor with grad_dtype "
                    f"'{names.get(wanted)}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
                    "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any "
                    "dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break "
                    "downstream systems that assume they match."
                )
            if value._storage.device is not self._storage.device:
                raise RuntimeError(
                    f"attempting to assign a gradient with device type '{value.device.type}' to a tensor with device "
                    f"type '{self.device.type}'. Please ensure that the gradient and the tensor are on the same device"
                )
            if value.lay.shape != self.lay.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self) -> Any:
        """Return the dtype to which a leaf's gradients are cast, its own unless it was set; None for as they come.

        Source: https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.grad_dtype.html

        >>> import cltorch as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> x.grad_dtype = torch.float16
        >>> x.sum().backward(); x.grad
        tensor([1., 1.], dtype=torch.float16)
        """
        self._need_leaf("accessed")
        return self.dtype if self._grad_dtype is ... else self._grad_dtype

    @grad_dtype.setter
    def grad_dtype(self, value: Any) -> None:
        self._need_leaf("set")
        if value is not None and not isinstance(value, dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        if self._grad is not None and value is not None and self._grad.dtype is not value:
            have = dtypes.C_NAMES.get(self._grad.dtype.name)
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.TYPE_NAMES.get(value)}' because there is already a gradient with "
                f"dtype '{have}'. Please clear the gradient (.grad = None) before changing grad_dtype, or "
                "ensure the new grad_dtype matches the existing gradient's dtype."
            )
        self._grad_dtype = value

    def __delattr__(self, name: str) -> None:
        if name == "_grad_fn":
            raise RuntimeError("Deletion of _grad_fn not allowed. Detach tensor instead!")
        object.__delattr__(self, name)

    def _need_leaf(self, what: str) -> None:
        if self.grad_fn is not None:
            raise RuntimeError(f"grad_dtype can only be {what} on leaf tensors.")

    @property
    def output_nr(self) -> int:
        """Return which result of ``grad_fn`` this is."""
        return self._output_nr

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._storage.version

    def _is_view(self) -> bool:
        return self._base is not None

    def is_inference(self) -> bool:
        """Return whether the tensor was made in inference mode."""
        return self._inference

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Accumulate gradients into the leaves of this tensor's graph; see ``autograd.backward``."""
        gradients.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` when this tensor's gradient is computed; what it returns replaces it."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        fn = self.grad_fn
        if fn is not None:
            return fn.register_tensor_hook(self._output_nr, hook)
        if self._hooks is None:
            self._hooks = OrderedDict()
        return add_hook(self._hooks, hook)

    @property
    def _backward_hooks(self) -> Any:
        fn = self.grad_fn
        if fn is None:
            return self._hooks
        return None if fn.hooks is None else fn.hooks.tensor.get(self._output_nr)

    @_backward_hooks.setter
    def _backward_hooks(self, hooks: Any) -> None:
        fn = self.grad_fn
        if fn is None:
            self._hooks = hooks
        elif hooks is None:
            fn._extras().tensor.pop(self._output_nr, None)
        else:
            fn._extras().tensor[self._output_nr] = hooks

    @_backward_hooks.deleter
    def _backward_hooks(self) -> None:
        raise RuntimeError("Deletion of _backwards_hooks not allowed!")

    @property
    def volatile(self) -> bool:
        """Return False, with a warning: ``no_grad`` took its place."""
        warnings.warn("volatile was removed (Variable.volatile is always False)", stacklevel=2)
        return False

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call ``hook(tensor)`` after its ``grad`` was accumulated."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._post_hooks is None:
            self._post_hooks = OrderedDict()
        return add_hook(self._post_hooks, hook)

    def retain_grad(self) -> None:
        """Keep ``grad`` of a tensor that is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if Settings.transforms:
            refuse_in_transform("retain_grad()")
        fn = self.grad_fn
        if fn is not None and self._retains is None:
            self._retains = Retained(self)
            self._retains.move(None, fn, self._output_nr)

    @property
    def retains_grad(self) -> bool:
        """Return whether ``retain_grad`` was asked for."""
        return self._retains is not None

    @property
    def data(self) -> Any:
        """Return the same memory outside the graph; changing it in place is not noticed by autograd."""
        out = Array.new(self._storage.alias(), self.lay, self.dtype)
        if self._inference or out._inference:
            out._inference = self._inference
        return out

    @data.setter
    def data(self, value: Any) -> None:
        functions.set_data(self, value)

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    def _detached(self, tangents: bool = False) -> Any:
        """Return the same memory outside the graph; ``tangents`` says whether they go along."""
        out = Array.new(self._storage, self.lay, self.dtype)
        if self._inference or out._inference:
            out._inference = self._inference
        if tangents and self._tangents is not None:
            out._tangents, out._tangent_version = self._tangents, self._tangent_version
        return out


def _want_grad(x: Any, requires_grad: Any) -> None:
    if not isinstance(requires_grad, int):
        raise TypeError(
            f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {type(requires_grad).__name__}"
        )
    if requires_grad and not x.dtype.differentiable:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    if x._inference and requires_grad and not mode.inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    if not requires_grad and x._grad_fn is not None:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to use a computed "
            "variable in a subgraph "
            "that doesn't require differentiation use var_no_grad = var.detach()."
        )
    x._requires_grad = bool(requires_grad)
