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
    AugMix,
    AutoAugment,
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    RandAugment,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
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
    ConvertBoundingBoxFormat,
    ConvertImageDtype,
    Identity,
    Lambda,
    LinearTransformation,
    Normalize,
    PILToTensor,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
)
from cltorch.vision.transforms.v2.geometry import (
    CenterCrop,
    ElasticTransform,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from cltorch.vision.transforms.v2.transform import (
    Transform,
)

__all__ = [
    "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ClampBoundingBoxes", "ColorJitter", "Compose",
    "ConvertBoundingBoxFormat", "ConvertImageDtype", "CutMix", "ElasticTransform", "GaussianBlur", "GaussianNoise",
    "Grayscale", "Identity", "InterpolationMode", "Lambda", "LinearTransformation", "MixUp", "Normalize",
    "PILToTensor", "Pad", "RandAugment", "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast",
    "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip",
    "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation",
    "RandomSolarize", "RandomVerticalFlip", "Resize", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor", "ToTensor",
    "Transform", "TrivialAugmentWide", "functional",
]  # fmt: skip
