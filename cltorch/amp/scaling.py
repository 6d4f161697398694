"""The two steps of a scaler of gradients, as sharded scalers of other libraries call them, without waiting.

Source: https://docs.pytorch.org/docs/2.13/amp.html#gradient-scaling
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import dtypes, functions
from cltorch.autograd import no_grad
from cltorch.ops.evaluate import Formula
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import arranged
from cltorch.ops.multi_tensor_reduce import any_not_finite

__all__ = ["FUNCTIONS", "NEXT", "UNSCALE"]


def _next_scale(
    m: Any, scale: Any, tracker: Any, found: Any, growth: Any, backoff: Any, interval: Any
) -> tuple[Any, Any]:
    grown = scale * growth
    due = (found == 0) & (tracker + 1 == interval)
    # a scale that would overflow stays where it is
    larger = m.where(due & (grown - grown == 0), grown, scale)
    return m.where(found > 0, scale * backoff, larger), m.where((found > 0) | due, 0 * found, tracker + 1)


NEXT = Formula("amp_update_scale", _next_scale, params=3)
UNSCALE = Formula("amp_unscale", lambda m, g, inverse: (g * inverse,), params=1)


def _number(name: str, x: Any, dtype: Any = dtypes.float32) -> Any:
    """Return a tensor of one element without dimensions; raise RuntimeError for another."""
    if x.numel() != 1:
        raise RuntimeError(f"{name} must be a 1-element tensor.")
    if x.dtype is not dtype:
        raise RuntimeError(f"{name} must be {'a float' if dtype is dtypes.float32 else 'an int'} tensor.")
    return x.reshape(())


@no_grad()
def _amp_foreach_non_finite_check_and_unscale_(self: Sequence[Any], found_inf: Any, inv_scale: Any) -> None:
    """Multiply gradients by ``inv_scale`` in place, and set ``found_inf`` to 1 if one of them was not finite."""
    found, inverse = _number("found_inf", found_inf), _number("inv_scale", inv_scale)
    for g in self:
        if not g.is_floating_point():
            raise NotImplementedError(f'"_amp_foreach_non_finite_check_and_unscale_" not implemented for {g.dtype}')
    if self:
        found.copy_(functions.maximum(found, any_not_finite(arranged(self))))
        update(UNSCALE, [0], [[g] for g in self], [], scalars=[inverse])


@no_grad()
def _amp_update_scale_(
    self: Any, growth_tracker: Any, found_inf: Any, scale_growth_factor: float, scale_backoff_factor: float,
    growth_interval: int,
) -> Any:  # fmt: skip
    """Make a scale smaller where ``found_inf`` is not 0, and larger after ``growth_interval`` steps without; return it.

    ``growth_tracker`` counts these steps.
    """
    tracker = _number("growth_tracker", growth_tracker, dtypes.int32)
    row = [_number("current_scale", self), tracker, _number("found_inf", found_inf)]
    update(NEXT, [0, 1], [row], [scale_growth_factor, scale_backoff_factor, float(growth_interval)])
    return self


#: The functions by their names in ``torch``.
FUNCTIONS = {f.__name__: f for f in (_amp_foreach_non_finite_check_and_unscale_, _amp_update_scale_)}
