"""The second transforms as programs extend and inspect them: kinds, parameters, kernels and inner names."""

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import models, ops, utils
from cltorch.vision import transforms as v1
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import dispatch
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.transforms.v2.labels import find_labels

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 9, 12), np.uint8)


def boxes(**others):
    return tv.BoundingBoxes([[1.0, 2, 10, 7]], format="XYXY", canvas_size=(9, 12), **others)


class Wide(v2.Transform):
    """What detectors have among their transforms: boxes alone are changed."""

    _transformed_types = (tv.BoundingBoxes,)

    def transform(self, inpt, params):
        return tv.wrap(inpt.as_subclass(torch.Tensor) * 2, like=inpt)


def test_a_transform_of_ones_own_says_which_kinds_it_is_for(device):
    image = tv.Image(torch.from_numpy(PIXELS)).to(device)
    found = Wide()({"image": image, "boxes": boxes().to(device), "label": torch.tensor(3)})
    assert (
        found["image"] is image and found["boxes"].tolist() == [[2.0, 4.0, 20.0, 14.0]] and found["label"].item() == 3
    )

    class OfFloats(v2.Transform):
        _transformed_types = (lambda x: isinstance(x, float), tv.Mask)

        def transform(self, inpt, params):
            return -inpt

    assert OfFloats()([1.5, "a", 2]) == [-1.5, "a", 2]
    flat = [torch.ones(1), image, 1, boxes()]
    assert v2.Transform()._needs_transform_list(flat) == [False, True, False, True]
    assert v2.Transform()._needs_transform_list([torch.ones(1), torch.ones(1)]) == [True, False]


def test_a_transform_of_ones_own_leaves_what_a_function_does_not_take():
    class Brighter(v2.Transform):
        def transform(self, inpt, params):
            return self._call_kernel(F.adjust_brightness, inpt, brightness_factor=2.0)

    image, given = tv.Image(torch.from_numpy(PIXELS)), boxes()
    changed, kept = Brighter()(image, given)
    assert kept is given and type(changed) is tv.Image
    assert np.array_equal(changed.numpy(), np.minimum(PIXELS.astype(int) * 2, 255))


