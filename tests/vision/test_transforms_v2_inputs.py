"""The second transforms: masks with what lies outside them, images of every kind, and arguments that are refused."""

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import transforms as v1
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")
MODE = v1.InterpolationMode
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)


def boxes(mode="soft"):
    return tv.BoundingBoxes([[1.0, 2, 14, 7]], format="XYXY", canvas_size=(9, 12), clamping_mode=mode)


def test_masks_take_what_stands_after_the_interpolation(device):
    mask = tv.Mask(torch.from_numpy(PIXELS[0])).to(device)
    turned = F.rotate(mask, 90, MODE.BILINEAR, True)
    assert turned.shape == (12, 9) and np.array_equal(turned.cpu().numpy(), np.rot90(PIXELS[0]))
    moved = F.affine(mask, 0.0, [2, 0], 1.0, [0.0, 0.0], MODE.BILINEAR, 4).cpu().numpy()
    assert (moved[:, :2] == 4).all() and np.array_equal(moved[:, 2:], PIXELS[0][:, :-2])


def test_masks_know_the_two_nearest_pixels():
    mask = tv.Mask(torch.from_numpy(PIXELS))
    for mode, like in ((MODE.NEAREST_EXACT, MODE.NEAREST_EXACT), (MODE.BICUBIC, MODE.NEAREST)):
        expected = F.resize(torch.from_numpy(PIXELS), [5, 7], like)
        assert np.array_equal(F.resize(mask, [5, 7], mode).numpy(), expected.numpy())
        assert np.array_equal(F.resize(mask, [5, 7], interpolation=mode).numpy(), expected.numpy())


@pytest.mark.parametrize(("fill", "inside"), [(3, 3), ({tv.Mask: 7, "others": 1}, 7), ({"others": 2}, 2)])
def test_masks_are_filled_like_images_unless_a_dict_says_otherwise(fill, inside):
    mask = tv.Mask(torch.ones(9, 9, dtype=torch.uint8) * 5)
    assert v2.Pad(2, fill=fill)(mask)[0, 0] == inside
    assert v2.RandomCrop(12, padding=4, fill=fill)(mask).numpy().max() == max(5, inside)
    assert v2.RandomRotation((45, 45), fill=fill)(mask)[0, 0] == inside
    assert v2.RandomAffine((45, 45), fill=fill)(mask)[0, 0] == inside


def test_erasing_takes_pil_images():
    picture = Image.fromarray(PIXELS.transpose(1, 2, 0))
    torch.manual_seed(0)
    erased = v2.RandomErasing(1.0, scale=(0.3, 0.3), ratio=(1.0, 1.0), value=7)({"image": picture, "label": 1})
    found = np.array(erased["image"]).transpose(2, 0, 1)
    assert 0 < (found != PIXELS).sum() and (found[found != PIXELS] == 7).all() and erased["label"] == 1
    with pytest.raises(TypeError, match="No image"):
        v2.RandomErasing(1.0)({"label": 1})


@pytest.mark.parametrize("name", ["RandAugment", "AutoAugment", "TrivialAugmentWide", "AugMix"])
def test_policies_take_floats(device, name):
    image = torch.from_numpy(PIXELS / np.float32(255)).to(device)
    policy = getattr(v2, name)()
    for seed in range(8):
        torch.manual_seed(seed)
        found = policy(tv.Image(image))
        assert type(found) is tv.Image and found.dtype is torch.float32 and found.shape == image.shape
        assert 0 <= found.min() and found.max() <= 1
    with pytest.raises(TypeError, match="BoundingBoxes"):
        policy({"image": image, "boxes": boxes()})


def test_operations_of_policies_on_floats():
    policy = v2.RandAugment()._policy
    image = torch.tensor([[[0.1, 0.4, 0.6, 0.9]]])
    apply = lambda name, strength: policy._operate(image, name, strength, MODE.NEAREST, None)  # noqa: E731
    assert np.allclose(apply("Solarize", 127.5).numpy(), [[[0.1, 0.4, 0.4, 0.1]]])
    assert apply("Posterize", 1).tolist() == [[[0, 0, 0.5, 0.5]]]
    assert np.allclose(apply("AutoContrast", 0).numpy(), [[[0, 0.375, 0.625, 1]]])


