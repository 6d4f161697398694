"""Networks that programs make of the parts of torchvision's, by the names that its modules have."""

from functools import partial

import pytest

import cltorch as torch
from cltorch.nn import BatchNorm2d, Conv2d
from cltorch.vision import models
from cltorch.vision._internally_replaced_utils import load_state_dict_from_url
from cltorch.vision.models import _meta
from cltorch.vision.models.efficientnet import EfficientNet, FusedMBConvConfig, MBConv, MBConvConfig
from cltorch.vision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3, _mobilenet_v3_conf
from cltorch.vision.models.optical_flow import _utils as flow_utils
from cltorch.vision.models.regnet import BlockParams, RegNet
from cltorch.vision.models.resnet import BasicBlock, _resnet
from cltorch.vision.models.shufflenetv2 import channel_shuffle
from cltorch.vision.models.vgg import VGG, cfgs, make_layers
from cltorch.vision.models.vision_transformer import interpolate_embeddings
from cltorch.vision.ops import _box_convert
from cltorch.vision.transforms import presets
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
    for name, last in (("mobilenet_v3_large", 1280), ("mobilenet_v3_small", 1024)):
        setting, width = _mobilenet_v3_conf(name, width_mult=0.5, reduced_tail=True, dilated=True)
        assert width == last // 4 and [b.dilation for b in setting[-3:]] == [2, 2, 2] and setting[-4].dilation == 1
    small = MobileNetV3(*_mobilenet_v3_conf("mobilenet_v3_small"))
    assert shapes(small) == shapes(models.mobilenet_v3_small())
    with pytest.raises(ValueError, match="Unsupported model type"):
        _mobilenet_v3_conf("mobilenet_v2")


def test_first_layers_of_an_older_mnasnet(bare):
    model, again, same = models.mnasnet0_5(), models.mnasnet0_5(), models.mnasnet1_0()
    saved = model.state_dict()
    assert saved._metadata[""]["version"] == 2 and model.layers[0].out_channels == 16
    model.load_state_dict(dict(saved))
    saved._metadata[""]["version"] = 3
    with pytest.raises(ValueError, match="version should be set to 1 or 2 instead of 3"):
        model.load_state_dict(saved)
    saved.update({f"layers.{i}.{k}": v for i in range(8) for k, v in same.layers[i].state_dict().items()})
    saved["layers.8.0.layers.0.weight"] = torch.ones(48, 16, 1, 1)
    saved._metadata[""]["version"] = 1
    with pytest.raises(RuntimeError, match="size mismatch"), pytest.warns(UserWarning, match="version 1"):
        again.load_state_dict(saved)  # other layers of the first stack have their old sizes as well
    parts = again.state_dict()
    for key in saved:
        if key in parts and saved[key].shape != parts[key].shape:
            saved[key] = torch.zeros_like(parts[key])
    with pytest.warns(UserWarning, match="version 1"):
        again.load_state_dict(saved)
    assert again.layers[0].out_channels == 32 and again.layers[8][0].layers[0].weight.sum() == 48 * 16
    assert again.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
    assert again.state_dict()._metadata[""]["version"] == 1


def test_what_prepares_images_says_what_it_does():
    weights = models.ResNet18_Weights.DEFAULT
    said = weights.transforms().describe()
    assert "``resize_size=[256]``" in said and "``crop_size=[224]``" in said and "(B, C, H, W)" in said
    said = presets.SemanticSegmentation(resize_size=520).describe()
    assert "``resize_size=[520]``" in said and "crop_size" not in said and "``mean=[0.485, 0.456, 0.406]``" in said
    said = presets.VideoClassification(crop_size=(112, 112), resize_size=(128, 171)).describe()
    assert "``crop_size=[112, 112]``" in said and said.endswith("(..., C, T, H, W).")
    assert "[0.0, 1.0]" in presets.ObjectDetection().describe() and "[-1.0, 1.0]" in presets.OpticalFlow().describe()


def test_boxes_and_flows_by_the_names_of_torchvisions_modules(device):
    boxes = torch.tensor([[1.0, 2.0, 3.0, 6.0]], device=device)
    assert _box_convert._box_xyxy_to_xywh(boxes).tolist() == [[1, 2, 2, 4]]
    assert _box_convert._box_xyxy_to_cxcywh(boxes).tolist() == [[2, 4, 2, 4]]
    assert _box_convert._box_cxcywh_to_xyxy(boxes).tolist() == [[-0.5, -1, 2.5, 5]]
    assert _box_convert._box_xywh_to_xyxy(boxes).tolist() == [[1, 2, 4, 8]]
    turned = torch.tensor([[1.0, 2.0, 3.0, 6.0, 0.0]], device=device)
    corners = _box_convert._box_xywhr_to_xyxyxyxy(turned)
    assert corners.tolist() == [[1, 2, 4, 2, 4, 8, 1, 8]]
    assert _box_convert._box_xyxyxyxy_to_xywhr(corners).tolist() == turned.tolist()
    centred = _box_convert._box_xywhr_to_cxcywhr(turned)
    assert centred.tolist() == [[2.5, 5, 3, 6, 0]]
    assert _box_convert._box_cxcywhr_to_xywhr(centred).tolist() == turned.tolist()
    grid = flow_utils.make_coords_grid(2, 2, 3, device)
    assert grid.shape == (2, 2, 2, 3) and grid[1].tolist() == [[[0, 1, 2]] * 2, [[0] * 3, [1] * 3]]
    image = torch.arange(6.0, device=device).view(1, 1, 2, 3)
    places = grid[:1].permute(0, 2, 3, 1)
    assert flow_utils.grid_sample(image, places, align_corners=True).tolist() == image.tolist()
    assert flow_utils.grid_sample(image, places + 0.4, mode="nearest", align_corners=True).tolist() == image.tolist()
    assert flow_utils.upsample_flow(grid, factor=2).amax((0, 2, 3)).tolist() == [4, 2]


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
