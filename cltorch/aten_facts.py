"""Operators of torch.ops.aten that say what tensors are, check it, or have another form than a public function.

Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/native_functions.yaml
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cltorch import functions
from cltorch.aten import OPERATORS
from cltorch.dtypes import can_cast, promote_types
from cltorch.functions.unique import unique, unique_consecutive
from cltorch.nn import functional
from cltorch.nn.utils.rnn import pad_sequence
from cltorch.tensor import Tensor

__all__ = ["OPERATORS"]


def _itself(self: Any) -> Any:
    return self


def _is_leaf(self: Any) -> bool:
    return bool(self.is_leaf)


def _output_nr(self: Any) -> int:
    return int(self.output_nr)


def _version(self: Any) -> int:
    return int(self._version)


def _data(self: Any) -> Any:
    return self.data


def _adjoint(self: Any) -> Any:
    return self.mH


def _transposed(self: Any) -> Any:
    return self.mT


def _reshape_alias(self: Any, size: Sequence[int], stride: Sequence[int]) -> Any:
    return functions.as_strided(self, tuple(size), tuple(stride))


def _assert_scalar(self: Any, assert_msg: str) -> None:
    if not self:
        raise RuntimeError(assert_msg)


def _assert_metadata(
    a: Any, size: Any = None, stride: Any = None, dtype: Any = None, *, device: Any = None, layout: Any = None
) -> None:
    """Raise RuntimeError where a tensor is not as it should be."""
    for what, want, have in (
        ("sizes", size, a.shape), ("strides", stride, a.stride()), ("dtype", dtype, a.dtype),
        ("device", device, a.device), ("layout", layout, a.layout),
    ):  # fmt: skip
        if what in ("sizes", "strides") and want is not None:
            want, have = list(want), list(have)
        if want is not None and want != have:
            raise RuntimeError(f"Tensor {what} mismatch! Expected: {want}, Got: {have}")


def _unique_dim(
    self: Any, dim: int, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    return unique(self, sorted, True, True, dim)  # PyTorch's gives all three, whatever is asked for


def _unique_dim_consecutive(self: Any, dim: int, return_inverse: bool = False, return_counts: bool = False) -> Any:
    return unique_consecutive(self, True, True, dim)


def _grouped_mm(self: Any, mat2: Any, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Any:
    return functional.grouped_mm(self, mat2, offs=offs, bias=bias, out_dtype=out_dtype)


OPERATORS |= {
    "_pin_memory": Tensor.pin_memory, "_grouped_mm": _grouped_mm, "unique_dim": _unique_dim,
    "unique_dim_consecutive": _unique_dim_consecutive, "_assert_scalar": _assert_scalar,
    "_assert_tensor_metadata": _assert_metadata, "pad_sequence": pad_sequence, "can_cast": can_cast,
    "promote_types": promote_types, "mH": _adjoint, "matrix_H": _adjoint, "mT": _transposed,
    "numpy_T": functions.matrix_transpose_T, "lift": _itself, "chalf": Tensor.chalf, "_reshape_alias": _reshape_alias,
    "is_leaf": _is_leaf, "output_nr": _output_nr, "data": _data, "_version": _version,
}  # fmt: skip
