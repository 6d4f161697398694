"""Detectors: the losses, gradients and answers of torchvision for small ones, their parts, and what they refuse."""

import json

import numpy as np
import pytest

import cltorch as torch
from cltorch import vision
from cltorch.nn import BatchNorm2d, Conv2d
from cltorch.vision.models import detection
from cltorch.vision.models.detection import anchor_utils, backbone_utils, faster_rcnn, mask_rcnn, roi_heads, rpn
from cltorch.vision.models.detection._utils import (
    BalancedPositiveNegativeSampler,
    BoxCoder,
    BoxLinearCoder,
    Matcher,
    SSDMatcher,
    _box_loss,
    overwrite_eps,
    retrieve_out_channels,
)
from cltorch.vision.models.detection.image_list import ImageList
from cltorch.vision.models.detection.transform import GeneralizedRCNNTransform
from cltorch.vision.ops.misc import FrozenBatchNorm2d
from tests.vision import detectors

EXPECTED = json.loads(detectors.RECORDED.read_text())


@pytest.mark.parametrize("name", ["faster_rcnn", "mask_rcnn", "keypoint_rcnn", "retinanet", "fcos", "ssd"])
def test_images_in_which_nothing_scores_hold_nothing(device, name):
    model = detectors.CASES[name](torch=torch, vision=vision).to(device).eval()
    getattr(model, "rpn", model).score_thresh = 2.0
    images = [torch.from_numpy(image).to(device) for image in detectors.images()]
    with torch.no_grad():
        found = model(images)
    more = {
        "mask_rcnn": {"masks": (0, 1, 40, 52)},
        "keypoint_rcnn": {"keypoints": (0, 3, 3), "keypoints_scores": (0, 3)},
    }
    expected = {"boxes": (0, 4), "labels": (0,), "scores": (0,), **more.get(name, {})}
    assert {key: tuple(value.shape) for key, value in found[0].items()} == expected


@pytest.mark.parametrize("name", list(detectors.CASES))
def test_small_detectors_give_torchvisions_losses_gradients_and_answers(device, name):
    got, expected = detectors.run(torch, vision, name, device), EXPECTED[name]
    for kind in ("losses", "losses_with_an_empty_image"):
        assert list(got[kind]) == list(expected[kind])
        assert got[kind] == pytest.approx(expected[kind], rel=1e-4, abs=1e-7)
    assert list(got["gradients"]) == list(expected["gradients"])
    # a bias before a normalisation or a softmax over places has no gradient, but rounding
    greatest = max(expected["gradients"].values())
    assert got["gradients"] == pytest.approx(expected["gradients"], rel=1e-3, abs=1e-6 * greatest)
    for found, wanted in zip(got["found"], expected["found"], strict=True):
        listed = detectors.short(found)
        assert list(listed) == list(wanted) and listed["labels"] == wanted["labels"]
        for key, value in wanted.items():
            np.testing.assert_allclose(listed[key], value, rtol=1e-3, atol=1e-3, err_msg=key)


def test_matchers(device):
    quality = torch.tensor([[0.9, 0.5, 0.1, 0.3], [0.0, 0.6, 0.2, 0.3]], device=device)
    assert Matcher(0.7, 0.3)(quality).tolist() == [0, -2, -1, -2]
    assert Matcher(0.95, 0.95, allow_low_quality_matches=True)(quality).tolist() == [0, 1, -1, -1]
    assert SSDMatcher(0.95)(quality).tolist() == [0, 1, -1, -1]
    with pytest.raises(ValueError, match="No ground-truth boxes"):
        Matcher(0.7, 0.3)(quality[:0])
    with pytest.raises(ValueError, match="No proposal boxes"):
        Matcher(0.7, 0.3)(quality[:, :0])
    with pytest.raises(AssertionError, match="low_threshold"):
        Matcher(0.3, 0.7)


