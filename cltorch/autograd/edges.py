"""Places in the graph under names: gradient edges, versions, and a switch that PyTorch has.

Source: https://docs.pytorch.org/docs/2.13/autograd.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from cltorch.autograd.graph import Settings, edge_of, replay
from cltorch.ops.array import Array


class _Edge(NamedTuple):
    node: Any
    output_nr: int
    ownership_token: Any = None


class GradientEdge(_Edge):
    """Say where a gradient goes: to the input number ``output_nr`` of a node of the graph."""

    _like: Any = None  # (shape, dtype, device) of the gradient, where that is known

    def pair(self, g: Any, at: int = 0) -> tuple[Any, Any]:
        """Return the edge as the engine takes it, and the gradient that is sent into it: ones where none is given."""
        if g is not None and self._like is not None:
            shape, t, _ = self._like
            if g.shape != shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{at}] has a shape of {g.shape} and output[{at}] has a shape of "
                    f"{shape}."
                )
            if g.dtype is not t and (g.dtype.is_complex or t.is_complex):
                raise RuntimeError(
                    "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch "
                    f"in dtype: grad_output[{at}] has a dtype of {g.dtype} and output[{at}] has a dtype of {t}."
                )
        if g is None:
            if self._like is None or any(n != 1 for n in self._like[0]):
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            shape, t, device = self._like
            g = Settings.functions.ones(shape, dtype=t, device=device)
        return (self.node, self.output_nr), g


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """Return the edge at which the gradient of a tensor arrives; raise RuntimeError where none is wanted.

    >>> import cltorch as torch
    >>> torch.autograd.graph.get_gradient_edge(torch.ones(1, requires_grad=True)).output_nr
    0
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    found = GradientEdge(*edge_of(tensor))
    found._like = tensor.shape, tensor.dtype, tensor.device
    return found


def increment_version(tensor: Any) -> None:
    """Let a tensor (or each of several) count as changed in place, as after a write that autograd did not see.

    >>> import cltorch as torch
    >>> x = torch.ones(1)
    >>> torch.autograd.graph.increment_version(x)
    >>> x._version
    1
    """
    if not isinstance(tensor, (Array, Iterable)):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    tensors = (tensor,) if isinstance(tensor, Array) else tuple(tensor)
    if not all(isinstance(x, Array) for x in tensors):
        raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
    for x in tensors:
        x._storage.version += 1


@contextmanager
def preserve_version_counter(tensor: Any) -> Iterator[None]:
    """Let changes of a tensor (or of several) in place not count; ``torch.autograd._unsafe_preserve_version_counter``.

    >>> import cltorch as torch
    >>> x = torch.ones(1)
    >>> with torch.autograd._unsafe_preserve_version_counter(x):
    ...     _ = x.add_(1)
    >>> x._version
    0
    """
    tensors = (tensor,) if isinstance(tensor, Array) else tuple(tensor)
    before = [x._storage.version for x in tensors]
    try:
        yield
    finally:
        for x, version in zip(tensors, before, strict=True):
            x._storage.version = version


class set_multithreading_enabled:
    """Take and give back PyTorch's switch for threads of the backward pass, which here always runs on the caller's.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     print(torch.autograd.is_multithreading_enabled())
    False
    """

    _on = True

    def __init__(self, mode: bool) -> None:
        self.mode, self.prev = bool(mode), set_multithreading_enabled._on
        set_multithreading_enabled._on = self.mode

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        set_multithreading_enabled._on = self.prev


def is_multithreading_enabled() -> bool:
    """Return what ``set_multithreading_enabled`` was told.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.autograd.is_multithreading_enabled()
    False
    """
    return set_multithreading_enabled._on


class force_original_view_tracking:
    """Say how the history of a view is made anew when its base was changed: by its own operation, or by its strides.

    The gradient is the same. ``torch.autograd._force_original_view_tracking``, a function and a context manager.

    >>> import cltorch as torch
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> with torch.autograd._force_original_view_tracking(True):
    ...     x.clone().view(-1).add_(1).grad_fn.name()
    'ViewBackward0'
    """

    def __init__(self, mode: bool) -> None:
        self.mode, self.prev = mode, replay.on
        replay.on = mode

    def __enter__(self) -> None:
        replay.on = self.mode

    def __exit__(self, *exc: Any) -> None:
        replay.on = self.prev


def is_view_replay_enabled() -> bool:
    """Return what ``_force_original_view_tracking`` was told.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> torch.autograd.is_view_replay_enabled()
    False
    """
    return replay.on


def shapes_to_compare(output: Any, grad: Any, is_grads_batched: bool) -> tuple[Any, Any]:
    """Return an output's shape and that of its gradient without a batch's dimension; ``_calculate_shape``."""
    if isinstance(output, GradientEdge):
        if is_grads_batched:
            raise RuntimeError("Batched grads are not supported with GradientEdge")
        return output.node._input_metadata[output.output_nr].shape, grad.shape
    return output.shape, grad.shape[1:] if is_grads_batched else grad.shape
