"""The graph: nodes with edges to the nodes of their inputs, and the history of tensors and of their views."""

from __future__ import annotations

import itertools
import re
import threading
import traceback
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cltorch.autograd.grad_mode import mode
from cltorch.autograd.handle import RemovableHandle, add_hook
from cltorch.ops.array import Array
from cltorch.ops.complex_formula import real_layout
from cltorch.ops.turned import turns_between

_serial = itertools.count(1)
#: what PyTorch's graph itself makes nodes of, beside those of the operators
OF_THE_GRAPH = frozenset(("AccumulateGrad", "CopyBackwards", "CopySlices", "Error", "NotImplemented"))
_MULTI = (
    "This view is the output of a function that returns multiple views. Such functions do not allow the output views "
    "to be modified inplace. You should replace the inplace operation by an out-of-place one."
)
_CUSTOM = (
    "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to "
    "handle view+inplace would override the custom backward associated with the custom Function, leading to incorrect "
    "gradients. This behavior is forbidden. You can fix this by cloning the output of the custom Function."
)
_MODES = (
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both "
    "the view and the inplace either both inside the {0} block (if you don't want the inplace to be tracked) or both "
    "outside (if you want the inplace to be tracked)."
)
_CAPTURED = (
    "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation that "
    "would mutate a captured Tensor. This is not supported; please rewrite the function being transformed to "
    "explicitly accept the mutated Tensor(s) as inputs."
)
_TRANSFORMED = (
    "You are attempting to call Tensor.{}{} inside of a function being transformed by a functorch transform. This is "
    "unsupported, please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, jacfwd, hessian) or call "
    "{} outside of a function being transformed instead."
)


_LEAF = "a leaf Variable that requires grad is being used in an in-place operation."


def refuse_in_transform(method: str, beside: str = "") -> None:
    """Raise RuntimeError: a transform of torch.func keeps account of what gradients are wanted itself."""
    raise RuntimeError(_TRANSFORMED.format(method, beside, method))


class Settings:
    """Hold what layers above hand down: the differentiable functions, and switches of the graph."""

    functions: Any = None  # the module cltorch.functions, put here when it is imported
    batched: Any = None  # makes a batch of (tensor, level)
    function: Any = None  # the class Function
    vmap_info: Any = None  # the class of what a Function's ``vmap`` is told
    transforms = 0  # how many transforms of torch.func but vmap there are around the caller
    told_of_cycles = False  # whether the warning about gradients that keep their graph was given
    anomaly = False
    check_nan = True
    running: Callable[[], Any] = staticmethod(lambda: None)  # returns the node that a backward pass runs, or None


class _Replay(threading.local):
    on = False


#: whether a view of a changed base is called by its own operation again, not by its strides
replay = _Replay()


class Hooks:
    """What is asked of one node besides its derivative: hooks by kind, and the user's notes (``metadata``).

    ``tensor[nr]`` are hooks of the result ``nr``, ``retained[nr]`` keeps that result's gradient; both see what arrives
    at the node before ``pre``, whose changes stay within the node. ``post`` sees what the node hands on.
    """

    __slots__ = ("pre", "post", "tensor", "retained", "metadata")

    def __init__(self) -> None:
        self.pre: dict[int, Any] = OrderedDict()
        self.post: dict[int, Any] = OrderedDict()
        self.tensor: dict[int, dict[int, Any]] = {}
        self.retained: dict[int, Any] = {}
        self.metadata: dict[Any, Any] = {}