def test_the_sampler_draws_as_many_as_it_should(device):
    labels = torch.tensor([1, 0, 0, -1, 2, 0, 3, 0], device=device)
    (positive,), (negative,) = BalancedPositiveNegativeSampler(4, 0.5)([labels])
    assert positive.dtype is torch.uint8 and positive.sum().item() == 2 and negative.sum().item() == 2
    assert (labels[positive.bool()] >= 1).all() and (labels[negative.bool()] == 0).all()
    # what is missing of one kind is not made up for where there are too few of both
    (positive,), (negative,) = BalancedPositiveNegativeSampler(16, 0.5)([labels])
    assert positive.tolist() == [1, 0, 0, 0, 1, 0, 1, 0] and negative.tolist() == [0, 1, 1, 0, 0, 1, 0, 1]


def test_coders_invert_themselves(device):
    boxes = torch.tensor([[3.0, 4.0, 9.0, 20.0], [0.0, 1.0, 4.0, 3.0]], device=device)
    around = torch.tensor([[2.0, 2.0, 12.0, 10.0], [0.0, 0.0, 2.0, 2.0]], device=device)
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    code = coder.encode_single(boxes, around)
    # by hand: centres (6, 12) of (7, 6), sizes (6, 16) of (10, 8)
    np.testing.assert_allclose(code[0].tolist(), [-1.0, 7.5, 5 * np.log(0.6), 5 * np.log(2)], rtol=1e-5)
    torch.testing.assert_close(coder.decode(code, [around[:1], around[1:]])[:, 0], boxes, rtol=1e-5, atol=1e-5)
    assert coder.decode(code[:0], [around[:0]]).shape == (0, 4)
    wide = coder.decode_single(torch.tensor([[0.0, 0.0, 500.0, 0.0]], device=device), around[:1])
    assert wide[0, 2].item() == pytest.approx(7 + 5 * 62.5, rel=1e-4)
    for linear in (BoxLinearCoder(True), BoxLinearCoder(False)):
        torch.testing.assert_close(linear.decode(linear.encode(around, boxes), around), boxes, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(BoxLinearCoder(True).encode(around, boxes)[0].tolist(), [0.4, 0.25, 0.2, 1.75])
    with pytest.raises(AssertionError, match="list or tuple"):
        coder.decode(code, around)


def test_losses_of_boxes(device):
    boxes, around = torch.tensor([[2.0, 2.0, 12.0, 10.0]]), torch.tensor([[3.0, 4.0, 9.0, 20.0]])
    code = torch.tensor([[0.1, -0.2, 0.3, 0.1]])
    boxes, around, code = (t.to(device) for t in (boxes, around, code))
    # from torchvision 0.28
    expected = {"l1": 1.24564, "smooth_l1": 0.3543, "giou": 0.6951, "diou": 0.61039, "ciou": 0.62185}
    for kind, value in expected.items():
        loss = _box_loss(kind, BoxCoder((1.0, 1.0, 1.0, 1.0)), around, boxes, code)
        assert loss.item() == pytest.approx(value, rel=1e-4), kind
    with pytest.raises(AssertionError, match="Unsupported loss: l2"):
        _box_loss("l2", BoxCoder((1.0, 1.0, 1.0, 1.0)), around, boxes, code)


def test_anchors(device):
    maps = [torch.zeros(2, 1, 2, 3, device=device), torch.zeros(2, 1, 1, 1, device=device)]
    images = ImageList(torch.zeros(2, 3, 16, 24, device=device), [(16, 24), (12, 20)])
    make = anchor_utils.AnchorGenerator(((4,), (8, 16)), ((0.5, 1.0), (2.0,)))
    first, second = make(images, maps)
    assert make.num_anchors_per_location() == [2, 2] and torch.equal(first, second) and len(first) == 2 * 6 + 2
    # half as tall as wide, at the second place of the first row
    assert first[2].tolist() == [8 - 3, -1, 8 + 3, 1] and first[-1].tolist() == [-6, -11, 6, 11]
    assert anchor_utils.AnchorGenerator((4, 8), (1.0,)).num_anchors_per_location() == [1, 1]
    with pytest.raises(AssertionError, match="Anchors should be"):
        make(images, maps[:1])


def test_default_boxes(device):
    maps = [torch.zeros(1, 1, 2, 3, device=device), torch.zeros(1, 1, 1, 1, device=device)]
    images = ImageList(torch.zeros(1, 3, 20, 30, device=device), [(20, 30)])
    make = anchor_utils.DefaultBoxGenerator([[2], []], min_ratio=0.2, max_ratio=0.6)
    assert make.scales == [0.2, 0.6, 1.0] and make.num_anchors_per_location() == [4, 2]
    (boxes,) = make(images, maps)
    assert len(boxes) == 6 * 4 + 2
    np.testing.assert_allclose(boxes[0].tolist(), [2, 3, 8, 7], rtol=1e-5)
    width, height = 0.2 * 2**0.5 * 30, 0.2 * 0.5**0.5 * 20
    np.testing.assert_allclose(
        boxes[4 + 2].tolist(), [15 - width / 2, 5 - height / 2, 15 + width / 2, 5 + height / 2], rtol=1e-5
    )
    with pytest.raises(ValueError, match="same length"):
        anchor_utils.DefaultBoxGenerator([[2]], steps=[8, 16])
    assert make._grid_default_boxes([(1, 1)], (20, 30), torch.float64).dtype is torch.float64


def test_images_are_resized_and_filled_up(device):
    prepare = GeneralizedRCNNTransform((10, 20), 40, [0.5] * 3, [0.25] * 3, size_divisible=8)
    image = torch.rand(3, 10, 15, device=device)
    target = {"boxes": torch.tensor([[1.0, 2.0, 3.0, 4.0]]), "keypoints": torch.tensor([[[1.0, 2.0, 1.0]]])}
    listed, (changed,) = prepare.eval()([image], [target])
    assert listed.tensors.shape == (1, 3, 24, 32) and listed.image_sizes == [(20, 30)]
    assert listed.tensors[0, :, 20:].abs().sum().item() == 0
    assert changed["boxes"].tolist() == [[2, 4, 6, 8]] and changed["keypoints"].tolist() == [[[2, 4, 1]]]
    assert target["boxes"].tolist() == [[1, 2, 3, 4]]
    sizes = {prepare.train()([image])[0].image_sizes[0] for _ in range(20)}
    assert sizes == {(10, 15), (20, 30)}
    assert GeneralizedRCNNTransform(9, 9, [0.5] * 3, [0.5] * 3, fixed_size=(7, 6))([image])[0].image_sizes == [(6, 7)]
    with pytest.raises(TypeError, match="floating type"):
        prepare([image.mul(255).to(torch.uint8)])
    with pytest.raises(ValueError, match="3d tensors"):
        prepare([image[None]])


def test_masks_are_stretched_as_images_are(device):
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((3, 1, 5, 5), np.float32)).to(device)
    boxes = torch.tensor([[2.0, 3.0, 14.0, 9.0], [-4.0, -2.0, 6.0, 8.0], [10.0, 5.0, 30.0, 30.0]], device=device)
    pasted = roi_heads.paste_masks_in_image(masks, boxes, (16, 20)).cpu().numpy()
    grown = roi_heads.expand_boxes(boxes, 7 / 5).to(torch.int64).tolist()
    for mask, (x1, y1, x2, y2), got in zip(masks.cpu(), grown, pasted, strict=True):
        padded = torch.nn.functional.pad(mask[None], (1, 1, 1, 1))
        whole = torch.nn.functional.interpolate(padded, size=(y2 - y1 + 1, x2 - x1 + 1), mode="bilinear")[0, 0].numpy()
        expected = np.zeros((16, 20), np.float32)
        for y in range(max(0, y1), min(16, y2 + 1)):
            for x in range(max(0, x1), min(20, x2 + 1)):
                expected[y, x] = whole[y - y1, x - x1]
        np.testing.assert_allclose(got[0], expected, rtol=0, atol=1e-5)
    assert roi_heads.paste_masks_in_image(masks[:0], boxes[:0], (16, 20)).shape == (0, 1, 16, 20)


