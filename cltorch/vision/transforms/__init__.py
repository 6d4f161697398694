"""Transforms of images: torchvision.transforms."""

from cltorch.vision.transforms import functional
from cltorch.vision.transforms.autoaugment import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
)
from cltorch.vision.transforms.color import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from cltorch.vision.transforms.compose import Compose, Lambda, RandomApply, RandomChoice, RandomOrder, RandomTransforms
from cltorch.vision.transforms.convert import (
    ConvertImageDtype,
    LinearTransformation,
    Normalize,
    PILToTensor,
    ToPILImage,
    ToTensor,
)
from cltorch.vision.transforms.crops import (
    CenterCrop,
    FiveCrop,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    TenCrop,
)
from cltorch.vision.transforms.functional import InterpolationMode
from cltorch.vision.transforms.functional.geometry import _setup_size as _setup_size
from cltorch.vision.transforms.geometry import Pad, RandomHorizontalFlip, RandomVerticalFlip, Resize
from cltorch.vision.transforms.warp import ElasticTransform, RandomAffine, RandomPerspective, RandomRotation
from cltorch.vision.transforms.warp import _check_sequence_input as _check_sequence_input
from cltorch.vision.transforms.warp import _setup_angle as _setup_angle

__all__ = [
    "AugMix",
    "AutoAugment",
    "AutoAugmentPolicy",
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "ElasticTransform",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomTransforms",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "TrivialAugmentWide",
    "functional",
]
