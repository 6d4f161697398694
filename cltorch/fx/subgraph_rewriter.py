"""replace_pattern: find a small graph in a large one, and put another in its place.

Source: https://docs.pytorch.org/docs/2.13/fx.html#torch.fx.replace_pattern
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cltorch.fx._symbolic_trace import symbolic_trace
from cltorch.fx.graph import Graph
from cltorch.fx.graph_module import GraphModule
from cltorch.fx.node import Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """A place where a pattern was found: the node of its result, and the node for each node of the pattern."""

    anchor: Node
    nodes_map: dict[Node, Node]


class _Matcher:
    """Compare a pattern with the nodes around one, from its result to its inputs."""

    def __init__(self, pattern: Graph, results: list[Node]) -> None:
        self.pattern, self.results = pattern, results

    def match(self, anchors: list[Node]) -> dict[Node, Any] | None:
        """Return the node for each node of the pattern, or None where they differ."""
        found: dict[Node, Any] = {}
        if not all(self._node(p, n, found) for p, n in zip(self.results, anchors, strict=True)):
            return None
        inner = {n for p, n in found.items() if p.op not in ("placeholder", "output")}
        for p, n in found.items():  # what lies within must be needed by nobody else
            if (
                p.op not in ("placeholder", "get_attr")
                and p not in self.results
                and any(u not in inner for u in n.users)
            ):
                return None
        return found

    def _node(self, p: Node, n: Any, found: dict[Node, Any]) -> bool:
        if p in found:
            return found[p] is n
        if p.op == "placeholder":
            found[p] = n
            return True
        if not isinstance(n, Node) or p.op != n.op or p.target != n.target or n in found.values():
            return False
        found[p] = n
        return self._args(p.args, n.args, found) and self._args(p.kwargs, n.kwargs, found)

    def _args(self, p: Any, n: Any, found: dict[Node, Any]) -> bool:
        if isinstance(p, Node):
            return self._node(p, n, found)
        if isinstance(p, (list, tuple)):
            if not isinstance(n, (list, tuple)) or len(p) != len(n):
                return False
            return all(self._args(a, b, found) for a, b in zip(p, n, strict=True))
        if isinstance(p, dict):
            return isinstance(n, dict) and p.keys() == n.keys() and all(self._args(p[k], n[k], found) for k in p)
        return type(p) is type(n) and bool(p == n)


def _graph_of(source: Any) -> Graph:
    if isinstance(source, GraphModule):
        return source.graph
    return source if isinstance(source, Graph) else symbolic_trace(source).graph


def replace_pattern(
    gm: GraphModule, pattern: Callable[..., Any] | GraphModule, replacement: Callable[..., Any] | GraphModule
) -> list[Match]:
    """Put ``replacement`` wherever ``pattern`` is found in a module's graph, and compile it anew; return the places.

    Both are functions or graph modules with the same inputs and as many results. Places do not overlap.

    >>> import cltorch as torch
    >>> traced = torch.fx.symbolic_trace(lambda x, y: torch.add(torch.neg(x), y))
    >>> len(replace_pattern(traced, lambda a, b: torch.add(torch.neg(a), b), lambda a, b: b - a))
    1
    >>> print(traced.code.strip())
    def forward(self, x, y):
        sub = y - x;  y = x = None
        return sub
    """
    wanted, instead = _graph_of(pattern), _graph_of(replacement)
    results = _results(wanted)
    matcher = _Matcher(wanted, results)
    inputs = [n for n in wanted.nodes if n.op == "placeholder"]
    new_inputs = [n for n in instead.nodes if n.op == "placeholder"]
    if len(inputs) != len(new_inputs):
        raise ValueError(f"the pattern has {len(inputs)} inputs, but the replacement {len(new_inputs)}")
    if len(results) != len(_results(instead)):
        raise ValueError(f"the pattern has {len(results)} results, but the replacement {len(_results(instead))}")
    matches: list[Match] = []
    taken: set[Node] = set()
    renamed: dict[Node, Node] = {}
    for node in list(gm.graph.nodes):
        if node._erased or node in taken:
            continue
        for anchors in _anchors(gm.graph, node, results):
            found = matcher.match(anchors)
            inner = set() if found is None else {n for p, n in found.items() if p.op not in ("placeholder", "get_attr")}
            if found is None or inner & taken or any(n._erased for n in inner):
                continue
            taken |= inner
            matches.append(Match(anchors[-1], dict(found)))
            _replace(gm, found, anchors, instead, new_inputs, inputs, renamed, taken)
            break
    if matches:
        if isinstance(replacement, GraphModule):
            _bring(gm, replacement)
        gm.recompile()
    return matches


def _results(graph: Graph) -> list[Node]:
    value = graph.output_node().args[0]
    return [n for n in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(n, Node)]


def _anchors(graph: Graph, node: Node, results: list[Node]) -> list[list[Node]]:
    """Return the nodes that may be a pattern's results, the given one as the last of them."""
    if len(results) == 1:
        return [[node]] if node.op == results[0].op else []
    if node.op != results[-1].op or node.target != results[-1].target:
        return []
    chosen: list[list[Node]] = [[]]
    for wanted in results[:-1]:
        candidates = [n for n in graph.nodes if n.op == wanted.op and n.target == wanted.target and n is not node]
        chosen = [[*head, n] for head in chosen for n in candidates if n not in head]
    return [[*head, node] for head in chosen]


def _replace(
    gm: GraphModule, found: dict[Node, Any], anchors: list[Node], instead: Graph, new_inputs: list[Node],
    inputs: list[Node], renamed: dict[Node, Node], taken: set[Node],
) -> None:  # fmt: skip
    values: dict[Node, Any] = {}
    for new, old in zip(new_inputs, inputs, strict=True):
        value = found.get(old)
        while isinstance(value, Node) and value in renamed:
            value = renamed[value]
        values[new] = value
    order = {n: i for i, n in enumerate(gm.graph.nodes)}
    before = set(gm.graph.nodes)
    with gm.graph.inserting_before(max(anchors, key=lambda n: order[n])):
        result = gm.graph.graph_copy(instead, values)
    taken.update(n for n in gm.graph.nodes if n not in before)
    made = list(result) if isinstance(result, (list, tuple)) else [result]
    for old, new in zip(anchors, made, strict=True):
        old.replace_all_uses_with(new)
        renamed[old] = new
    for n in sorted((n for p, n in found.items() if p.op != "placeholder"), key=lambda n: -order[n]):
        if not n.users and not n._erased:
            gm.graph.erase_node(n)


def _bring(gm: GraphModule, replacement: GraphModule) -> None:
    """Give a module what the replacement's nodes name, where it has not got it."""
    for node in replacement.graph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        if not _has(gm, str(node.target)):
            gm._take_from(replacement, str(node.target))


def _has(root: Any, target: str) -> bool:
    for part in target.split("."):
        if not hasattr(root, part):
            return False
        root = getattr(root, part)
    return True
