"""Compare derivatives with finite differences.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.gradcheck.gradcheck.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cltorch import dtypes
from cltorch.autograd import batches, forward_ad
from cltorch.autograd.blocking import NoGradient
from cltorch.autograd.edges import preserve_version_counter
from cltorch.autograd.grad_mode import enable_grad, no_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings
from cltorch.ops.array import Array, from_host, to_numpy
from cltorch.ops.strided import copy_into

_FAST = (
    "\n\nThe above quantities relating the numerical and analytical jacobians are computed in fast mode. See: "
    "https://github.com/pytorch/pytorch/issues/53876 for more background about fast mode. Below, we recompute "
    "numerical and analytical jacobians in slow mode:\n\nNumerical:\n {}\nAnalytical:\n{}\n\n"
    "The max per-element difference (slow mode) is: {}.\n"
)


class GradcheckError(RuntimeError):
    """Raise when an analytical gradient differs from the numerical one."""


def _outputs(fn: Callable[..., Any], inputs: Sequence[Any]) -> list[Any]:
    result = fn(*inputs)
    outs = list(result) if isinstance(result, (tuple, list)) else [result]
    return [o for o in outs if isinstance(o, Array) and o.dtype.differentiable]


def _reals(x: Any) -> np.ndarray:
    """Return a tensor's numbers as a flat array of float64; a complex number counts as two."""
    a = to_numpy(x)
    if a.dtype.kind == "c":
        a = np.ascontiguousarray(a, np.complex128).reshape(-1).view(np.float64)
    return a.reshape(-1).astype(np.float64)


def _size(x: Any) -> int:
    return int(x.layout.numel) * (2 if x.dtype.is_complex else 1)


def _tensor(flat: np.ndarray, like: Any, *batch: int) -> Any:
    """Return flat numbers, as ``_reals`` gives them, as a tensor like another."""
    numbers = flat.view(np.complex128) if like.dtype.is_complex else flat
    return from_host(numbers.reshape((*batch, *like.shape)), like.dtype, like.device)


def _check_alike(before: Sequence[Any], outs: Sequence[Any]) -> None:
    """Refuse a function whose results change in shape or dtype with its inputs' values."""
    for a, b in zip(before, outs, strict=True):
        for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
            if x != y:
                raise AssertionError(
                    f"Expected `func` to return outputs with the same {what} when inputs are perturbed, but got: "
                    f"{what}s {y} and {x}"
                )


def _moved(
    fn: Callable[..., Any], inputs: Sequence[Any], which: int, steps: Iterable[np.ndarray], like: Sequence[Any]
) -> Iterator[Any]:
    """Yield the outputs' numbers with an input moved by each step, in place: a function may know the tensor itself."""
    x = inputs[which]
    base = _reals(x)
    try:
        for step in steps:
            _put(x, base + step)
            with enable_grad():  # a function may register hooks of what wants a gradient
                outs = _outputs(fn, inputs)
            _check_alike(like, outs)
            yield [_reals(o) for o in outs]
    finally:
        _put(x, base)


def _put(x: Any, flat: np.ndarray) -> None:
    """Write numbers into a tensor; autograd counts no change, but what was made of the bytes before is let go."""
    with preserve_version_counter(x):
        copy_into(x, _tensor(flat, x))


def _numerical(
    fn: Callable[..., Any], inputs: Sequence[Any], which: int, eps: float, outs: Sequence[Any]
) -> list[np.ndarray]:
    """Return one Jacobian (input numbers × output numbers, all real) per output, by central differences."""
    size = _size(inputs[which])
    if not size:
        return [np.zeros((0, _size(o))) for o in _outputs(fn, inputs)]
    units = (eps * np.eye(1, size, i)[0] for i in range(size))
    found = _moved(fn, inputs, which, (step for unit in units for step in (unit, -unit)), outs)
    columns: list[list[np.ndarray]] = [[] for _ in outs]
    for up, down in zip(found, found, strict=True):
        for k in range(len(outs)):
            columns[k].append((up[k] - down[k]) / (2 * eps))
    return [np.array(c).reshape(size, -1) for c in columns]


