"""What a node keeps for its derivative: tensors, with a check that they were not changed in place meanwhile."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from cltorch.autograd.grad_mode import mode, no_grad
from cltorch.autograd.graph import AccumulateGrad, Settings, edge_of, short_name
from cltorch.ops.array import Array

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
    "already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True "
    "if you need to backward through the graph a second time or if you need to access saved tensors after "
    "calling backward."
)
_INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
    "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it in "
    "autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
)
_CHANGED_BY_HOOK = (
    "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be "
    "modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to "
    "perform in-place operations on the input to a pack hook."
)
_DETACHED = (
    "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This is not supported, please "
    "use out-of-place `.detach()` instead"
)
_FREED_BEFORE_HOOKS = (
    "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph are "
    "freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved variables after calling backward."
)
_HINT = (
    "Hint: enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)
_HINT_ANOMALY = (
    "Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable in "
    "question was changed in there or anywhere later. Good luck!"
)


class Saved:
    """Keep one tensor for a derivative, and notice when it was changed in place meanwhile.

    A node's own result is kept without its history (it would be a reference cycle) and gets it back when unpacked.
    """

    __slots__ = ("_tensor", "_version", "_node", "_nr", "_hooks", "_history")

    def __init__(self, tensor: Any = None, node: Any = None, nr: int = 0) -> None:
        if tensor is None:
            raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden.")
        if tensor._inference and not Settings.transforms:
            raise RuntimeError(_INFERENCE)
        hooks = mode.saved_hooks
        self._hooks = hooks[-1] if hooks else None
        self._node, self._nr = node, nr
        self._history: Any = None
        self._version = tensor._storage.version
        if self._hooks is not None:
            with no_grad():
                self._tensor = self._hooks[0](tensor if node is None else tensor.detach())
            if tensor._storage.version != self._version:
                raise RuntimeError(_CHANGED_BY_HOOK)
            # what comes back from the hooks takes the place of the tensor in the graph
            edge = edge_of(tensor) if node is None else None
            self._history = edge
        elif node is not None:
            self._tensor = Array.new(tensor._storage, tensor.lay, tensor.dtype)
        else:
            self._tensor = tensor
            self._history = True if tensor._grad_fn is not None else None  # it may lose that, by detach_()

    def unpack(self, node: Any = None) -> Any:
        """Return the tensor; raise RuntimeError if it was changed in place or freed."""
        t = self._tensor
        if t is None:
            raise RuntimeError(_FREED)
        if self._hooks is not None:
            return self._unpacked(node, t)
        if t._storage.version != self._version:
            maker = node if self._node is not None else t._grad_fn
            nr = self._nr if self._node is not None else t._output_nr
            origin = f", which is output {nr} of {short_name(maker)}," if maker is not None else ""
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: "
                f"[{t.type()} {list(t.shape)}]{origin} is at version {t._storage.version}; expected version "
                f"{self._version} instead. {_HINT_ANOMALY if Settings.anomaly else _HINT}"
            )
        if self._node is not None:
            out = Array.new(t._storage, t.lay, t.dtype)
            out._grad_fn, out._output_nr, out._requires_grad = node, self._nr, True
            if t._tangents is not None:
                out._tangents, out._tangent_version = t._tangents, t._tangent_version
            return out
        if t._grad_fn is None and self._history is not None:
            raise RuntimeError(_DETACHED)
        return t

    def _unpacked(self, node: Any, packed: Any) -> Any:
        with no_grad():
            t = self._hooks[1](packed)  # type: ignore[index]
        if not isinstance(t, Array):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t).__name__}"
            )
        if self._node is not None:
            t = Array.new(t._storage, t.lay, t.dtype)
            t._grad_fn, t._output_nr, t._requires_grad = node, self._nr, True
        elif self._history is not None:
            t = Array.new(t._storage, t.lay, t.dtype)
            where, nr = self._history
            if isinstance(where, AccumulateGrad):  # a leaf again, whose gradient goes to the one that was kept
                t._accumulate = weakref.ref(where)
            else:
                t._grad_fn, t._output_nr = where, nr
            t._requires_grad = True
        return t

    def register_hooks(self, *hooks: Callable[[Any], Any]) -> None:
        """Send this tensor through a hook that packs it, and through one that unpacks it when it is asked for.

        Raises RuntimeError where it was freed or has hooks already.
        """
        if len(hooks) != 2 or not all(map(callable, hooks)):
            raise TypeError("register_hooks(): incompatible function arguments: two callables are expected")
        pack_hook, unpack_hook = hooks
        t = self._tensor
        if t is None:
            raise RuntimeError(_FREED_BEFORE_HOOKS)
        if self._hooks is not None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        edge = edge_of(t) if self._node is None else None
        with no_grad():
            packed = pack_hook(t)
        if t._storage.version != self._version:
            raise RuntimeError(_CHANGED_BY_HOOK)
        self._tensor, self._hooks, self._history = packed, (pack_hook, unpack_hook), edge

    @property
    def data(self) -> Any:
        """Return what is kept: the tensor, or what a hook made of it."""
        if self._tensor is None:
            raise RuntimeError(_FREED)
        return self._tensor

    @property
    def unpack_hook(self) -> Any:
        """Return the hook that what is kept goes through, or None."""
        return None if self._hooks is None else self._hooks[1]

    def with_tangents(self, tangents: Any) -> None:
        """Give a kept result the tangents that it got after it was kept."""
        t: Any = self._tensor
        if self._hooks is None and t is not None:
            t._tangents, t._tangent_version = tangents, t._storage.version

    def release(self) -> None:
        """Let the tensor go."""
        self._tensor = self._history = None


#: what stands where a node has kept a number, once it was freed
FREED: Any = object.__new__(Saved)
FREED.release()
