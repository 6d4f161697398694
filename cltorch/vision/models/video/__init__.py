"""Networks that classify clips: torchvision.models.video."""

from cltorch.vision.models.video.resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from cltorch.vision.models.video.s3d import S3D, s3d
from cltorch.vision.models.weights import attributes as _attributes

__all__ = ["S3D", "VideoResNet", "mc3_18", "r2plus1d_18", "r3d_18", "s3d"]

__getattr__ = _attributes(__name__)
