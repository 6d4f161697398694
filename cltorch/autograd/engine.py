"""Run a graph backwards.

Nodes are taken from a heap by falling number, which is a topological order, so no dependency counting is needed.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from cltorch import settings, torch_function
from cltorch.autograd.batches import below_batches, for_batches, state
from cltorch.autograd.casting import active, suspended
from cltorch.autograd.edges import GradientEdge
from cltorch.autograd.grad_mode import Switch
from cltorch.autograd.graph import AccumulateGrad, Hooks, Node, Settings, copied, edge_of, tied
from cltorch.autograd.layers import active as layers
from cltorch.ops.array import Array
from cltorch.ops.fallback import callers_level
from cltorch.ops.turned import Turned


def run(
    roots: Sequence[tuple[Any, Any]], *, retain_graph: bool, create_graph: bool, targets: Sequence[Any] | None = None,
    ends: Sequence[Any] | None = None,
) -> list[Any] | None:  # fmt: skip
    """Send gradients into edges and follow them.

    ``roots`` are (edge, gradient) pairs. Without ``targets`` leaves accumulate; with them, the gradients that arrive at
    those edges are returned (None where nothing arrives) and nothing is accumulated. ``ends`` are edges beyond whose
    nodes a pass that accumulates does not go.
    """
    # operators that were cast forward have their dtypes already
    nodes = [e[0] for e, _ in roots]
    last = ends if targets is None else targets
    needed = None if last is None else _needed(nodes, {e[0] for e in last if e is not None})
    running = tasks.running
    running.append(Task(nodes, needed, targets is not None, retain_graph))
    try:
        with (
            Switch(create_graph),
            suspended() if active[0] else nullcontext(),
            torch_function.quiet() if torch_function.on[0] else nullcontext(),
        ):
            found = _run(roots, retain_graph, create_graph, targets, needed)
        for callback in running[-1].callbacks:  # which may queue others
            callback()
        return found
    finally:
        running.pop()


_passes = itertools.count()


class Task:
    """One backward pass that is running, and what hooks note for it."""

    def __init__(self, roots: Sequence[Node], needed: set[Node] | None, returns: bool, keeps: bool) -> None:
        self.notes: dict[Any, Any] = {}
        self.callbacks: list[Callable[[], Any]] = []  # what is called when the pass is over
        self.number = next(_passes)
        self.node: Node | None = None  # the one that runs
        self.returns = returns  # whether gradients are returned, not accumulated
        self.keeps = keeps  # whether the graph can be run again
        self.partial = needed is not None  # whether only a part of the graph runs
        self._roots, self._nodes = roots, needed

    def will_run(self, node: Node) -> bool:
        """Return whether a gradient will come to a node in this pass."""
        if self._nodes is None:
            self._nodes = _reached(self._roots)
        return node in self._nodes

    def order(self) -> list[Node]:
        """Return the nodes of this pass in the order in which they run."""
        return sorted(filter(self.will_run, _reached(self._roots)), key=lambda node: -node.seq)


class Engine:
    """What runs graphs, as programs ask for it to be called back at a pass's end."""

    @staticmethod
    def queue_callback(callback: Callable[[], Any]) -> None:
        """Call a function at the end of the backward pass around the caller; RuntimeError where there is none."""
        if not tasks.running:
            raise RuntimeError("Final callbacks can only be installed during backward pass.")
        tasks.running[-1].callbacks.append(callback)


class _Tasks(threading.local):
    def __init__(self) -> None:
        self.running: list[Task] = []


tasks = _Tasks()


def running_node() -> Node | None:
    """Return the node that the backward pass around the caller runs, or None."""
    return tasks.running[-1].node if tasks.running else None


Settings.running = staticmethod(running_node)


