"""The second transforms: samples of images, masks and boxes; boxes against numbers recorded from torchvision."""

import pickle
from collections import namedtuple

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import transforms as v1
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)
CORNERS = [[1.0, 2.0, 7.0, 8.0], [4.0, 0.5, 11.0, 5.0], [0.0, 0.0, 12.0, 9.0]]

# recorded from torchvision 0.28: function, arguments, format, boxes, canvas (of the last one the size that its images
# have, 15 high: torchvision says 14 of the boxes)
RECORDED = [
    ("horizontal_flip", [], "XYXY", [[5.0, 2.0, 11.0, 8.0], [1.0, 0.5, 8.0, 5.0], [-0.0, 0.0, 12.0, 9.0]], (9, 12)),
    ("horizontal_flip", [], "CXCYWH", [[8.0, 5.0, 6.0, 6.0], [4.5, 2.75, 7.0, 4.5], [6.0, 4.5, 12.0, 9.0]], (9, 12)),
    ("vertical_flip", [], "XYXY", [[1.0, 1.0, 7.0, 7.0], [4.0, 4.0, 11.0, 8.5], [0.0, -0.0, 12.0, 9.0]], (9, 12)),
    ("crop", [2, 3, 5, 6], "XYXY", [[0.0, 0.0, 4.0, 5.0], [1.0, 0.0, 6.0, 3.0], [0.0, 0.0, 6.0, 5.0]], (5, 6)),
    ("crop", [2, 3, 5, 6], "CXCYWH", [[2.0, 2.5, 4.0, 5.0], [3.5, 1.5, 5.0, 3.0], [3.0, 2.5, 6.0, 5.0]], (5, 6)),
    ("center_crop", [[5, 4]], "XYXY", [[0.0, 0.0, 3.0, 5.0], [0.0, 0.0, 4.0, 3.0], [0.0, 0.0, 4.0, 5.0]], (5, 4)),
    (
        "center_crop",
        [[11, 20]],
        "XYXY",
        [[5.0, 3.0, 11.0, 9.0], [8.0, 1.5, 15.0, 6.0], [4.0, 1.0, 16.0, 10.0]],
        (11, 20),
    ),
    ("resize", [[18, 6]], "XYXY", [[0.5, 4.0, 3.5, 16.0], [2.0, 1.0, 5.5, 10.0], [0.0, 0.0, 6.0, 18.0]], (18, 6)),
    ("resize", [[18, 6]], "CXCYWH", [[2.0, 10.0, 3.0, 12.0], [3.75, 5.5, 3.5, 9.0], [3.0, 9.0, 6.0, 18.0]], (18, 6)),
    ("resize", [[5]], "XYXY", [[0.5, 1.1111, 3.5, 4.4444], [2.0, 0.2778, 5.5, 2.7778], [0.0, 0.0, 6.0, 5.0]], (5, 6)),
    ("resize", [[5]], "CXCYWH", [[2.0, 2.7778, 3.0, 3.3333], [3.75, 1.5278, 3.5, 2.5], [3.0, 2.5, 6.0, 5.0]], (5, 6)),
    (
        "resized_crop",
        [2, 3, 5, 6, [10, 18]],
        "XYXY",
        [[0.0, 0.0, 12.0, 10.0], [3.0, 0.0, 18.0, 6.0], [0.0, 0.0, 18.0, 10.0]],
        (10, 18),
    ),
    ("pad", [[1, 2, 3, 4]], "XYXY", [[2.0, 4.0, 8.0, 10.0], [5.0, 2.5, 12.0, 7.0], [1.0, 2.0, 13.0, 11.0]], (15, 16)),
    (
        "rotate",
        [30.0],
        "XYXY",
        [[0.4199, 1.8349, 8.616, 9.0], [2.2679, 0.0, 10.5801, 5.933], [0.0, 0.0, 12.0, 9.0]],
        (9, 12),
    ),
    ("rotate", [90.0], "XYXY", [[3.5, 3.5, 9.5, 9.0], [2.0, 0.0, 6.5, 6.5], [1.5, 0.0, 10.5, 9.0]], (9, 12)),
    (
        "affine",
        [20.0, [2, -1], 1.3, [10.0, -5.0]],
        "XYXY",
        [[0.0, 0.0, 10.8156, 7.9867], [5.308, 0.0, 12.0, 6.8197], [0.0, 0.0, 12.0, 9.0]],
        (9, 12),
    ),
    (
        "rotate",
        [30.0, "nearest", True],
        "XYXY",
        [[1.866, 4.2321, 10.0622, 12.4282], [3.7141, 0.933, 12.0263, 8.3301], [0.0, 0.0, 14.8923, 13.7942]],
        (15, 16),
    ),
]


