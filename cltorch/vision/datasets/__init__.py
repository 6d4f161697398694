"""Image data sets, from local files or downloaded: torchvision.datasets."""

from cltorch.vision.datasets._optical_flow import HD1K, FlyingChairs, FlyingThings3D, KittiFlow, Sintel
from cltorch.vision.datasets._stereo_matching import (
    CarlaStereo,
    CREStereo,
    ETH3DStereo,
    FallingThingsStereo,
    InStereo2k,
    Kitti2012Stereo,
    Kitti2015Stereo,
    Middlebury2014Stereo,
    SceneFlowStereo,
    SintelStereo,
)
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
from cltorch.vision.datasets.lsun import LSUN, LSUNClass
from cltorch.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from cltorch.vision.datasets.moving_mnist import MovingMNIST
from cltorch.vision.datasets.omniglot import Omniglot
from cltorch.vision.datasets.oxford_iiit_pet import OxfordIIITPet
from cltorch.vision.datasets.pcam import PCAM
from cltorch.vision.datasets.phototour import PhotoTour
from cltorch.vision.datasets.places365 import Places365
from cltorch.vision.datasets.rendered_sst2 import RenderedSST2
from cltorch.vision.datasets.sbd import SBDataset
from cltorch.vision.datasets.sbu import SBU
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
    "CIFAR10", "CIFAR100", "CLEVRClassification", "CREStereo", "Caltech101", "Caltech256", "CarlaStereo", "CelebA",
    "Cityscapes", "CocoCaptions", "CocoDetection", "Country211", "DTD", "DatasetFolder", "EMNIST", "ETH3DStereo",
    "EuroSAT", "FER2013", "FGVCAircraft", "FakeData", "FallingThingsStereo", "FashionMNIST", "Flickr30k", "Flickr8k",
    "Flowers102", "FlyingChairs", "FlyingThings3D", "Food101", "GTSRB", "HD1K", "INaturalist", "ImageFolder",
    "ImageNet", "Imagenette", "InStereo2k", "KMNIST", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow",
    "LFWPairs", "LFWPeople", "LSUN", "LSUNClass", "MNIST", "Middlebury2014Stereo", "MovingMNIST", "Omniglot",
    "OxfordIIITPet", "PCAM", "PhotoTour", "Places365", "QMNIST", "RenderedSST2", "SBDataset", "SBU", "SEMEION",
    "STL10", "SUN397", "SVHN", "SceneFlowStereo", "Sintel", "SintelStereo", "StanfordCars", "USPS", "VOCDetection",
    "VOCSegmentation", "VisionDataset", "WIDERFace", "wrap_dataset_for_transforms_v2",
]  # fmt: skip