def _analytical(out: Any, x: Any) -> np.ndarray:
    # a complex gradient is dL/dRe + i dL/dIm, so that its parts are a real Jacobian's entries
    n, m = _size(out), _size(x)
    jacobian = np.zeros((m, n))
    for j in range(n):
        seed = np.zeros(n)
        seed[j] = 1
        g = _tensor(seed, out)
        (gx,) = grad([out], [x], [g], retain_graph=True, allow_unused=True)
        if gx is not None:
            jacobian[:, j] = _reals(gx)
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
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them have "
                "requires_grad=True."
            )
        for i in wanted:
            _check_input(args[i], i)
        outs = _outputs(func, args)
        numerical = {} if fast_mode else {i: _numerical(func, args, i, eps, outs) for i in wanted}
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
                _check_again(args[i], outs, nondet_tol)
            if check_grad_dtypes:
                _check_dtypes(args[i], i, outs)
            if check_batched_grad:
                _check_batched(args[i], outs)
            if check_batched_forward_grad:
                _check_batched_forward(func, args, i)
        if check_backward_ad:
            _check_zeros(args, wanted, outs, bool(masked))
        if check_undefined_grad and check_forward_ad:
            _check_undefined_forward(func, args, wanted)
        if check_undefined_grad and check_backward_ad:
            _check_undefined(func, args, wanted)
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
    if any(step == 0 and n > 1 for step, n in zip(x.layout.strides, x.layout.shape, strict=True)):
        raise RuntimeError(
            f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping "
            "to be able to compute the numerical gradients correctly. You should call .contiguous on the input before "
            "passing it to gradcheck."
        )


def _tracked(out: Any, x: Any) -> bool:
    return out._grad_fn is not None or out is x


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
        tracked = _tracked(out, args[i])
        analytical = _analytical(out, args[i]) if tracked else np.zeros_like(numerical[k])
        if not tracked and not np.allclose(numerical[k], 0, **near):
            raise GradcheckError("Numerical gradient for function expected to be zero")
        _compare("", k, i, numerical[k], analytical, near, out)


def _check_again(x: Any, outs: Sequence[Any], tolerance: float) -> None:
    """Check that a second backward pass gives what the first one gave."""
    rng = np.random.default_rng(2)
    for out in outs:
        if out._grad_fn is not None:
            seed = _tensor(rng.random(_size(out)), out)
            pair = [grad([out], [x], [seed], retain_graph=True, allow_unused=True)[0] for _ in range(2)]
            found = [_reals(g) for g in pair if g is not None]
            if found and not np.allclose(found[0], found[-1], rtol=0, atol=tolerance, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient. The tolerance "
                    f"for nondeterminism was {tolerance}."
                )


def _check_zeros(args: Sequence[Any], wanted: Sequence[int], outs: Sequence[Any], masked: bool) -> None:
    """Check that gradients of zero lead to gradients of zero."""
    found = [o for o in outs if o.requires_grad]
    if found:
        zeros = list(map(Settings.functions.zeros_like, found))
        grads = grad(found, [args[i] for i in wanted], zeros, retain_graph=True, allow_unused=True)
        for g in grads:
            if g is not None and not np.allclose(_reals(g), 0, atol=1e-8 if masked else 0):
                raise GradcheckError("backward not multiplied by grad_output")