def boxes(format="XYXY", dtype=None):
    made = tv.BoundingBoxes(torch.tensor(CORNERS, dtype=dtype), format="XYXY", canvas_size=(9, 12))
    return F.convert_bounding_box_format(made, new_format=format)


def image():
    return tv.Image(torch.from_numpy(PIXELS.copy()))


@pytest.mark.parametrize("name, arguments, format, expected, canvas", RECORDED)
def test_boxes_are_torchvisions(name, arguments, format, expected, canvas):
    arguments = [v1.InterpolationMode(a) if isinstance(a, str) else a for a in arguments]
    found = getattr(F, name)(boxes(format), *arguments)
    assert type(found) is tv.BoundingBoxes and found.format.value == format and found.canvas_size == canvas
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_kinds_are_kept_where_torchvision_keeps_them():
    x = image()
    assert type(x + 1) is torch.Tensor and type(x[0]) is torch.Tensor
    assert type(x.clone()) is type(x.to(torch.float32)) is type(x.detach()) is tv.Image
    b = boxes().to(torch.float64)
    assert type(b) is tv.BoundingBoxes and b.canvas_size == (9, 12) and b.dtype is torch.float64
    wrapped = tv.wrap(b + 1, like=b, canvas_size=(3, 4))
    assert wrapped.canvas_size == (3, 4) and wrapped.format is tv.BoundingBoxFormat.XYXY
    assert repr(boxes()[:1].as_subclass(torch.Tensor)) in repr(tv.wrap(boxes()[:1], like=b)).replace(
        "BoundingBoxes(", "tensor("
    ).replace(", format=BoundingBoxFormat.XYXY, canvas_size=(9, 12), clamping_mode=soft", "")
    assert tv.Image(torch.zeros(2, 3)).shape == (1, 2, 3) and tv.Mask(np.zeros((2, 3), np.uint8)).dtype is torch.uint8
    assert tv.Image(Image.new("RGB", (5, 4))).shape == (3, 4, 5)
    for make, bad in ((tv.Image, [1]), (tv.Video, [[1]])):
        with pytest.raises(ValueError, match="dimensions"):
            make(bad)
    with pytest.raises(ValueError, match="boxes"):
        tv.BoundingBoxes([[1, 2]], format="XYXY", canvas_size=(1, 1))


def test_formats_of_boxes():
    assert boxes("XYWH").tolist()[0] == [1, 2, 6, 6] and boxes("CXCYWH").tolist()[1] == [7.5, 2.75, 7, 4.5]
    outside = tv.BoundingBoxes([[-3, 2, 20, 5]], format="XYXY", canvas_size=(4, 10))
    assert F.clamp_bounding_boxes(outside).tolist() == [[0, 2, 10, 4]]
    assert v2.ClampBoundingBoxes()(outside).tolist() == [[0, 2, 10, 4]]
    assert v2.ConvertBoundingBoxFormat("xywh")(boxes()).format is tv.BoundingBoxFormat.XYWH
    assert F.horizontal_flip(boxes(dtype=torch.int64)).dtype is torch.int64
    plain = torch.tensor([[-3.0, 2.0, 20.0, 5.0]])
    assert F.clamp_bounding_boxes(plain, "XYXY", (4, 10), "hard").tolist() == [[0, 2, 10, 4]]
    F.convert_bounding_box_format(plain, "XYXY", "XYWH", inplace=True)
    assert plain.tolist() == [[-3, 2, 23, 3]]
    free = v2.SetClampingMode(None)(outside)
    assert F.clamp_bounding_boxes(free).tolist() == F.crop(free, 0, 0, 2, 2).tolist() == outside.tolist()
    assert v2.ClampBoundingBoxes("soft")(free).tolist() == [[0, 2, 10, 4]] and outside.clamping_mode == "soft"
    for bad in (lambda: F.convert_bounding_box_format(plain, new_format="XYWH"), lambda: F.clamp_bounding_boxes(plain)):
        with pytest.raises(ValueError, match="pure tensor"):
            bad()


def test_masks_follow_by_the_nearest_pixel():
    mask = tv.Mask(torch.from_numpy((PIXELS[0] > 99).astype(np.uint8) * 7))
    turned = F.rotate(mask, 30.0, interpolation=v1.InterpolationMode.BILINEAR)
    assert type(turned) is tv.Mask and set(turned.unique().tolist()) <= {0, 7}
    plain = v1.functional.rotate(mask.as_subclass(torch.Tensor)[None], 30.0)[0]
    assert torch.equal(turned.as_subclass(torch.Tensor), plain)
    assert F.resize(mask, [18, 24]).shape == (18, 24) and set(F.resize(mask, [5, 5]).unique().tolist()) <= {0, 7}
    assert v2.ColorJitter(0.5)(image(), mask)[1] is mask and v2.GaussianBlur(3)(boxes()).tolist() == CORNERS
    for other in ("picture", mask, boxes()):
        with pytest.raises(TypeError, match=f"F.invert supports inputs of type .*{type(other).__name__}"):
            F.invert(other)


