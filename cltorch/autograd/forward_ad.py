"""Forward-mode derivatives with dual numbers.

Source: https://docs.pytorch.org/docs/2.13/autograd.html#forward-mode-automatic-differentiation
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cltorch.autograd import dual_levels
from cltorch.autograd.dual_levels import state
from cltorch.ops.array import Array

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "set_forward_grad_enabled",
    "unpack_dual",
]  # fmt: skip


class UnpackedDualTensor(NamedTuple):
    """The value and the tangent (None where there is none) of a dual tensor.

    Shape: (*) twice.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.UnpackedDualTensor.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> fwAD.unpack_dual(torch.ones(2))
    UnpackedDualTensor(primal=tensor([1., 1.]), tangent=None)
    """

    primal: Any
    tangent: Any


_entered: list[int] = []


def __getattr__(name: str) -> Any:
    if name == "_current_level":  # PyTorch has a variable for it
        return len(_entered) - 1
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _is_fwd_grad_enabled() -> bool:
    """Return whether forward-mode derivatives are computed."""
    return state.enabled


def enter_dual_level() -> int:
    """Begin a level of forward-mode derivatives; return 0, its number. Levels of this kind do not nest.

    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.enter_dual_level.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> level = fwAD.enter_dual_level()
    >>> x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    >>> fwAD.unpack_dual(x * x).tangent
    tensor(6.)
    >>> fwAD.exit_dual_level(level=level)
    """
    if _entered:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment: torch.func.jvp nests forward-mode derivatives"
        )
    _entered.append(dual_levels.enter())
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level: tangents made in it are gone.

    Raises RuntimeError where none was begun or ``level`` is not the last one.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.exit_dual_level.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> level = fwAD.enter_dual_level()
    >>> x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    >>> fwAD.unpack_dual(x * x).tangent
    tensor(6.)
    >>> fwAD.exit_dual_level(level=level)
    """
    if not _entered or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    dual_levels.leave(_entered.pop())


class dual_level:
    """Begin a level of forward-mode derivatives, and end it with the block.

    f(x + ε v) = f(x) + ε J v for a dual number x + ε v, ε² = 0: the tangent of f(x) is J v.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.dual_level.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     fwAD.unpack_dual(x * x).tangent
    tensor([2., 0.])
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Any:
    """Return a view of a tensor that carries a tangent of the same shape and device, converted to its dtype.

    x + ε v with the primal x and the tangent v.
    Raises RuntimeError outside of a level and where the tangent does not fit, ValueError for integers.
    Shape: (*) twice to (*).
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.make_dual.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.unpack_dual(3 * fwAD.make_dual(torch.ones(2), torch.tensor([1.0, 0.0]))).tangent
    tensor([3., 0.])
    """
    if level not in (None, 0) or not _entered:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for what, x in (("primal", tensor), ("tangent", tangent)):
        if isinstance(x, Array) and not x.dtype.differentiable:
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {x.dtype}")
    if tensor._tangents is not None and dual_levels.tangent(tensor, _entered[-1]) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not "
            "supported."
        )
    return dual_levels.paired(tensor, tangent, _entered[-1])


def unpack_dual(tensor: Any, *, level: int | None = None) -> UnpackedDualTensor:
    """Return (primal, tangent) of a dual tensor; the tangent of any other tensor is None.

    (x, v) of x + ε v.
    Shape: (*) to (*) twice.
    Source: https://docs.pytorch.org/docs/2.13/generated/torch.autograd.forward_ad.unpack_dual.html

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.unpack_dual(fwAD.make_dual(torch.ones(2), torch.zeros(2)))
    UnpackedDualTensor(primal=tensor([1., 1.]), tangent=tensor([0., 0.]))
    """
    if level not in (None, 0) or not _entered:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*dual_levels.unpaired(tensor, _entered[-1]))


class set_forward_grad_enabled:
    """Switch forward-mode derivatives on or off at once; as a context manager it is undone at the end.

    Source: https://docs.pytorch.org/docs/2.13/autograd.html#forward-mode-automatic-differentiation

    >>> import cltorch as torch
    >>> import cltorch.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level(), fwAD.set_forward_grad_enabled(False):
    ...     x = fwAD.make_dual(torch.ones(2), torch.ones(2))
    ...     fwAD.unpack_dual(x * x).tangent is None
    True
    """

    def __init__(self, mode: bool) -> None:
        self._before = state.enabled
        state.enabled = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        state.enabled = self._before


_set_fwd_grad_enabled = set_forward_grad_enabled
