"""Kullback-Leibler divergences: a function for pairs of distributions, and the table it looks into.

Source: https://docs.pytorch.org/docs/2.13/distributions.html#module-torch.distributions.kl
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from cltorch.distributions.distribution import Distribution
from cltorch.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable[..., Any]] = {}
_KL_MEMOIZE: dict[tuple[type, type], Any] = {}


def register_kl(type_p: Any, type_q: Any) -> Callable[[Any], Any]:
    """Decorate a function of p and q that is to give the divergence of two classes, and of those derived from them.

    Raises TypeError for what is no class.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html

    >>> from cltorch.distributions import Normal, register_kl
    >>> class Mine(Normal):
    ...     pass
    >>> @register_kl(Mine, Mine)
    ... def kl_mine(p, q):
    ...     return p.loc - q.loc
    """
    for kind in (type_p, type_q):  # any class will do, as in PyTorch: libraries have bases of their own
        if not isinstance(kind, type):
            raise TypeError("issubclass() arg 1 must be a class")

    def decorator(function: Any) -> Any:
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return decorator


def _find(type_p: type, type_q: type) -> Any:
    """Return the function registered for the closest pair of base classes, or None.

    A pair is closest where no other is more special in both; two that differ in which side is more special leave a
    choice, of which the more special p is taken, with a warning.
    """
    found = [pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])]
    if not found:
        return None
    depth_p, depth_q = type_p.__mro__.index, type_q.__mro__.index
    left = min(found, key=lambda pair: (depth_p(pair[0]), depth_q(pair[1])))
    right = min(found, key=lambda pair: (depth_q(pair[1]), depth_p(pair[0])))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        names = [kind.__name__ for kind in (type_p, type_q, *left, *right)]
        warnings.warn(
            "Ambiguous kl_divergence({}, {}). Please register_kl({}, {})".format(
                *names[:2], left[0].__name__, names[5]
            ),
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Return the mean under p of ln p(x) - ln q(x), one per distribution of the batch.

    KL = ∫ p(x) (ln p(x) - ln q(x)) dx.
    Raises NotImplementedError where no function is registered for the two classes.
    Shape: two batches, broadcast, to (*batch_shape).
    Source: https://docs.pytorch.org/docs/2.13/distributions.html

    >>> import cltorch as torch
    >>> from cltorch.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = type(p), type(q)
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _find(*pair)
    function = _KL_MEMOIZE[pair]
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return function(p, q)