def test_key_points_in_maps(device):
    boxes = torch.tensor([[0.0, 0.0, 8.0, 4.0]], device=device)
    points = torch.tensor([[[1.0, 1.0, 1], [8.0, 4.0, 1], [9.0, 1.0, 1], [3.0, 2.0, 0]]], device=device)
    places, valid = roi_heads.keypoints_to_heatmap(points, boxes, 4)
    assert places.tolist() == [[1 * 4 + 0, 3 * 4 + 3, 0, 0]] and valid.tolist() == [[1, 1, 0, 0]]
    maps = torch.zeros(1, 2, 4, 4, device=device)
    maps[0, 0, 1, 2], maps[0, 1, 3, 0] = 5.0, 3.0
    found, scores = roi_heads.heatmaps_to_keypoints(maps, boxes)
    # element (1, 2) of 4x4 is (1, 4 ... 5) of a box of 4x8
    assert found[0, 0].tolist() in ([4.5, 1.5, 1.0], [5.5, 1.5, 1.0]) and scores[0, 0].item() > 4
    assert found[0, 1, 0].item() < 2 and found[0, 1, 1].item() == 3.5
    logits = torch.zeros(1, 4, 4, 4, device=device)
    loss = roi_heads.keypointrcnn_loss(logits, [boxes], [points], [torch.tensor([0], device=device)])
    assert loss.item() == pytest.approx(np.log(16), rel=1e-5)
    with pytest.raises(ValueError, match="should be equal"):
        roi_heads.keypointrcnn_loss(logits[..., :3], [boxes], [points], [torch.tensor([0], device=device)])


