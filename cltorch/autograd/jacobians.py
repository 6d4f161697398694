"""Jacobians of functions: by differences, by backward passes and by forward-mode derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cltorch.autograd import forward_ad
from cltorch.autograd.edges import preserve_version_counter
from cltorch.autograd.grad_mode import enable_grad, no_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings
from cltorch.ops.array import Array, from_host, to_numpy
from cltorch.ops.strided import copy_into


def outputs_of(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    """Return the results of a function that can be differentiated."""
    result = fn(*inputs)
    outs = list(result) if isinstance(result, (tuple, list)) else [result]
    return [o for o in outs if isinstance(o, Array) and o.dtype.differentiable]


def reals(x: Any) -> np.ndarray:
    """Return a tensor's numbers as a flat array of float64; a complex number counts as two."""
    a = to_numpy(x)
    if a.dtype.kind == "c":
        a = np.ascontiguousarray(a, np.complex128).reshape(-1).view(np.float64)
    return a.reshape(-1).astype(np.float64)


def real_size(x: Any) -> int:
    """Return how many real numbers a tensor has."""
    return int(x.lay.numel) * (2 if x.dtype.is_complex else 1)


def tensor_of(flat: np.ndarray, like: Any, *batch: int) -> Any:
    """Return flat numbers, as ``reals`` gives them, as a tensor like another."""
    numbers = flat.view(np.complex128) if like.dtype.is_complex else flat
    return from_host(numbers.reshape((*batch, *like.shape)), like.dtype, like.device)


def check_alike(before: Sequence[Any], outs: Sequence[Any]) -> None:
    """Refuse a function whose results change in shape or dtype with its inputs' values."""
    for a, b in zip(before, outs, strict=True):
        for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
            if x != y:
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed, but got: "
                    f"{what}s {y} and {x}"
                )


def outputs_around(
    fn: Callable[..., Any], inputs: Sequence[Any], which: int, steps: Iterable[np.ndarray], like: Sequence[Any]
) -> Iterator[Any]:
    """Yield the outputs' numbers with an input moved by each step, in place: a function may know the tensor itself."""
    x = inputs[which]
    base = reals(x)
    try:
        for step in steps:
            _put(x, base + step)
            with enable_grad():  # a function may register hooks of what wants a gradient
                outs = outputs_of(fn, inputs)
            check_alike(like, outs)
            yield [reals(o) for o in outs]
    finally:
        _put(x, base)


def _put(x: Any, flat: np.ndarray) -> None:
    """Write numbers into a tensor; autograd counts no change, but what was made of the bytes before is let go."""
    with preserve_version_counter(x):
        copy_into(x, tensor_of(flat, x))


def numerical_jacobian(
    fn: Callable[..., Any], inputs: Sequence[Any], which: int, eps: float, outs: Sequence[Any]
) -> list[np.ndarray]:
    """Return one Jacobian (input numbers × output numbers, all real) per output, by central differences."""
    size = real_size(inputs[which])
    if not size:
        return [np.zeros((0, real_size(o))) for o in outputs_of(fn, inputs)]
    units = (eps * np.eye(1, size, i)[0] for i in range(size))
    found = outputs_around(fn, inputs, which, (step for unit in units for step in (unit, -unit)), outs)
    columns: list[list[np.ndarray]] = [[] for _ in outs]
    for up, down in zip(found, found, strict=True):
        for k in range(len(outs)):
            columns[k].append((up[k] - down[k]) / (2 * eps))
    return [np.array(c).reshape(size, -1) for c in columns]


def analytical_jacobian(out: Any, x: Any) -> np.ndarray:
    """Return the Jacobian (input numbers × output numbers, all real) that backward passes give."""
    # a complex gradient is dL/dRe + i dL/dIm, so that its parts are a real Jacobian's entries
    n, m = real_size(out), real_size(x)
    jacobian = np.zeros((m, n))
    for j in range(n):
        seed = np.zeros(n)
        seed[j] = 1
        g = tensor_of(seed, out)
        (gx,) = grad([out], [x], [g], retain_graph=True, allow_unused=True)
        if gx is not None:
            jacobian[:, j] = reals(gx)
    return jacobian


def is_tracked(out: Any, x: Any) -> bool:
    """Return whether gradients of a result go anywhere."""
    return out.grad_fn is not None or out is x


def pushed_forward(fn: Callable[..., Any], args: Sequence[Any], i: int, v: Any) -> list[np.ndarray]:
    """Return the tangents of the outputs for one of an input and zeros of the others, zeros where there is none."""
    zeros = Settings.functions.zeros_like
    tangents = {k: zeros(x.detach()) for k, x in enumerate(args) if isinstance(x, Array) and x._requires_grad}
    return tangents_at(fn, args, tangents | {i: v})


def tangents_at(fn: Callable[..., Any], args: Sequence[Any], tangents: dict[int, Any]) -> list[np.ndarray]:
    """Return the tangents of the outputs for those of some inputs, by their places; zeros where there is none."""
    given = [x._detached() if isinstance(x, Array) else x for x in args]
    with no_grad(), forward_ad.dual_level():
        for k, v in tangents.items():
            given[k] = forward_ad.make_dual(given[k], v)
        found = [forward_ad.unpack_dual(o) for o in outputs_of(fn, given)]
        return [np.zeros(real_size(p)) if t is None else reals(t) for p, t in found]


def pushed_jacobian(
    fn: Callable[..., Any], args: Sequence[Any], i: int, like: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the Jacobian of each output by forward-mode derivatives."""
    x = args[i]
    rows = []
    for j in range(real_size(x)):
        unit = np.zeros(real_size(x))
        unit[j] = 1
        rows.append(pushed_forward(fn, args, i, tensor_of(unit, x)))
    return [np.array([row[k] for row in rows]).reshape(of.shape) for k, of in enumerate(like)]
