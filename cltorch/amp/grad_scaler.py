"""GradScaler: keep gradients in float16 from vanishing by scaling the loss.

Source: https://docs.pytorch.org/docs/2.13/amp.html#gradient-scaling
"""

from __future__ import annotations

import enum
import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cltorch import dtypes, functions
from cltorch.amp.autocast_mode import device_works
from cltorch.amp.scaling import NEXT, UNSCALE
from cltorch.autograd import no_grad
from cltorch.ops.multi_tensor import update
from cltorch.ops.multi_tensor_moves import arranged
from cltorch.ops.multi_tensor_reduce import any_not_finite
from cltorch.tensor import Tensor

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """How far an optimiser is in its iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _refresh_per_optimizer_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


def _gradients(optimizer: Any, allow_fp16: bool) -> dict[Any, list[Any]]:
    """Return an optimiser's gradients by their devices; raise ValueError for float16 unless it is allowed."""
    by_device: dict[Any, list[Any]] = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is None:
                continue
            if p.grad.dtype is dtypes.float16 and not allow_fp16:
                raise ValueError("Attempting to unscale FP16 gradients.")
            by_device.setdefault(p.grad.device, []).append(p.grad)
    return by_device


def _not_finite(by_device: dict[Any, list[Any]]) -> dict[Any, Any]:
    """Return for each device whether one of its gradients is not finite, as 0 or 1."""
    with no_grad():
        return {device: any_not_finite(arranged(grads)) for device, grads in by_device.items()}


class _MultiDeviceReplicator:
    """Copy a tensor to devices, once to each, as scalers derived by other libraries do."""

    def __init__(self, master_tensor: Any) -> None:
        self.master = master_tensor
        self._per_device_tensors: dict[Any, Any] = {}

    def get(self, device: Any) -> Any:
        """Return the copy on a device."""
        if device not in self._per_device_tensors:
            self._per_device_tensors[device] = self.master.to(device, copy=True)
        return self._per_device_tensors[device]