def tiny():
    return Conv2d(3, 8, 3, stride=8, padding=1)


def small_faster_rcnn(**options):
    anchors = anchor_utils.AnchorGenerator(((8, 16),), ((1.0,),))
    pool = vision.ops.MultiScaleRoIAlign(["0"], 2, 2)
    return detection.FasterRCNN(
        tiny(), 2, min_size=32, max_size=64, rpn_anchor_generator=anchors, box_roi_pool=pool, **options
    )


def test_targets_that_cannot_be_are_refused():
    model, image = small_faster_rcnn(), [torch.rand(3, 32, 32)]
    labels = torch.tensor([1])

    def train(**target):
        return model.train()(image, [{"labels": labels, "boxes": torch.tensor([[1.0, 1.0, 9.0, 9.0]]), **target}])

    assert list(train()) == ["loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"]
    with pytest.raises(AssertionError, match="targets should not be none"):
        model(image)
    with pytest.raises(AssertionError, match=r"of type Tensor, got <class 'list'>"):
        train(boxes=[[1.0, 1.0, 9.0, 9.0]])
    with pytest.raises(AssertionError, match=r"shape \[N, 4\], got"):
        train(boxes=torch.ones(4))
    with pytest.raises(AssertionError, match=r"invalid box \[1.0, 5.0, 9.0, 5.0\] for target at index 0"):
        train(boxes=torch.tensor([[1.0, 1.0, 9.0, 9.0], [1.0, 5.0, 9.0, 5.0]]))
    with pytest.raises(TypeError, match="int64"):
        train(labels=labels.int())
    with pytest.raises(ValueError, match="a labels key"):
        model.roi_heads.check_targets([{"boxes": torch.ones(1, 4)}])


def test_arguments_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="out_channels"):
        detection.FasterRCNN(torch.nn.Identity(), 2)
    with pytest.raises(ValueError, match="num_classes should be None"):
        detection.FasterRCNN(tiny(), 2, box_predictor=faster_rcnn.FastRCNNPredictor(1024, 2))
    with pytest.raises(ValueError, match="num_classes should not be None"):
        detection.FasterRCNN(tiny())
    with pytest.raises(TypeError, match="rpn_anchor_generator should be of type AnchorGenerator"):
        detection.FasterRCNN(tiny(), 2, rpn_anchor_generator=7)
    with pytest.raises(TypeError, match="box_roi_pool should be of type MultiScaleRoIAlign"):
        detection.FasterRCNN(tiny(), 2, box_roi_pool=7)
    with pytest.raises(ValueError, match="should be 1 instead of 2"):
        detection.FCOS(tiny(), 2, anchor_generator=anchor_utils.AnchorGenerator(((8, 16),), ((1.0,),)))
    with pytest.raises(AssertionError, match=r"expecting the last two dimensions to be \[1,1\]"):
        faster_rcnn.FastRCNNPredictor(8, 2)(torch.zeros(1, 2, 2, 2))