def test_policies_fill_by_kind():
    image = torch.full((1, 9, 9), 100, dtype=torch.uint8)
    policy = v2.RandAugment(num_ops=1, fill={tv.Image: 9, "others": 200})
    policy._policy._operate = lambda img, name, strength, mode, fill: img * 0 + int(fill[0])
    assert policy(tv.Image(image)).max() == 9 and policy(image).max() == 200


def test_noise_of_bytes(device):
    image = torch.tensor([0, 100, 250], dtype=torch.uint8, device=device).view(1, 1, 3)
    assert F.gaussian_noise(image, 0.1, 0.0).tolist() == [[[25, 125, 255]]]
    assert F.gaussian_noise(image, 0.1, 0.0, clip=False).tolist() == [[[25, 125, 19]]]
    torch.manual_seed(0)
    noise = F.gaussian_noise(torch.full((64, 64), 128, dtype=torch.uint8, device=device), 0.0, 0.1).float() - 128
    assert abs(noise.mean()) < 1.5 and 23 < noise.std() < 28


def test_boxes_are_cut_without_losing_their_own_mode():
    assert F.clamp_bounding_boxes(boxes(), clamping_mode=None).clamping_mode == "soft"
    assert F.clamp_bounding_boxes(boxes(), clamping_mode=None).tolist() == [[1, 2, 14, 7]]
    cut = F.clamp_bounding_boxes(boxes(None), clamping_mode="hard")
    assert cut.clamping_mode is None and cut.tolist() == [[1, 2, 12, 7]]


def test_conversion_takes_masks_as_well():
    sample = {"image": tv.Image(torch.from_numpy(PIXELS)), "mask": tv.Mask(torch.from_numpy(PIXELS[0]))}
    found = v2.ConvertImageDtype(torch.float32)(sample)
    assert found["image"].max() <= 1 and found["mask"].dtype is torch.float32
    assert np.array_equal(found["mask"].numpy(), PIXELS[0].astype(np.float32))
    picture = Image.fromarray(PIXELS[0])
    assert v2.ConvertImageDtype()(picture) is picture


def test_resize_by_the_longer_edge():
    assert v2.Resize(None, max_size=24)(torch.from_numpy(PIXELS)).shape == (3, 18, 24)
    with pytest.raises(ValueError, match="max_size"):
        v2.Resize(None)


def test_masks_of_classes_stay_when_boxes_go():
    both = tv.BoundingBoxes([[1, 1, 5, 5], [2, 2, 2, 2]], format="XYXY", canvas_size=(9, 12))
    classes, objects = tv.Mask(torch.from_numpy(PIXELS[0])), tv.Mask(torch.from_numpy(PIXELS[:2]))
    sample = {"boxes": both, "classes": classes, "objects": objects, "labels": torch.tensor([3, 4])}
    found = v2.SanitizeBoundingBoxes()(sample)
    assert found["boxes"].tolist() == [[1, 1, 5, 5]] and found["labels"].tolist() == [3]
    assert found["classes"].shape == (9, 12) and found["objects"].shape == (1, 9, 12)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: F.affine(boxes(), 0.0, [0, 0], -1.0, [0.0, 0.0]), ValueError),
        (lambda x: F.affine(boxes(), 0.0, [0, 0], 1.0, [1.0, 2.0, 3.0]), ValueError),
        (lambda x: F.elastic(boxes(), torch.zeros(1, 5, 12, 2)), ValueError),
        (lambda x: F.elastic(boxes(), 3), TypeError),
        (lambda x: F.gaussian_noise(Image.fromarray(PIXELS[0])), ValueError),
        (lambda x: F.gaussian_noise(x.to(torch.int16)), ValueError),
        (lambda x: F.resize(x, [0, 5]), RuntimeError),
        (lambda x: v1.functional.resize(x, 5, MODE.HAMMING), NotImplementedError),
        (lambda x: v1.functional.pad(x, 2.5), TypeError),
        (lambda x: v1.functional.pad(x, 2, "red"), TypeError),
        (lambda x: v1.functional.pad(x[:1], 2, (1, 2, 3)), ValueError),
        (lambda x: v1.functional.posterize(x, 9), ValueError),
        (lambda x: v1.functional.adjust_brightness(x, -1), ValueError),
        (lambda x: v1.RandomChoice([abs], p=[0.5, 0.5])(x), ValueError),
        (lambda x: v1.RandomResizedCrop("a"), TypeError),
        (lambda x: v2.LinearTransformation(torch.eye(1), torch.zeros(1))(Image.fromarray(PIXELS[0])), TypeError),
    ],
)
def test_refused(call, error):
    with pytest.raises(error):
        call(torch.from_numpy(PIXELS))


