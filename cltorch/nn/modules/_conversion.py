"""The part of Module that changes its tensors: to another device or dtype, to zero gradients, to fixed weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from cltorch import __future__, functions
from cltorch.autograd import no_grad
from cltorch.functions.swap import exchange
from cltorch.nn.modules._traversal import Traversal
from cltorch.nn.parameter import Parameter, UninitializedTensorMixin
from cltorch.ops.multi_tensor_moves import zero_each

M = TypeVar("M", bound="Conversion")


def _refusal(error: Exception) -> Callable[[Any], Any]:
    def refuse(_: Any) -> Any:
        raise error

    return refuse


class Conversion(Traversal):
    """Give a Module its conversions. All work in place, keep the Parameter objects and return the module."""

    def _apply(self: M, fn: Callable[[Any], Any], recurse: bool = True) -> M:
        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is None:
                continue
            self._apply_to(name, param, fn)
        for name, buffer in self._buffers.items():
            if isinstance(buffer, UninitializedTensorMixin):
                moved: Any = buffer
                moved.data = fn(buffer)  # it stays one whose shape is still to come
            elif buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def _apply_to(self, name: str, param: Any, fn: Callable[[Any], Any]) -> None:
        """Put the result of ``fn`` in place of a parameter, and of its gradient, in the way that is chosen."""
        grad = param.grad
        with no_grad():
            made = fn(param)
        swap = __future__.get_swap_module_params_on_conversion()
        keep = not __future__.get_overwrite_module_params_on_conversion()
        kept = param
        if swap:
            self._swap(f"{self._get_name()}.{name}", param, Parameter(made, param.requires_grad))
        elif keep:
            param.data = made  # optimizers that hold the parameter see the new values
        else:
            kept = self._parameters[name] = Parameter(made, param.requires_grad)
        if grad is None:
            return
        with no_grad():
            made = fn(grad)
        if swap:
            self._swap(f"{self._get_name()}.{name}.grad", grad, made.requires_grad_(grad.requires_grad))
        elif keep:
            grad.data = made
        else:
            grad = made.requires_grad_(grad.requires_grad)
        kept.grad = grad

    @staticmethod
    def _swap(name: str, old: Any, new: Any) -> None:
        try:
            exchange(old, new)
        except RuntimeError as error:
            raise RuntimeError(f"_apply(): Couldn't swap {name}") from error

    def apply(self: M, fn: Callable[[Any], None]) -> M:
        """Call ``fn`` on every submodule, then on the module itself.

        >>> import cltorch as torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2))
        >>> _ = net.apply(lambda m: print(type(m).__name__))
        Linear
        Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- device and dtype ------------------------------------------------------------------------------------
    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Move the parameters and buffers to a device, and the floating-point and complex ones to a dtype.

        ``to(device=None, dtype=None, non_blocking=False)``, ``to(dtype)``, ``to(tensor)`` or ``to(memory_format=...)``,
        which is for those of four or five dimensions. Raises TypeError for a dtype that is not floating point or
        complex, and warns of a complex one.

        >>> import cltorch as torch
        >>> torch.nn.Linear(2, 2).to(torch.float64).weight.dtype
        torch.float64
        """
        device, dtype, non_blocking, memory_format, copy = functions.parse_to(*args, **kwargs)
        if copy:
            raise RuntimeError(".to() does not accept copy argument")
        if dtype is not None and not dtype.differentiable:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may change, and some modules "
                "might not work as expected when using complex tensors as parameters or buffers.",
                stacklevel=2,
            )

        def convert(t: Any) -> Any:
            kw = {} if memory_format is None or t.dim() not in (4, 5) else {"memory_format": memory_format}
            if t.is_meta and device is not None and device.type != "meta":
                raise NotImplementedError(
                    "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead of "
                    "torch.nn.Module.to() when moving module from meta to a different device."
                )
            return t.to(device, dtype if t.dtype.differentiable else None, non_blocking, **kw)

        return self._apply(convert)

    def cuda(self: M, device: Any = None) -> M:
        """Move to an OpenCL device, by the name that PyTorch programs use."""
        return self._apply(lambda t: t.cuda(device))

    def cl(self: M, device: Any = None) -> M:
        """Move to an OpenCL device."""
        return self._apply(lambda t: t.cl(device))

    def xpu(self: M, device: Any = None) -> M:
        """Raise AssertionError: there are no XPU devices but those that OpenCL names."""
        return self._apply(_refusal(AssertionError("Torch not compiled with XPU enabled")))

    def mtia(self: M, device: Any = None) -> M:
        """Raise AssertionError: there are no MTIA devices."""
        return self._apply(_refusal(AssertionError("Torch not compiled with MTIA enabled")))

    def ipu(self: M, device: Any = None) -> M:
        """Raise RuntimeError: there are no IPU devices."""
        return self._apply(_refusal(RuntimeError("PyTorch is not linked with support for ipu devices")))

    def cpu(self: M) -> M:
        """Move to the host."""
        return self._apply(lambda t: t.cpu())

    def type(self: M, dst_type: Any) -> M:
        """Cast all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self: M) -> M:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self: M) -> M:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self: M) -> M:
        """Cast floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self: M) -> M:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self: M, *, device: Any, recurse: bool = True) -> M:
        """Move to a device without copying: the values are whatever lay in the new memory."""
        return self._apply(lambda t: functions.empty_like(t, device=device), recurse=recurse)

    def share_memory(self: M) -> M:
        """Move host memory to where other processes share it; see ``Tensor.share_memory_``."""
        return self._apply(lambda t: t.share_memory_())

    # ---- gradients -------------------------------------------------------------------------------------------
    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set whether autograd records operations on the parameters.

        >>> import cltorch as torch
        >>> torch.nn.Linear(2, 2).requires_grad_(False).weight.requires_grad
        False
        """
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero with ``set_to_none=False``."""
        if getattr(self, "_is_replica", False):
            warnings.warn("Calling .zero_grad() from a replica of a module has no effect.", stacklevel=2)
        kept = []
        for p in self.parameters():
            if p.grad is None:
                continue
            if set_to_none:
                p.grad = None
                continue
            if p.grad.grad_fn is not None:
                p.grad.detach_()
            else:
                p.grad.requires_grad_(False)
            kept.append(p.grad)
        zero_each(kept)
