"""Image data sets, from local files or downloaded: torchvision.datasets."""

from cltorch.vision.datasets.caltech import Caltech101, Caltech256
from cltorch.vision.datasets.cifar import CIFAR10, CIFAR100
from cltorch.vision.datasets.coco import CocoCaptions, CocoDetection
from cltorch.vision.datasets.fakedata import FakeData
from cltorch.vision.datasets.flowers102 import Flowers102
from cltorch.vision.datasets.folder import DatasetFolder, ImageFolder
from cltorch.vision.datasets.imagenet import ImageNet
from cltorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from cltorch.vision.datasets.oxford_iiit_pet import OxfordIIITPet
from cltorch.vision.datasets.stl10 import STL10, SVHN
from cltorch.vision.datasets.vision import VisionDataset
from cltorch.vision.datasets.voc import VOCDetection, VOCSegmentation

__all__ = [
    "CIFAR10", "CIFAR100", "Caltech101", "Caltech256", "CocoCaptions", "CocoDetection", "DatasetFolder", "EMNIST",
    "FakeData", "FashionMNIST", "Flowers102", "ImageFolder", "ImageNet", "KMNIST", "MNIST", "OxfordIIITPet", "QMNIST",
    "STL10", "SVHN", "VOCDetection", "VOCSegmentation", "VisionDataset",
]  # fmt: skip
