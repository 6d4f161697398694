"""Operators as ``torch.ops.torchvision`` has them: with the arguments of their schemas, each in its place.

Source: https://docs.pytorch.org/docs/2.13/library.html
"""

from __future__ import annotations

from collections.abc import Callable

from cltorch.library import Library
from cltorch.tensor import Tensor
from cltorch.vision.ops import boxes, deform_conv, roi

_OPERATORS = Library("torchvision", "DEF")


def _operator(schema: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Return a decorator: a function of every device, whose operations make the derivative, has a schema."""

    def register(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
        _OPERATORS.impl(_OPERATORS.define(schema), fn, "Autograd")
        return fn

    return register


@_operator("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
def _nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return boxes.nms(dets, scores, iou_threshold)


@_operator(
    "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor"
)
def _roi_align(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
    aligned: bool,
) -> Tensor:  # fmt: skip
    return roi.roi_align(input, rois, (pooled_height, pooled_width), spatial_scale, sampling_ratio, aligned)


@_operator(
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, "
    "SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, "
    "SymInt offset_groups, bool use_mask) -> Tensor"
)
def _deform_conv2d(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, stride_h: int, stride_w: int,
    pad_h: int, pad_w: int, dilation_h: int, dilation_w: int, groups: int, offset_groups: int, use_mask: bool,
) -> Tensor:  # fmt: skip
    # both numbers of groups follow from the tensors' shapes
    steps = (stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w)
    return deform_conv.deform_conv2d(input, offset, weight, bias, *steps, mask if use_mask else None)
