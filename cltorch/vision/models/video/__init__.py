"""Networks that classify clips: torchvision.models.video."""

from cltorch.vision.models.video.mvit import MViT, mvit_v1_b, mvit_v2_s
from cltorch.vision.models.video.resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from cltorch.vision.models.video.s3d import S3D, s3d
from cltorch.vision.models.video.swin_transformer import SwinTransformer3d, swin3d_b, swin3d_s, swin3d_t
from cltorch.vision.models.weights import attributes as _attributes

__all__ = [
    "MViT", "S3D", "SwinTransformer3d", "VideoResNet", "mc3_18", "mvit_v1_b", "mvit_v2_s", "r2plus1d_18", "r3d_18",
    "s3d", "swin3d_b", "swin3d_s", "swin3d_t",
]  # fmt: skip

__getattr__ = _attributes(__name__)
