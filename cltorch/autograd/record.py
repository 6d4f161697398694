"""Run operators and record them: structured operators and pointwise rows here, views and changes in place beside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cltorch.autograd.changes import inplace, pointwise_
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import Node, any_needs_grad, named, needs_grad
from cltorch.autograd.layers import active, lift
from cltorch.autograd.nodes import NotDifferentiable, PointwiseNode, op_node, place
from cltorch.autograd.views import view, views
from cltorch.device import host_memory
from cltorch.ops.array import Array, two_devices
from cltorch.ops.few import refuse_operand
from cltorch.ops.op import Call, Op

__all__ = ["apply", "inplace", "noted", "pointwise", "pointwise_", "view", "views"]


def apply(op: type[Op], *args: Any) -> Any:
    """Run a structured operator and record it where an argument needs a gradient.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html
    """
    dev = None
    wanted = False
    for a in args:
        if isinstance(a, Array):
            here = a._storage.device
            if here is not dev and dev is not None:
                raise two_devices(dev, here, op.name)
            dev = here
            if a.dtype.rare:
                refuse_operand(op, a.dtype)
            if a._requires_grad or (a._base is not None and needs_grad(a)):
                wanted = True
    if active:
        kind = lift(args)
        if kind is not None:
            return kind.apply(op, args)
    if wanted and mode.enabled:
        needs = [needs_grad(a) if isinstance(a, Array) and a.dtype.differentiable else None for a in args]
        call: Any = Call(needs)
        try:
            out = op.forward(call, *args)
        except MemoryError:
            call = None
        if call is None:
            call = Call(needs)
            out = host_memory.again(op.name, partial(op.forward, call, *args))
        single = not isinstance(out, tuple)
        results = [out] if single else list(out)
        for i, r in enumerate(results):
            if place(r, args) is not None:
                results[i] = Array.new(r._storage, r.lay, r.dtype)
        node = op_node(op)(op, call, args, results)
        for i, r in enumerate(results):
            if r is not None and r.dtype.differentiable and place(r, call.outside) is None:
                r._grad_fn, r._output_nr, r._requires_grad = node, i, True
        return results[0] if single else tuple(results)
    none = (False,) * len(args)
    try:
        return op.forward(Call(none), *args)
    except MemoryError:
        pass
    return host_memory.again(op.name, partial(op.forward, Call(none), *args))


def pointwise(row: Any, operands: Sequence[Any], params: Sequence[Any]) -> Any:
    """Run a row of the pointwise table and record it where an operand needs a gradient."""
    if active:
        kind = lift(operands)
        if kind is not None:
            return kind.pointwise(row, operands, params)
    return noted(row, operands, params, row.compute(operands, params))


def noted(row: Any, operands: Sequence[Any], params: Sequence[Any], out: Any) -> Any:
    """Record a row's result where an operand needs a gradient; return it."""
    if mode.enabled and any_needs_grad(operands) and out.dtype.differentiable and row.opaque is not None:
        needs = tuple([isinstance(x, Array) and (x._requires_grad or needs_grad(x)) for x in operands])
        if row.vjp is None or (row.opaque and any(needs[i] for i in row.opaque)):
            node: Node = named(NotDifferentiable, "NotImplemented")(row.name, operands)
        else:
            name = row.node_of(operands) if row.forms else row.node
            node = named(PointwiseNode, name)(row, operands, params, needs, out)
        out._grad_fn, out._requires_grad = node, True
    return out
