"""Networks that classify clips: torchvision.models.video."""

from typing import Any as _Any

from cltorch.vision.models.video.resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from cltorch.vision.models.video.s3d import S3D, s3d
from cltorch.vision.models.weights import class_names as _class_names
from cltorch.vision.models.weights import list_models as _list_models
from cltorch.vision.models.weights import weights_class as _weights_class

__all__ = ["S3D", "VideoResNet", "mc3_18", "r2plus1d_18", "r3d_18", "s3d"]


def __getattr__(name: str) -> _Any:
    network = _class_names().get(name) if name.endswith("_Weights") else None
    if network is not None and network in _list_models(module=__name__):
        return _weights_class(network)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
