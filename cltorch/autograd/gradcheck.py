"""Compare derivatives with finite differences.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch.autograd.engine import grad
from cltorch.autograd.grad_mode import enable_grad, no_grad
from cltorch.autograd.graph import Settings
from cltorch.ops.array import Array, from_host, to_numpy


class GradcheckError(RuntimeError):
    """Raise when an analytical gradient differs from the numerical one."""


def _outputs(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    result = fn(*inputs)
    outs = list(result) if isinstance(result, (tuple, list)) else [result]
    return [o for o in outs if isinstance(o, Array) and o.dtype.is_floating_point]


def _numerical(fn: Callable[..., Any], inputs: Sequence[Any], which: int, eps: float, outputs: int) -> list[np.ndarray]:
    """Return one Jacobian (input elements × output elements) per output, by central differences."""
    x = inputs[which]
    base = to_numpy(x).astype(np.float64)
    columns: list[list[np.ndarray]] = [[] for _ in range(outputs)]
    with no_grad():
        for i in range(base.size):
            sides = []
            for step in (eps, -eps):
                moved = base.copy()
                moved.reshape(-1)[i] += step
                trial = list(inputs)
                trial[which] = from_host(moved, x.dtype, x.device)
                sides.append([to_numpy(o).astype(np.float64).reshape(-1) for o in _outputs(fn, trial)])
            for k in range(outputs):
                columns[k].append((sides[0][k] - sides[1][k]) / (2 * eps))
    return [np.array(c).reshape(base.size, -1) for c in columns]


def _analytical(out: Any, x: Any) -> np.ndarray:
    n, m = out.layout.numel, x.layout.numel
    jacobian = np.zeros((m, n))
    for j in range(n):
        seed = np.zeros(n)
        seed[j] = 1
        g = from_host(seed.reshape(out.shape), out.dtype, out.device)
        (gx,) = grad([out], [x], [g], retain_graph=True, allow_unused=True)
        if gx is not None:
            jacobian[:, j] = to_numpy(gx).reshape(-1)
    return jacobian


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Return whether the gradients of a function agree with finite differences (inputs in float64).

    Raises GradcheckError with both Jacobians where they differ, unless ``raise_exception`` is False.

    >>> import cltorch as torch
    >>> x = torch.tensor([0.3, -0.7], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    """
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    try:
        wanted = [i for i, x in enumerate(args) if isinstance(x, Array) and x._requires_grad]
        if not wanted:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of the them have "
                "requires_grad=True."
            )
        outs = _outputs(func, args)
        for i in wanted:
            numerical = _numerical(func, args, i, eps, len(outs))
            for k, out in enumerate(outs):
                analytical = (
                    _analytical(out, args[i])
                    if out._grad_fn is not None or out is args[i]
                    else np.zeros_like(numerical[k])
                )
                if not np.allclose(analytical, numerical[k], rtol=rtol, atol=atol, equal_nan=True):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} with respect to input "
                        f"{i},\nnumerical:{numerical[k]}\nanalytical:{analytical}\n"
                    )
                if (
                    nondet_tol == 0.0
                    and out._grad_fn is not None
                    and not np.array_equal(analytical, _analytical(out, args[i]), equal_nan=True)
                ):
                    raise GradcheckError(
                        f"Backward is not reentrant: output {k} gives different gradients for input {i} when run twice"
                    )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Return whether the gradients of a function's gradients agree with finite differences."""
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    functions = Settings.functions
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        outs = _outputs(func, args)
        grad_outputs = [from_host(rng.standard_normal(tuple(o.shape)), o.dtype, o.device) for o in outs]
        for g in grad_outputs:
            g._requires_grad = True
    seeds = tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)
    n = len(args)
    wanted = [i for i, x in enumerate(args) if isinstance(x, Array) and x._requires_grad]

    def first(*both: Any) -> tuple[Any, ...]:
        xs = list(both[:n])
        for i in wanted:  # numerical trials come without requires_grad
            if not xs[i]._requires_grad:
                xs[i]._requires_grad = True
        with enable_grad():  # even inside the no_grad of the finite differences
            found = grad(
                _outputs(func, xs), [xs[i] for i in wanted], list(both[n:]), create_graph=True, allow_unused=True
            )
        return tuple(g if g is not None else functions.zeros_like(xs[i]) for g, i in zip(found, wanted, strict=True))

    return gradcheck(
        first, (*args, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol
    )
