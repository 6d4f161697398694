"""The records that TensorBoard reads, as messages of the package tensorboard: torch.utils.tensorboard.summary."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

from cltorch import functions
from cltorch.tensor import Tensor
from cltorch.utils.tensorboard._convert_np import make_np
from cltorch.utils.tensorboard._media import audio, draw_boxes, image, image_boxes, make_image, make_video, video
from cltorch.utils.tensorboard._plugins import (
    compute_curve,
    custom_scalars,
    hparams,
    mesh,
    pr_curve,
    pr_curve_raw,
    text,
)

__all__ = [
    "audio", "compute_curve", "custom_scalars", "draw_boxes", "half_to_int", "histogram", "histogram_raw", "hparams",
    "image", "image_boxes", "int_to_half", "make_histogram", "make_image", "make_video", "mesh", "pr_curve",
    "pr_curve_raw", "scalar", "tensor_proto", "text", "video",
]  # fmt: skip

# by the name of a dtype: the name in the message, and the field that the values stand in
_TYPES = {
    "float16": ("DT_HALF", "half_val"), "bfloat16": ("DT_BFLOAT16", "half_val"), "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"), "int8": ("DT_INT8", "int_val"), "uint8": ("DT_UINT8", "uint32_val"),
    "int16": ("DT_INT16", "int_val"), "int32": ("DT_INT32", "int_val"), "int64": ("DT_INT64", "int64_val"),
    "bool": ("DT_BOOL", "bool_val"), "complex64": ("DT_COMPLEX64", "scomplex_val"),
    "complex128": ("DT_COMPLEX128", "dcomplex_val"),
}  # fmt: skip


def half_to_int(f: float) -> int:
    """Return the bits of a number in single precision as an integer, the form in which halves are recorded."""
    return struct.unpack("i", struct.pack("f", f))[0]


def int_to_half(i: int) -> float:
    """Return the number of which ``half_to_int`` gave the bits."""
    return struct.unpack("f", struct.pack("i", i))[0]


def _shape(sizes: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


def _of_plugin(name: str) -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name))


def scalar(
    name: str, tensor: Any, collections: Any = None, new_style: bool = False, double_precision: bool = False
) -> Summary:
    """Return the record of one number."""
    array = make_np(tensor).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and {array.ndim} "
            "dimensions."
        )
    value = float(array)
    if not new_style:
        return Summary(value=[Summary.Value(tag=name, simple_value=value)])
    if double_precision:
        message = TensorProto(double_val=[value], dtype="DT_DOUBLE")
    else:
        message = TensorProto(float_val=[value], dtype="DT_FLOAT")
    return Summary(value=[Summary.Value(tag=name, tensor=message, metadata=_of_plugin("scalars"))])


def tensor_proto(tag: str, tensor: Tensor) -> Summary:
    """Return the record of a whole tensor; ValueError for one of 2 GB, and for a dtype that has no form in it."""
    if tensor.numel() * tensor.itemsize >= 1 << 31:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    dtype = str(tensor.dtype).rpartition(".")[2]
    if dtype not in _TYPES:
        raise ValueError(f"{tag} has unsupported tensor dtype {tensor.dtype}")
    kind, field = _TYPES[dtype]
    flat = functions.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    values = flat.flatten().tolist()
    if field == "half_val":
        values = [half_to_int(x) for x in values]
    message = TensorProto(**{"dtype": kind, "tensor_shape": _shape(tensor.shape), field: values})
    return Summary(value=[Summary.Value(tag=tag, tensor=message, metadata=_of_plugin("tensor"))])


def histogram_raw(
    name: str, min: Any, max: Any, num: Any, sum: Any, sum_squares: Any, bucket_limits: Any, bucket_counts: Any
) -> Summary:
    """Return the record of a histogram whose bars are counted already."""
    message = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=bucket_limits, bucket=bucket_counts
    )
    return Summary(value=[Summary.Value(tag=name, histo=message)])


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """Return the record of how often values lie in bins."""
    return Summary(
        value=[Summary.Value(tag=name, histo=make_histogram(make_np(values).astype(float), bins, max_bins))]
    )  # fmt: skip


def make_histogram(values: np.ndarray, bins: Any, max_bins: int | None = None) -> HistogramProto:
    """Return the counts of the bins from the first to the last that has any, with an empty one before them.

    With more than ``max_bins`` bins neighbours are counted together. Raises ValueError where there are no values.
    """
    if values.size == 0:
        raise ValueError("The input has no element.")
    values = values.reshape(-1)
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        step = len(counts) // max_bins
        end = limits[-1]
        counts = np.add.reduceat(counts, np.arange(0, len(counts), step))
        limits = np.append(limits[:-1:step], end)
    filled = np.flatnonzero(counts)
    if not len(filled):
        raise ValueError("The histogram is empty, please file a bug report.")
    # a bar is told by its right end: the empty one says where the first begins
    first, last = int(filled[0]), int(filled[-1])
    return HistogramProto(
        min=values.min(), max=values.max(), num=len(values), sum=values.sum(), sum_squares=values.dot(values),
        bucket_limit=limits[first : last + 2].tolist(), bucket=[0, *counts[first : last + 1].tolist()],
    )  # fmt: skip