@pytest.mark.parametrize(
    "transform, names",
    [
        (v2.RandomAffine(10, translate=(0.1, 0.1)), {"angle", "translate", "scale", "shear"}),
        (v2.RandomCrop(4), {"needs_crop", "top", "left", "height", "width", "needs_pad", "padding"}),
        (v2.RandomResizedCrop(4), {"top", "left", "height", "width"}),
        (v2.RandomPerspective(), {"coefficients"}),
        (v2.ColorJitter(0.5), {"fn_idx", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor"}),
        (v2.RandomErasing(), {"i", "j", "h", "w", "v"}),
        (v2.RandomIoUCrop(sampler_options=[0.0]), {"top", "left", "height", "width", "is_within_crop_area"}),
    ],
    ids=lambda x: type(x).__name__,
)  # fmt: skip
def test_what_is_drawn_has_torchvisions_names(transform, names):
    torch.manual_seed(0)
    sample = [tv.Image(torch.from_numpy(PIXELS)), boxes()]
    params = transform.make_params(sample)
    assert set(params) == names
    assert all(type(transform.transform(x, params)) is type(x) for x in sample)


def test_random_crops_pad_on_both_sides_where_needed():
    crop = v2.RandomCrop((11, 20), padding=[1, 0], pad_if_needed=True, fill=9)
    params = crop.make_params([torch.from_numpy(PIXELS)])
    assert params["padding"] == [7, 2, 7, 2] and params["needs_pad"] and params["needs_crop"]
    image = crop.transform(torch.from_numpy(PIXELS), params)
    assert image.shape == (3, 11, 20)
    top, left = params["top"], params["left"]
    whole = np.pad(PIXELS, ((0, 0), (2, 2), (7, 7)), constant_values=9)
    assert np.array_equal(image.numpy(), whole[:, top : top + 11, left : left + 20])
    with pytest.raises(ValueError, match=r"size \(20, 20\) is larger than input image size \(9, 12\)"):
        v2.RandomCrop(20)(torch.from_numpy(PIXELS))
    with pytest.raises(ValueError, match=r"larger than padded input image size \(11, 14\)"):
        v2.RandomCrop(20, padding=1)(torch.from_numpy(PIXELS))


class Depth(tv.TVTensor):
    """A kind of a program's own."""


class Deeper(Depth):
    """One derived from it."""


def test_kernels_that_are_registered_hold_for_derived_kinds():
    with pytest.raises(TypeError, match=r"F.vertical_flip supports inputs of type .*Mask.*, but got .*Depth"):
        F.vertical_flip(torch.ones(1, 2).as_subclass(Depth))
    with pytest.raises(TypeError, match="<class 'object'>"):
        F.vertical_flip(object())

    @F.register_kernel("vertical_flip", Depth)
    def flip(inpt):
        return tv.wrap(inpt.flip(-2), like=inpt)

    values = torch.tensor([[1], [2]])
    assert F.vertical_flip(values.as_subclass(Depth)).tolist() == [[2], [1]]
    found = F.vertical_flip(values.as_subclass(Deeper))
    assert found.tolist() == [[2], [1]] and type(found) is Deeper
    assert dispatch._get_kernel(F.vertical_flip, Deeper) is flip
    assert v2.RandomVerticalFlip(1.0)(values.as_subclass(Deeper)).tolist() == [[2], [1]]
    with pytest.raises(ValueError, match="already has a kernel registered"):
        F.register_kernel(F.vertical_flip, Depth)
    with pytest.raises(ValueError, match="Could not find functional with name 'nothing'"):
        F.register_kernel("nothing", Depth)
    with pytest.raises(ValueError, match="builtin tv_tensor classes"):
        F.register_kernel("vertical_flip", tv.Image)


def test_the_kernel_of_a_kind():
    assert dispatch._get_kernel(F.resize, tv.BoundingBoxes) is F.resize
    for kind in (str, Depth, object):
        with pytest.raises(TypeError, match="supports inputs of type"):
            dispatch._get_kernel(F.resize, kind)
    assert dispatch._get_kernel(F.adjust_hue, tv.Mask, allow_passthrough=True)(3, hue_factor=0.1) == 3
    with pytest.raises(ValueError, match="No kernel registered for functional"):
        dispatch._get_kernel(find_labels, torch.Tensor)

    def own(inpt):
        return inpt

    @dispatch._register_kernel_internal(own, tv.Mask)
    def twice(mask):
        return mask * 2

    found = dispatch._get_kernel(own, tv.Mask)(tv.Mask(torch.ones(1, 1)))
    assert found.tolist() == [[2.0]] and type(found) is tv.Mask


def test_labels_are_found_where_torchvision_looks():
    labels = torch.arange(2)
    for sample in (
        (torch.ones(2), labels), {"image": 1, "labels": labels}, {"LaBeLs": labels, "label_old": 0},
        (1, {"FooLabelBar": labels}), {"label_b": labels},
    ):  # fmt: skip
        assert find_labels(sample) is labels
    with pytest.raises(ValueError, match="Could not infer where the labels are"):
        find_labels({"image": 1})
    with pytest.raises(ValueError, match="must be a dictionary or a two-tuple"):
        find_labels((1, "a"))


def test_boxes_in_place_and_boxes_that_stay():
    plain = torch.tensor([[1.0, 2.0, 5.0, 6.0]])
    assert F.convert_bounding_box_format(plain, "XYXY", "XYXY") is plain
    found = F.convert_bounding_box_format(plain, "XYXY", "XYWH", inplace=True)
    assert found is plain and plain.tolist() == [[1.0, 2.0, 4.0, 4.0]]
    given = boxes()
    assert F.convert_bounding_box_format(given, new_format="XYWH", inplace=True).tolist() == [[1.0, 2.0, 9.0, 5.0]]


def test_images_of_channels_that_lie_together_stay_so(device):
    image = torch.from_numpy(PIXELS).to(device).permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for mode in (v1.InterpolationMode.NEAREST, v1.InterpolationMode.BILINEAR):
        found = F.resize(image, [5, 6], mode)
        assert found.stride() == (1, 18, 3)
        assert np.array_equal(found.cpu().numpy(), F.resize(torch.from_numpy(PIXELS), [5, 6], mode).numpy())


def test_one_channel_becomes_three_of_their_own():
    image = F.grayscale_to_rgb(torch.zeros(1, 2, 2, dtype=torch.uint8))
    image[0] = 1
    assert image.shape == (3, 2, 2) and image[1:].sum().item() == 0


def test_arguments_are_refused_in_torchvisions_words():
    for form in ([0.5], 0.5, (0.5, 0.5)):
        assert v2.GaussianBlur(3, form).sigma == [0.5, 0.5]
    for wrong, error, words in (
        ("a", ValueError, "should be a sequence of numbers"), ([1, 2, 3], ValueError, "length should be 1 or 2"),
        ({}, TypeError, "should be a number or a sequence"), ((2.0, 1.0), ValueError, r"of the form \(min, max\)"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            v2.GaussianBlur(3, wrong)
    with pytest.raises(TypeError, match="single number or a sequence with length 2"):
        v2.ColorJitter([0.1])
    with pytest.raises(ValueError, match="Non-scalar fill value is not supported"):
        F.pad(tv.Mask(torch.ones(2, 2)), 1, fill=[1, 2])


def test_one_operation_of_a_policy():
    image = tv.Image(torch.from_numpy(PIXELS))
    found = v2.AutoAugment()._apply_image_or_video_transform(image, "Invert", 0.0, "nearest", {"others": 0})
    assert type(found) is tv.Image and np.array_equal(found.numpy(), 255 - PIXELS)


def test_networks_are_listed_by_package():
    names = models.list_models(models)
    assert {"resnet18", "vit_b_16"} < set(names) and not {"fcn_resnet50", "raft_large", "r3d_18"} & set(names)
    assert "fcn_resnet50" in models.list_models(models.segmentation)
    assert models.list_models(ops) == [] == models.list_models(utils)


class Other(tv.TVTensor):
    """A kind that no function knows."""


@pytest.mark.parametrize(
    "transform",
    [
        v2.Resize(3), v2.CenterCrop(3), v2.Pad(1), v2.RandomRotation(5), v2.RandomHorizontalFlip(1.0), v2.Grayscale(),
        v2.ElasticTransform(sigma=0.4), v2.RandomZoomOut(p=1.0), v2.GaussianNoise(), v2.RandomInvert(1.0),
        v2.FiveCrop(2), v2.RandomResize(3, 5), v2.RandomSolarize(3, p=1.0), v2.RGB(), v2.Identity(), v2.JPEG(50),
    ],
    ids=lambda x: type(x).__name__,
)  # fmt: skip
def test_kinds_that_no_function_knows_go_through(transform):
    image, other = tv.Image(torch.from_numpy(PIXELS)), torch.ones(2, 2).as_subclass(Other)
    if isinstance(transform, v2.GaussianNoise):
        image = tv.Image(image / 255)
    assert transform([image, other])[1] is other


def test_a_transform_knows_the_first_version_of_itself():
    assert v2.Resize._v1_transform_cls is v1.Resize and v2.ToImage._v1_transform_cls is None
    made = v1.Resize(**v2.Resize([3, 4], "bicubic")._extract_params_for_v1_transform())
    assert made.size == [3, 4] and made.interpolation is v1.InterpolationMode.BICUBIC
    assert v2.Lambda._v1_transform_cls is None and v2.RandomAffine.get_params is v1.RandomAffine.get_params


def test_images_of_pil_are_padded_with_floats_cut_off():
    image = pytest.importorskip("PIL.Image").fromarray(PIXELS.transpose(1, 2, 0))
    padded = np.array(F.pad(image, 1, fill=(123.7, 117.0, 104.2)))
    assert padded[0, 0].tolist() == [123, 117, 104] and np.array_equal(padded[1:-1, 1:-1], PIXELS.transpose(1, 2, 0))


def test_more_arguments_are_refused_in_torchvisions_words():
    image = torch.from_numpy(PIXELS)
    for call, error, words in (
        (lambda: F.resize(image, [3, 3], v1.InterpolationMode.HAMMING), NotImplementedError, "got hamming"),
        (lambda: F.get_dimensions(boxes()), TypeError, "<class .*BoundingBoxes'>"),
        (lambda: F.uniform_temporal_subsample(object(), 2), TypeError, "<class 'object'>"),
        (lambda: F.normalize(image / 255, [0.5], [0.0]), ValueError, "std evaluated to zero, leading to division"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            call()
    given = boxes()
    assert F.resize(given, [9, 12]).data_ptr() == given.data_ptr()


def test_images_of_16_bits_are_scaled_by_their_white():
    picture = pytest.importorskip("PIL.Image").fromarray(np.array([[0, 13107, 65535]], np.uint16))
    image = F.to_image(picture)
    assert image.dtype is torch.uint16 and v1.functional.pil_to_tensor(picture).dtype is torch.uint16
    assert F.to_dtype(image, torch.float32, scale=True).tolist() == [[[0.0, pytest.approx(0.2), 1.0]]]
