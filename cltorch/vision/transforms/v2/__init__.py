"""Transforms of samples: images, masks and boxes together, in any nest (torchvision.transforms.v2)."""

from cltorch.vision.transforms.autoaugment import AutoAugmentPolicy
from cltorch.vision.transforms.functional.resample import InterpolationMode
from cltorch.vision.transforms.v2 import functional
from cltorch.vision.transforms.v2.augment import (
    CutMix,
    MixUp,
    RandomErasing,
)
from cltorch.vision.transforms.v2.color import (
    JPEG,
    RGB,
    AugMix,
    AutoAugment,
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    RandAugment,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPhotometricDistort,
    RandomPosterize,
    RandomSolarize,
    TrivialAugmentWide,
)
from cltorch.vision.transforms.v2.container import (
    Compose,
    RandomApply,
    RandomChoice,
    RandomOrder,
)
from cltorch.vision.transforms.v2.convert import (
    ClampBoundingBoxes,
    ClampKeyPoints,
    ConvertBoundingBoxFormat,
    ConvertImageDtype,
    Identity,
    Lambda,
    LinearTransformation,
    Normalize,
    PILToTensor,
    SetClampingMode,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
    UniformTemporalSubsample,
)
from cltorch.vision.transforms.v2.detection import (
    RandomIoUCrop,
    RandomResize,
    RandomShortestSize,
    RandomZoomOut,
    SanitizeBoundingBoxes,
    SanitizeKeyPoints,
    ScaleJitter,
)
from cltorch.vision.transforms.v2.geometry import (
    CenterCrop,
    ElasticTransform,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from cltorch.vision.transforms.v2.transform import (
    Transform,
)
from cltorch.vision.transforms.v2.utils import (
    check_type,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    query_chw,
    query_size,
)

__all__ = [
    "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ClampBoundingBoxes", "ClampKeyPoints", "ColorJitter",
    "Compose", "ConvertBoundingBoxFormat", "ConvertImageDtype", "CutMix", "ElasticTransform", "FiveCrop",
    "GaussianBlur", "GaussianNoise", "Grayscale", "Identity", "InterpolationMode", "JPEG", "Lambda",
    "LinearTransformation", "MixUp", "Normalize", "PILToTensor", "Pad", "RGB", "RandAugment", "RandomAdjustSharpness",
    "RandomAffine", "RandomApply", "RandomAutocontrast", "RandomChannelPermutation", "RandomChoice", "RandomCrop",
    "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomIoUCrop",
    "RandomOrder", "RandomPerspective", "RandomPhotometricDistort", "RandomPosterize", "RandomResize",
    "RandomResizedCrop", "RandomRotation", "RandomShortestSize", "RandomSolarize", "RandomVerticalFlip",
    "RandomZoomOut", "Resize", "SanitizeBoundingBoxes", "SanitizeKeyPoints", "ScaleJitter", "SetClampingMode",
    "TenCrop", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor", "ToTensor", "Transform", "TrivialAugmentWide",
    "UniformTemporalSubsample", "check_type", "functional", "get_bounding_boxes", "get_keypoints", "has_all", "has_any",
    "query_chw", "query_size",
]  # fmt: skip
