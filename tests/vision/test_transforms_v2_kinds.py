"""The second functions: images of any number of channels, boxes and points of any shape, functions of a program."""

import io
import math
from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import transforms as v1
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F

Image = pytest.importorskip("PIL.Image", reason="works on PIL images")
PIXELS = np.random.default_rng(4).integers(0, 256, (2, 2, 4, 9, 12), np.uint8)


def test_colours_of_any_number_of_channels(device):
    for shape in ((), (0,), (0, 0), (0, 0, 0)):  # from films in batches down to images without a channel's dimension
        pixels = PIXELS[shape]
        image = torch.from_numpy(pixels).to(device)
        assert np.array_equal(F.invert(image).cpu().numpy(), 255 - pixels)
        assert np.array_equal(F.solarize(image, 100).cpu().numpy(), np.where(pixels >= 100, 255 - pixels, pixels))
        assert np.array_equal(F.posterize(image, 3).cpu().numpy(), pixels & 0b11100000)
        shares = pixels / np.float32(255)
        gamma = F.adjust_gamma(torch.from_numpy(shares).to(device), 2.0, 0.5)
        assert np.allclose(gamma.cpu().numpy(), 0.5 * shares**2, atol=1e-6)
    for film in (torch.from_numpy(PIXELS).to(device), torch.from_numpy(PIXELS[0, 0]).to(device)):
        spread = F.equalize(film).cpu().numpy()
        alone = v1.functional.equalize(film.reshape(-1, 1, 9, 12)).cpu().numpy()
        assert np.array_equal(spread.reshape(-1, 1, 9, 12), alone)
    with pytest.raises(TypeError, match="channel values"):
        v1.functional.invert(torch.from_numpy(PIXELS[0]).to(device))
    with pytest.raises(ValueError, match="non-negative"):
        F.adjust_gamma(torch.from_numpy(PIXELS[0]).to(device), -1.0)


def test_jpeg_of_pil_images_is_pils():
    for mode, quality in (("RGB", 50), ("L", 7), ("CMYK", 50), ("1", 50), ("RGB", 101)):
        picture = Image.fromarray(PIXELS[0, 0].transpose(1, 2, 0).copy(), "CMYK").convert(mode)
        file = io.BytesIO()
        picture.save(file, format="JPEG", quality=quality)
        left = F.jpeg(picture, quality)
        assert left.mode == Image.open(file).mode and np.array_equal(left, Image.open(file))
    with pytest.raises(OSError, match="RGBA"):
        F.jpeg(Image.new("RGBA", (4, 3)), 50)


def test_arrays_of_one_and_two_dimensions_become_images():
    for shape in ((3,), (2, 3), (2, 3, 1)):
        values = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
        image = F.to_image(values)
        assert type(image) is tv.Image and np.array_equal(image.numpy(), np.atleast_3d(values).transpose(2, 0, 1))
    sample = v2.ToImage()({"weights": np.ones(4), "label": 3})
    assert sample["weights"].shape == (1, 1, 4) and sample["label"] == 3


def test_dtypes_of_any_kind_are_converted_as_images():
    mask = tv.Mask(torch.tensor([[0, 255]], dtype=torch.uint8))
    shares = F.convert_image_dtype(mask, torch.float32)
    assert type(shares) is torch.Tensor and shares.tolist() == [[0.0, 1.0]]
    kept = v2.ConvertImageDtype(torch.float32)(mask)
    assert type(kept) is tv.Mask and kept.tolist() == [[0.0, 255.0]]


def test_what_is_deprecated_or_not_looked_at_warns():
    picture = Image.fromarray(PIXELS[0, 0, 0])
    with pytest.warns(UserWarning, match=r"`to_tensor\(...\)` is deprecated"):
        assert F.to_tensor(picture).max() <= 1
    with pytest.warns(UserWarning, match=r"`get_image_size\(...\)` is deprecated"):
        assert F.get_image_size(picture) == [12, 9]
    for resize in (F.resize, v1.functional.resize):
        with pytest.warns(UserWarning, match="Anti-alias option is always applied for PIL"):
            assert resize(picture, 4, antialias=False).size == (5, 4)


def test_nothing_said_of_antialias_is_none(device):
    image = torch.from_numpy(PIXELS[0, 0] / np.float32(255)).to(device)
    for resize in (F.resize, v1.functional.resize):
        bare = resize(image, [3, 4], antialias=None)
        assert torch.equal(bare, resize(image, [3, 4], antialias=False))
        assert not torch.equal(bare, resize(image, [3, 4]))