def test_heads_are_replaced_for_other_classes(bare):
    model = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    width = model.roi_heads.box_predictor.cls_score.in_features
    model.roi_heads.box_predictor = faster_rcnn.FastRCNNPredictor(width, 2)
    channels = model.roi_heads.mask_predictor.conv5_mask.in_channels
    model.roi_heads.mask_predictor = mask_rcnn.MaskRCNNPredictor(channels, 256, 2)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert shapes["roi_heads.box_predictor.bbox_pred.weight"] == (8, 1024)
    assert shapes["roi_heads.mask_predictor.mask_fcn_logits.weight"] == (2, 256, 1, 1)


def zeroed(model):
    """Return a model without what uninitialised memory happens to hold."""
    for parameter in model.parameters():
        parameter.detach().zero_()
    return model


def test_backbones(bare):
    backbone = backbone_utils.resnet_fpn_backbone(
        backbone_name="resnet18", weights=None, trainable_layers=2, returned_layers=[2, 4]
    )
    trained = {name.split(".")[1] for name, p in backbone.body.named_parameters("body") if p.requires_grad}
    assert trained == {"layer3", "layer4"} and isinstance(backbone.body["bn1"], FrozenBatchNorm2d)
    maps = zeroed(backbone)(torch.zeros(1, 3, 64, 64))
    assert [(k, tuple(m.shape)) for k, m in maps.items()] == [
        ("0", (1, 256, 8, 8)), ("1", (1, 256, 2, 2)), ("pool", (1, 256, 1, 1)),
    ]  # fmt: skip
    with pytest.warns(UserWarning, match="'pretrained' is deprecated"):
        backbone_utils.resnet_fpn_backbone("resnet18", pretrained=False)
    with pytest.raises(ValueError, match=r"in the range \[0,5\]"):
        backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=6)
    with pytest.raises(ValueError, match=r"in the range \[1,4\]"):
        backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, returned_layers=[0])
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        backbone_utils.resnet_fpn_backbone(backbone_name="resnet18", weights=None, depth=3)
    plain = backbone_utils.mobilenet_backbone(backbone_name="mobilenet_v2", weights=None, fpn=False)
    assert zeroed(plain)(torch.zeros(1, 3, 64, 64)).shape == (1, 256, 2, 2) and plain.out_channels == 256
    assert [any(p.requires_grad for p in block.parameters()) for block in plain[0]].index(True) == 14
    pyramid = backbone_utils.mobilenet_backbone(backbone_name="mobilenet_v3_small", weights=None, fpn=True)
    assert list(zeroed(pyramid)(torch.zeros(1, 3, 64, 64))) == ["0", "1", "pool"]
    assert retrieve_out_channels(plain, (64, 64)) == [256] and plain.training


