"""What optimisers of other libraries, derived from Optimizer, import from torch.optim.optimizer.

Source: https://github.com/pytorch/pytorch/blob/v2.13.0/torch/optim/optimizer.py
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from cltorch import dtypes
from cltorch.autograd import set_grad_enabled
from cltorch.functions import public as functions
from cltorch.tensor import Tensor
from cltorch.utils._foreach_utils import _get_fused_kernels_supported_devices

__all__ = ["ParamsT"]

DeviceDict = dict[Any, Tensor]  # of numbers that are copied to each device once
DeviceDtypeDict = dict[Any, Tensor]
ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


def _use_grad_for_differentiable(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step that is recorded by autograd only where the optimiser was made ``differentiable``."""

    @functools.wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        with set_grad_enabled(self.defaults["differentiable"]):
            return func(self, *args, **kwargs)

    return step


def _get_value(x: Any) -> Any:
    """Return a number, of a tensor too, which waits for its device."""
    return x.item() if isinstance(x, Tensor) else x


def _to_scalar(x: Any) -> Any:
    """Return a tensor of one element without dimensions, all else as it is."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() else x


def _get_scalar_dtype(is_fused: bool | None = None) -> Any:
    """Return the dtype in which steps are counted."""
    wide = dtypes.get_default_dtype() is dtypes.float64 and not is_fused
    return dtypes.float64 if wide else dtypes.float32


def _view_as_real(params: list[Any], *state_and_grads: list[Any]) -> None:
    """Put pairs of real numbers in place of complex parameters, and of what belongs to them, in the lists."""
    for i, p in enumerate(params):
        if p.is_complex():
            for each in (params, *state_and_grads):
                each[i] = functions.view_as_real(each[i])


def _disable_dynamo_if_unsupported(single_tensor_fn: Any = None) -> Callable[..., Any]:
    """Return a decorator that changes nothing: no compiler is to be told what to leave alone."""
    return lambda func: func


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """Return the types of devices on which an optimiser may be capturable."""
    return ["cl"]


def _device_dtype_check_for_fused(p: Tensor, cuda_unsupported: bool = False) -> None:
    """Raise RuntimeError for a parameter that a fused step which another library calls would not take: any."""
    devices = _get_fused_kernels_supported_devices()
    if not (p.device.type in devices and p.is_floating_point()):
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of "
            f"supported devices: {devices} but {p.dtype} and {p.device.type}"
        )


def _stack_if_compiling(x: Any) -> Any:
    """Return a list as it is: no compiler takes the step apart."""
    return x


# of options that many optimisers share, for their docstrings
_params_doc = "params (iterable): parameters, pairs of names and parameters, or dicts of groups"
_foreach_doc = "foreach (bool, optional): whether functions of lists of tensors make the step (default: None)"
_fused_doc = "fused (bool, optional): whether one kernel makes the step (default: None)"
_capturable_doc = "capturable (bool, optional): whether the step can be captured in a graph (default: False)"
_differentiable_doc = "differentiable (bool, optional): whether autograd records the step (default: False)"
_maximize_doc = "maximize (bool, optional): whether to ascend (default: False)"
