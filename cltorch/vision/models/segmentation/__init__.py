"""Networks that say for each pixel what it belongs to: torchvision.models.segmentation."""

from cltorch.vision.models.segmentation.deeplabv3 import (
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from cltorch.vision.models.segmentation.fcn import FCN, fcn_resnet50, fcn_resnet101
from cltorch.vision.models.segmentation.lraspp import LRASPP, lraspp_mobilenet_v3_large
from cltorch.vision.models.weights import attributes as _attributes

__all__ = [
    "DeepLabV3", "FCN", "LRASPP", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet101", "deeplabv3_resnet50",
    "fcn_resnet101", "fcn_resnet50", "lraspp_mobilenet_v3_large",
]  # fmt: skip

__getattr__ = _attributes(__name__)
