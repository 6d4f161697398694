"""Run a graph backwards.

Nodes are taken from a heap by falling number, which is a topological order, so no dependency counting is needed.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from cltorch import torch_function
from cltorch.autograd.accumulation import accumulate
from cltorch.autograd.anomaly_mode import check_nan, tell_origin
from cltorch.autograd.casting import active, state, suspended
from cltorch.autograd.grad_mode import Switch, mode
from cltorch.autograd.graph import AccumulateGrad, Node, Settings, replay
from cltorch.autograd.hook_calls import hooked, run_posthooks, run_prehooks, run_tensor_hooks
from cltorch.autograd.layers import active as layers
from cltorch.autograd.links import tied
from cltorch.autograd.part_sums import PartSums
from cltorch.autograd.threads import carried, on_fresh_stack
from cltorch.autograd.views import ViewNode
from cltorch.device.device import _state as places


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
    hooks = mode.saved_hooks
    running.append(Task(nodes, needed, targets is not None, retain_graph))
    try:
        with (
            Switch(create_graph),
            suspended() if active[0] else nullcontext(),
            torch_function.quiet() if torch_function.on[0] else nullcontext(),
        ):
            if len(running) % _DEEP:
                found = _run(roots, retain_graph, create_graph, targets, needed)
            else:
                found = on_fresh_stack(partial(_run, roots, retain_graph, create_graph, targets, needed))
        for callback in running[-1].callbacks:  # which may queue others
            callback()
        return found
    finally:
        running.pop()
        mode.saved_hooks = hooks  # what the program's own functions entered on the way ends with the pass


_passes = itertools.count()
#: how many passes within passes run on one thread's stack
_DEEP = 25


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


tasks = carried(_Tasks())
for _local in (mode, torch_function.state, state, replay, places):
    carried(_local)


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

    sums = None if create_graph or Settings.anomaly else PartSums(pending)
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
            run_tensor_hooks(hooks, grads)
        if leaf and node.variable._hooks:
            grads[0] = hooked(node.variable._hooks, grads[0])
        if captured is not None and ends:
            for nr, i in captured:
                found[i] = grads[nr]
            continue
        if hooks is not None and hooks.pre:
            grads = run_prehooks(hooks, grads)
        if leaf:
            if targets is None and grads[0] is not None:
                accumulate(node.variable, grads, create_graph)
                if hooks is not None:
                    for hook in tuple(hooks.post.values()):
                        hook((), tuple(grads))
            continue
        into = None
        if sums is not None and hooks is None and not layers and isinstance(node, ViewNode):
            into = node.into
            if into is not None and sums.take(node.edges[0], into, grads[0]):
                continue
        task.node = node
        try:
            if grads[0] is None and not node.takes_none and all(x is None for x in grads):
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
                tell_origin(node, 4)
            raise
        finally:
            task.node = None
        late = hooks is None or not hooks.post  # hooks that came while the node ran do not see what came to it
        hooks = node.hooks
        if hooks is not None and hooks.post:
            results = run_posthooks(node, hooks, results, [] if late else grads)
        if Settings.anomaly:
            check_nan(node, node.all_inputs(results))
        if not retain_graph:
            node.release()
        grads = None
        results = list(results)
        for i, edge in enumerate(node.edges):
            if edge is not None and (needed is None or edge[0] in needed):
                g, results[i] = results[i], None
                deliver(edge, g)
                if into is not None and g is not None:  # else what waits there may be another's
                    sums.wait(edge)  # type: ignore[union-attr]
                g = None
    return found if targets is not None else None


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
    reached = _reached(roots)
    needed = ends & reached
    for node in sorted(reached, key=lambda n: n.seq):
        if any(e is not None and e[0] in needed for e in node.edges):
            needed.add(node)
    return needed