def _undefined(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> Iterator[Any]:
    """Yield the gradients that no gradient of all outputs leads to, and that of each one with zeros of the others."""
    count = sum(o.requires_grad for o in _outputs(fn, args))
    for missing in (None, *(range(count) if count > 1 else ())):
        found = [o for o in _outputs(fn, args) if o.requires_grad]
        if found:
            blocked = [NoGradient.apply(o) if missing in (None, k) else o for k, o in enumerate(found)]
            zeros = list(map(Settings.functions.zeros_like, blocked))
            yield from grad(blocked, [args[i] for i in wanted], zeros, allow_unused=True)


def _check_undefined(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> None:
    """Check that no gradient at all, of every output and of each one, counts as zero."""
    where = "Please look at the notes about undefined output gradients in PyTorch's derivatives"
    why: str | None = None
    cause: RuntimeError | None = None
    try:
        if any(g is not None and _reals(g).any() for g in _undefined(fn, args, wanted)):
            why = "all input grads to be undefined or zero when all output grads are undefined or zero"
    except RuntimeError as error:
        why, cause = "backward function to handle undefined output grads", error
    if why is not None:
        warnings.warn(
            "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it "
            "may break existing callers of this function. If this is true for you, you can call this function with "
            '"check_undefined_grad=False" to disable the feature',
            stacklevel=3,
        )
        raise GradcheckError(f"Expected {why}. {where}") from cause


def _pushed(fn: Callable[..., Any], args: Sequence[Any], i: int, v: Any) -> list[np.ndarray]:
    """Return the tangents of the outputs for one of an input and zeros of the others, zeros where there is none."""
    zeros = Settings.functions.zeros_like
    tangents = {k: zeros(x.detach()) for k, x in enumerate(args) if isinstance(x, Array) and x._requires_grad}
    return _tangents(fn, args, tangents | {i: v})


def _tangents(fn: Callable[..., Any], args: Sequence[Any], tangents: dict[int, Any]) -> list[np.ndarray]:
    given = [x._detached() if isinstance(x, Array) else x for x in args]
    with no_grad(), forward_ad.dual_level():
        for k, v in tangents.items():
            given[k] = forward_ad.make_dual(given[k], v)
        found = [forward_ad.unpack_dual(o) for o in _outputs(fn, given)]
        return [np.zeros(_size(p)) if t is None else _reals(t) for p, t in found]


def _check_undefined_forward(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> None:
    """Check that no tangent of an input counts as a tangent of zeros."""
    rng = np.random.default_rng(3)
    tangents = {i: _tensor(rng.random(_size(args[i])), args[i]) for i in wanted}
    for i in wanted:
        rest = {k: v for k, v in tangents.items() if k != i}
        zeros = Settings.functions.zeros_like(args[i].detach())
        both = (_tangents(fn, args, rest | {i: zeros}), _tangents(fn, args, rest))
        for k, (with_zeros, without) in enumerate(zip(*both, strict=True)):
            if not np.allclose(with_zeros, without):
                raise GradcheckError(
                    f"Mismatch in tangent values for output with index: {k} when input {i} has an undefined tangent "
                    f"value. Got: {with_zeros} but expected: {without}"
                )


def _check_forward(
    fn: Callable[..., Any], args: Sequence[Any], i: int, numerical: Sequence[Any], near: dict[str, Any],
    outs: Sequence[Any],
) -> None:  # fmt: skip
    for k, analytical in enumerate(_pushed_jacobian(fn, args, i, numerical)):
        _compare("computed with forward mode ", k, i, numerical[k], analytical, near, outs[k])


def _pushed_jacobian(
    fn: Callable[..., Any], args: Sequence[Any], i: int, like: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the Jacobian of each output by forward-mode derivatives."""
    x = args[i]
    rows = []
    for j in range(_size(x)):
        unit = np.zeros(_size(x))
        unit[j] = 1
        rows.append(_pushed(fn, args, i, _tensor(unit, x)))
    return [np.array([row[k] for row in rows]).reshape(of.shape) for k, of in enumerate(like)]


def _check_products(
    fn: Callable[..., Any], args: Sequence[Any], i: int, outs: Sequence[Any], eps: float, near: dict[str, Any],
    forward: bool,
) -> None:  # fmt: skip
    """Compare one product u J v with random unit vectors instead of the whole Jacobian."""
    rng = np.random.default_rng(0)
    x = args[i]
    v = rng.random(_size(x))  # of one sign, so that errors of one sign do not cancel
    v = v / (float(np.linalg.norm(v)) or 1.0)
    sides = list(_moved(fn, args, i, (eps * v, -eps * v), outs))
    pushed = _pushed(fn, args, i, _tensor(v, x)) if forward else []
    for k, out in enumerate(outs):
        u = rng.random(_size(out))
        numerical = ((sides[0][k] - sides[1][k]) / (2 * eps) * u).sum()
        if forward:
            analytical = (pushed[k] * u).sum()
        else:
            g = None
            if _tracked(out, x):
                (g,) = grad([out], [x], [_tensor(u, out)], retain_graph=True, allow_unused=True)
            elif not np.allclose(numerical, 0, **near):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            analytical = 0.0 if g is None else (_reals(g) * v).sum()
        if not np.allclose(analytical, numerical, **near):
            told = str(_mismatch("computed with forward mode " if forward else "", k, i, numerical, analytical))
            whole = _numerical(fn, args, i, eps, outs)
            own = _pushed_jacobian(fn, args, i, whole)[k] if forward else _analytical(out, x)
            off = float(np.abs(whole[k] - own).max())
            raise GradcheckError(told.rstrip() + _FAST.format(_shown(whole[k]), _shown(own), off))


def _check_dtypes(x: Any, i: int, outs: Sequence[Any]) -> None:
    for out in outs:
        if _tracked(out, x):
            (g,) = grad([out], [x], [Settings.functions.ones_like(out)], retain_graph=True, allow_unused=True)
            if g is not None and g.dtype is not x.dtype:
                raise GradcheckError(f"the gradient of input {i} has dtype {g.dtype}, the input {x.dtype}")


def _batch_for(x: Any) -> Any:
    rng = np.random.default_rng(1)
    return _tensor(rng.standard_normal(2 * _size(x)), x, 2)


def _check_batched(x: Any, outs: Sequence[Any]) -> None:
    """Compare the gradients for a batch of vectors with those for one after the other."""
    for k, out in enumerate(outs):
        if _tracked(out, x):
            vs = _batch_for(out)
            keep = {"retain_graph": True, "allow_unused": True}
            (found,) = grad([out], [x], [vs], is_grads_batched=True, **keep)
            for n in range(2):
                (one,) = grad([out], [x], [vs[n]], **keep)
                if one is None and found is None:
                    continue
                if not np.allclose(to_numpy(found[n]), to_numpy(one), equal_nan=True):
                    raise GradcheckError(
                        f"gradcheck or gradgradcheck failed while testing batched gradient computation of output {k}: "
                        f"vmap gives\n{found[n]}\nand one vector after the other\n{one}"
                    )


def _check_batched_forward(fn: Callable[..., Any], args: Sequence[Any], i: int) -> None:
    """Compare the tangents for a batch of vectors with those for one after the other."""
    given = [x._detached() if isinstance(x, Array) else x for x in args]
    vs = _batch_for(given[i])

    def push(v: Any) -> tuple[Any, ...]:
        with no_grad(), forward_ad.dual_level():
            trial = list(given)
            trial[i] = forward_ad.make_dual(given[i], v)
            found = [forward_ad.unpack_dual(o) for o in _outputs(fn, trial)]
        return tuple(Settings.functions.zeros_like(p) if t is None else t for p, t in found)

    with batches.level(2, "different") as number:
        found = [batches.expose(t, number, 2) for t in push(batches.wrap(vs, number))]
    for n in range(2):
        for k, one in enumerate(push(vs[n])):
            if not np.allclose(to_numpy(found[k][n]), to_numpy(one), equal_nan=True):
                raise GradcheckError(
                    f"gradcheck failed while testing batched forward gradient computation of output {k}: vmap gives\n"
                    f"{found[k][n]}\nand one vector after the other\n{one}"
                )


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
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        outs = _outputs(func, args)
        grad_outputs = [_tensor(rng.standard_normal(_size(o)), o) for o in outs]
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
                _outputs(func, xs), [xs[i] for i in wanted], list(both[n:]), create_graph=True, allow_unused=True
            )
        return tuple(g if g is not None else functions.zeros_like(xs[i]) for g, i in zip(found, wanted, strict=True))

    return gradcheck(
        first, (*args, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_batched_grad=check_batched_grad, check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev, check_grad_dtypes=check_grad_dtypes, fast_mode=fast_mode,
    )  # fmt: skip