def _run(
    roots: Sequence[tuple[Any, Any]], retain_graph: bool, create_graph: bool, targets: Sequence[Any] | None,
    needed: set[Node] | None,
) -> list[Any] | None:  # fmt: skip
    add = Settings.functions.add
    pending: dict[Node, list[Any]] = {}
    heap: list[tuple[int, Any]] = []

    def deliver(edge: Any, g: Any) -> None:
        node, nr = edge
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * node.outputs
            heapq.heappush(heap, (-node.seq, node))
        if g is not None:
            slots[nr] = g if slots[nr] is None else add(slots[nr], g)

    wanted: dict[Node, list[tuple[int, int]]] = {}
    found: list[Any] = []
    if targets is not None:
        found = [None] * len(targets)
        for i, e in enumerate(targets):
            if e is not None:
                wanted.setdefault(e[0], []).append((e[1], i))
    for edge, g in roots:
        if needed is None or edge[0] in needed:
            deliver(edge, g)
    del roots
    task = tasks.running[-1]
    edge = g = None  # held references would make the last gradient look shared
    while heap:
        node = heapq.heappop(heap)[1]
        grads: Any = pending.pop(node)
        leaf = node.__class__ is AccumulateGrad
        hooks = node.hooks
        captured = wanted.get(node) if wanted else None
        if captured is not None:
            ends = all(e is None or e[0] not in needed for e in node.edges)  # type: ignore[operator]
            if not ends:  # as in PyTorch, a gradient taken in the middle of the way is without its tensor's hooks
                for nr, i in captured:
                    found[i] = grads[nr]
        if hooks is not None:
            _run_tensor_hooks(hooks, grads)
        if leaf and node.variable._hooks:
            grads[0] = _hooked(node.variable._hooks, grads[0])
        if captured is not None and ends:
            for nr, i in captured:
                found[i] = grads[nr]
            continue
        if hooks is not None and hooks.pre:
            grads = _run_prehooks(hooks, grads)
        if leaf:
            if targets is None and grads[0] is not None:
                accumulate(node.variable, grads, create_graph)
                if hooks is not None:
                    for hook in tuple(hooks.post.values()):
                        hook((), tuple(grads))
            continue
        task.node = node
        try:
            if not node.takes_none and all(x is None for x in grads):
                results: Any = [None] * len(node.edges)
            elif needed is None:
                results = node.apply(grads)
            else:
                ways = [e is not None and e[0] in needed for e in node.edges]
                results = node.apply_to(grads, ways) if True in ways else [None] * len(ways)
            if create_graph and node.flat and not layers:
                results = tied(results, node.edges, grads)
        except Exception:
            if node.trace is not None or Settings.anomaly:
                _tell_origin(node, 4)
            raise
        finally:
            task.node = None
        late = hooks is None or not hooks.post  # hooks that came while the node ran do not see what came to it
        hooks = node.hooks
        if hooks is not None and hooks.post:
            results = _run_posthooks(node, hooks, results, [] if late else grads)
        if Settings.anomaly:
            _check_nan(node, node.all_inputs(results))
        if not retain_graph:
            node.release()
        grads = None
        results = list(results)
        for i, edge in enumerate(node.edges):
            if edge is not None and (needed is None or edge[0] in needed):
                g, results[i] = results[i], None
                deliver(edge, g)
                g = None
    return found if targets is not None else None


def _hooked(hooks: dict[int, Any], g: Any) -> Any:
    """Return a gradient, which may be None, as a tensor's hooks leave it."""
    for hook in tuple(hooks.values()):
        replaced = hook(g)
        if replaced is not None:
            _check_hook(hook, g, replaced)
            g = replaced
    return g


def _check_hook(hook: Any, g: Any, new: Any) -> None:
    """Refuse what a hook puts in a gradient's place where it is not of its kind."""
    if new is None:
        return
    if g is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not isinstance(new, Array):
        raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
    name = getattr(hook, "__name__", "<unknown>")
    if new.dtype is not g.dtype or new.device is not g.device:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {g.type()} got {new.type()})")
    if new.shape != g.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def _several_from_hook(hook: Any, grads: Sequence[Any], replaced: Any) -> tuple[Any, ...]:
    """Return what a hook of a node puts in the place of gradients: as many, of their kinds."""
    if not isinstance(replaced, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(replaced).__name__}'")
    if len(replaced) != len(grads):
        raise RuntimeError(
            f"hook '{getattr(hook, '__name__', '<unknown>')}' has returned an incorrect number of values "
            f"(got {len(replaced)}, but expected {len(grads)})"
        )
    for g, value in zip(grads, replaced, strict=True):
        _check_hook(hook, g, value)
    return replaced


def _run_tensor_hooks(hooks: Hooks, grads: list[Any]) -> None:
    for nr, by_id in hooks.tensor.items():
        grads[nr] = _hooked(by_id, grads[nr])
    for nr, keep in hooks.retained.items():
        if grads[nr] is not None:
            keep(grads[nr])


def _run_prehooks(hooks: Hooks, grads: list[Any]) -> list[Any]:
    for hook in tuple(hooks.pre.values()):
        replaced = hook(tuple(grads))
        if replaced is not None:
            grads = list(_several_from_hook(hook, grads, replaced))
    return grads


def _run_posthooks(node: Node, hooks: Hooks, results: Sequence[Any], grads: list[Any]) -> Sequence[Any]:
    results = node.all_inputs(results)
    for hook in tuple(hooks.post.values()):
        replaced = hook(tuple(results), tuple(grads))
        if replaced is not None:
            results = _several_from_hook(hook, results, replaced)
    return node.of_edges(results)


def _reached(roots: Sequence[Node]) -> set[Node]:
    """Return the nodes to which gradients go from some nodes, these among them."""
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(e[0] for e in node.edges if e is not None)
    return seen