class GradScaler:
    """Scale losses, and step an optimiser only where the unscaled gradients are finite.

    ``scale`` returns s · loss, ``unscale_`` replaces the gradients g by g / s.
    The scale begins with ``init_scale``. ``update`` multiplies it by ``backoff_factor`` where a step was left out, and
    by ``growth_factor`` after ``growth_interval`` steps in a row. Only ``step`` waits for the device, for whether to
    step is decided on the host. With ``enabled=False``, or without a device of the type, nothing is done.

    Raises AssertionError for factors on the wrong side of 1.
    Shape: losses and gradients (*); the scale s ().
    Source: https://docs.pytorch.org/docs/2.13/amp.html

    >>> import cltorch as torch
    >>> w = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale((w ** 2).sum()).backward()
    >>> scaler.step(optimizer); scaler.update()
    >>> w.detach(), scaler.get_scale()
    (tensor([0., 0.]), 1024.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and not device_works(device):
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError("The growth factor must be > 1.0.")
            if backoff_factor >= 1.0:
                raise AssertionError("The backoff factor must be < 1.0.")
            self._init_scale = init_scale
            self._scale: Any = None
            self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
            self._growth_interval = growth_interval
            self._init_growth_tracker = 0
            self._growth_tracker: Any = None
            self._per_optimizer_states: defaultdict[int, dict[str, Any]] = defaultdict(_refresh_per_optimizer_state)

    def _begin(self, device: Any) -> None:
        self._scale = functions.full((), self._init_scale, dtype=dtypes.float32, device=device)
        # a float, so that one kernel changes both; float32 counts exactly far enough
        self._growth_tracker = functions.full((), float(self._init_growth_tracker), dtype=dtypes.float32, device=device)

    def _check(self, name: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or those in an iterable of any depth, by the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._begin(outputs.device)
            return outputs * functions.to(self._scale, device=outputs.device)
        if isinstance(outputs, Iterable):
            found = map(self.scale, outputs)
            return type(outputs)(found) if isinstance(outputs, (list, tuple)) else found
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide an optimiser's gradients by the scale in place, and note on the device whether all are finite.

        Raises RuntimeError if it was called before in this iteration, ValueError for gradients in float16.
        """
        if not self._enabled:
            return
        self._check("unscale_")
        kept = self._per_optimizer_states[id(optimizer)]
        if kept["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if kept["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        # in double precision where there is any would change nothing: scales are powers of two nearly always
        inverse = functions.reciprocal(self._scale)
        kept["found_inf_per_device"] = self._unscale_grads_(optimizer, inverse, functions.zeros_like(inverse), False)
        kept["stage"] = OptState.UNSCALED

    # the names below, and the signature of _unscale_grads_, are those that sharded scalers and optimisers which unscale
    # in their own kernels know from PyTorch

    def _unscale_grads_(self, optimizer: Any, inv_scale: Any, found_inf: Any, allow_fp16: bool) -> dict[Any, Any]:
        """Multiply gradients by ``inv_scale``; return for each of their devices whether one is not finite, as 0 or 1.

        ``found_inf`` is PyTorch's place for an answer, which is made anew here.
        """
        by_device = _gradients(optimizer, allow_fp16)
        with no_grad():
            for device, grads in by_device.items():
                update(UNSCALE, [0], [[g] for g in grads], [], scalars=[functions.to(inv_scale, device=device)])
        return _not_finite(by_device)

    def _check_inf_per_device(self, optimizer: Any) -> dict[Any, Any]:
        """Note which gradients of an optimiser are not finite, without unscaling any."""
        self._check("_check_inf_per_device")
        found = _not_finite(_gradients(optimizer, allow_fp16=True))
        self._per_optimizer_states[id(optimizer)]["found_inf_per_device"] = found
        return found

    def _found_inf_per_device(self, optimizer: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        return found

    def _maybe_opt_step(self, optimizer: Any, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if any(x.item() for x in optimizer_state["found_inf_per_device"].values()):
            return None
        return optimizer.step(*args, **kwargs)

    def _step_scaled(self, optimizer: Any, kept: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Step an optimiser that unscales by itself: it finds ``grad_scale`` and ``found_inf`` among its attributes."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(
                "An optimizer whose step takes `grad_scaler` is of an older kind: GradScaler will stop passing itself, "
                "and sets the attributes `grad_scale` and `found_inf` of other optimizers.",
                FutureWarning,
                stacklevel=3,
            )
            return optimizer.step(*args, grad_scaler=self, **kwargs)
        if kept["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
            optimizer.grad_scale = self._scale * getattr(optimizer, "grad_scale", 1)
        else:
            optimizer.grad_scale = getattr(optimizer, "grad_scale", None)
        optimizer.found_inf = self._total(kept["found_inf_per_device"].values())
        result = optimizer.step(*args, **kwargs)
        del optimizer.grad_scale, optimizer.found_inf
        return result

    def _total(self, found: Iterable[Any]) -> Any:
        """Return on the scale's device whether anything was found on any."""
        total = functions.zeros_like(self._scale)
        for x in found:
            total = functions.maximum(total, functions.to(x, device=total.device))
        return total

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients, unless that was done, and call ``optimizer.step`` if all are finite.

        Returns what the step returns, None where it is left out. Waits for the device. Raises RuntimeError for a
        closure and for a second step without ``update``.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._check("step")
        kept = self._per_optimizer_states[id(optimizer)]
        if kept["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._step_scaled(optimizer, kept, *args, **kwargs)
        else:
            if kept["stage"] is OptState.READY:
                self.unscale_(optimizer)
            if not kept["found_inf_per_device"]:
                raise AssertionError("No inf checks were recorded for this optimizer.")
            result = self._maybe_opt_step(optimizer, kept, *args, **kwargs)
        kept["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Change the scale for the next iteration, or set it to ``new_scale``, a float or a tensor of one element."""
        if not self._enabled:
            return
        self._check("update")
        with no_grad():
            if new_scale is None:
                self._grow_or_back_off()
            elif isinstance(new_scale, float):
                self._scale.fill_(new_scale)
            else:
                reason = (
                    "new_scale should be a float or a 1-element torch.cuda.FloatTensor or torch.FloatTensor with "
                    "requires_grad=False."
                )
                if new_scale.numel() != 1 or new_scale.requires_grad:
                    raise AssertionError(reason)
                self._scale.copy_(functions.reshape(new_scale, ()))
        self._per_optimizer_states = defaultdict(_refresh_per_optimizer_state)

    def _grow_or_back_off(self) -> None:
        scale = self._scale
        found = [x for kept in self._per_optimizer_states.values() for x in kept["found_inf_per_device"].values()]
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        total = self._total(found)
        numbers = [self._growth_factor, self._backoff_factor, float(self._growth_interval)]
        update(NEXT, [0, 1], [[scale, self._growth_tracker, total]], numbers)

    def _get_scale_async(self) -> Any:
        return self._scale

    def get_scale(self) -> float:
        """Return the scale; waits for the device."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def get_growth_factor(self) -> float:
        """Return the factor by which the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the factor by which the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """Return the factor by which the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the factor by which the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Return after how many steps in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set after how many steps in a row the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Return whether anything is scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Return scale, factors, interval and count, as PyTorch's has them; {} where nothing is scaled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._get_growth_tracker(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` returned; raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._begin(self._scale.device)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                    "scaler.update()."
                )
            # plain numbers, whatever device the scale is on
            state["_init_scale"], state["_init_growth_tracker"] = self.get_scale(), self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
