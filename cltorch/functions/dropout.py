"""Dropout: the plain one fused into one kernel, and the kinds that drop whole channels or keep the variance."""

from __future__ import annotations

from typing import Any

from cltorch import dtypes
from cltorch.autograd.graph import Settings
from cltorch.autograd.record import apply
from cltorch.functions.arguments import SCALAR_NAMES, need_array
from cltorch.ops import random as ops
from cltorch.ops.array import empty
from cltorch.ops.generator import default_generator

__all__ = [
    "alpha_dropout", "alpha_dropout_", "dropout", "dropout_", "dropout_at", "feature_alpha_dropout",
    "feature_alpha_dropout_", "feature_dropout", "feature_dropout_", "native_dropout",
]  # fmt: skip

# the value to which SELU's output tends for large negative inputs, which alpha dropout puts in place of what it drops
_ALPHA = -1.7580993408473766


def _check(name: str, x: Any, p: float) -> bool:
    """Return whether there is nothing to drop; raise for a probability outside [0, 1] or a dtype without fractions."""
    need_array(name, "input", 1, x)
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    return p == 0 or x.lay.numel == 0


def _no_fractions(x: Any) -> RuntimeError:
    return RuntimeError(f"result type Float can't be cast to the desired output type {SCALAR_NAMES[x.dtype.name]}")


def dropout_at(x: Any, keep: float, scale: float, at: tuple[int, int]) -> Any:
    """Drop with the mask at a given place (seed, block) of a random stream."""
    return apply(ops.Dropout, x, keep, scale, at)


def dropout(input: Any, p: float = 0.5, train: bool = True) -> Any:
    """Zero each element with probability ``p`` and multiply the others by 1 / (1 - p); without ``train`` do nothing.

    The mask takes no memory: the backward pass draws it again from the same place of the random stream.
    N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout.html

    >>> import cltorch as torch
    >>> torch.dropout(torch.ones(2), 0.0, True)
    tensor([1., 1.])
    """
    if _check("dropout", input, p) or not train:
        return input
    if not input.dtype.is_floating_point:
        raise _no_fractions(input)
    at = default_generator(input.device).reserve(input.lay.numel)
    return dropout_at(input, 1 - p, 0.0 if p == 1 else 1 / (1 - p), at)


def native_dropout(input: Any, p: float, train: bool | None = True) -> tuple[Any, Any]:
    """Return the result of dropout and its mask, a bool tensor.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout.html

    >>> import cltorch as torch
    >>> torch.native_dropout(torch.ones(2), 0.5, False)[0]
    tensor([1., 1.])
    """
    if not need_array("native_dropout", "input", 1, input).lay.numel:
        return input * 1, empty(input.shape, input.dtype, input.device)  # PyTorch's mask of nothing is no mask
    nothing = _check("native_dropout", input, p)
    if train and not input.dtype.is_floating_point:
        raise _no_fractions(input)
    mask = empty(input.shape, dtypes.bool_, input.device)
    if nothing or not train:
        mask.fill_(True)
        return input * 1, mask
    at = default_generator(input.device).reserve(input.lay.numel)
    ops.place(mask, "bernoulli", 1 - p, 0, at)
    return dropout_at(input, 1 - p, 0.0 if p == 1 else 1 / (1 - p), at), mask


def _noise(x: Any, p: float, feature: bool) -> Any:
    """Return ones with probability 1 - p and zeros: of the input's shape, or one per channel."""
    shape = x.shape
    if feature:
        if len(shape) < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        shape = (*shape[:2], *(1 for _ in shape[2:]))
    return ops.draw(empty(shape, x.dtype, x.device), "bernoulli", 1 - p)


def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """Zero whole channels (the second dimension) with probability ``p`` and multiply the others by 1 / (1 - p).

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.dropout2d.html

    >>> import cltorch as torch
    >>> torch.feature_dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    if _check("feature_dropout", input, p) or not train:
        return input
    return input * 0 if p == 1 else input * (_noise(input, p, feature=True) / (1 - p))


def _alpha(name: str, x: Any, p: float, train: bool, feature: bool) -> Any:
    if _check(name, x, p) or not train:
        return x
    if p == 1:
        return x * 0
    a = 1 / ((_ALPHA * _ALPHA * p + 1) * (1 - p)) ** 0.5
    noise = _noise(x, p, feature)
    # a and the shift restore mean 0 and variance 1, which dropping elements to _ALPHA has changed
    shift = (noise - 1) * (-_ALPHA * a) + (-_ALPHA * a * p)
    return x * (noise * a) + shift


def alpha_dropout(input: Any, p: float = 0.5, train: bool = False) -> Any:
    """Drop elements to SELU's negative limit with probability ``p``, keeping mean and variance.

    G. Klambauer et al., Self-Normalizing Neural Networks, 2017.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.alpha_dropout.html

    >>> import cltorch as torch
    >>> torch.alpha_dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _alpha("alpha_dropout", input, p, train, feature=False)


def feature_alpha_dropout(input: Any, p: float = 0.5, train: bool = False) -> Any:
    """Drop whole channels to SELU's negative limit with probability ``p``, keeping mean and variance.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.nn.functional.feature_alpha_dropout.html

    >>> import cltorch as torch
    >>> torch.feature_alpha_dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _alpha("feature_alpha_dropout", input, p, train, feature=True)


def _replace(x: Any, result: Any) -> Any:
    return x if result is x else Settings.functions.copy_(x, result)


def dropout_(input: Any, p: float = 0.5, train: bool = True) -> Any:
    """Drop in place."""
    return _replace(input, dropout(input, p, train))


def feature_dropout_(input: Any, p: float, train: bool) -> Any:
    """Drop whole channels in place."""
    return _replace(input, feature_dropout(input, p, train))


def alpha_dropout_(input: Any, p: float = 0.5, train: bool = False) -> Any:
    """Drop to SELU's negative limit in place."""
    return _replace(input, alpha_dropout(input, p, train))


def feature_alpha_dropout_(input: Any, p: float = 0.5, train: bool = False) -> Any:
    """Drop whole channels to SELU's negative limit in place."""
    return _replace(input, feature_alpha_dropout(input, p, train))
