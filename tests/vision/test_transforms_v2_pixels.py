"""The second transforms' functions of images, where they differ from the first ones, against torchvision's pixels."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import transforms as v1
from cltorch.vision import tv_tensors
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")

# recorded from torchvision 0.28: [function, arguments, keywords, shape, the bytes of the result]
RECORDED = json.loads((Path(__file__).parent / "transforms_v2.json").read_text())
NOISE = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)


def _image(case):
    """Return the image of a case: bytes or, for the last four, whole numbers of 16 bits."""
    wide = RECORDED.index(case) >= len(RECORDED) - 4
    return torch.from_numpy(NOISE.astype(np.int16) * 128 if wide else NOISE // 2 + 30)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: "-".join(map(str, [case[0], *case[1]])).replace(" ", ""))
def test_pixels_are_torchvisions(device, case):
    name, arguments, keywords, shape, pixels = case
    if "interpolation" in keywords:
        keywords = {**keywords, "interpolation": v1.InterpolationMode(keywords["interpolation"])}
    image = _image(case)
    found = getattr(F, name)(image.to(device), *arguments, **keywords).cpu()
    assert found.dtype is image.dtype
    expected = np.frombuffer(bytes.fromhex(pixels), image.numpy().dtype).reshape(shape)
    off = np.abs(found.numpy().astype(int) - expected)
    # sums of floats in another order may round the other way
    assert not off.any() if image.dtype is torch.uint8 else off.max() <= 1 and (off > 0).mean() < 0.02


def test_boxes_turn_by_right_angles_as_images_do():
    image = tv_tensors.Image(torch.zeros(1, 9, 12))
    boxes = tv_tensors.BoundingBoxes([[1, 2, 4, 7]], format="XYXY", canvas_size=(9, 12))
    for angle, expected in ((90, [2, 8, 7, 11]), (270, [2, 1, 7, 4]), (180, [8, 2, 11, 7])):
        turned = F.rotate(boxes, angle, expand=True)
        assert turned.canvas_size == tuple(F.rotate(image, angle, expand=True).shape[-2:])
        assert turned.tolist() == [expected]


def test_erasing_pil_images():
    picture = Image.fromarray(NOISE.transpose(1, 2, 0))
    erased = F.erase(picture, 1, 2, 3, 4, torch.zeros(3, 1, 1, dtype=torch.uint8))
    expected = NOISE.copy()
    expected[:, 1:4, 2:6] = 0
    assert erased.mode == "RGB" and np.array_equal(np.array(erased).transpose(2, 0, 1), expected)
    assert np.array_equal(np.array(picture).transpose(2, 0, 1), NOISE)


def test_arguments_are_shown_and_checked():
    assert list(inspect.signature(F.resize).parameters) == ["inpt", "size", "interpolation", "max_size", "antialias"]
    assert inspect.signature(F.pad).parameters["fill"].default is None
    assert list(inspect.signature(F.five_crop).parameters) == ["inpt", "size"]
    with pytest.raises(TypeError, match=r"in the range \[0, 8\], got 9"):
        F.posterize(torch.zeros(1, 2, 2, dtype=torch.int16), 9)
    for kind in (v2.Identity, v2.ToImage, v2.ClampKeyPoints):
        with pytest.raises(TypeError):
            kind(3)


def test_parameters_can_be_drawn_by_the_class():
    image = torch.zeros(3, 20, 30)
    top, left, height, width = v2.RandomCrop.get_params(image, (8, 9))
    assert 0 <= top <= 12 and 0 <= left <= 21 and (height, width) == (8, 9)
    assert 10 <= v2.RandomRotation.get_params([10, 20]) <= 20
    names = "ColorJitter ElasticTransform GaussianBlur RandomAffine RandomErasing RandomPerspective RandomResizedCrop"
    for name in names.split():
        assert getattr(v2, name).get_params is getattr(v1, name).get_params


def test_images_are_resized_after_lanczos(device):
    lanczos = v1.InterpolationMode.LANCZOS
    x = torch.from_numpy((np.arange(60).reshape(1, 6, 10) * 37 % 256).astype(np.uint8)).to(device)
    # from torchvision 0.28
    expected = [[[89, 123, 119, 96], [128, 118, 122, 125], [124, 138, 133, 123]]]
    assert F.resize(x, [3, 4], lanczos).tolist() == expected
    fine = F.resize(x.float() / 255, [3, 4], lanczos)[0, 1].cpu().numpy()
    np.testing.assert_allclose(fine, [0.50250196, 0.4622308, 0.47971609, 0.48894843], atol=1e-5)
    with pytest.raises(ValueError, match="requires antialias=True"):
        F.resize(x, [3, 4], lanczos, antialias=False)
    with pytest.raises(ValueError, match="requires antialias=True"):
        v1.functional.resize(x, [3, 4], lanczos)


def test_bools_are_true_where_any_of_their_pixels_is(device):
    x = torch.zeros(1, 6, 6, dtype=torch.bool, device=device)
    x[0, 1, 4] = True
    assert F.resize(x, [2, 2]).tolist() == v1.functional.resize(x, [2, 2]).tolist() == [[[False, True], [False, False]]]
