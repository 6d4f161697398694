"""Run a graph backwards.

Nodes are taken from a heap by falling number, which is a topological order, so no dependency counting is needed.
"""

from __future__ import annotations

import heapq
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cltorch.autograd.grad_mode import _Switch
from cltorch.autograd.graph import AccumulateGrad, Node, Settings, edge_of


def run(
    roots: Sequence[tuple[Any, Any]], *, retain_graph: bool, create_graph: bool, targets: Sequence[Any] | None = None
) -> list[Any] | None:
    """Send gradients into edges and follow them.

    ``roots`` are (edge, gradient) pairs. Without ``targets`` leaves accumulate; with them, the gradients that arrive at
    those edges are returned (None where nothing arrives) and nothing is accumulated.
    """
    with _Switch(create_graph):
        return _run(roots, retain_graph, create_graph, targets)


def _run(
    roots: Sequence[tuple[Any, Any]], retain_graph: bool, create_graph: bool, targets: Sequence[Any] | None
) -> list[Any] | None:
    add = Settings.functions.add
    pending: dict[Node, list[Any]] = {}
    heap: list[tuple[int, Node]] = []

    def deliver(edge: Any, g: Any) -> None:
        node, nr = edge
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * node.outputs
            heapq.heappush(heap, (-node.seq, node))
        slots[nr] = g if slots[nr] is None else add(slots[nr], g)

    needed = None if targets is None else _needed([e[0] for e, _ in roots], {e[0] for e in targets if e is not None})
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
    edge = g = None  # held references would make the last gradient look shared
    while heap:
        node = heapq.heappop(heap)[1]
        grads = pending.pop(node)
        if node.prehooks:
            grads = _run_prehooks(node, grads)
        if node in wanted:
            for nr, i in wanted[node]:
                found[i] = grads[nr]
            if all(e is None or needed is None or e[0] not in needed for e in node.edges):
                continue
        if node.__class__ is AccumulateGrad:
            if targets is None and grads[0] is not None:
                accumulate(node.variable, grads, create_graph)
                if node.posthooks:
                    for hook in tuple(node.posthooks.values()):
                        hook((), tuple(grads))
            continue
        if all(x is None for x in grads):
            continue
        try:
            results = node.apply(grads)
        except Exception:
            if node.trace is not None:
                warnings.warn(
                    f"Error detected in {node.name()}. Traceback of forward call that caused the "
                    f"error:\n{''.join(node.trace)}",
                    stacklevel=4,
                )
            raise
        if node.posthooks:
            for hook in tuple(node.posthooks.values()):
                replaced = hook(tuple(results), tuple(grads))
                if replaced is not None:
                    results = replaced if isinstance(replaced, (tuple, list)) else (replaced,)
        if Settings.anomaly:
            _check_nan(node, results)
        if not retain_graph:
            node.release()
        grads = None
        results = list(results)
        for i, edge in enumerate(node.edges):
            if edge is not None and results[i] is not None and (needed is None or edge[0] in needed):
                g, results[i] = results[i], None
                deliver(edge, g)
                g = None
    return found if targets is not None else None


def _run_prehooks(node: Node, grads: list[Any]) -> list[Any]:
    for hook in tuple(node.prehooks.values()):  # type: ignore[union-attr]
        replaced = hook(tuple(grads))
        if replaced is not None:
            grads = list(replaced) if isinstance(replaced, (tuple, list)) else [replaced]
    return grads


def _needed(roots: list[Node], ends: set[Node]) -> set[Node]:
    """Return the nodes from which a target can be reached."""
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(e[0] for e in node.edges if e is not None)
    needed = set(ends)
    for node in sorted(seen, key=lambda n: n.seq):
        if any(e is not None and e[0] in needed for e in node.edges):
            needed.add(node)
    return needed


def _check_nan(node: Node, results: Sequence[Any]) -> None:
    if not Settings.check_nan:
        return
    for i, g in enumerate(results):
        if g is not None and g.dtype.is_floating_point and bool(Settings.functions.isnan(g).any()):
            trace = "".join(node.trace) if node.trace else ""
            warnings.warn(
                f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{trace}",
                stacklevel=4,
            )
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")


