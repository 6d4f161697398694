"""Networks that programs make of the parts of torchvision's, by the names that its modules have."""

from functools import partial

import pytest

import cltorch as torch
from cltorch.nn import BatchNorm2d, Conv2d
from cltorch.vision import models
from cltorch.vision._internally_replaced_utils import load_state_dict_from_url
from cltorch.vision.models import _meta
from cltorch.vision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConv, MBConvConfig
from cltorch.vision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from cltorch.vision.models.regnet import BlockParams, RegNet
from cltorch.vision.models.resnet import BasicBlock, _resnet
from cltorch.vision.models.shufflenetv2 import channel_shuffle
from cltorch.vision.models.vgg import VGG, cfgs, make_layers
from cltorch.vision.models.vision_transformer import interpolate_embeddings
from cltorch.vision.utils import _log_api_usage_once, _make_ntuple


def shapes(model):
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


def test_layers_of_vgg(bare):
    assert cfgs["A"] == [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
    assert shapes(VGG(make_layers(cfgs["D"], batch_norm=True))) == shapes(models.vgg16_bn())
    small = make_layers([4, "M", 6])
    assert [type(layer).__name__ for layer in small] == ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU"]
    assert small(torch.zeros(1, 3, 8, 8)).shape == (1, 6, 4, 4)


def test_stages_of_efficientnets(bare):
    first = MBConvConfig(6, 3, 2, 16, 24, 2, width_mult=1.1, depth_mult=1.2)
    assert (first.input_channels, first.out_channels, first.num_layers, first.block) == (16, 24, 3, MBConv)
    taken = []

    def own(cnf, prob, norm_layer):
        taken.append((cnf.input_channels, cnf.stride, prob))
        return MBConv(cnf, prob, norm_layer)

    setting = [FusedMBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(4, 3, 2, 8, 16, 2, block=own)]
    model = EfficientNet(setting, 0.2, num_classes=5).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 5) and taken == [(8, 2, 0.2 / 3), (16, 1, 0.4 / 3)]
    assert setting[1].input_channels == 8  # what is given stays
    for wrong in (["a"], "a"):
        with pytest.raises(TypeError, match="should be List"):
            EfficientNet(wrong, 0.2)
    with pytest.raises(ValueError, match="should not be empty"):
        EfficientNet([], 0.2)


def test_blocks_of_mobilenets(bare):
    block = InvertedResidualConfig(16, 3, 64, 24, True, "HS", 2, 1, 0.5)
    assert (block.input_channels, block.expanded_channels, block.out_channels, block.use_hs) == (8, 32, 16, True)
    model = MobileNetV3([InvertedResidualConfig(16, 3, 16, 24, False, "RE", 2, 1, 1.0)], 32, num_classes=4).eval()
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 4)


def test_stages_of_regnets(bare):
    params = BlockParams.from_init_params(depth=16, w_0=48, w_a=27.89, w_m=2.09, group_width=8, se_ratio=0.25)
    # those of RegNetY-400MF, as the paper has them
    assert (params.depths, params.widths, params.group_widths) == ([1, 3, 6, 6], [48, 104, 208, 440], [8, 8, 8, 8])
    assert shapes(RegNet(params)) == shapes(models.regnet_y_400mf())
    own = BlockParams([1, 1], [16, 32], [8, 8], [2.0, 0.5], [1, 2])
    found = RegNet(own, num_classes=3).eval()
    assert found.trunk_output.block1[0].f.b[0].weight.shape == (32, 8, 3, 3)
    assert found.stem(torch.zeros(1, 3, 16, 16)).shape[-1] == 8
    assert found.trunk_output(torch.zeros(1, 32, 8, 8)).shape == (1, 32, 4, 4)  # the first stage keeps the size
    with pytest.raises(ValueError, match="Invalid RegNet settings"):
        BlockParams.from_init_params(depth=4, w_0=20, w_a=1.0, w_m=2.0, group_width=8)


def test_resnets_of_other_depths(bare):
    model = _resnet(BasicBlock, [1, 1, 1, 1], None, False, num_classes=3, norm_layer=partial(BatchNorm2d, eps=0.1))
    assert model.fc.out_features == 3 and model.layer4[0].bn2.eps == 0.1 and len(model.layer1) == 1
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 3"):
        _resnet(BasicBlock, [2, 2, 2, 2], models.ResNet18_Weights.DEFAULT, False, num_classes=3)


def test_positions_for_images_of_another_size(device):
    token, grid = torch.ones(1, 1, 3), torch.arange(4.0).reshape(1, 4, 1).expand(1, 4, 3)
    state = {"encoder.pos_embedding": torch.cat([token, grid], 1).to(device), "heads.head.weight": torch.ones(2)}
    found = interpolate_embeddings(24, 8, dict(state), "bilinear", reset_heads=True)
    # corners stay, and a line's middle is halfway between its ends
    assert found["encoder.pos_embedding"][0, 1:, 0].tolist() == [0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3]
    assert found["encoder.pos_embedding"][0, 0].tolist() == [1, 1, 1] and "heads.head.weight" not in found
    assert "heads.head.weight" in interpolate_embeddings(16, 8, dict(state), reset_heads=True)  # nothing to do
    with pytest.raises(ValueError, match="not a perfect square"):
        interpolate_embeddings(24, 8, {"encoder.pos_embedding": torch.zeros(1, 4, 3)})
    with pytest.raises(ValueError, match="Unexpected position embedding shape"):
        interpolate_embeddings(24, 8, {"encoder.pos_embedding": torch.zeros(2, 5, 3)})


def test_names_that_copies_of_torchvisions_modules_import():
    assert _meta._IMAGENET_CATEGORIES[285] == "Egyptian cat" and len(_meta._KINETICS400_CATEGORIES) == 400
    assert (_meta._COCO_CATEGORIES[17], _meta._VOC_CATEGORIES[8]) == ("cat", "cat")
    assert _meta._COCO_PERSON_KEYPOINT_NAMES[0] == "nose" and len(_meta._COCO_PERSON_CATEGORIES) == 2
    with pytest.raises(AttributeError, match="_NOTHING"):
        _meta._NOTHING  # noqa: B018
    assert _log_api_usage_once(Conv2d) is None and _make_ntuple(3, 2) == (3, 3) and _make_ntuple([1, 2], 5) == (1, 2)
    assert load_state_dict_from_url is torch.hub.load_state_dict_from_url
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
