"""Distribution, the base of all: shapes, validation of arguments, and what a distribution can be asked.

Source: https://docs.pytorch.org/docs/2.13/distributions.html#distribution
"""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.autograd import batch_levels, no_grad
from cltorch.distributions import constraints
from cltorch.distributions.utils import lazy_property
from cltorch.functions import public as fn
from cltorch.shapes import Size
from cltorch.tensor import Tensor, is_tensor

__all__ = ["Distribution"]


def _kind(value: Any) -> str:
    """Return a value's class as messages have it: under vmap a slice of a batch is a Tensor."""
    return "Tensor" if getattr(value, "_batch", 0) else type(value).__name__


class Distribution:
    """Be the base of probability distributions over tensors.

    ``batch_shape`` is the shape of a set of distributions, ``event_shape`` that of one value of one of them; a sample
    has the shape sample_shape + batch_shape + event_shape. ``validate_args=False`` leaves arguments and values
    unchecked, and so spares the waiting for the device that a check needs.
    Shape: batch_shape + event_shape is that of one value of each.
    Source: https://docs.pytorch.org/docs/2.13/distributions.html

    >>> import cltorch as torch
    >>> normal = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> normal.batch_shape, normal.sample((2,)).shape
    (torch.Size([3]), torch.Size([2, 3]))
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Turn the checks of arguments on or off for all distributions made from now on.

        Raises ValueError where the value is no bool.
        """
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Any = Size(),  # noqa: B008 (immutable)
        event_shape: Any = Size(),  # noqa: B008
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = batch_shape, event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self) -> None:
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            arg_constraints = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
        for name, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property):
                continue  # derived from another parameter, which is checked
            value = getattr(self, name)
            if not batch_levels.bare(constraint.check(value)).all():
                raise ValueError(
                    f"Expected parameter {name} ({_kind(value)} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{_show(value)}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """Return the distribution with its parameters expanded to a batch shape, without copying them."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> Size:
        """The shape of the set of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value of one distribution."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """The constraints of the parameters, by name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that values satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw values of shape sample_shape + batch_shape + event_shape, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw values through which gradients flow to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """Draw n values; ``sample((n,))`` is its new name."""
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """Return the probability of values up to this one."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """Return the value up to which a probability lies."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values of a discrete distribution along a new first dimension.

        ``expand=False`` leaves the dimensions of the batch at 1.
        """
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """Return the entropy in nats, one per distribution of the batch."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """Return the exponential of the entropy."""
        return fn.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = Size()) -> Size:  # noqa: B008
        """Return the shape of a sample."""
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        """Raise ValueError for a value whose type, shape or support is not the distribution's."""
        if not is_tensor(value):
            raise ValueError("The value argument to log_prob must be a Tensor")
        start = value.dim() - len(self._event_shape)
        if value.shape[max(start, 0) :] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {value.shape} vs "
                             f"{self._event_shape}.")  # fmt: skip
        expected = Size((*self._batch_shape, *self._event_shape))
        for i, j in zip(reversed(value.shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                                 f"{expected}.")  # fmt: skip
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not batch_levels.bare(support.check(value)).all():
            raise ValueError(
                f"Expected value argument ({_kind(value)} of shape {tuple(value.shape)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n{_show(value)}"
            )

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """Return the instance that ``expand`` fills, of this object's own class where that has the same __init__."""
        if _instance is None and type(self).__init__ != cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom __init__ method must also "
                "define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def _expanded(self, cls: Any, batch_shape: Any, _instance: Any, tensors: str, event_dims: Any = None) -> Any:
        """Return an instance whose named tensors, of those present, are expanded to a batch shape.

        ``event_dims`` gives the number of last dimensions of a tensor that are not the batch's, where there are any.
        """
        new = self._get_checked_instance(cls, _instance)
        shape = Size(batch_shape)
        for name in tensors.split():
            if name in self.__dict__:
                value, kept = self.__dict__[name], (event_dims or {}).get(name, 0)
                tail = value.shape[value.dim() - kept :] if kept else ()
                new.__dict__[name] = value.expand((*shape, *tail))
        Distribution.__init__(new, shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __repr__(self) -> str:
        shown = [name for name in self.arg_constraints if name in self.__dict__]
        parts = (f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in ((n, self.__dict__[n]) for n in shown))
        return f"{self.__class__.__name__}({', '.join(parts)})"


def _show(value: Any) -> str:
    return str(value.item()) if value.dim() == 0 else str(value.detach())
