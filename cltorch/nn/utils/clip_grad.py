"""Clipping of gradients by their common norm or by value, without waiting for the device.

Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.clip_grad_norm_.html
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable
from typing import Any

from cltorch import functions
from cltorch.autograd import no_grad
from cltorch.dtypes import float32, float64, promote_types
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import arranged
from cltorch.ops.multi_tensor_reduce import norm, norms
from cltorch.tensor import Tensor

_SCALE = Formula("clip_grad_norm", lambda m, g, factor: (g * factor,), params=1)
_CLAMP = Formula("clip_grad_value", lambda m, g, bound: (m.minimum(m.maximum(g, -bound), bound),), params=1)


def _listed(given: Any) -> list[Any]:
    if isinstance(given, Tensor):
        return [given]
    found = list(given)
    if not found and not isinstance(given, (list, tuple)):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    return found


def _gradients(parameters: Iterable[Any]) -> list[Any]:
    return [p.grad for p in parameters if p.grad is not None]


def _parts(grads: list[Any]) -> list[Any]:
    """Return gradients with complex ones as pairs of real numbers, in the same memory."""
    plain = [functions.conj(g) if g.is_conj() else g for g in grads]  # norms and factors are those of the conjugates
    return [functions.view_as_real(g) if g.is_complex() else g for g in plain]


@no_grad()
def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """Return the norm of the norms of tensors: that of all their elements as one vector.

    ‖(‖t_1‖, …, ‖t_n‖)‖, both norms being those of ``norm_type``.
    ``foreach`` has no effect: it takes two launches or a few more on each device, however many tensors there are.
    ``error_if_nonfinite`` waits for the device and raises RuntimeError for infinity or NaN.
    Shape: tensors (*) to ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.get_total_norm.html

    >>> import cltorch as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not found:
        return functions.tensor(0.0)
    if (norm_type < 0 or norm_type == math.inf) and not all(t.numel() for t in found):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {norm_type:g} norm on an empty tensor because the operation does "
            "not have an identity"
        )
    if norm_type == 2:  # the squares of both parts are summed all the same
        found = _parts(found)
    found = [functions.abs(t) if t.is_complex() else t for t in found]
    out = functools.reduce(promote_types, (t.dtype for t in found))
    groups: dict[Any, list[Any]] = {}
    for t in found:
        groups.setdefault(t.device, []).append(t)
    # what is scattered in memory is copied into one run first
    lists = [arranged(ts) for ts in groups.values()]
    if norm_type == 0:  # the norm of norms counts the tensors that are not zero
        parts = [norms(ts, out, largest=True) for ts in lists]
    else:
        parts = [functions.reshape(norm(ts, norm_type, out), (1,)) for ts in lists]
    parts = [functions.to(part, device=found[0].device) for part in parts]
    if len(parts) == 1 and norm_type:
        total = functions.reshape(parts[0], ())
    else:
        total = functions.vector_norm(functions.cat(parts), norm_type)
    if error_if_nonfinite and not bool(functions.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale gradients in place by max_norm / total_norm where that is below 1; ``foreach`` has no effect.

    g ← g · min(1, max_norm / (total_norm + 1e-6)).
    Shape: gradients (*), total_norm ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.clip_grads_with_norm_.html

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.ones(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grads_with_norm_([w], 1.0, torch.tensor(5.0))
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    grads = _parts(_gradients(_listed(parameters)))
    if not grads:
        return
    # multiplied in any case: to ask whether it is needed would wait for the device
    if not isinstance(total_norm, Tensor):
        update(_SCALE, [0], [[g] for g in grads], [min(float(max_norm) / (float(total_norm) + 1e-6), 1.0)])
        return
    factor = functions.clamp_max(functions.div(float(max_norm), functions.add(total_norm, 1e-6)), 1.0)
    factor = functions.reshape(factor, (1,))
    groups: dict[Any, list[Any]] = {}
    for g in grads:
        groups.setdefault((g.device, float64 if g.dtype is float64 else float32), []).append([g])
    for (dev, dtype), rows in groups.items():
        here = functions.to(factor, device=dev, dtype=dtype)
        if dtype is float64:  # whose numbers may be too large for float32
            update(_SCALE, [0], rows, [], per_row=[functions.contiguous(functions.expand(here, (len(rows),)))])
        else:
            update(_SCALE, [0], rows, [], scalars=[functions.reshape(here, ())])


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients of parameters in place so that the norm of all together is at most ``max_norm``.

    g ← g · min(1, max_norm / (‖(g_1, …, g_n)‖ + 1e-6)), the norm being that of ``norm_type``.
    Returns the norm before. ``error_if_nonfinite`` waits for the device and raises RuntimeError for infinity or NaN.
    Shape: gradients (*); result ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.clip_grad_norm_.html

    >>> import cltorch as torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([p], 1.0), p.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    parameters = _listed(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Do what ``clip_grad_norm_`` does, under a name that PyTorch has deprecated, with a warning.

    Shape: gradients (*); result ().
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.clip_grad_norm.html

    >>> import warnings
    >>> import cltorch as torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, 4.0])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.utils.clip_grad_norm(p, 1.0)
    tensor(5.)
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients to [-clip_value, clip_value], in place; ``foreach`` has no effect.

    g ← min(max(g, -clip_value), clip_value).
    Shape: gradients (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.utils.clip_grad_value_.html

    >>> import cltorch as torch
    >>> p = torch.nn.Parameter(torch.zeros(2))
    >>> p.grad = torch.tensor([3.0, -0.5])
    >>> torch.nn.utils.clip_grad_value_([p], 1.0)
    >>> p.grad
    tensor([ 1.0000, -0.5000])
    """
    grads = _gradients([parameters] if isinstance(parameters, Tensor) else parameters)
    if any(g.is_complex() for g in grads):
        raise NotImplementedError("clamp is not supported for complex types")
    if grads:
        update(_CLAMP, [0], [[g] for g in grads], [float(clip_value)])


# names that libraries for sharded parameters call
_get_total_norm, _clip_grads_with_norm_ = get_total_norm, clip_grads_with_norm_