def test_pil_images_know_negative_factors():
    picture = Image.fromarray(PIXELS.transpose(1, 2, 0))
    darker = v1.functional.adjust_brightness(picture, -1.0)
    assert np.array(darker).max() == 0


def test_one_number_normalises_every_channel():
    image = torch.from_numpy(PIXELS / np.float32(255))
    expected = (PIXELS / np.float32(255) - np.float32(0.5)) / np.float32(0.25)
    assert np.allclose(v1.functional.normalize(image, 0.5, 0.25).numpy(), expected)


def test_questions_about_a_sample():
    image, picture = tv.Image(torch.from_numpy(PIXELS)), Image.fromarray(PIXELS.transpose(1, 2, 0))
    points = tv.KeyPoints([[1, 2]], canvas_size=(9, 12))
    flat = [image, picture, boxes(), points, "a"]
    assert v2.query_chw(flat) == (3, 9, 12) and v2.query_size(flat) == (9, 12)
    assert v2.get_bounding_boxes(flat) is flat[2] and v2.get_keypoints(flat) is points
    assert v2.has_any(flat, tv.Mask, str) and not v2.has_all(flat, tv.Mask, str)
    assert v2.has_all(flat, tv.Image, lambda x: x == "a") and not v2.has_any(flat, tv.Video)
    assert v2.check_type(image, (str, torch.Tensor)) and not v2.check_type(image, (str,))
    for ask, error in ((v2.query_chw, TypeError), (v2.query_size, TypeError), (v2.get_bounding_boxes, ValueError)):
        with pytest.raises(error):
            ask(["a"])
    with pytest.raises(ValueError, match="multiple"):
        v2.query_chw([image, image[:1]])


def test_boxes_of_whole_numbers_stay_whole(device):
    # as torchvision 0.28 converts and bends them
    whole = tv.BoundingBoxes([[3, 4, 5, 6]], format="CXCYWH", canvas_size=(9, 12)).to(device)
    for fmt, expected in (("XYXY", [0, 1, 5, 7]), ("XYWH", [0, 1, 5, 6])):
        found = F.convert_bounding_box_format(whole, new_format=fmt)
        assert found.tolist() == [expected] and found.dtype is torch.int64
    corners = tv.BoundingBoxes([[1, 2, 4, 7]], format="XYXY", canvas_size=(9, 12)).to(device)
    assert F.convert_bounding_box_format(corners, new_format="CXCYWH").tolist() == [[2, 4, 3, 5]]
    sized = tv.BoundingBoxes([[1, 2, 4, 5]], format="XYWH", canvas_size=(9, 12)).to(device)
    bent = F.elastic(sized, torch.full((1, 9, 12, 2), 0.1, device=device))
    assert bent.tolist() == [[0, 1, 4, 5]] and bent.dtype is torch.int64
    assert F.horizontal_flip(whole).tolist() == [[9, 4, 5, 6]]
    assert F.crop(whole, 1, 1, 8, 11).tolist() == [[2, 3, 4, 6]]
