"""Image data sets, from local files or downloaded: torchvision.datasets."""

from cltorch.vision.datasets.caltech import Caltech101, Caltech256
from cltorch.vision.datasets.celeba import CelebA
from cltorch.vision.datasets.cifar import CIFAR10, CIFAR100
from cltorch.vision.datasets.cityscapes import Cityscapes
from cltorch.vision.datasets.clevr import CLEVRClassification
from cltorch.vision.datasets.coco import CocoCaptions, CocoDetection
from cltorch.vision.datasets.country211 import Country211
from cltorch.vision.datasets.dtd import DTD
from cltorch.vision.datasets.eurosat import EuroSAT
from cltorch.vision.datasets.fakedata import FakeData
from cltorch.vision.datasets.fer2013 import FER2013
from cltorch.vision.datasets.fgvc_aircraft import FGVCAircraft
from cltorch.vision.datasets.flickr import Flickr8k, Flickr30k
from cltorch.vision.datasets.flowers102 import Flowers102
from cltorch.vision.datasets.folder import DatasetFolder, ImageFolder
from cltorch.vision.datasets.food101 import Food101
from cltorch.vision.datasets.gtsrb import GTSRB
from cltorch.vision.datasets.imagenet import ImageNet
from cltorch.vision.datasets.imagenette import Imagenette
from cltorch.vision.datasets.inaturalist import INaturalist
from cltorch.vision.datasets.kitti import Kitti
from cltorch.vision.datasets.lfw import LFWPairs, LFWPeople
from cltorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from cltorch.vision.datasets.moving_mnist import MovingMNIST
from cltorch.vision.datasets.omniglot import Omniglot
from cltorch.vision.datasets.oxford_iiit_pet import OxfordIIITPet
from cltorch.vision.datasets.pcam import PCAM
from cltorch.vision.datasets.places365 import Places365
from cltorch.vision.datasets.rendered_sst2 import RenderedSST2
from cltorch.vision.datasets.sbd import SBDataset
from cltorch.vision.datasets.semeion import SEMEION
from cltorch.vision.datasets.stanford_cars import StanfordCars
from cltorch.vision.datasets.stl10 import STL10, SVHN
from cltorch.vision.datasets.sun397 import SUN397
from cltorch.vision.datasets.usps import USPS
from cltorch.vision.datasets.vision import VisionDataset
from cltorch.vision.datasets.voc import VOCDetection, VOCSegmentation
from cltorch.vision.datasets.widerface import WIDERFace
from cltorch.vision.datasets.wrapper import wrap_dataset_for_transforms_v2

__all__ = [
    "CIFAR10", "CIFAR100", "CLEVRClassification", "Caltech101", "Caltech256", "CelebA", "Cityscapes", "CocoCaptions",
    "CocoDetection", "Country211", "DTD", "DatasetFolder", "EMNIST", "EuroSAT", "FER2013", "FGVCAircraft", "FakeData",
    "FashionMNIST", "Flickr30k", "Flickr8k", "Flowers102", "Food101", "GTSRB", "INaturalist", "ImageFolder", "ImageNet",
    "Imagenette", "KMNIST", "Kitti", "LFWPairs", "LFWPeople", "MNIST", "MovingMNIST", "Omniglot", "OxfordIIITPet",
    "PCAM", "Places365", "QMNIST", "RenderedSST2", "SBDataset", "SEMEION", "STL10", "SUN397", "SVHN", "StanfordCars",
    "USPS", "VOCDetection", "VOCSegmentation", "VisionDataset", "WIDERFace", "wrap_dataset_for_transforms_v2",
]  # fmt: skip
