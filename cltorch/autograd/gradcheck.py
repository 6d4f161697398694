"""Compare derivatives with finite differences.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd.grad_mode import enable_grad
from cltorch.autograd.gradcheck_rules import (
    GradcheckError,
    check_again,
    check_batched,
    check_batched_forward,
    check_dtypes,
    check_undefined,
    check_undefined_forward,
    check_zeros,
)
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings
from cltorch.autograd.jacobians import (
    analytical_jacobian,
    is_tracked,
    numerical_jacobian,
    outputs_around,
    outputs_of,
    pushed_forward,
    pushed_jacobian,
    real_size,
    reals,
    tensor_of,
)
from cltorch.ops.array import Array

_NOTHING = "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
_FAST = (
    "\n\nThe above quantities relating the numerical and analytical jacobians are computed in fast mode. See: "
    "https://github.com/pytorch/pytorch/issues/53876 for more background about fast mode. Below, we recompute "
    "numerical and analytical jacobians in slow mode:\n\nNumerical:\n {}\nAnalytical:\n{}\n\n"
    "The max per-element difference (slow mode) is: {}.\n"
)


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
    """Return whether the gradients of a function agree with finite differences (inputs in float64 or complex128).

    J[i, j] against (f(x + eps e_j) - f(x - eps e_j))[i] / (2 eps), by |a - n| <= atol + rtol |n|.
    ``check_forward_ad`` compares forward-mode derivatives too, ``check_batched_grad`` gradients for a batch of vectors
    with those for each of them; ``fast_mode`` compares one product with random vectors instead of whole Jacobians.
    Raises GradcheckError with both Jacobians where they differ, unless ``raise_exception`` is False.
    Shape: inputs and outputs (*).
    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> x = torch.tensor([0.3, -0.7], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    """
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    wanted = [i for i, x in enumerate(args) if isinstance(x, Array) and x._requires_grad]
    near = {"rtol": rtol, "atol": atol, "equal_nan": True}
    try:
        if not wanted:
            raise ValueError(_NOTHING)
        for i in wanted:
            _check_input(args[i], i)
        outs = outputs_of(func, args)
        numerical = {} if fast_mode else {i: numerical_jacobian(func, args, i, eps, outs) for i in wanted}
        for forward in (*([False] if check_backward_ad else ()), *([True] if check_forward_ad else ())):
            for i in wanted:
                if fast_mode:
                    _check_products(func, args, i, outs, eps, near, forward)
                elif forward:
                    _check_forward(func, args, i, numerical[i], near, outs)
                else:
                    _check_backward(args, i, outs, numerical[i], near)
        for i in wanted:
            if check_backward_ad:
                check_again(args[i], outs, nondet_tol)
            if check_grad_dtypes:
                check_dtypes(args[i], i, outs)
            if check_batched_grad:
                check_batched(args[i], outs)
            if check_batched_forward_grad:
                check_batched_forward(func, args, i)
        if check_backward_ad:
            check_zeros(args, wanted, outs, bool(masked))
        if check_undefined_grad and check_forward_ad:
            check_undefined_forward(func, args, wanted)
        if check_undefined_grad and check_backward_ad:
            check_undefined(func, args, wanted)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check_input(x: Any, i: int) -> None:
    """Warn of numbers that are not precise enough, and refuse elements that share memory."""
    if x.dtype not in (dtypes.float64, dtypes.complex128):
        warnings.warn(
            f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
            "likely fail if all the inputs are not of double precision floating point or complex.",
            stacklevel=3,
        )
    if any(step == 0 and n > 1 for step, n in zip(x.lay.strides, x.lay.shape, strict=True)):
        raise RuntimeError(
            f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
            "to be able to compute the numerical gradients correctly. You should call .contiguous on the input before "
            "passing it to gradcheck."
        )


def _mismatch(how: str, k: int, i: int, numerical: Any, analytical: Any, part: str = "") -> GradcheckError:
    return GradcheckError(
        f"{part}Jacobian {how}mismatch for output {k} with respect to input {i},\nnumerical:{numerical}\n"
        f"analytical:{analytical}\n"
    )


def _shown(jacobian: np.ndarray) -> Any:
    """Return a Jacobian as a tensor, as messages have it."""
    return Settings.functions.tensor(jacobian)


def _compare(
    how: str, k: int, i: int, numerical: np.ndarray, analytical: np.ndarray, near: dict[str, Any], out: Any
) -> None:
    """Raise GradcheckError where Jacobians differ, of a complex output's imaginary and real parts one by one."""
    parts = {"": slice(None)}
    if out.dtype.is_complex:
        only = "While considering the {} part of complex outputs only, "
        parts = {only.format("imaginary"): slice(1, None, 2), only.format("real"): slice(0, None, 2)}
    for part, columns in parts.items():
        if not np.allclose(analytical[:, columns], numerical[:, columns], **near):
            raise _mismatch(how, k, i, _shown(numerical[:, columns]), _shown(analytical[:, columns]), part)


def _check_backward(
    args: Sequence[Any], i: int, outs: Sequence[Any], numerical: Sequence[Any], near: dict[str, Any]
) -> None:
    for k, out in enumerate(outs):
        tracked = is_tracked(out, args[i])
        analytical = analytical_jacobian(out, args[i]) if tracked else np.zeros_like(numerical[k])
        if not tracked and not np.allclose(numerical[k], 0, **near):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        _compare("", k, i, numerical[k], analytical, near, out)


def _check_forward(
    fn: Callable[..., Any], args: Sequence[Any], i: int, numerical: Sequence[Any], near: dict[str, Any],
    outs: Sequence[Any],
) -> None:  # fmt: skip
    for k, analytical in enumerate(pushed_jacobian(fn, args, i, numerical)):
        _compare("computed with forward mode ", k, i, numerical[k], analytical, near, outs[k])


def _check_products(
    fn: Callable[..., Any], args: Sequence[Any], i: int, outs: Sequence[Any], eps: float, near: dict[str, Any],
    forward: bool,
) -> None:  # fmt: skip
    """Compare one product u J v with random unit vectors instead of the whole Jacobian."""
    rng = np.random.default_rng(0)
    x = args[i]
    v = rng.random(real_size(x))  # of one sign, so that errors of one sign do not cancel
    v = v / (float(np.linalg.norm(v)) or 1.0)
    sides = list(outputs_around(fn, args, i, (eps * v, -eps * v), outs))
    pushed = pushed_forward(fn, args, i, tensor_of(v, x)) if forward else []
    for k, out in enumerate(outs):
        u = rng.random(real_size(out))
        numerical = ((sides[0][k] - sides[1][k]) / (2 * eps) * u).sum()
        if forward:
            analytical = (pushed[k] * u).sum()
        else:
            g = None
            if is_tracked(out, x):
                (g,) = grad([out], [x], [tensor_of(u, out)], retain_graph=True, allow_unused=True)
            elif not np.allclose(numerical, 0, **near):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            analytical = 0.0 if g is None else (reals(g) * v).sum()
        if not np.allclose(analytical, numerical, **near):
            told = str(_mismatch("computed with forward mode " if forward else "", k, i, numerical, analytical))
            whole = numerical_jacobian(fn, args, i, eps, outs)
            own = pushed_jacobian(fn, args, i, whole)[k] if forward else analytical_jacobian(out, x)
            off = float(np.abs(whole[k] - own).max())
            raise GradcheckError(told.rstrip() + _FAST.format(_shown(whole[k]), _shown(own), off))


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
    """Return whether the gradients of a function's gradients agree with finite differences.

    The derivatives of x, g ↦ gᵀ J(x) are compared, as by ``gradcheck``, with <= for the same bounds.
    Shape: inputs, outputs and ``grad_outputs`` (*).
    Source: https://docs.pytorch.org/docs/2.13/autograd.html

    >>> import cltorch as torch
    >>> x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x ** 3, [x])
    True
    """
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    functions = Settings.functions
    if not any(isinstance(x, Array) and x._requires_grad for x in args):
        raise ValueError(_NOTHING)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        outs = outputs_of(func, args)
        grad_outputs = [tensor_of(rng.standard_normal(real_size(o)), o) for o in outs]
        if gen_non_contig_grad_outputs:
            grad_outputs = [functions.select(functions.stack([g, g], -1), -1, 0) for g in grad_outputs]
        for g in grad_outputs:
            g._requires_grad = True
    seeds = tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)
    n = len(args)
    wanted = [i for i, x in enumerate(args) if isinstance(x, Array) and x._requires_grad]

    def first(*both: Any) -> tuple[Any, ...]:
        xs = list(both[:n])
        for i in wanted:  # trials come without requires_grad
            if not xs[i]._requires_grad:
                xs[i]._asking()
        with enable_grad():  # even inside the no_grad of the finite differences
            found = grad(
                outputs_of(func, xs), [xs[i] for i in wanted], list(both[n:]), create_graph=True, allow_unused=True
            )
        return tuple(g if g is not None else functions.zeros_like(xs[i]) for g, i in zip(found, wanted, strict=True))

    return gradcheck(
        first, (*args, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode,
    )  # fmt: skip