@pytest.mark.parametrize("format", list(tv.BoundingBoxFormat))
def test_kernels_of_boxes_take_every_format_and_shape(device, format):
    numbers = {"XYWHR": [1, 2, 6, 4, 30], "CXCYWHR": [5, 4, 6, 4, 30], "XYXYXYXY": [1, 2, 7, 2, 7, 6, 1, 6]}
    values = torch.tensor([numbers.get(format.value, [1, 2, 6, 8])] * 6, dtype=torch.float32, device=device)
    boxes = tv.BoundingBoxes(values, format=format, canvas_size=(9, 12))
    calls = [
        (F.resize_bounding_boxes((v := values.reshape(2, 3, -1)), (9, 12), [18, 12], format=format)[0],
         F.resize(boxes, [18, 12])),
        (F.rotate_bounding_boxes(v, format, (9, 12), 40.0)[0], F.rotate(boxes, 40.0)),
        (F.horizontal_flip_bounding_boxes(v, format, (9, 12)), F.horizontal_flip(boxes)),
        (F.crop_bounding_boxes(v, format, 1, 2, 6, 5)[0], F.crop(boxes, 1, 2, 6, 5)),
        (F.clamp_bounding_boxes(v, format=format, canvas_size=(5, 4), clamping_mode="hard"),
         F.clamp_bounding_boxes(tv.wrap(boxes, like=boxes, canvas_size=(5, 4)), clamping_mode="hard")),
    ]  # fmt: skip
    for found, expected in calls:
        assert found.shape == v.shape and torch.equal(found.reshape(6, -1), expected)
    one = F.clamp_bounding_boxes(values[0], format=format, canvas_size=(9, 12), clamping_mode=None)
    assert torch.equal(one, values[0])


def test_boxes_of_whole_numbers_grow_number_by_number(device):
    # what torchvision makes of it: no way through the corners, which would be cut off
    boxes = tv.BoundingBoxes([[4, 3, 3, 5]], format="CXCYWH", canvas_size=(9, 12)).to(device)
    assert F.resize(boxes, [12, 18]).tolist() == [[6, 4, 4, 6]]


def test_points_without_entries_and_of_groups(device):
    none = tv.KeyPoints(torch.zeros(0, 2, device=device), canvas_size=(9, 12))
    kept, which = F.sanitize_keypoints(none)
    assert kept.shape == (0, 2) and type(kept) is tv.KeyPoints and which.shape == (0,)
    groups = torch.tensor([[[1.0, 1], [3, 8]], [[1, 1], [12, 1]]], device=device)
    kept, which = F.sanitize_keypoints(groups, canvas_size=(9, 12))
    assert kept.tolist() == [[[1, 1], [3, 8]]] and which.tolist() == [True, False]


def test_other_kinds_are_refused():
    image, mask = tv.Image(torch.ones(3, 4, 4)), tv.Mask(torch.ones(4, 4))
    for wrong in (image, mask, np.ones((2, 4)), 3):
        with pytest.raises(ValueError, match=r"must be a tv_tensors.BoundingBoxes instance or a pure tensor"):
            F.sanitize_bounding_boxes(wrong, format="XYXY", canvas_size=(4, 4))
        with pytest.raises(ValueError, match=r"must be a tv_tensors.KeyPoints instance or a pure tensor"):
            F.sanitize_keypoints(wrong, canvas_size=(4, 4))
        with pytest.raises(TypeError, match="plain tensor or a bounding box"):
            F.convert_bounding_box_format(wrong, "XYXY", "XYWH")
    for inpt in (image, tv.KeyPoints([[1, 2]], canvas_size=(4, 4))):
        with pytest.raises(ValueError, match="must have non `None` values"):
            F.perspective(inpt, None, None)
        corners = [[0, 0], [3, 0], [3, 3], [0, 3]]
        with pytest.raises(ValueError, match="defined concurrently"):
            F.perspective(inpt, corners, corners, coefficients=[1.0, 0, 0, 0, 1, 0, 0, 0])
    with pytest.raises(TypeError, match="float tensor"):
        F.normalize(torch.ones(3, 2, 2, dtype=torch.uint8), [0.0] * 3, [0.0] * 3)
    with pytest.raises(ValueError, match="bits"):
        F.posterize(Image.new("L", (2, 2)), 9)