def accumulate(x: Any, grads: list[Any], create_graph: bool) -> None:
    """Add a gradient to a leaf's ``grad``, taking the tensor over where nobody else holds it."""
    functions = Settings.functions
    g = grads.pop()
    if x._hooks:
        for hook in tuple(x._hooks.values()):
            replaced = hook(g)
            if replaced is not None:
                g = replaced
    have = x.grad
    if g.dtype is not x.dtype:
        g = g.to(x.dtype)
    if have is not None:
        if create_graph:
            x.grad = functions.add(have, g)
        else:
            functions.add_(have, g)
    elif create_graph:
        x.grad = g
    elif (
        g.layout.key == x.layout.key
        and g.layout.offset == 0
        and sys.getrefcount(g) <= 2
        and sys.getrefcount(g.storage) <= 2
    ):
        x.grad = g
    else:
        x.grad = functions.contiguous_copy(g) if x.layout.contiguous else functions.clone(g)
    grads.append(x.grad)
    if x._post_hooks:
        for hook in tuple(x._post_hooks.values()):
            hook(x)


def _gradients(outputs: Sequence[Any], grads: Sequence[Any]) -> list[tuple[Any, Any]]:
    pairs = []
    for out, g in zip(outputs, grads, strict=True):
        edge = edge_of(out)
        if edge is None:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if g is None:
            if out.layout.numel != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if not out.dtype.is_floating_point:
                raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {out.dtype}")
            g = Settings.functions.ones_like(out)
        elif tuple(g.shape) != tuple(out.shape):
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{len(pairs)}] has a shape of {g.shape} and "
                f"output[{len(pairs)}] has a shape of {out.shape}."
            )
        pairs.append((edge, g))
    return pairs


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    grad_variables: Any = None, inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate the gradients of tensors into the leaves of their graph.

    Raises RuntimeError for a tensor without a graph, a non-scalar without a gradient, or a mismatched shape.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.backward.html

    >>> import cltorch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward(x * x); x.grad
    tensor(6.)
    """
    outs = list(tensors) if isinstance(tensors, (tuple, list)) else [tensors]
    given = grad_variables if grad_tensors is None else grad_tensors
    grads = list(given) if isinstance(given, (tuple, list)) else [given] * (len(outs) if given is None else 1)
    keep = create_graph if retain_graph is None else retain_graph
    pairs = _gradients(outs, grads)
    del grads, given
    if inputs is None:
        run(pairs, retain_graph=keep, create_graph=create_graph)
        return
    leaves = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    if not leaves:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    for leaf, g in zip(
        leaves,
        run(pairs, retain_graph=keep, create_graph=create_graph, targets=[edge_of(x) for x in leaves]) or (),
        strict=True,
    ):
        if g is not None:
            accumulate(leaf, [g], create_graph)


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

    Raises RuntimeError for an input that needs no gradient or was not used (unless ``allow_unused``).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.grad.html

    >>> import cltorch as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(27.),)
    """
    outs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    ins = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    grads = (
        list(grad_outputs)
        if isinstance(grad_outputs, (tuple, list))
        else [grad_outputs] * (len(outs) if grad_outputs is None else 1)
    )
    if is_grads_batched:
        rows = [
            grad(outs, ins, [None if g is None else g[i] for g in grads], True, create_graph, True, allow_unused)
            for i in range(len(grads[0]))
        ]
        stack = Settings.functions.stack
        return tuple(None if col[0] is None else stack(list(col)) for col in zip(*rows, strict=True))
    for x in ins:
        if edge_of(x) is None:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    keep = create_graph if retain_graph is None else retain_graph
    found = (
        run(_gradients(outs, grads), retain_graph=keep, create_graph=create_graph, targets=[edge_of(x) for x in ins])
        or []
    )
    for i, (x, g) in enumerate(zip(ins, found, strict=True)):
        if g is None:
            if materialize_grads:
                found[i] = Settings.functions.zeros_like(x)
            elif not allow_unused:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph. Set "
                    "allow_unused=True if this is the desired behavior."
                )
    return tuple(found)
