"""Derivatives of functions as a whole: Jacobians, Hessians and their products with vectors.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd.engine import grad
from cltorch.autograd.grad_mode import enable_grad
from cltorch.autograd.graph import Settings
from cltorch.ops.array import Array

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tensors(given: Any, what: str, name: str) -> tuple[bool, tuple[Any, ...]]:
    """Return whether a tuple was given, and the tensors; raise TypeError for anything else."""
    many = isinstance(given, tuple)
    found = given if many else (given,)
    for i, x in enumerate(found):
        if not isinstance(x, Array):
            if many:
                raise TypeError(
                    f"The {what} {name} must be either a Tensor or a tuple of Tensors but the value at index {i} has "
                    f"type {type(x)}."
                )
            raise TypeError(
                f"The {what} {name} must be either a Tensor or a tuple of Tensors but the given {what} has type "
                f"{type(x)}."
            )
    return many, tuple(found)


def _inputs(inputs: Any, name: str, create_graph: bool) -> tuple[bool, tuple[Any, ...]]:
    """Return tensors that ask for gradients: the same values, part of the caller's graph only under create_graph."""
    many, found = _tensors(inputs, "inputs", f"given to {name}")
    return many, tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(x.dtype.differentiable)
        for x in found
    )


def _outputs(func: Callable[..., Any], xs: Sequence[Any], name: str, strict: bool) -> tuple[bool, tuple[Any, ...]]:
    outs = func(*xs)
    many, found = _tensors(outs, "outputs", f"of the user-provided function given to {name}")
    if strict:
        _check_depends(found, xs)
    return many, found


def _check_depends(outs: Sequence[Any], xs: Sequence[Any]) -> None:
    for i, out in enumerate(outs):
        if out is xs[i] if i < len(xs) else False:
            raise RuntimeError(
                f"Output {i} of the user-provided function is the same Tensor as the input. This is not allowed in "
                "strict mode."
            )
        if not out.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in "
                "a differentiable manner from the input when running in strict mode."
            )


def _vector(v: Any, like: Sequence[Any], many: bool, name: str, whose: str) -> tuple[Any, ...]:
    """Return the vector to multiply with: ones where it may be left out, else checked against the tensors."""
    if v is None:
        if len(like) != 1 or like[0].layout.numel != 1:
            raise RuntimeError(f"The vector v can only be None if {whose} a single Tensor with a single element.")
        return (Settings.functions.ones_like(like[0]),)
    _, found = _tensors(v, "v", f"given to {name}")
    if len(found) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(found)}.")
    for i, (a, b) in enumerate(zip(found, like, strict=True)):
        if a.shape != b.shape:
            which = f"Entry {i} in " if len(like) > 1 else ""
            raise RuntimeError(
                f"{which}{'v' if which else 'v'} has invalid size: should be {b.shape} but got {a.shape}."
            )
    return found