class Depth(tv.TVTensor):
    """A kind of a program's own."""


def test_functions_of_a_program_are_given_every_argument_by_name():
    seen = []

    @F.register_kernel(F.resize, Depth)
    def resized(depth, size, interpolation, max_size, antialias):
        seen.append((size, interpolation, max_size, antialias))
        return depth

    @F.register_kernel("get_size", Depth)
    def size_of(depth):
        return list(depth.shape[-2:])

    depth = torch.ones(2, 5, 6).as_subclass(Depth)
    assert F.resize(depth, [3, 3]) is depth and v2.Resize(7)(depth) is depth
    mode = v1.InterpolationMode.BILINEAR
    assert seen == [([3, 3], mode, None, True), ([7], mode, None, True)]
    assert F.get_size(depth) == [5, 6] and F.get_size(torch.ones(3, 2, 4)) == [2, 4]


def test_nests_are_what_trees_are_made_of():
    image, Pair = tv.Image(torch.ones(1, 2, 2)), namedtuple("Pair", "image label")

    class Own(dict):
        """One that a program has not registered, which is a leaf."""

    default = v2.Pad(1)(defaultdict(list, image=image))
    assert type(default) is defaultdict and default.default_factory is list and default["image"].shape == (1, 4, 4)
    queue = v2.Pad(1)(deque([image], maxlen=3))
    assert type(queue) is deque and queue.maxlen == 3 and queue[0].shape == (1, 4, 4)
    assert v2.Pad(1)(Pair(image, 3)).image.shape == (1, 4, 4)
    assert list(v2.Pad(1)(OrderedDict(b=image, a=None))) == ["b", "a"]
    own = Own(image=image)
    assert v2.Pad(1)(own) is own


