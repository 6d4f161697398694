"""What a tensor given as ``out=`` must be: of which dtype, and that it has no elements where its shape differs."""

from __future__ import annotations

import warnings
from typing import Any

from cltorch.dtypes import C_NAMES, TYPE_NAMES, dtype
from cltorch.ops.fallback import callers_level

# functions that write their result into ``out`` without a cast, by PyTorch's words where the dtypes differ
_WORDS = {
    "Found dtype {out} but expected {result}": (
        "abs absolute bitwise_not ceil conj_physical fix floor frac "
        "gelu_erf gelu_tanh hardshrink neg negative round round_places "
        "sgn sign softplus softshrink trunc"
    ),
    "Expected out tensor to have dtype {c_result}, but got {c_out} instead": (
        "alias_copy aminmax as_strided_copy avg_pool2d avg_pool3d cross diag diagonal_copy expand_copy index_add "
        "index_copy index_reduce kthvalue linalg_cross linalg_vector_norm log_softmax matrix_power max_dim median "
        "min_dim mode msort nanmedian narrow_copy norm permute_copy scatter scatter_add scatter_reduce slice_scatter "
        "softmax sort topk "
        "split_with_sizes_copy squeeze_copy t_copy take_along_dim transpose_copy tril triu unbind_copy unfold_copy "
        "unsqueeze_copy vector_norm view_copy"
    ),
    "Expected object of scalar type {result} but got scalar type {out} for argument 'out'": "complex polar",
    "expected scalar_type {result} but found {out}": "cummax cummin logcumsumexp",
    "{name} does not support non-boolean outputs.": "isneginf isposinf signbit",
    "{name} is not yet implemented for tensors with different dtypes.": "heaviside",
    "Expected out type to be {result} but got {out}": "where",
    "nan_to_num: dtype of out: {out} should be same as input: {result}": "nan_to_num nan_to_num_values",
    "{name}(): self and result must have the same scalar type": "index_select masked_select",
    "{name}(): self and out expected to have the same dtype, but got self.dtype = {result} and out.dtype = {out}": (
        "take"
    ),
    "{name}: Expected out tensor to have scalar type {result} but got scalar type {out}": "nonzero",
    "{name}(): expected out tensor to have dtype {result} but got {out}": "multi_dot",
    "{name}: Expected the output tensor to have dtype {result}, but got an output tensor with dtype {out}": "tensordot",
    "{name}: input tensor and hist tensor should have the same dtype, but got input {result} and hist {out}": (
        "histc histogram"
    ),
}  # fmt: skip
_EXACT = {name: words for words, names in _WORDS.items() for name in names.split()}


def check_dtype(name: str, result: dtype, out: dtype) -> None:
    """Raise RuntimeError where a function that casts nothing is given an ``out`` of another dtype."""
    words = _EXACT.get(name)
    if words is None or result is out or (name in ("abs", "absolute") and out.is_complex):
        return
    raise RuntimeError(
        words.format(
            name=name, result=TYPE_NAMES[result], out=TYPE_NAMES[out],
            c_result=C_NAMES.get(result.name, result.name), c_out=C_NAMES.get(out.name, out.name),
        )
    )  # fmt: skip


def check_asked(asked: dtype | None, out: Any) -> None:
    """Raise RuntimeError where ``dtype=`` asks for another dtype than that of ``out``."""
    if asked is not None and out is not None and out.dtype is not asked:
        raise RuntimeError(
            f"Expected out tensor to have dtype {C_NAMES[asked.name]}, but got {C_NAMES[out.dtype.name]} instead"
        )


def resize_out(out: Any, shape: Any) -> None:
    """Give ``out`` the shape of a result; warn where elements are lost by that, as they were perhaps not meant to."""
    if out.lay.shape == shape:
        return
    if out.lay.numel:
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.lay.shape)}, which does "
            f"not match the required output shape {list(shape)}. This is deprecated: give a tensor of that shape, or "
            "one without elements, as after out.resize_(0).",
            stacklevel=callers_level(),
        )
    out.resize_(shape)
