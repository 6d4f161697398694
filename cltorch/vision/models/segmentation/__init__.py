"""Networks that say for each pixel what it belongs to: torchvision.models.segmentation."""

from typing import Any as _Any

from cltorch.vision.models.segmentation.deeplabv3 import (
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from cltorch.vision.models.segmentation.fcn import FCN, fcn_resnet50, fcn_resnet101
from cltorch.vision.models.segmentation.lraspp import LRASPP, lraspp_mobilenet_v3_large
from cltorch.vision.models.weights import class_names as _class_names
from cltorch.vision.models.weights import list_models as _list_models
from cltorch.vision.models.weights import weights_class as _weights_class

__all__ = [
    "DeepLabV3", "FCN", "LRASPP", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet101", "deeplabv3_resnet50",
    "fcn_resnet101", "fcn_resnet50", "lraspp_mobilenet_v3_large",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    network = _class_names().get(name) if name.endswith("_Weights") else None
    if network is not None and network in _list_models(module=__name__):
        return _weights_class(network)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
