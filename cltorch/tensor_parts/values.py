"""The part of Tensor that gives its elements to Python, NumPy and other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from cltorch import dlpack, dtypes, functions
from cltorch.autograd.grad_mode import mode
from cltorch.autograd.graph import needs_grad
from cltorch.ops.array import Array, host, to_numpy, values
from cltorch.ops.notices import warn_once
from cltorch.ops.turned import turns


class Values(Array):
    """Give Tensor its conversions to numbers, lists and arrays."""

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return a NumPy array that shares the memory of a host tensor.

        Raises TypeError for a tensor on a device (``force=True`` copies it) or of a dtype NumPy lacks, RuntimeError
        for one that requires a gradient, unless gradients are switched off.
        """
        if self.dtype.opaque:
            raise TypeError(f"Got unsupported ScalarType {dtypes.TYPE_NAMES[self.dtype]}")
        conj, neg = turns(self)
        if (conj or neg) and not force:
            bit, how = ("conjugate", "resolve_conj") if conj else ("negative", "resolve_neg")
            raise RuntimeError(
                f"Can't call numpy() on Tensor that has {bit} bit set. Use tensor.{how}().numpy() instead."
            )
        if self._storage.array is None:
            if not force:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the "
                    "tensor to host memory first."
                )
            return to_numpy(self)
        if self.requires_grad and not force and mode.enabled:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return to_numpy(self) if conj or neg else host(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        a = self.numpy()
        if dtype is not None and a.dtype != dtype:
            if copy is False:
                raise ValueError(f"an array of {dtype} cannot share the memory of a tensor of {self.dtype}")
            return a.astype(dtype)
        return a.copy() if copy else a

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return functions.from_numpy(np.asarray(array))

    def item(self) -> Any:
        """Return the one element as a Python number; waits for the device."""
        if self.lay.numel != 1:
            raise RuntimeError(f"a Tensor with {self.lay.numel} elements cannot be converted to Scalar")
        return self._one()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers, a number for 0-d."""
        return values(self).tolist()

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        return dlpack.dlpack(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.dlpack_device(self)

    def __bool__(self) -> bool:
        if self.lay.numel != 1:
            what = "no values" if self.lay.numel == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    __nonzero__ = __bool__

    def _one(self) -> Any:
        if self.is_meta:
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        return values(self).item()

    def _scalar(self) -> Any:
        if self.lay.numel != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        if needs_grad(self):
            warn_once(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
                "Consider using tensor.detach() first."
            )
        return self._one()

    def _real_scalar(self, kind: str) -> Any:
        value = self._scalar()
        if isinstance(value, complex):
            if value.imag:
                raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
            value = value.real
        return value

    def __int__(self) -> int:
        return int(self._real_scalar("int64_t"))

    __long__ = __int__  # Python 2's name, which libraries that list Tensor's methods ask for

    def __float__(self) -> float:
        return float(self._real_scalar("double"))

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def __index__(self) -> int:
        if self.lay.numel != 1 or self.dtype.differentiable:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())