class Node:
    """One recorded operation. ``edges[i]`` leads to where the gradient of the i-th tensor input goes.

    An edge is ``(node, output number)`` or None. Nodes are numbered as they are made, so a node's number is larger
    than those of all nodes that its gradients go to: processing by falling number is a topological order.
    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> y = torch.ones(2, requires_grad=True).exp()
    >>> isinstance(y.grad_fn, torch.autograd.graph.Node), y.grad_fn.name()
    (True, 'ExpBackward0')
    """

    __slots__ = ("seq", "edges", "outputs", "hooks", "trace", "parent", "__weakref__")
    named_in = ""  # the module that a class of such nodes says it is of
    takes_none = False  # whether it runs where no gradient came at all
    flat = False  # whether the gradient is the same all around an operand's value, and of its graph all the same

    def __init__(self, edges: Sequence[Any], outputs: int = 1) -> None:
        self.edges = edges
        self.outputs = outputs
        self.hooks: Hooks | None = None
        self.seq = next(_serial)
        self.trace = traceback.format_stack()[:-2] if Settings.anomaly else None
        # the node whose gradients it is a part of
        self.parent: Node | None = Settings.running() if Settings.anomaly else None

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        """Return the gradients for the edges."""
        raise NotImplementedError

    def apply_to(self, grads: list[Any], wanted: Sequence[bool]) -> Sequence[Any]:
        """Return the gradients for the edges, of which only the wanted ones need to be computed."""
        return self.apply(grads)

    def release(self) -> None:
        """Free the tensors kept for the derivative."""

    def __call__(self, *grads: Any) -> Any:
        """Return the gradients of the operands for gradients of the results, outside of any backward pass."""
        if len(grads) != self.outputs:
            raise TypeError(f"expected {self.outputs} arguments, got {len(grads)} instead")
        results = self.all_inputs(self.apply(list(grads)))
        return results[0] if len(results) == 1 else results

    def name(self) -> str:
        """Return the name of the operation; what belongs to the graph itself has PyTorch's namespace before it."""
        name = type(self).__name__
        return f"torch::autograd::{name}" if name in OF_THE_GRAPH else name

    @property
    def next_functions(self) -> tuple[Any, ...]:
        """Return the nodes that gradients go to, with the number of their output."""
        return tuple((None, 0) if e is None else e for e in self.edges)

    @property
    def metadata(self) -> dict[Any, Any]:
        """Return a dictionary for the user's notes."""
        notes = self._extras().metadata
        if self.trace is not None:
            notes.setdefault("traceback_", self.trace)
        return notes

    def _extras(self) -> Hooks:
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def _sequence_nr(self) -> int:
        """Return the node's number, larger than those of nodes made before."""
        return self.seq

    def all_inputs(self, results: Sequence[Any]) -> tuple[Any, ...]:
        """Return the gradients for the edges as hooks see them: with None for operands that get none."""
        return tuple(results)

    def of_edges(self, grads: Sequence[Any]) -> Sequence[Any]:
        """Undo ``all_inputs``."""
        return grads

    def register_prehook(self, hook: Callable[[tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node runs; what it returns replaces them."""
        return add_hook(self._extras().pre, hook)

    def register_hook(self, hook: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node ran; what it returns replaces grad_inputs."""
        return add_hook(self._extras().post, hook)

    def register_tensor_hook(self, nr: int, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call ``hook(grad)`` when the gradient of the result ``nr`` is complete; what it returns replaces it."""
        return add_hook(self._extras().tensor.setdefault(nr, OrderedDict()), hook)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


_named: dict[tuple[type[Node], str], type[Node]] = {}


def named(kind: type[Node], name: str) -> Any:
    """Return the subclass of a kind of node that is called ``name``, as PyTorch has a class for each operation."""
    found = _named.get((kind, name))
    if found is None:
        # PyTorch's are of no module
        members = {"__slots__": (), "__doc__": kind.__doc__, "__module__": kind.named_in or "builtins"}
        found = _named[kind, name] = type(name, (kind,), members)
    return found


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds to its ``grad``."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        super().__init__(())
        self.variable = variable


class Retained:
    """Put the gradient of a tensor that is no leaf into its ``grad``, at whichever node makes the tensor now."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Any) -> None:
        self._tensor = weakref.ref(tensor)  # the node must not keep its result alive

    def __call__(self, g: Any) -> None:
        x = self._tensor()
        if x is not None:
            own = Settings.functions.contiguous_copy  # an expanded gradient is one place in memory
            x._grad = own(g) if x._grad is None else Settings.functions.add(x._grad, g)

    def move(self, old: Node | None, new: Node, nr: int) -> None:
        """Follow a tensor from the node that made it to the one that changed it in place."""
        if old is not None and old.hooks is not None:
            for k in [k for k, v in old.hooks.retained.items() if v is self]:
                del old.hooks.retained[k]
        new._extras().retained[nr] = self


def short_name(node: Any) -> str:
    """Return a node's name as messages have it: without ``Backward0``."""
    return re.sub(r"Backward\d*$", "", node.name())


def edge_of(x: Any) -> Any:
    """Return the edge to which a gradient of a tensor goes, or None if it needs none."""
    if x._base is not None and x._view_version != x._storage.version:
        refresh_view(x)
    if x._grad_fn is not None:
        return (x._grad_fn, x._output_nr)
    if x._requires_grad:
        return (accumulator(x), 0)
    return None


def accumulator(x: Any) -> AccumulateGrad:
    """Return the leaf's node, made at its first use and kept alive by the graph alone."""
    found = x._accumulate
    node = found() if found is not None else None
    if node is None:
        node = AccumulateGrad(x)
        x._accumulate = weakref.ref(node)
    return node


def needs_grad(x: Any) -> bool:
    """Return whether a gradient of a tensor is wanted; of a view it is where one of its base is."""
    if x._requires_grad:
        return True
    base = x._base
    if base is None or not base._requires_grad or not x.dtype.differentiable:
        return False
    return x.dtype is base.dtype or x.dtype.to_real() is base.dtype.to_real()  # no gradient comes from mere bits


def any_needs_grad(operands: Iterable[Any]) -> bool:
    """Return whether any operand needs a gradient."""
    for x in operands:  # for most operations this is all that is asked, so no call but for views
        if isinstance(x, Array) and (x._requires_grad or (x._base is not None and needs_grad(x))):
            return True
    return False


def _seq_of(base: Any) -> int:
    return 0 if base._grad_fn is None else base._grad_fn.seq


def refresh_view(x: Any) -> None:
    """Give a view the history that its base got by an in-place operation since the view was made.

    Raises RuntimeError for a view that must not be part of such a history.
    """
    base = x._base
    seq = _seq_of(base)
    if x._view_kind is not None and (seq != x._base_seq or base._requires_grad):
        raise RuntimeError(_refused_view(x, "its base or another view of its base has been"))
    if seq != x._base_seq:
        before = x._grad_fn
        # a view that strides alone do not give is made again as it was
        again = replay.on or turns_between(base, x) != (False, False)
        name = before.name() if again and before is not None else "AsStridedBackward0"
        x._grad_fn, x._output_nr, x._requires_grad = named(ViewOfBase, name)(base, x), 0, True
        x._base_seq = seq
        if x._retains is not None:
            x._retains.move(before, x._grad_fn, 0)
    x._view_version = x._storage.version


def _refused_view(x: Any, what: str) -> str:
    """Say why a view may not take part in a change in place; ``what`` was changed."""
    kind = x._view_kind
    here, there = ("inference", "in normal mode") if kind is INFERENCE else ("no_grad", "with grad mode enabled")
    why = {MULTI: _MULTI, CUSTOM: _CUSTOM}.get(kind) or _MODES.format("inference_mode" if here == "inference" else here)
    if x._grad_fn is None:  # its base wants a gradient, but was no part of a graph when the view was made
        return f"A view was created in {here} mode and {what} modified inplace {there}. {why}"
    out = f"Output {x._output_nr} of {short_name(x._grad_fn)} is a view"
    if kind in (MULTI, CUSTOM):
        return f"{out} and {what} modified inplace. {why}"
    return f"{out} of a view which was created in {here} mode and {what} modified inplace {there}. {why}"


# why a view must not be changed in place where gradients are recorded
MULTI = "multi"
NO_GRAD = "no_grad"
INFERENCE = "inference"
CUSTOM = "custom"


def check_inplace(x: Any, recording: bool) -> None:
    """Raise RuntimeError where PyTorch forbids changing a tensor in place."""
    if x._inference and not mode.inference:
        if recording and x._requires_grad:
            raise RuntimeError(_LEAF)
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed."
            "You can make a clone to get a normal tensor before doing inplace update."
            "See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if mode.mutations is not None:
        mode.mutations.before(x)
    storage = x._storage
    for era, given in mode.captures:
        if storage.era < era and not any(storage is own for own in given):
            raise RuntimeError(_CAPTURED)
    if not recording:
        return
    base = x._base
    if base is not None:
        if x._view_kind is not None:
            raise RuntimeError(_refused_view(x, "is being"))
        # a leaf may be a view itself: of what needs no gradient, while its own views do
        if (base._requires_grad and base._grad_fn is None) or (needs_grad(x) and not needs_grad(base)):
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    elif x._requires_grad and x._grad_fn is None:
        raise RuntimeError(_LEAF)


class ViewOfBase(Node):
    """The derivative of any view, by its strides within its base: put the gradient into zeros of the base's shape."""

    __slots__ = ("_layout", "_base_layout", "_types", "_turns")

    def __init__(self, base: Any, x: Any) -> None:
        super().__init__((edge_of(base),))
        self._base_layout, self._layout, self._types = base.lay, x.lay, (base.dtype, x.dtype)
        self._turns = turns_between(base, x)
        if base.dtype is not x.dtype:
            self._base_layout, self._layout = parts_layout(base), parts_layout(x)

    def apply(self, grads: list[Any]) -> Sequence[Any]:
        m, g = Settings.functions, turned_values(grads[0], self._turns)
        base, mine = self._types
        if base is not mine and mine.is_complex:
            g = m.view_as_real(m.resolve_conj(g))
        g = m.as_strided_back(m, g, self._base_layout, self._layout)
        return (m.view_as_complex(g) if base is not mine and base.is_complex else g,)


def turned_values(x: Any, how: tuple[bool, bool]) -> Any:
    """Return a tensor conjugated, negated or both, as a view's gradient is against its base's."""
    if how[0]:
        x = Settings.functions.conj_physical(x)
    return Settings.functions.neg(x) if how[1] else x


def parts_layout(x: Any) -> Any:
    """Return a tensor's layout in units of real numbers, with the parts of complex ones as a last dimension."""
    return real_layout(x.lay) if x.dtype.is_complex else x.lay
