"""Gradients as programs ask for them: ``backward`` and ``grad``, whose arguments are checked here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from cltorch import settings
from cltorch.autograd.batch_levels import state
from cltorch.autograd.batches import below_batches, for_batches
from cltorch.autograd.edges import GradientEdge
from cltorch.autograd.engine import run
from cltorch.autograd.graph import Settings, edge_of
from cltorch.autograd.layers import active as layers
from cltorch.ops.array import Array
from cltorch.ops.fallback import callers_level


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
            if edge is not None and out.lay.numel != 1:
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
        if g is None and isinstance(out, Array) and out.lay.numel != 1:
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
