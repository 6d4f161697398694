"""Networks that find objects in images: torchvision.models.detection."""

from cltorch.vision.models.detection.faster_rcnn import (
    FasterRCNN,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from cltorch.vision.models.detection.fcos import FCOS, fcos_resnet50_fpn
from cltorch.vision.models.detection.keypoint_rcnn import KeypointRCNN, keypointrcnn_resnet50_fpn
from cltorch.vision.models.detection.mask_rcnn import MaskRCNN, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from cltorch.vision.models.detection.retinanet import RetinaNet, retinanet_resnet50_fpn, retinanet_resnet50_fpn_v2
from cltorch.vision.models.detection.ssd import ssd300_vgg16
from cltorch.vision.models.detection.ssdlite import ssdlite320_mobilenet_v3_large
from cltorch.vision.models.weights import attributes as _attributes

__all__ = [
    "FCOS", "FasterRCNN", "KeypointRCNN", "MaskRCNN", "RetinaNet", "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fcos_resnet50_fpn",
    "keypointrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large",
]  # fmt: skip

__getattr__ = _attributes(__name__)
