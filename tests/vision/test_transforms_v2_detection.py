"""Transforms for object detection, key points and classes of one's own; numbers recorded from torchvision."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)
POINTS = [[1.0, 2.0], [11.0, 8.0], [-3.0, 20.0], [5.5, 4.25]]
ASIDE = [[[0, 0], [11, 0], [11, 8], [0, 8]], [[1, 1], [10, 0], [11, 7], [2, 8]]]

# recorded from torchvision 0.28: function, arguments, points, canvas (turned and enlarged: the size that its images
# have, 15 high: torchvision says 14 of points)
RECORDED = [
    ("horizontal_flip", [], [[10, 2], [0, 8], [14, 20], [5.5, 4.25]], (9, 12)),
    ("vertical_flip", [], [[1, 6], [11, 0], [-3, -12], [5.5, 3.75]], (9, 12)),
    ("crop", [2, 3, 5, 6], [[-2, 0], [8, 6], [-6, 18], [2.5, 2.25]], (5, 6)),
    ("center_crop", [[11, 20]], [[5, 3], [15, 9], [1, 21], [9.5, 5.25]], (11, 20)),
    ("resize", [[18, 6]], [[0.5, 4], [5.5, 16], [-1.5, 40], [2.75, 8.5]], (18, 6)),
    ("resize", [[5]], [[0.5, 1.11111], [5.5, 4.44444], [-1.5, 11.11111], [2.75, 2.36111]], (5, 6)),
    ("resized_crop", [2, 3, 5, 6, [10, 18]], [[-6, 0], [24, 12], [-18, 36], [7.5, 4.5]], (10, 18)),
    ("pad", [[1, 2, 3, 4]], [[2, 4], [12, 10], [-2, 22], [6.5, 6.25]], (15, 16)),
    (
        "rotate", [30.0],
        [[0.419873, 4.834937], [12.080126, 5.031089], [5.955771, 22.423393], [5.441987, 4.533493]], (9, 12),
    ),
    (
        "rotate", [30.0, v2.InterpolationMode.NEAREST, True],
        [[1.8660, 7.2321], [13.5263, 7.4282], [7.4019, 24.8205], [6.8881, 6.9306]], (15, 16),
    ),
    (
        "affine", [20.0, [2, -1], 1.3, [10.0, -5.0]],
        [[3.719418, -2.068401], [11.627415, 10.192757], [-12.768413, 15.963992], [7.571941, 2.943160]], (9, 12),
    ),
    (
        "perspective", ASIDE,
        [[2.068182, 2.659091], [11, 7], [1.045454, 18.772728], [6.031250, 4.218750]], (9, 12),
    ),
]  # fmt: skip


def points():
    return tv.KeyPoints(torch.tensor(POINTS), canvas_size=(9, 12))


def boxes(*corners):
    return tv.BoundingBoxes(torch.tensor(corners, dtype=torch.float32), format="XYXY", canvas_size=(9, 12))


def image():
    return tv.Image(torch.from_numpy(PIXELS.copy()))


@pytest.mark.parametrize("name, arguments, expected, canvas", RECORDED)
def test_points_are_torchvisions(name, arguments, expected, canvas):
    found = getattr(F, name)(points(), *arguments)
    assert type(found) is tv.KeyPoints and found.canvas_size == canvas
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_points_in_other_ways():
    still = points()
    assert v2.RandomInvert(1.0)(still) is still and F.get_size(still) == [9, 12]
    assert F.clamp_keypoints(still).tolist() == v2.ClampKeyPoints()(still).tolist() == [
        [1, 2], [11, 8], [0, 8], [5.5, 4.25]
    ]  # fmt: skip
    inside, kept = F.sanitize_keypoints(still)
    assert kept.tolist() == [True, True, False, True] and len(inside) == 3 and type(inside) is tv.KeyPoints
    left = v2.SanitizeKeyPoints(lambda sample: sample["labels"])({"p": still, "labels": torch.arange(4)})
    assert left["labels"].tolist() == [0, 1, 3] and left["p"].tolist() == inside.tolist()
    pairs = tv.KeyPoints(still.view(2, 2, 2), canvas_size=(9, 12))
    assert F.sanitize_keypoints(pairs)[1].tolist() == [True, False] and F.horizontal_flip(pairs).shape == (2, 2, 2)
    assert repr(still).endswith("canvas_size=(9, 12))") and tv.wrap(still + 1, like=still).canvas_size == (9, 12)
    with pytest.raises(ValueError, match=r"shape \(..., 2\)"):
        tv.KeyPoints(torch.zeros(2, 3), canvas_size=(1, 1))
    with pytest.raises(ValueError, match="has to be passed"):
        F.clamp_keypoints(torch.zeros(2, 2))


def test_boxes_seen_from_aside_and_through_water():
    three = boxes([1, 2, 7, 8], [4, 0.5, 11, 5], [0, 0, 12, 9])
    expected = [
        [2.068182, 2.113636, 7.727273, 7.909091],
        [4.335227, 0.4375, 10.625, 5.011364],
        [1, 0, 11.943182, 8.875],
    ]
    np.testing.assert_allclose(F.perspective(three, *ASIDE).numpy(), expected, atol=2e-4)
    same = F.perspective(three, None, None, coefficients=[1.0, 0, 2, 0, 1, 1, 0, 0])
    assert same.tolist()[0] == [0, 1, 5, 7]
    # everything shown comes from two pixels further right and one further down
    move = torch.tensor([2 * 2 / 12, 1 * 2 / 9]).expand(1, 9, 12, 2)
    assert F.elastic(boxes([4, 3, 7, 8]), move).round().tolist() == [[2, 2, 5, 7]]
    with pytest.raises(ValueError, match="concurrently"):
        F.perspective(image(), *ASIDE, coefficients=[1.0] * 8)


def test_crops_that_share_enough_with_a_box():
    torch.manual_seed(0)
    crop, seen = v2.RandomIoUCrop(), set()
    given = {"image": image(), "boxes": boxes([1, 1, 6, 8], [7, 2, 11, 6]), "labels": torch.tensor([1, 2])}
    for _ in range(20):
        found = crop(given)
        height, width = found["image"].shape[-2:]
        seen.add((height, width))
        assert found["boxes"].canvas_size == (height, width) and height >= 2 and width >= 3
        assert (height, width) == (9, 12) or 0.5 <= width / height <= 2
        clean = v2.SanitizeBoundingBoxes()(found)
        assert 1 <= len(clean["boxes"]) == len(clean["labels"])
    assert len(seen) > 5
    with pytest.raises(TypeError, match="bounding boxes"):
        crop(image())
    with pytest.raises(ValueError, match="min_size must be >= 1"):
        v2.SanitizeBoundingBoxes(0.5)


def test_boxes_of_no_use_are_taken_away_with_what_belongs_to_them():
    four = boxes([1, 1, 5, 5], [2, 2, 2.5, 8], [5, 3, 13, 8], [0, 0, 1, 9])
    masks = tv.Mask(torch.arange(4, dtype=torch.uint8)[:, None, None].expand(4, 9, 12))
    labels = torch.tensor([5, 6, 7, 8])
    sample = image(), {"boxes": four, "labels": labels, "masks": masks, "id": 3}
    _, found = v2.SanitizeBoundingBoxes()(*sample)
    assert found["labels"].tolist() == [5, 8] and found["masks"][:, 0, 0].tolist() == [0, 3] and found["id"] == 3
    assert type(found["masks"]) is tv.Mask and found["boxes"].tolist() == [[1, 1, 5, 5], [0, 0, 1, 9]]
    _, found = v2.SanitizeBoundingBoxes(min_area=10, labels_getter=None)(*sample)
    assert found["boxes"].tolist() == [[1, 1, 5, 5]] and found["labels"] is labels
    two = v2.SanitizeBoundingBoxes(labels_getter=lambda s: (s[1]["labels"], s[1]["scores"]))
    _, found = two(image(), {"boxes": four, "labels": labels, "scores": labels / 10})
    assert len(found["labels"]) == len(found["scores"]) == 2
    plain, kept = F.sanitize_bounding_boxes(four.as_subclass(torch.Tensor), "XYXY", (9, 12))
    assert type(plain) is torch.Tensor and kept.tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match="do not match"):
        v2.SanitizeBoundingBoxes()(image(), {"boxes": four, "labels": labels[:3]})
    with pytest.raises(ValueError, match="labels_getter should either"):
        v2.SanitizeBoundingBoxes(labels_getter=3)


def test_sizes_that_are_drawn():
    torch.manual_seed(0)
    for _ in range(5):
        large, around, mask = v2.RandomZoomOut(fill={tv.Image: 9, "others": 0}, p=1.0)(
            image(), boxes([0, 0, 12, 9]), tv.Mask(torch.ones(9, 12, dtype=torch.uint8))
        )
        ((left, top, right, bottom),) = around.int().tolist()
        assert (right - left, bottom - top) == (12, 9) and large.shape[-1] <= 48 and around.canvas_size == mask.shape
        assert np.array_equal(large[:, top:bottom, left:right].numpy(), PIXELS) and mask.sum().item() == 108
        assert large.sum().item() == PIXELS.sum() + 27 * (mask.numel() - 108)
    assert v2.RandomShortestSize(6)(image()).shape == (3, 6, 8)
    assert v2.RandomShortestSize([6, 6], max_size=4)(image()).shape == (3, 3, 4)
    assert v2.RandomResize(5, 6)(image(), boxes([0, 0, 12, 9]))[1].tolist() == [[0, 0, 6, 5]]
    assert v2.ScaleJitter((24, 36), (0.5, 0.5))(image()).shape == (3, 9, 12)
    with pytest.raises(ValueError, match="Invalid side range"):
        v2.RandomZoomOut(side_range=(0.5, 2))


def test_changes_of_channels():
    torch.manual_seed(0)
    orders = {tuple(v2.RandomChannelPermutation()(image())[:, 0, 0].tolist()) for _ in range(30)}
    assert len(orders) == 6 and all(sorted(o) == sorted(PIXELS[:, 0, 0].tolist()) for o in orders)
    assert F.permute_channels(image(), [2, 0, 1])[0].tolist() == PIXELS[2].tolist()
    grey = v2.RGB()(tv.Image(torch.from_numpy(PIXELS[:1].copy())))
    assert type(grey) is tv.Image and (grey.numpy() == PIXELS[:1]).all() and grey.shape == (3, 9, 12)
    assert v2.RGB()(Image.new("L", (3, 2), 7)).mode == "RGB"
    assert v2.RandomPhotometricDistort(p=0.0)(image()).equal(image())
    bright = v2.RandomPhotometricDistort((2, 2), (1, 1), (1, 1), (0, 0), p=1.0)(image())
    assert sorted(bright.sum((1, 2)).tolist()) == pytest.approx(
        sorted(np.minimum(PIXELS.astype(int) * 2, 255).sum((1, 2)).tolist()), rel=2e-2
    )
    with pytest.raises(ValueError, match="number of channels: 2 != 3"):
        F.permute_channels(image(), [0, 1])


def test_what_jpeg_leaves():
    y, x = np.mgrid[:16, :24]
    smooth = np.stack([x * 9, y * 14, x + y]).astype(np.uint8)
    picture = torch.from_numpy(smooth)
    fine, coarse = F.jpeg(picture, 95), F.jpeg(picture, 5)
    errors = [np.abs(found.numpy().astype(int) - smooth).mean() for found in (fine, coarse)]
    assert fine.dtype is torch.uint8 and errors[0] < 4 < errors[1]
    clip = F.jpeg(tv.Video(picture.expand(2, 3, 16, 24)), 95)
    assert type(clip) is tv.Video and torch.equal(clip[1], fine)
    assert np.array_equal(np.asarray(F.jpeg(v2.ToPILImage()(picture), 95)), fine.permute(1, 2, 0).numpy())
    assert v2.JPEG((5, 95)).make_params([])["quality"] in range(5, 96)
    with pytest.raises(ValueError, match="from 1 to 100"):
        v2.JPEG((90, 5))


def test_several_crops_and_frames():
    five, label = v2.FiveCrop((3, 4))(image(), 7)
    assert label == 7 and len(five) == 5 and all(type(crop) is tv.Image and crop.shape == (3, 3, 4) for crop in five)
    assert np.array_equal(five[3].numpy(), PIXELS[:, -3:, -4:])
    ten = v2.TenCrop(3, vertical_flip=True)(Image.new("RGB", (5, 4)))
    assert len(ten) == 10 and ten[9].size == (3, 3)
    with pytest.raises(TypeError, match="not supported by FiveCrop"):
        v2.FiveCrop(2)(image(), boxes([0, 0, 1, 1]))
    clip = tv.Video(torch.arange(9)[:, None, None, None].expand(9, 3, 2, 2))
    assert v2.UniformTemporalSubsample(4)(clip)[:, 0, 0, 0].tolist() == [0, 2, 5, 8] and F.get_num_frames(clip) == 9


def test_functions_of_classes_of_ones_own():
    class Depth(tv.TVTensor):
        pass

    @F.register_kernel(F.horizontal_flip, Depth)
    def flip(depth):
        return tv.wrap(-depth.flip(-1), like=depth)

    depth = torch.arange(12.0).expand(9, 12).as_subclass(Depth)
    mirrored, flat = v2.RandomHorizontalFlip(1.0)(image(), depth)
    assert type(flat) is Depth and flat[0, 0].item() == -11 and np.array_equal(mirrored.numpy(), PIXELS[..., ::-1])
    for bad, message in (
        ((F.horizontal_flip, Depth), "already"),
        ((F.resize, tv.Image), "builtin"),
        ((len, Depth), "func"),
    ):
        with pytest.raises(ValueError, match=message):
            F.register_kernel(*bad)(flip)