def test_of_several_boxes_and_points_the_first_decide():
    boxes = tv.BoundingBoxes([[0.0, 0, 5, 5], [1, 1, 1, 1]], format="XYXY", canvas_size=(9, 12))
    others, one = tv.wrap(boxes + 1, like=boxes), tv.wrap(boxes[:1], like=boxes)
    found = v2.SanitizeBoundingBoxes(labels_getter=None)([boxes, others, one])
    assert [x.tolist() for x in found] == [[[0, 0, 5, 5]], [[1, 1, 6, 6]], [[0, 0, 5, 5]]]
    image = tv.Image(torch.ones(3, 9, 12))
    assert v2.RandomIoUCrop(sampler_options=[2.0])([image, boxes, one])[0].shape == (3, 9, 12)
    points = tv.KeyPoints([[1, 2], [20, 1]], canvas_size=(9, 12))
    found = v2.SanitizeKeyPoints()([points, tv.wrap(points + 1, like=points)])
    assert [x.tolist() for x in found] == [[[1, 2]], [[2, 3]]]
    for transform, size in ((v2.FiveCrop(4), 5), (v2.TenCrop(4), 10)):
        with pytest.warns(UserWarning, match="passing through inputs of type tv_tensors.KeyPoints"):
            crops, same = transform(image, points)
        assert len(crops) == size and same is points


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: v2.Resize(object()), ValueError, "size can be an integer"),
        (lambda: v2.Pad(2.5), ValueError, "Padding must be an int"),
        (lambda: v2.Pad("a"), ValueError, "Padding must be an int"),
        (lambda: v2.Pad(1, fill="red"), TypeError, "inappropriate fill arg"),
        (lambda: v2.Pad(1, fill={tv.Mask: "red"}), TypeError, "inappropriate fill arg"),
        (lambda: v1.Pad(1, fill={}), TypeError, "inappropriate fill arg"),
        (lambda: v2.RandomAffine(3, fill="red"), TypeError, "inappropriate fill arg"),
        (lambda: v2.RandomZoomOut(fill="red"), TypeError, "inappropriate fill arg"),
        (lambda: v2.RandomCrop(3, padding_mode="up"), ValueError, "Padding mode should be"),
        (lambda: v2.ElasticTransform(sigma="a"), TypeError, "sigma should be a number"),
        (lambda: v2.ElasticTransform([1, 2, 3]), ValueError, "alpha should be a number"),
        (lambda: v2.MixUp(alpha=0.0, num_classes=2), ValueError, "must be positive"),
        (lambda: v2.CutMix(alpha=-1), ValueError, "must be positive"),
        (lambda: v2.MixUp(labels_getter=None)(torch.ones(2, 3, 4, 4)), ValueError, "labels must be a tensor"),
    ],
)
def test_transforms_are_not_made_of(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_arguments_as_they_are_kept():
    assert v2.Pad((1, 2)).padding == [1, 2] and v2.JPEG((20, 50)).quality == [20, 50]
    elastic = v2.ElasticTransform((0, 3), [1])
    assert elastic.alpha == [0.0, 3.0] and elastic.sigma == [1.0, 1.0]
    whiten = v2.LinearTransformation(torch.eye(4), torch.zeros(4))
    whiten.transformation_matrix = 2 * torch.eye(4)  # which is looked at when an image comes
    assert repr(whiten) == "LinearTransformation()" and whiten(torch.ones(1, 2, 2)).unique().tolist() == [2]


def test_a_policy_is_drawn_by_the_class_too():
    policy, chances, signs = v2.AutoAugment.get_params(5)
    assert 0 <= policy < 5 and len(chances) == len(signs) == 2


def test_videos_are_no_pil_images():
    video = tv.Video(torch.ones(2, 3, 4, 4))
    sample = v2.ToPILImage()({"video": video, "image": tv.Image(torch.ones(3, 4, 4))})
    assert sample["video"] is video and sample["image"].size == (4, 4)


def test_dtypes_that_change_nothing_are_told():
    with pytest.warns(UserWarning, match="`dtype` values for `torch.Tensor` and either"):
        v2.ToDtype({tv.Image: torch.float32, torch.Tensor: torch.float32})
    with pytest.warns(UserWarning, match="no scaling will be done"):
        v2.ToDtype({"others": None}, scale=True)(tv.Video(torch.ones(2, 3, 4, 4)))


def test_interpolations_have_names(device):
    image = torch.from_numpy(PIXELS[0, 0, :3] / np.float32(255)).to(device)
    mode, move = v1.InterpolationMode, torch.full((1, 9, 12, 2), 0.1, device=device)
    for call in (
        lambda x, m: F.resize(x, [5, 7], m),
        lambda x, m: F.resized_crop(x, 1, 2, 5, 6, [7, 8], interpolation=m),
        lambda x, m: F.rotate(x, 30.0, interpolation=m),
        lambda x, m: F.affine(x, 0.0, [1, 2], 1.1, [0.0, 0.0], m),
        lambda x, m: F.elastic(x, move, m),
    ):
        assert torch.equal(call(image, "bilinear"), call(image, mode.BILINEAR))
        assert torch.equal(call(image, "nearest"), call(image, mode.NEAREST))
        assert not torch.equal(call(image, "nearest"), call(image, "bilinear"))
        for wrong in ("BILINEAR", "up", 2.5, None):
            with pytest.raises(ValueError, match="nterpolation"):
                call(image, wrong)
    mask = tv.Mask(torch.from_numpy(PIXELS[0, 0, 0])).to(device)
    exact = F.resize(mask, [5, 7], "nearest-exact")
    assert torch.equal(exact, F.resize(mask, [5, 7], mode.NEAREST_EXACT))
    for nearest in ("nearest", "nearest-exact", mode.NEAREST_EXACT):  # which resizing alone tells apart for masks
        assert torch.equal(F.rotate(mask, 30.0, nearest), F.rotate(mask, 30.0))
        cut = F.resized_crop(mask, 1, 2, 6, 9, [4, 7], interpolation=nearest)
        assert torch.equal(cut, F.resized_crop(mask, 1, 2, 6, 9, [4, 7]))
    assert torch.equal(F.resize_image(image, [5, 7], "bicubic"), F.resize(image, [5, 7], mode.BICUBIC))
    with pytest.raises(TypeError, match="interpolation"):
        v1.functional.resize(image, [5, 7], "bilinear")


def test_orders_of_channels_may_be_tensors(device, recwarn):
    image = torch.from_numpy(PIXELS[0, 0, :3]).to(device)
    assert torch.equal(F.permute_channels(image, torch.tensor([2, 0, 1])), image[[2, 0, 1]])
    drawn = v2.RandomChannelPermutation().make_params([image])["permutation"]
    assert type(drawn) is torch.Tensor and sorted(drawn.tolist()) == [0, 1, 2]
    assert v2.RandomPhotometricDistort(p=1.0)(image).shape == image.shape and not recwarn.list