def test_one_draw_for_a_whole_sample():
    torch.manual_seed(3)
    Sample = namedtuple("Sample", "image rest")
    step = v2.Compose([v2.RandomResizedCrop((6, 8)), v2.RandomHorizontalFlip(0.5), v2.ColorJitter(0.5)])
    for _ in range(5):
        marked = tv.Image(torch.arange(108.0).reshape(1, 9, 12) / 108)
        given = Sample(
            marked, {"mask": tv.Mask(marked[0].clone()), "boxes": boxes(), "label": 5, "other": torch.ones(2)}
        )
        found = step(given)
        assert type(found) is Sample and found.rest["label"] == 5 and found.rest["other"].tolist() == [1, 1]
        assert found.image.shape == (1, 6, 8) and found.rest["mask"].shape == (6, 8)
        assert found.rest["boxes"].canvas_size == (6, 8) and type(found.rest["boxes"]) is tv.BoundingBoxes
    # the whole image's box stays the whole of what is cut out
    assert found.rest["boxes"].tolist()[2] == [0, 0, 8, 6]
    flipped, again = v2.RandomHorizontalFlip(1.0)(torch.from_numpy(PIXELS), torch.from_numpy(PIXELS))
    assert np.array_equal(flipped.numpy(), PIXELS[..., ::-1]) and np.array_equal(again.numpy(), PIXELS)
    with pytest.raises(ValueError, match="multiple HxW"):
        v2.RandomCrop(2)(image(), tv.Mask(torch.zeros(3, 3)))
    padded, around = v2.RandomCrop((12, 12), pad_if_needed=True)(image(), boxes())
    assert padded.shape == (3, 12, 12) and around.canvas_size == (12, 12)


def test_conversions():
    picture = Image.fromarray(np.ascontiguousarray(PIXELS.transpose(1, 2, 0)))
    step = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)])
    found = step(picture)
    assert type(found) is tv.Image
    np.testing.assert_allclose(found.numpy(), PIXELS / 127.5 - 1, atol=1e-6)
    assert type(v2.ToPureTensor()(found)) is torch.Tensor
    assert np.array_equal(np.asarray(v2.ToPILImage()(image())), np.asarray(picture))
    assert v2.PILToTensor()(picture, 4)[1] == 4
    with pytest.warns(UserWarning, match="deprecated"):
        assert v2.ToTensor()(picture).max().item() <= 1
    with pytest.raises(TypeError, match="does not support PIL"):
        v2.Normalize([0], [1])(picture)
    wanted = {tv.Mask: torch.int64, tv.Image: torch.float32, "others": None}
    x, mask, b = v2.ToDtype(wanted, scale=True)(image(), tv.Mask(torch.ones(9, 12)), boxes())
    assert (x.dtype, mask.dtype, b.dtype) == (torch.float32, torch.int64, torch.float32) and x.max().item() <= 1
    with pytest.raises(ValueError, match="No dtype was specified"):
        v2.ToDtype({tv.Mask: torch.int64})(image())
    assert v2.Lambda(lambda s: s + "!", str)(image(), "a")[1] == "a!"


@pytest.mark.parametrize("name", ["RandAugment", "AutoAugment", "TrivialAugmentWide", "AugMix"])
def test_policies_change_the_image_alone(name):
    torch.manual_seed(0)
    ours, theirs = getattr(v2, name)(), getattr(v1, name)()
    found, label = ours({"image": image(), "label": 3}).values()
    assert type(found) is tv.Image and label == 3
    torch.manual_seed(0)
    assert np.array_equal(found.numpy(), theirs(torch.from_numpy(PIXELS)).numpy())
    with pytest.raises(TypeError, match="one image"):
        ours(image(), image())
    assert type(pickle.loads(pickle.dumps(ours))) is type(ours)


