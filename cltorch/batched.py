"""The tensor that a function under vmap sees: one slice's shape, all slices' memory.

Its memory is sealed: what reads values instead of using operations fails instead of taking the first slice for all.
"""

from __future__ import annotations

from textwrap import indent
from typing import Any

from cltorch import torch_function
from cltorch.autograd import batch_levels
from cltorch.autograd.graph import Settings, needs_grad
from cltorch.layout import Layout
from cltorch.tensor import Tensor

_make = object.__new__


class Sealed:
    """Stand for the storage of a batch: tells about it, but does not hand out its memory."""

    __slots__ = ("_storage",)

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    @property
    def device(self) -> Any:
        """Return the device."""
        return self._storage.device

    @property
    def nbytes(self) -> Any:
        """Return the size of the memory."""
        return self._storage.nbytes

    @property
    def version(self) -> Any:
        """Return how often the memory was changed."""
        return self._storage.version

    @version.setter
    def version(self, value: Any) -> None:
        self._storage.version = value

    @property
    def memory(self) -> Any:
        """Return what stands for the bytes, to compare it."""
        return self._storage.memory

    @property
    def array(self) -> Any:
        """Raise RuntimeError."""
        raise RuntimeError(
            "vmap: this operation reads the values of a batch, or its result's shape depends on them: there is no "
            "batching rule for it. Please try to rewrite what you're doing with other operations."
        )

    buf = array

    def data_ptr(self) -> Any:
        """Raise RuntimeError."""
        return self.array


class Batched(Tensor):
    """A slice of the batch ``_inner``, whose first dimension it is along; ``_batch`` is its level's number."""

    __torch_function__ = torch_function.disabled
    _inner: Any
    _batch = 0
    _dim = 0  # where the program itself has the batch
    _whole: Any = None  # the batch that this is a view of: tangents follow changes of either

    def _detached(self, tangents: bool = False) -> Any:
        return batch_levels.wrap(self._inner._detached(tangents), self._batch)

    @property
    def _requires_grad(self) -> bool:
        return needs_grad(self._inner)

    @_requires_grad.setter
    def _requires_grad(self, on: bool) -> None:
        self._inner._requires_grad = on

    @property
    def _grad_fn(self) -> Any:
        return self._inner.grad_fn

    @property
    def _output_nr(self) -> int:
        return int(self._inner._output_nr)

    @property
    def _accumulate(self) -> Any:
        return self._inner._accumulate

    @_accumulate.setter
    def _accumulate(self, node: Any) -> None:
        self._inner._accumulate = node

    is_cl = property(lambda self: self.device.type == "cl")
    is_cuda = is_cl
    is_cpu = property(lambda self: self.device.type == "cpu")
    is_meta = property(lambda self: self.device.type == "meta")

    @property  # type: ignore[misc]
    def data(self) -> Any:
        """Raise RuntimeError."""
        raise RuntimeError("accessing `data` under vmap transform is not allowed")

    def item(self) -> Any:
        """Raise RuntimeError: a batch has many values."""
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
            "Tensor, please try to rewrite what you're doing with other operations. If error is occurring somewhere "
            "inside PyTorch internals, please file a bug report."
        )

    def _scalar(self) -> Any:
        return self.item()

    def __contains__(self, element: Any) -> bool:
        return bool(self.item())

    def __bool__(self) -> bool:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't "
            "support that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
        )

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        value = indent(repr(self._inner), "    ")
        numbers = [number for number, *_ in batch_levels.state.levels]
        level = numbers.index(self._batch) + 1 if self._batch in numbers else self._batch
        return f"BatchedTensor(lvl={level}, bdim=0, value=\n{value}\n)"

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self.lay.ndim else format(self.item(), spec)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotImplementedError("Cannot access storage of BatchedTensorImpl")

    def __deepcopy__(self, memo: Any) -> Any:
        return self.clone().detach()


def wrap(inner: Any, level: int) -> Any:
    """Return the batch along a tensor's first dimension as one slice of it."""
    out: Any = _make(Batched)
    lay = inner.lay
    out._inner, out._batch = inner, level
    out._storage = Sealed(inner._storage)
    out.lay = Layout.make(lay.shape[1:], lay.strides[1:], lay.offset)
    out.dtype = inner.dtype
    return out


Settings.batched = staticmethod(wrap)