def _needed(roots: list[Node], ends: set[Node]) -> set[Node]:
    """Return the nodes from which a target can be reached."""
    needed = set(ends)
    for node in sorted(_reached(roots), key=lambda n: n.seq):
        if any(e is not None and e[0] in needed for e in node.edges):
            needed.add(node)
    return needed


def _tell_origin(node: Node, level: int) -> None:
    """Warn of the call that made a node, and of those that made the nodes in whose gradients it was made."""
    what = (
        "Traceback of forward call that caused the error:\n" + "".join(node.trace)
        if node.trace
        else "No forward pass information available. Enable detect anomaly during forward pass for more information."
    )
    _tell(f"Error detected in {node.name()}. {what}", level + 2)
    parent = node.parent
    while parent is not None:
        what = (
            "Traceback of forward call that induced the previous calculation:\n" + "".join(parent.trace)
            if parent.trace
            else "No forward pass information available."
        )
        _tell(f"\n\nPrevious calculation was induced by {parent.name()}. {what}", level + 2)
        parent = parent.parent


def _tell(text: str, level: int) -> None:
    """Warn; a warning that is made an error goes to the standard error, for the error at hand must not get lost."""
    try:
        warnings.warn(text, stacklevel=level + 1)
    except UserWarning as warning:
        print(f"UserWarning: {warning}", file=sys.stderr)


def _check_nan(node: Node, results: Sequence[Any]) -> None:
    if not Settings.check_nan:
        return
    for i, g in enumerate(results):
        if g is not None and g.dtype.differentiable and bool(Settings.functions.isnan(g).any()):
            _tell_origin(node, 5)
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")


def _counts_alone() -> tuple[int, int]:
    """Return what getrefcount says of a local variable's and an attribute's only reference: Pythons differ."""
    x: Any = Settings()
    x.attribute = object()
    return sys.getrefcount(x), sys.getrefcount(x.attribute)


_ALONE = _counts_alone()


def accumulate(x: Any, grads: list[Any], create_graph: bool) -> None:
    """Add a gradient to a leaf's ``grad``, taking the tensor over where nobody else holds it.

    A gradient is laid out as its leaf is where that is packed, and contiguous otherwise, as PyTorch promises.
    """
    functions = Settings.functions
    g = grads.pop()
    have = x.grad
    wanted = x.dtype if x._grad_dtype is ... else x._grad_dtype
    if g.dtype is not wanted and wanted is not None:
        g = functions.gradient_cast(g, wanted)
    if have is not None:
        if create_graph:
            x.grad = functions.add(have, g)
        else:
            functions.add_(have, g)
    elif create_graph:
        x.grad = copied(g, x)  # two leaves may have been handed the same
    elif (
        g.layout.offset == 0
        and (g.layout.key == x.layout.key if x.layout.packed() else g.layout.contiguous)
        and g._storage.__class__ is not Turned
        and sys.getrefcount(g) <= _ALONE[0]
        and sys.getrefcount(g._storage) <= _ALONE[1]
    ):
        x.grad = g
    else:
        x.grad = functions.gradient_copy(g, x)
    grads.append(x.grad)
    if x._post_hooks:
        for hook in tuple(x._post_hooks.values()):
            if hook(x) is not None:
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _gradients(outputs: Sequence[Any], grads: Sequence[Any]) -> list[tuple[Any, Any]]:
    if len(outputs) > len(grads):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    pairs: list[tuple[Any, Any]] = []
    for out, g in zip(outputs, grads, strict=False):  # PyTorch leaves gradients out that no output is there for
        if isinstance(out, GradientEdge):
            pairs.append(out.pair(g, len(pairs)))
            continue
        edge = edge_of(out)
        if g is None:
            if edge is not None and out.layout.numel != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if edge is not None and out.dtype.is_complex:
                raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {out.dtype}")
        elif not isinstance(g, Array):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
        elif tuple(g.shape) != tuple(out.shape):
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{len(pairs)}] has a shape of {g.shape} and "
                f"output[{len(pairs)}] has a shape of {out.shape}."
            )
        elif g.dtype is not out.dtype:
            if g.dtype.is_complex or out.dtype.is_complex:
                raise RuntimeError(
                    "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch "
                    f"in dtype: grad_output[{len(pairs)}] has a dtype of {g.dtype} and output[{len(pairs)}] has a "
                    f"dtype of {out.dtype}."
                )
            g = Settings.functions.gradient_cast(g, out.dtype)
        if edge is None:
            raise RuntimeError(f"element {len(pairs)} of tensors does not require grad and does not have a grad_fn")
        pairs.append((edge, Settings.functions.ones_like(out) if g is None else g))
    return pairs


def _edge(x: Any) -> Any:
    if isinstance(x, GradientEdge):
        return (x.node, x.output_nr)
    if not isinstance(x, Array):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(x).__name__}")
    return edge_of(x)


