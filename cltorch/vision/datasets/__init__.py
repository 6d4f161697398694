"""Image data sets, from local files or downloaded: torchvision.datasets."""

from cltorch.vision.datasets.cifar import CIFAR10, CIFAR100
from cltorch.vision.datasets.fakedata import FakeData
from cltorch.vision.datasets.folder import DatasetFolder, ImageFolder
from cltorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from cltorch.vision.datasets.stl10 import STL10, SVHN
from cltorch.vision.datasets.vision import VisionDataset

__all__ = [
    "CIFAR10", "CIFAR100", "DatasetFolder", "EMNIST", "FakeData", "FashionMNIST", "ImageFolder", "KMNIST", "MNIST",
    "QMNIST", "STL10", "SVHN", "VisionDataset",
]  # fmt: skip
