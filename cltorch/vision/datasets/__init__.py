"""Image data sets, from local files or downloaded: torchvision.datasets."""

from cltorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from cltorch.vision.datasets.vision import VisionDataset

__all__ = ["EMNIST", "KMNIST", "MNIST", "QMNIST", "FashionMNIST", "VisionDataset"]
