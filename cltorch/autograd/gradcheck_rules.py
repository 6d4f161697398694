"""What must hold of gradients besides their numbers: that they are the same again, of none for none, and of batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cltorch.autograd import batch_levels, forward_ad
from cltorch.autograd.blocking import NoGradient
from cltorch.autograd.grad_mode import no_grad
from cltorch.autograd.gradients import grad
from cltorch.autograd.graph import Settings
from cltorch.autograd.jacobians import is_tracked, outputs_of, real_size, reals, tangents_at, tensor_of
from cltorch.ops.array import Array, to_numpy


class GradcheckError(RuntimeError):
    """Raise when an analytical gradient differs from the numerical one."""


def check_again(x: Any, outs: Sequence[Any], tolerance: float) -> None:
    """Check that a second backward pass gives what the first one gave."""
    rng = np.random.default_rng(2)
    for out in outs:
        if out.grad_fn is not None:
            seed = tensor_of(rng.random(real_size(out)), out)
            pair = [grad([out], [x], [seed], retain_graph=True, allow_unused=True)[0] for _ in range(2)]
            found = [reals(g) for g in pair if g is not None]
            if found and not np.allclose(found[0], found[-1], rtol=0, atol=tolerance, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient. The tolerance "
                    f"for nondeterminism was {tolerance}."
                )


def check_zeros(args: Sequence[Any], wanted: Sequence[int], outs: Sequence[Any], masked: bool) -> None:
    """Check that gradients of zero lead to gradients of zero."""
    found = [o for o in outs if o.requires_grad]
    if found:
        zeros = list(map(Settings.functions.zeros_like, found))
        grads = grad(found, [args[i] for i in wanted], zeros, retain_graph=True, allow_unused=True)
        for g in grads:
            if g is not None and not np.allclose(reals(g), 0, atol=1e-8 if masked else 0):
                raise GradcheckError("backward not multiplied by grad_output")


def _undefined(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> Iterator[Any]:
    """Yield the gradients that no gradient of all outputs leads to, and that of each one with zeros of the others."""
    count = sum(o.requires_grad for o in outputs_of(fn, args))
    for missing in (None, *(range(count) if count > 1 else ())):
        found = [o for o in outputs_of(fn, args) if o.requires_grad]
        if found:
            blocked = [NoGradient.apply(o) if missing in (None, k) else o for k, o in enumerate(found)]
            zeros = list(map(Settings.functions.zeros_like, blocked))
            yield from grad(blocked, [args[i] for i in wanted], zeros, allow_unused=True)


def check_undefined(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> None:
    """Check that no gradient at all, of every output and of each one, counts as zero."""
    where = 'Please look at "Notes about undefined output gradients" in "tools/autograd/derivatives.yaml" of PyTorch'
    why: str | None = None
    cause: RuntimeError | None = None
    try:
        if any(g is not None and reals(g).any() for g in _undefined(fn, args, wanted)):
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


def check_undefined_forward(fn: Callable[..., Any], args: Sequence[Any], wanted: Sequence[int]) -> None:
    """Check that no tangent of an input counts as a tangent of zeros."""
    rng = np.random.default_rng(3)
    tangents = {i: tensor_of(rng.random(real_size(args[i])), args[i]) for i in wanted}
    for i in wanted:
        rest = {k: v for k, v in tangents.items() if k != i}
        zeros = Settings.functions.zeros_like(args[i].detach())
        both = (tangents_at(fn, args, rest | {i: zeros}), tangents_at(fn, args, rest))
        for k, (with_zeros, without) in enumerate(zip(*both, strict=True)):
            if not np.allclose(with_zeros, without):
                raise GradcheckError(
                    f"Mismatch in tangent values for output with index: {k} when input {i} has an undefined tangent "
                    f"value. Got: {with_zeros} but expected: {without}"
                )


def check_dtypes(x: Any, i: int, outs: Sequence[Any]) -> None:
    """Check that gradients have the dtype of their input."""
    for out in outs:
        if is_tracked(out, x):
            (g,) = grad([out], [x], [Settings.functions.ones_like(out)], retain_graph=True, allow_unused=True)
            if g is not None and g.dtype is not x.dtype:
                raise GradcheckError(f"the gradient of input {i} has dtype {g.dtype}, the input {x.dtype}")


def _batch_for(x: Any) -> Any:
    rng = np.random.default_rng(1)
    return tensor_of(rng.standard_normal(2 * real_size(x)), x, 2)


@contextmanager
def _telling_of_batches(what: str) -> Iterator[None]:
    """Let what a batch of vectors is refused with count as a failed check."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        try:
            yield
        except RuntimeError as error:
            raise GradcheckError(
                f"While computing batched gradients, got: {error}\n\ngradcheck or gradgradcheck failed while testing "
                f"{what}."
            ) from error


def check_batched(x: Any, outs: Sequence[Any]) -> None:
    """Compare the gradients for a batch of vectors with those for one after the other."""
    for k, out in enumerate(outs):
        if is_tracked(out, x):
            vs = _batch_for(out)
            keep = {"retain_graph": True, "allow_unused": True}
            with _telling_of_batches("batched gradient computation"):
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


def check_batched_forward(fn: Callable[..., Any], args: Sequence[Any], i: int) -> None:
    """Compare the tangents for a batch of vectors with those for one after the other."""
    given = [x._detached() if isinstance(x, Array) else x for x in args]
    vs = _batch_for(given[i])

    def push(v: Any) -> tuple[Any, ...]:
        with no_grad(), forward_ad.dual_level():
            trial = list(given)
            trial[i] = forward_ad.make_dual(given[i], v)
            found = [forward_ad.unpack_dual(o) for o in outputs_of(fn, trial)]
        return tuple(Settings.functions.zeros_like(p) if t is None else t for p, t in found)

    with _telling_of_batches("forward-mode AD batched tangent"), batch_levels.level(2, batch_levels.OWN) as number:
        found = [batch_levels.expose(t, number, 2) for t in push(batch_levels.wrap(vs, number))]
    for n in range(2):
        for k, one in enumerate(push(vs[n])):
            if not np.allclose(to_numpy(found[k][n]), to_numpy(one), equal_nan=True):
                raise GradcheckError(
                    f"gradcheck failed while testing batched forward gradient computation of output {k}: vmap gives\n"
                    f"{found[k][n]}\nand one vector after the other\n{one}"
                )