def _grad(outs: Sequence[Any], xs: Sequence[Any], vs: Sequence[Any] | None, create_graph: bool) -> list[Any]:
    """Return gradients, None where nothing depends on an input (or no output on any)."""
    pairs = [(o, None if vs is None else vs[i]) for i, o in enumerate(outs) if o.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    if not pairs or not wanted:
        return [None] * len(xs)
    found = iter(
        grad(
            [o for o, _ in pairs], wanted, [v for _, v in pairs], retain_graph=True, create_graph=create_graph,
            allow_unused=True,
        )
    )  # fmt: skip
    return [next(found) if x.requires_grad else None for x in xs]


def _filled(grads: Sequence[Any], like: Sequence[Any], strict: bool, what: str) -> list[Any]:
    out = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(f"{what} {i}. This is not allowed in strict mode.")
            g = Settings.functions.zeros_like(x)
        out.append(g)
    return out


def _result(xs: Sequence[Any], many: bool, create_graph: bool) -> Any:
    done = tuple(xs) if create_graph else tuple(x.detach() for x in xs)
    return done if many else done[0]


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (outputs, vᵀ J): the product of a vector with the Jacobian, by one backward pass.

    ``v`` has the shapes of the outputs; it may be left out where there is one output of one element.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.vjp.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.vjp(lambda x: x * x, torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        many, xs = _inputs(inputs, "vjp", create_graph)
        many_out, outs = _outputs(func, xs, "vjp", strict)
        vs = _vector(v, outs, many_out, "vjp", "the user-provided function returns")
        found = _filled(
            _grad(outs, xs, vs, create_graph),
            xs,
            strict,
            "The output of the user-provided function is independent of input",
        )
    return _result(outs, many_out, create_graph), _result(found, many, create_graph)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (outputs, J v): the product of the Jacobian with a vector, by differentiating backward twice.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.jvp.html; the trick of two backward
    passes: https://j-towns.github.io/2017/06/12/A-new-trick.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.jvp(lambda x: x * x, torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        many, xs = _inputs(inputs, "jvp", create_graph)
        vs = _vector(v, xs, many, "jvp", "the input to the user-provided function is")
        many_out, outs = _outputs(func, xs, "jvp", strict)
        # the gradient is linear in u, and the derivative of that linear function is J v
        us = tuple(Settings.functions.zeros_like(o).requires_grad_() for o in outs)
        zeros = Settings.functions.zeros_like
        grads = [zeros(x) if g is None else g for g, x in zip(_grad(outs, xs, us, True), xs, strict=True)]
        found = _filled(
            _grad(grads, us, vs, create_graph), outs, strict,
            "The output of the user-provided function is independent of the input, output",
        )  # fmt: skip
    return _result(outs, many_out, create_graph), _result(found, many_out, create_graph)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian: for each output and input a tensor of the output's shape followed by the input's.

    ``vectorize`` and ``strategy`` name ways to compute the same and are accepted; rows are computed one by one.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.jacobian.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    m = Settings.functions
    with enable_grad():
        many, xs = _inputs(inputs, "jacobian", create_graph)
        many_out, outs = _outputs(func, xs, "jacobian", strict)
        rows = []
        for i, out in enumerate(outs):
            flat = out.reshape(-1)
            columns: list[list[Any]] = [[] for _ in xs]
            for j in range(out.layout.numel):
                for k, g in enumerate(_grad([flat[j]], xs, None, create_graph)):
                    if g is None and strict:
                        raise RuntimeError(
                            f"Output {i} of the user-provided function is independent of input {k}. This is not "
                            "allowed in strict mode."
                        )
                    columns[k].append(m.zeros_like(xs[k]) if g is None else g)
            row = [
                m.stack(column).reshape((*out.shape, *x.shape)) if column else m.zeros((*out.shape, *x.shape))
                for column, x in zip(columns, xs, strict=True)
            ]
            rows.append(tuple(row) if create_graph else tuple(x.detach() for x in row))
    if many_out:
        return tuple(row if many else row[0] for row in rows)
    return rows[0] if many else rows[0][0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the second derivatives of a function with one number as its result, for each pair of inputs.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.hessian.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    many, _ = _tensors(inputs, "inputs", "given to hessian")

    def first(*xs: Any) -> Any:
        found = jacobian(_scalar(func, "hessian"), xs, create_graph=True)
        return tuple(found) if many else found[0]

    return jacobian(first, inputs, create_graph=create_graph, strict=strict)


def _scalar(func: Callable[..., Any], name: str) -> Callable[..., Any]:
    def f(*xs: Any) -> Any:
        out = func(*xs)
        many, found = _tensors(out, "outputs", f"of the user-provided function given to {name}")
        if many and len(found) != 1:
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if found[0].layout.numel != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return found[0].reshape(())

    return f


def _second(name: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool) -> Any:
    with enable_grad():
        many, xs = _inputs(inputs, name, create_graph)
        vs = _vector(v, xs, many, name, "the input to the user-provided function is")
        out = _scalar(func, name)(*xs)
        if strict:
            _check_depends([out], [])
        first = _filled(
            _grad([out], xs, None, True), xs, strict, "The output of the user-provided function is independent of input"
        )
        found = _filled(
            _grad(first, xs, vs, create_graph), xs, strict,
            "The Hessian of the user-provided function is independent of input",
        )  # fmt: skip
    return _result([out], False, create_graph), _result(found, many, create_graph)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (output, vᵀ H): the product of a vector with the Hessian of a function with one number as its result.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.vhp.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("vhp", func, inputs, v, create_graph, strict)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (output, H v): the product of the Hessian with a vector (the Hessian is symmetric, so as ``vhp``).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.hvp.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("hvp", func, inputs, v, create_graph, strict)
