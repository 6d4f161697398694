"""Derivatives of functions as a whole: Jacobians, Hessians and their products with vectors.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#functional-higher-level-api
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch.autograd import batch_levels, forward_ad
from cltorch.autograd.grad_mode import enable_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings, refuse_in_transform
from cltorch.ops.array import Array

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tensors(given: Any, what: str, name: str) -> tuple[bool, tuple[Any, ...]]:
    """Return whether a tuple was given, and the tensors; raise TypeError for anything else."""
    many = isinstance(given, tuple)
    found = given if many else (given,)
    given_what = f"{what} of the user-provided function" if what == "outputs" else what
    for i, x in enumerate(found):
        if not isinstance(x, Array):
            if many:
                raise TypeError(
                    f"The {what} {name} must be either a Tensor or a tuple of Tensors but the value at index {i} has "
                    f"type {type(x)}."
                )
            raise TypeError(
                f"The {what} {name} must be either a Tensor or a tuple of Tensors but the given {given_what} has type "
                f"{type(x)}."
            )
    return many, tuple(found)


def _inputs(inputs: Any, name: str, create_graph: bool, forward: bool = False) -> tuple[bool, tuple[Any, ...]]:
    """Return tensors that ask for gradients: the same values, part of the caller's graph only under create_graph."""
    if Settings.transforms and not forward:
        refuse_in_transform("requires_grad_()", " (or perhaps using torch.autograd.functional.* APIs)")
    many, found = _tensors(inputs, "inputs", f"given to {name}")
    return many, tuple(x.view_as(x) if create_graph and x.requires_grad else x.detach()._asking() for x in found)


def _outputs(func: Callable[..., Any], xs: Sequence[Any], name: str, strict: bool) -> tuple[bool, tuple[Any, ...]]:
    outs = func(*xs)
    many, found = _tensors(outs, "outputs", f"of the user-provided function given to {name}")
    if strict:
        _check_depends(found)
    return many, found


def _check_depends(outs: Sequence[Any]) -> None:
    for i, out in enumerate(outs):
        if not out.requires_grad:
            raise RuntimeError(
                f"Output {i} of the user-provided function does not require gradients. The outputs must be computed in "
                "a differentiable manner from the input when running in strict mode."
            )


def _vector(v: Any, like: Sequence[Any], many: bool, name: str, whose: str) -> tuple[Any, ...]:
    """Return the vector to multiply with: ones where it may be left out, else checked against the tensors."""
    if v is None:
        if len(like) != 1 or like[0].lay.numel != 1:
            raise RuntimeError(f"The vector v can only be None if {whose} a single Tensor with a single element.")
        return (Settings.functions.ones_like(like[0]),)
    _, found = _tensors(v, "v", f"given to {name}")
    if len(found) != len(like) and not many:
        raise RuntimeError("The given v should contain a single Tensor.")
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


def _need_slopes(grads: Sequence[Any], message: str) -> None:
    """Raise RuntimeError where a derivative is itself independent of the inputs."""
    for i, g in enumerate(grads):
        if not g.requires_grad:
            raise RuntimeError(message.format(i))


_CONSTANT = (
    "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode when "
    "create_graph=True."
)
_LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
    "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function, for "
    "example)."
)


def _result(xs: Sequence[Any], many: bool, create_graph: bool) -> Any:
    done = tuple(xs) if create_graph else tuple(x.detach() for x in xs)
    return done if many else done[0]


def vjp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (outputs, vᵀ J): the product of a vector with the Jacobian, by one backward pass.

    (vᵀ J)[j] = Σ_i v[i] · ∂f[i] / ∂x[j].
    ``v`` has the shapes of the outputs; it may be left out where there is one output of one element.
    Shape: inputs (*n), ``v`` (*m) to (*m) and (*n).
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
        if strict and create_graph:
            _need_slopes(found, _CONSTANT)
    return _result(outs, many_out, create_graph), _result(found, many, create_graph)


def jvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (outputs, J v): the product of the Jacobian with a vector, by differentiating backward twice.

    (J v)[i] = Σ_j ∂f[i] / ∂x[j] · v[j].
    Shape: inputs and ``v`` (*n) to two of (*m).
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
        us = tuple(Settings.functions.zeros_like(o)._asking() for o in outs)
        zeros = Settings.functions.zeros_like
        grads = [zeros(x) if g is None else g for g, x in zip(_grad(outs, xs, us, True), xs, strict=True)]
        found = _filled(
            _grad(grads, us, vs, create_graph), outs, strict,
            "The output of the user-provided function is independent of input",
        )  # fmt: skip
        if strict and create_graph:
            _need_slopes(found, _CONSTANT)
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

    J[i, j] = ∂f[i] / ∂x[j].
    ``vectorize`` computes all rows at once, as vmap does; ``strategy="forward-mode"``, which needs it, columns. Raises
    RuntimeError or NotImplementedError for combinations that PyTorch does not have either.
    Shape: inputs (*n) and outputs (*m) to (*m, *n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.jacobian.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    where = "torch.autograd.functional.jacobian: "
    if strategy == "forward-mode":
        for given, name in ((create_graph, "create_graph"), (strict, "strict")):
            if given:
                raise (NotImplementedError if name == "create_graph" else RuntimeError)(
                    f'{where}`{name}=True` and `strategy="forward-mode"` are not supported together (yet). Please '
                    f'either set `{name}=False` or `strategy="reverse-mode"`.'
                )
        if not vectorize:
            raise NotImplementedError(
                "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
                "`vectorize=True`."
            )
    if strict and vectorize:
        raise RuntimeError(
            f"{where}`strict=True` and `vectorized=True` are not supported together. Please either set `strict=False` "
            "or `vectorize=False`."
        )
    with enable_grad():
        many, xs = _inputs(inputs, "jacobian", create_graph, strategy == "forward-mode")
        if strategy == "forward-mode":
            many_out, rows = _by_columns(func, xs)
        else:
            many_out, outs = _outputs(func, xs, "jacobian", strict)
            rows = [
                _at_once(out, xs, create_graph) if vectorize else _one_by_one(i, out, xs, create_graph, strict)
                for i, out in enumerate(outs)
            ]
        found = [tuple(row) if create_graph else tuple(x.detach() for x in row) for row in rows]
    if many_out:
        return tuple(row if many else row[0] for row in found)
    return found[0] if many else found[0][0]


def _one_by_one(i: int, out: Any, xs: Sequence[Any], create_graph: bool, strict: bool) -> list[Any]:
    """Return the derivatives of one output by all inputs, row after row."""
    m, flat = Settings.functions, out.reshape(-1)
    columns: list[list[Any]] = [[] for _ in xs]
    for j in range(out.lay.numel):
        for k, g in enumerate(_grad([flat[j]], xs, None, create_graph)):
            if strict and (g is None or (create_graph and not g.requires_grad)):
                raise RuntimeError(
                    _CONSTANT.format(k)
                    if g is not None
                    else f"Output {i} of the user-provided function is "
                    f"independent of input {k}. This is not allowed in strict mode."
                )
            columns[k].append(m.zeros_like(xs[k]) if g is None else g)
    return [
        m.stack(column).reshape((*out.shape, *x.shape)) if column else m.zeros((*out.shape, *x.shape))
        for column, x in zip(columns, xs, strict=True)
    ]


def _units(x: Any) -> Any:
    """Return the unit vectors of a tensor's shape, stacked in front."""
    m, n = Settings.functions, x.lay.numel
    return m.reshape(m.eye(n, dtype=x.dtype, device=x.device), (n, *x.shape))


def _construct_standard_basis_for(tensors: Sequence[Any], tensor_numels: Sequence[int]) -> tuple[Any, ...]:
    """Return the unit vectors of several tensors joined, for each tensor its part of every one."""
    m, total, at, parts = Settings.functions, sum(tensor_numels), 0, []
    for x, n in zip(tensors, tensor_numels, strict=True):
        parts.append(m.eye(total, dtype=x.dtype, device=x.device)[:, at : at + n])
        at += n
    return tuple(parts)


def _at_once(out: Any, xs: Sequence[Any], create_graph: bool) -> list[Any]:
    """Return the derivatives of one output by all inputs, for a batch of unit vectors."""
    m, n = Settings.functions, out.lay.numel
    wanted = [x for x in xs if x.requires_grad]
    found: Any = [None] * len(wanted)
    if out.requires_grad and wanted and n:
        found = grad(
            [out], wanted, [_units(out)], retain_graph=True, create_graph=create_graph, allow_unused=True,
            is_grads_batched=True,
        )  # fmt: skip
    rest = iter(found)
    rows = [next(rest) if x.requires_grad else None for x in xs]
    shapes = [(*out.shape, *x.shape) for x in xs]
    return [
        m.zeros(shape, dtype=x.dtype, device=x.device) if g is None else g.reshape(shape)
        for g, x, shape in zip(rows, xs, shapes, strict=True)
    ]


def _by_columns(func: Callable[..., Any], xs: Sequence[Any]) -> tuple[bool, list[list[Any]]]:
    """Return whether there are many outputs, and the derivatives of each by all inputs, by forward-mode derivatives."""
    m = Settings.functions
    many, rows = False, []
    for k, x in enumerate(xs):
        n = x.lay.numel
        with batch_levels.level(n, batch_levels.OWN) as number, forward_ad.dual_level():
            given = [y.detach() for y in xs]
            given[k] = forward_ad.make_dual(given[k], batch_levels.wrap(_units(x), number))
            many, outs = _outputs(func, given, "jacobian", False)
            pushed = []
            for out in outs:
                primal, t = forward_ad.unpack_dual(out)
                pushed.append(batch_levels.expose(m.zeros_like(primal) if t is None else t, number, n))
        rows.append([m.movedim(t, 0, -1).reshape((*t.shape[1:], *x.shape)) for t in pushed])
    return many, [list(row) for row in zip(*rows, strict=True)]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the second derivatives of a function with one number as its result, for each pair of inputs.

    H[i, j] = ∂²f / ∂x[i] ∂x[j].
    Shape: inputs (*n), (*m), … to (*n, *n), (*n, *m), ….
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.hessian.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    many, _ = _tensors(inputs, "inputs", "given to hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    forward = outer_jacobian_strategy == "forward-mode"

    whole = _scalar(func, "hessian")

    def checked(*xs: Any) -> Any:
        out = whole(*xs)
        if strict:
            _check_depends([out])
        return out

    def first(*xs: Any) -> Any:
        if forward:  # tangents came with them: they need a graph of their own as well
            xs = tuple(x._asking() for x in xs)
        found = jacobian(checked, xs, create_graph=True)
        if strict:
            _need_slopes(found, _LINEAR)
        return tuple(found) if many else found[0]

    return jacobian(
        first, inputs, create_graph=create_graph, strict=strict, vectorize=vectorize, strategy=outer_jacobian_strategy
    )


def _scalar(func: Callable[..., Any], name: str) -> Callable[..., Any]:
    def f(*xs: Any) -> Any:
        out = func(*xs)
        many, found = _tensors(out, "outputs", f"of the user-provided function given to {name}")
        if many and len(found) != 1:
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if found[0].lay.numel != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return found[0].reshape(())

    return f


def _second(name: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool) -> Any:
    with enable_grad():
        many, xs = _inputs(inputs, name, create_graph)
        vs = _vector(v, xs, many, name, "the input to the user-provided function is")
        out = _scalar(func, name)(*xs)
        if strict:
            _check_depends([out])
        first = _filled(
            _grad([out], xs, None, True), xs, strict, "The output of the user-provided function is independent of input"
        )
        if strict:
            _need_slopes(first, _LINEAR)
        found = _filled(
            _grad(first, xs, vs, create_graph), xs, strict,
            "The Hessian of the user-provided function is independent of input",
        )  # fmt: skip
    return _result([out], False, create_graph), _result(found, many, create_graph)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (output, vᵀ H): the product of a vector with the Hessian of a function with one number as its result.

    (vᵀ H)[j] = Σ_i v[i] · ∂²f / ∂x[i] ∂x[j].
    Shape: inputs and ``v`` (*n) to () and (*n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.vhp.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("vhp", func, inputs, v, create_graph, strict)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Return (output, H v): the product of the Hessian with a vector (the Hessian is symmetric, so as ``vhp``).

    (H v)[i] = Σ_j ∂²f / ∂x[i] ∂x[j] · v[j].
    Shape: inputs and ``v`` (*n) to () and (*n).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.functional.hvp.html

    >>> import cltorch as torch
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second("hvp", func, inputs, v, create_graph, strict)
