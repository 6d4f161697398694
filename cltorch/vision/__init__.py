"""Images: data sets, models, operators and transforms under torchvision's names."""

from cltorch.vision import datasets, io, models, ops, transforms, tv_tensors, utils

__all__ = ["datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils"]
