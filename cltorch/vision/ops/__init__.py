"""Operators for detection and for building models: torchvision.ops.

Source: https://docs.pytorch.org/vision/0.28/ops.html
"""

from cltorch.vision.ops import registered as registered
from cltorch.vision.ops.boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    complete_box_iou,
    distance_box_iou,
    generalized_box_iou,
    masks_to_boxes,
    nms,
    remove_small_boxes,
)
from cltorch.vision.ops.deform_conv import DeformConv2d, deform_conv2d
from cltorch.vision.ops.drop_block import DropBlock2d, DropBlock3d, drop_block2d, drop_block3d
from cltorch.vision.ops.feature_pyramid_network import FeaturePyramidNetwork
from cltorch.vision.ops.losses import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)
from cltorch.vision.ops.misc import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from cltorch.vision.ops.poolers import MultiScaleRoIAlign
from cltorch.vision.ops.position_sensitive import PSRoIAlign, PSRoIPool, ps_roi_align, ps_roi_pool
from cltorch.vision.ops.roi import RoIAlign, RoIPool, roi_align, roi_pool
from cltorch.vision.ops.stochastic_depth import StochasticDepth, stochastic_depth

__all__ = [
    "MLP", "Conv2dNormActivation", "Conv3dNormActivation", "DeformConv2d", "DropBlock2d", "DropBlock3d",
    "FeaturePyramidNetwork", "FrozenBatchNorm2d", "MultiScaleRoIAlign", "PSRoIAlign", "PSRoIPool", "Permute",
    "RoIAlign", "RoIPool", "SqueezeExcitation", "StochasticDepth", "batched_nms", "box_area", "box_convert", "box_iou",
    "clip_boxes_to_image", "complete_box_iou", "complete_box_iou_loss", "deform_conv2d", "distance_box_iou",
    "distance_box_iou_loss", "drop_block2d", "drop_block3d", "generalized_box_iou", "generalized_box_iou_loss",
    "masks_to_boxes", "nms", "ps_roi_align", "ps_roi_pool", "remove_small_boxes", "roi_align", "roi_pool",
    "sigmoid_focal_loss", "stochastic_depth",
]  # fmt: skip
