"""Check an operator of one's own: what its schema, its derivative and its shapes on ``meta`` say against what it does.

Source: https://docs.pytorch.org/docs/2.13/library.html#torch.library.opcheck
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cltorch import autograd, dtypes, functions
from cltorch.device import device
from cltorch.ops.array import arrays_in
from cltorch.ops.overlap import same_bytes
from cltorch.tensor import Tensor

__all__ = ["DEFAULT", "OpCheckError", "checked"]

#: The checks that are made where none are named.
DEFAULT = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
_ALL = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_static", DEFAULT[3])


class OpCheckError(Exception):
    """An operator that is not what was said of it."""


class MetadataMismatchError(RuntimeError):
    """A tensor on ``meta`` that is not as the one with values."""


def _mapped(f: Callable[[Any], Any], x: Any) -> Any:
    if isinstance(x, Tensor):
        return f(x)
    if isinstance(x, (list, tuple)):
        return type(x)(_mapped(f, part) for part in x)
    return {name: _mapped(f, part) for name, part in x.items()} if isinstance(x, dict) else x


def _copy(x: Any) -> Any:
    made = functions.empty_strided(x.size(), x.stride(), dtype=x.dtype, device=x.device).copy_(x.detach())
    return made.requires_grad_(x.requires_grad)


def _on_meta(x: Any) -> Any:
    return functions.empty_strided(
        x.size(), x.stride(), dtype=x.dtype, device="meta", requires_grad=x.requires_grad
    )  # fmt: skip


def _bytes(x: Any) -> bytes:
    packed: bytes = functions.contiguous(x.detach()).cpu().flatten().view(dtypes.uint8).numpy().tobytes()
    return packed


def _schema(op: Any, args: Any, kwargs: Any) -> None:
    given = op.arguments(args, kwargs)
    before = {name: [_bytes(x) for x in arrays_in(value)] for name, value in given.items()}
    found = op(*args, **kwargs)
    for name, value in given.items():
        if not op.changes(name) and [_bytes(x) for x in arrays_in(value)] != before[name]:
            raise RuntimeError(f"Argument {name} is not defined as mutable but was mutated")
    outputs = arrays_in(found)
    for i, y in enumerate(outputs):
        if any(same_bytes(y._storage, x._storage) for x in (*arrays_in(given), *outputs[:i])):
            raise RuntimeError(
                f"{op}: The output of this custom operator (1) must not also be an input to this custom operator and "
                "(2) may not alias any inputs to this custom operator or other returns. The most common way to "
                "trigger this error is if we have y = custom_op(x) and y and x are the same Tensor. Please instead "
                "return a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the custom "
                "operator to not return y."
            )


def _registration(op: Any, args: Any, kwargs: Any) -> None:
    """Raise where a gradient flows that no rule says: out of what the function does by itself."""
    if op.differentiable or not any(x.requires_grad for x in arrays_in((args, kwargs))):
        return
    if any(y.requires_grad for y in arrays_in(op(*args, **kwargs))):
        raise AssertionError(
            f"Expected at least one backend of {op} to have an autograd formula that is registered: gradients flow, "
            "and no rule was given by torch.library.register_autograd"
        )


def _on_fake(op: Any, args: Any, kwargs: Any) -> None:
    with device("meta"):
        told = op.fake(*_mapped(_on_meta, args), **_mapped(_on_meta, kwargs))
    real = op(*args, **kwargs)
    one, other = arrays_in(real), arrays_in(told)
    if len(one) != len(other):
        raise MetadataMismatchError(f"{op}: {len(one)} tensors are returned, and on meta {len(other)}")
    for x, y in zip(one, other, strict=True):
        for what, a, b in (
            ("Dtypes", x.dtype, y.dtype), ("Shapes", x.shape, y.shape), ("Strides", x.stride(), y.stride())
        ):  # fmt: skip
            if a != b and not (what == "Strides" and 0 in x.shape):
                raise MetadataMismatchError(
                    f"When comparing the output of {op} on FakeTensor and concrete Tensors, found mismatched tensor "
                    f"metadata: {what} {a} and {b} are not equal!"
                )


def _twice(op: Any, rtol: float | None, atol: float | None, args: Any, kwargs: Any) -> None:
    """Raise where two calls on copies differ, or their gradients do."""
    runs = []
    for _ in range(2):
        a, k = _mapped(_copy, (args, kwargs))
        outputs = arrays_in(op(*a, **k))
        leaves = [x for x in arrays_in((a, k)) if x.requires_grad]
        results = [y for y in outputs if y.requires_grad]
        slopes: Sequence[Any] = ()
        if leaves and results:
            ones = [functions.ones_like(y) for y in results]
            slopes = autograd.grad(results, leaves, ones, allow_unused=True)
        runs.append([*outputs, *(g for g in slopes if g is not None)])
    op.fake(*_mapped(_on_meta, args), **_mapped(_on_meta, kwargs))
    for x, y in zip(*runs, strict=True):
        r, t = (1e-5, 1e-8) if rtol is None or atol is None else (rtol, atol)
        if not functions.allclose(x.detach(), y.detach(), r, t, equal_nan=True):
            raise AssertionError(f"{op}: two calls with equal arguments have different results or gradients")


def checked(
    op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], test_utils: str | Sequence[str], raise_exception: bool,
    rtol: float | None, atol: float | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what came of each check: "SUCCESS", or the exception, which is raised where that is asked for."""
    names = (test_utils,) if isinstance(test_utils, str) else tuple(test_utils)
    if not set(names) <= set(_ALL):
        raise ValueError(
            f"opcheck(op, ..., test_utils={names}), expected test_utils to be subset of {_ALL} but it was not"
        )
    found: dict[str, Any] = {}
    for name in names:
        try:
            given = _mapped(_copy, (args, kwargs))
            if name == "test_schema":
                _schema(op, *given)
            elif name == "test_autograd_registration":
                _registration(op, *given)
            elif name == "test_faketensor":
                _on_fake(op, *given)
            else:
                _twice(op, rtol, atol, *given)
            found[name] = "SUCCESS"
        except Exception as error:
            if raise_exception:
                raise OpCheckError(
                    f"opcheck(op, ...): {name} failed with {error} (scroll up for stack trace)"
                ) from error
            found[name] = error
    return found