def test_changes_of_colour_are_the_first_versions():
    x = torch.from_numpy(PIXELS)
    pairs = [
        (v2.RandomInvert(1.0), v1.functional.invert), (v2.RandomEqualize(1.0), v1.functional.equalize),
        (v2.RandomAutocontrast(1.0), v2.functional.autocontrast),
        (v2.Grayscale(3), lambda y: v1.functional.rgb_to_grayscale(y, 3)),
        (v2.RandomPosterize(2, 1.0), lambda y: v1.functional.posterize(y, 2)),
        (v2.RandomSolarize(90, 1.0), lambda y: v1.functional.solarize(y, 90)),
        (v2.RandomAdjustSharpness(2, 1.0), lambda y: v1.functional.adjust_sharpness(y, 2)),
        (v2.GaussianBlur(3, (1.0, 1.0)), lambda y: v1.functional.gaussian_blur(y, 3, 1.0)),
        (v2.RandomRotation((30, 30)), lambda y: v1.functional.rotate(y, 30.0, fill=0)),
        (v2.Resize([5, 6]), lambda y: v2.functional.resize(y, [5, 6])),
        (v2.Pad(2), lambda y: v1.functional.pad(y, 2)), (v2.CenterCrop(5), lambda y: v1.functional.center_crop(y, 5)),
    ]  # fmt: skip
    for transform, expected in pairs:
        assert torch.equal(transform(x), expected(x)), transform
    noisy = v2.GaussianNoise(sigma=0.1)(x / 255)
    assert 0 <= noisy.min().item() and noisy.max().item() <= 1 and not torch.equal(noisy, x / 255)
    torch.manual_seed(0)
    erased = v2.RandomErasing(1.0, value=(1, 2, 3))(image())
    assert type(erased) is tv.Image and (erased.numpy() != PIXELS).any()


def test_batches_are_mixed_with_their_labels():
    torch.manual_seed(1)
    x = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 8, 8).contiguous()
    labels = torch.arange(4)
    mixed, shares = v2.MixUp(num_classes=4)(x, labels)
    share = shares[1, 1].item()
    np.testing.assert_allclose(shares.numpy(), np.eye(4) * share + np.roll(np.eye(4), 1, 0) * (1 - share), atol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0, 0].numpy(), shares.numpy() @ np.arange(4), atol=1e-6)
    for _ in range(4):
        found = v2.CutMix(num_classes=4)({"images": x, "labels": labels})
        cut, shares = found["images"].numpy(), found["labels"].numpy()
        assert np.isin(cut[2], [1, 2]).all() and (cut[2] == 2).mean() == pytest.approx(shares[2, 2], abs=1e-6)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: v2.MixUp()(torch.zeros(2, 1, 3, 3), torch.zeros(2, dtype=torch.int64)), "num_classes must be passed"),
        (lambda: v2.MixUp(num_classes=3)(torch.zeros(1, 3, 3), torch.zeros(2, dtype=torch.int64)), "4 dims, but got 3"),
        (lambda: v2.MixUp(num_classes=3)(torch.zeros(3, 1, 3, 3), torch.zeros(2, dtype=torch.int64)), "3 != 2"),
        (lambda: v2.CutMix(num_classes=3)(torch.zeros(2, 1, 3, 3), torch.zeros(2, 4)), "4 != 3"),
        (lambda: v2.CutMix(num_classes=3)({"images": torch.zeros(2, 1, 3, 3), "y": 3}), "infer where the labels"),
        (lambda: v2.Compose([]), "at least one"),
        (lambda: v2.RandomInvert(1.5), "interval"),
        (lambda: v2.RandomChoice([v2.RandomInvert()], p=[1, 2]), "Length of p"),
        (lambda: v2.RandomPerspective(2.0), "distortion_scale"),
        (lambda: v2.RandomCrop(3, padding=[1, 2, 3]), "1, 2, or 4 element"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_random_containers():
    add = [v2.Lambda(lambda s: s + "a"), v2.Lambda(lambda s: s + "b")]
    assert {v2.RandomOrder(add)("") for _ in range(40)} == {"ab", "ba"}
    assert {v2.RandomChoice(add, p=[0.5, 0.5])("") for _ in range(40)} == {"a", "b"}
    assert {v2.RandomApply(add, 0.5)("") for _ in range(40)} == {"", "ab"}
    assert v2.Compose(add)("x", "y") == ("xab", "yab")


def test_printed_forms():
    assert repr(v2.Resize(8)) == "Resize(size=[8], interpolation=bilinear, antialias=True)"
    assert repr(v2.RandomAffine(10)) == "RandomAffine(degrees=[-10.0, 10.0], interpolation=nearest, fill=0)"
    assert repr(v2.GaussianBlur(3)) == "GaussianBlur(kernel_size=(3, 3), sigma=[0.1, 2.0])"
    assert repr(v2.AutoAugment()) == "AutoAugment(interpolation=nearest, policy=AutoAugmentPolicy.IMAGENET)"
    assert repr(v2.Resize(8, interpolation="nearest")).startswith("Resize(size=[8], interpolation=nearest")
    assert repr(v2.RandomChoice([v2.CenterCrop(3)])) == "RandomChoice(transforms=[CenterCrop(size=(3, 3))], p=[1.0])"
    assert repr(v2.RandomOrder([v2.RGB()])) == "RandomOrder(transforms=[RGB()])"
    assert "padding=[1, 2, 1, 2]" in repr(v2.RandomCrop(3, padding=(1, 2)))