def _several(given: Any) -> list[Any]:
    """Return one tensor or edge, or many, as a list."""
    return list(given) if isinstance(given, (tuple, list)) and not isinstance(given, GradientEdge) else [given]


def _given(outputs: Sequence[Any], grads: Any) -> list[Any]:
    if grads is None:
        return [None] * len(outputs)
    return list(grads) if isinstance(grads, (tuple, list)) else [grads]


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate the gradients of tensors into the leaves of their graph.

    x.grad ← x.grad + Σ_i g[i] · ∂y[i] / ∂x for every leaf x, of the outputs y and their gradients g.
    Raises RuntimeError for a tensor without a graph, a non-scalar without a gradient, or a mismatched shape.
    Shape: gradients (*) of the shapes of the outputs, () needing none; ``grad`` has the leaf's shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.backward.html

    >>> import cltorch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward(x * x); x.grad
    tensor(6.)
    """
    if Settings.transforms or state.levels:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or "
            "functorch.vjp instead or call backward() outside of functorch transforms."
        )
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=callers_level()
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
    outs = _several(tensors)
    grads = _given(outs, grad_variables if grad_tensors is None else grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    if create_graph and (settings.is_warn_always_enabled() or not Settings.told_of_cycles):
        Settings.told_of_cycles = not settings.is_warn_always_enabled()
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its "
            "gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid "
            "this. If you have to use this function, make sure to reset the .grad fields of your parameters to None "
            "after use to break the cycle and avoid the leak.",
            stacklevel=callers_level(),
        )
    wanted = None
    if inputs is not None:
        wanted = _several(inputs)
        if not wanted:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        # an edge that ends at a leaf stands for the leaf; at any other there is no tensor to hold the gradient
        wanted = [getattr(x.node, "variable", x) if isinstance(x, GradientEdge) else x for x in wanted]
        for x in wanted:
            if not isinstance(x, Array):
                continue
            if x.grad_fn is not None or not x.requires_grad:
                x.retain_grad()
    pairs = _gradients(outs, grads)
    del grads
    if wanted is None:
        run(pairs, retain_graph=keep, create_graph=create_graph)
        return
    run(pairs, retain_graph=keep, create_graph=create_graph, ends=[_edge(x) for x in wanted])


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of outputs with respect to inputs, leaving every ``grad`` untouched.

    Σ_i g[i] · ∂y[i] / ∂x for each input x, of the outputs y and their gradients g.
    Raises RuntimeError for an input that needs no gradient or was not used (unless ``allow_unused``).
    Shape: gradients (*) of the shapes of the outputs, () needing none, to the inputs' shapes.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.grad.html

    >>> import cltorch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(27.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=callers_level(),
        )
    unused = materialize_grads if allow_unused is None else allow_unused
    outs, ins = _several(outputs), _several(inputs)
    grads = _given(outs, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    if not ins:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if is_grads_batched:
        _check_batched(outs, grads)
        return for_batches(grad, outs, ins, grads, keep, create_graph, unused, materialize_grads)
    if layers and any(isinstance(x, Array) and x._batch for x in (*outs, *ins)):
        return below_batches(grad, outs, ins, grads, keep, create_graph, unused, materialize_grads)
    edges = [_edge(x) for x in ins]
    pairs = _gradients(outs, grads)
    if None in edges:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = run(pairs, retain_graph=keep, create_graph=create_graph, targets=edges) or []
    return tuple(_finished(found, ins, unused, materialize_grads, create_graph))


def _check_batched(outs: Sequence[Any], grads: Sequence[Any]) -> None:
    for out, g in zip(outs, grads, strict=False):
        if g is None and isinstance(out, Array) and out.layout.numel != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if g is None:
            raise ValueError("is_grads_batched=True needs gradients of the outputs, with a dimension for the batch")
    for i, (out, g) in enumerate(zip(outs, grads, strict=False)):
        if isinstance(out, Array) and isinstance(g, Array) and tuple(g.shape[1:]) != tuple(out.shape):
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                "dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                f"output, but a mismatch was detected: grad_output[{i}] has a shape of {g.shape} and output[{i}] has a "
                f"shape of {out.shape}. If you only want some tensors in `grad_output` to be considered batched, "
                "consider using vmap."
            )


def _finished(found: list[Any], inputs: Sequence[Any], unused: bool, zeros: bool, create_graph: bool) -> list[Any]:
    for i, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None:
            if not unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
            if zeros and isinstance(x, GradientEdge):
                raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
            if zeros:
                found[i] = Settings.functions.zeros_like(x, requires_grad=create_graph)
        elif isinstance(x, Array) and g.dtype is not x.dtype:
            found[i] = g.to(x.dtype)
    return found
