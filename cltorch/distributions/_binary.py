"""What distributions share whose parameter is a probability or its log-odds, or a vector of either."""

from __future__ import annotations

from typing import Any

from cltorch.distributions.utils import lazy_property, logits_to_probs, probs_to_logits


def need_one(probs: Any, logits: Any) -> None:
    """Raise ValueError unless exactly one of two parameters is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class BinaryParams:
    """Give ``logits`` where ``probs`` was given, and the other way round."""

    _is_given: str

    @lazy_property
    def logits(self) -> Any:
        """The log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def _param(self) -> Any:
        return self.__dict__[self._is_given]

    def _keep(self, name: str, value: Any) -> None:
        """Set the parameter that was given."""
        self.__dict__[name], self._is_given = value, name

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.size()

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)