def test_published_weights_decide_what_is_made(bare, monkeypatch):
    saved, asked = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights_backbone=None).state_dict(), []
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **kwargs: asked.append(url) or saved)
    model = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights="DEFAULT")
    assert asked[0].endswith("fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth")
    kinds = {type(m) for m in model.backbone.body.modules()}
    assert FrozenBatchNorm2d in kinds and BatchNorm2d not in kinds
    # three of six stages are trained
    trained = [name for name, block in model.backbone.body.items() if any(p.requires_grad for p in block.parameters())]
    assert trained == ["7", "8", "9", "10", "11", "12", "13", "14", "15", "16"]
    with pytest.warns(UserWarning, match="'pretrained' is deprecated since 0.13"):
        detection.fasterrcnn_mobilenet_v3_large_320_fpn(pretrained=True)
    assert asked[1] == asked[0]
    with pytest.raises(ValueError, match="'num_classes' expected value 91 but got 3"):
        detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights="DEFAULT", num_classes=3)
    with pytest.warns(UserWarning, match="trainable_backbone_layers has no effect"):
        detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights_backbone=None, trainable_backbone_layers=2)
    with pytest.warns(UserWarning, match="'pretrained_backbone' is deprecated"):
        detection.fasterrcnn_mobilenet_v3_large_320_fpn(pretrained_backbone=False)
    weights = detection.KeypointRCNN_ResNet50_FPN_Weights
    assert list(weights.__members__) == ["COCO_LEGACY", "COCO_V1", "DEFAULT"]
    assert weights.DEFAULT.meta["keypoint_names"][0] == "nose" and len(weights.DEFAULT.meta["categories"]) == 2
    assert detection.SSD300_VGG16_Weights.DEFAULT.meta["categories"][17] == "cat"
    image = torch.full((3, 4, 5), 51, dtype=torch.uint8)
    assert weights.DEFAULT.transforms()(image)[0, 0, 0].item() == pytest.approx(0.2)
    with pytest.raises(ValueError, match="'num_keypoints' expected value 17 but got 5"):
        detection.keypointrcnn_resnet50_fpn(weights="DEFAULT", num_keypoints=5)


def test_the_first_weights_want_no_epsilon(bare, monkeypatch):
    saved = detection.retinanet_resnet50_fpn(weights_backbone=None).state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda url, **kwargs: dict(saved))
    model = detection.retinanet_resnet50_fpn(weights="COCO_V1")
    frozen = [m for m in model.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert len(frozen) == 53 and {m.eps for m in frozen} == {0.0}
    overwrite_eps(model, 1e-3)
    assert {m.eps for m in frozen} == {1e-3}


def test_old_names_of_weights_are_known():
    head = rpn.RPNHead(4, 2)
    old = {key.replace("conv.0.0", "conv"): value for key, value in head.state_dict().items()}
    assert "conv.weight" in old
    again = rpn.RPNHead(4, 2)
    again.load_state_dict(old)
    assert torch.equal(again.conv[0][0].weight, head.conv[0][0].weight)
    masks = mask_rcnn.MaskRCNNHeads(4, [4, 4], 1)
    old = {f"mask_fcn{int(k[0]) + 1}.{k.rsplit('.', 1)[1]}": v for k, v in masks.state_dict().items()}
    assert sorted(old) == ["mask_fcn1.bias", "mask_fcn1.weight", "mask_fcn2.bias", "mask_fcn2.weight"]
    mask_rcnn.MaskRCNNHeads(4, [4, 4], 1).load_state_dict(old)


def test_mixed_precision(device):
    kind, model = device.split(":")[0], small_faster_rcnn(box_score_thresh=0.0).to(device)
    images = [torch.rand(3, 40, 64, device=device)]
    box = torch.tensor([[4.0, 6.0, 30.0, 34.0]], device=device)
    target = [{"boxes": box, "labels": torch.tensor([1], device=device)}]
    with torch.autocast(kind):
        losses = model(images, target)
        sum(losses.values()).backward()
        (found,) = model.eval()(images)
    assert all(loss.isfinite().item() for loss in losses.values()) and len(found["boxes"]) > 0
    assert all(p.grad is not None and p.grad.dtype is torch.float32 for p in model.roi_heads.parameters())


def test_training_finds_the_box(cl_device):
    anchors = anchor_utils.DefaultBoxGenerator([[2]], scales=[0.4, 0.6])
    model = detection.ssd.SSD(torch.nn.Sequential(tiny(), torch.nn.ReLU()), anchors, (32, 32), 2, detections_per_img=1)
    model = model.to(cl_device)
    image = torch.rand(3, 32, 32) * 0.2
    image[:, 8:20, 12:28] = 1.0
    images, box = [image.to(cl_device)], torch.tensor([[12.0, 8.0, 28.0, 20.0]], device=cl_device)
    target = [{"boxes": box, "labels": torch.tensor([1], device=cl_device)}]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = sum(model(images, target).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
    with torch.no_grad():
        (found,) = model.eval()(images)
    assert found["labels"].tolist() == [1] and vision.ops.box_iou(found["boxes"], box).item() > 0.8
