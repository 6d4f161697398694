"""The functions of the second transforms for one kind each: plain tensors in, plain tensors out."""

import inspect

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import tv_tensors
from cltorch.vision.transforms import InterpolationMode
from cltorch.vision.transforms.v2 import functional as F

PIXELS = np.random.default_rng(3).integers(0, 256, (3, 9, 12), np.uint8)
PLACES = {
    "affine": (30.0, [1, 2], 1.1, [3.0, 4.0]),
    "center_crop": ([4, 5],),
    "crop": (1, 2, 4, 5),
    "horizontal_flip": (),
    "pad": ([1, 2],),
    "perspective": ([[0, 0], [11, 0], [11, 8], [0, 8]], [[1, 0], [10, 0], [11, 8], [0, 7]]),
    "resize": ([5, 7],),
    "resized_crop": (1, 2, 4, 5, [6, 8]),
    "rotate": (30.0,),
    "vertical_flip": (),
}
WITHOUT_CANVAS = ("crop", "resized_crop")


@pytest.mark.parametrize("name", PLACES)
def test_kernels_do_what_the_functions_of_all_kinds_do(name, device):
    args, image = PLACES[name], torch.from_numpy(PIXELS).to(device)
    of_image = getattr(F, f"{name}_image")(image, *args)
    assert type(of_image) is torch.Tensor and torch.equal(of_image, getattr(F, name)(image, *args))
    video = torch.stack([image, image])
    assert torch.equal(getattr(F, f"{name}_video")(video, *args)[1], of_image)
    mask = tv_tensors.Mask(image[0] // 64)
    of_mask = getattr(F, f"{name}_mask")(image[0] // 64, *args)
    assert type(of_mask) is torch.Tensor and torch.equal(of_mask, getattr(F, name)(mask, *args))

    def check(kind, known, got):
        moved, canvas = got if isinstance(got, tuple) else (got, known.canvas_size)
        expected = getattr(F, name)(known, *args)
        assert type(moved) is torch.Tensor and canvas == expected.canvas_size and torch.equal(moved, expected), kind

    canvas = (9, 12)
    corners = torch.tensor([[1.0, 2, 6, 7], [-2, 0, 5, 4.5]], device=device)
    boxes = tv_tensors.BoundingBoxes(corners, format="XYWH", canvas_size=canvas)
    size = {} if name in WITHOUT_CANVAS else {"canvas_size": canvas}
    names = [p for p in inspect.signature(getattr(F, f"{name}_bounding_boxes")).parameters if p not in
             ("bounding_boxes", "format", "canvas_size")]  # fmt: skip
    given = dict(zip(names, args, strict=False))
    got = getattr(F, f"{name}_bounding_boxes")(corners, format=boxes.format, **size, **given)
    check("boxes", boxes, got)
    dots = torch.tensor([[1.0, 2], [6, 7.5]], device=device)
    got = getattr(F, f"{name}_keypoints")(dots, **size, **given)
    check("points", tv_tensors.KeyPoints(dots, canvas_size=canvas), got)


def test_known_places(device):
    boxes = torch.tensor([[1.0, 2, 4, 5]], device=device)
    xyxy = tv_tensors.BoundingBoxFormat.XYXY
    assert F.horizontal_flip_bounding_boxes(boxes, xyxy, (9, 12)).tolist() == [[8, 2, 11, 5]]
    assert F.vertical_flip_keypoints(boxes[:, :2], (9, 12)).tolist() == [[1, 6]]
    moved, canvas = F.pad_bounding_boxes(boxes, xyxy, (9, 12), [1, 2, 3, 4])
    assert moved.tolist() == [[2, 4, 5, 7]] and canvas == (15, 16)
    moved, canvas = F.crop_bounding_boxes(boxes[0], xyxy, 3, 2, 4, 5)
    assert moved.tolist() == [0, 0, 2, 2] and canvas == (4, 5)
    assert F.crop_bounding_boxes(boxes, xyxy, 3, 2, 4, 5, clamping_mode=None)[0].tolist() == [[-1, -1, 2, 2]]
    moved, canvas = F.resize_bounding_boxes(boxes, (9, 12), [18, 6])
    assert moved.tolist() == [[0.5, 4, 2, 10]] and canvas == (18, 6)
    moved, canvas = F.affine_keypoints(boxes[:, :2], (9, 12), 0.0, [1, 2], 1.0, [0.0, 0.0])
    assert moved.tolist() == [[2, 4]] and canvas == (9, 12)
    assert F.elastic_bounding_boxes(boxes, xyxy, (9, 12), torch.zeros(1, 9, 12, 2)).shape == (1, 4)


def test_masks_keep_their_classes(device):
    mask = torch.from_numpy(PIXELS[0]).to(device)
    resized = F.resize_mask(mask, [5, 30], InterpolationMode.BICUBIC)
    assert resized.shape == (5, 30) and set(resized.flatten().tolist()) <= set(mask.flatten().tolist())
    assert torch.equal(F.elastic_mask(mask, torch.zeros(1, 9, 12, 2)), mask)
    assert "interpolation" not in inspect.signature(F.rotate_mask).parameters


def test_kernels_of_colours_and_questions(device):
    image = torch.from_numpy(PIXELS).to(device)
    assert torch.equal(F.invert_image(image), 255 - image)
    assert torch.equal(F.rgb_to_grayscale_image(image, num_output_channels=3), F.rgb_to_grayscale(image, 3))
    assert len(F.five_crop_image(image, [4, 4])) == 5 and len(F.ten_crop_video(image[None], [4, 4])) == 10
    assert F.get_dimensions_image(image) == [3, 9, 12] and F.get_size_mask(image[0]) == [9, 12]
    assert F.get_num_channels_video(video=image[None]) == 3 and F.get_num_frames_video(image[None]) == 1
    assert F.get_size_keypoints(tv_tensors.KeyPoints(torch.zeros(1, 2), canvas_size=(3, 4))) == [3, 4]
    assert F.uniform_temporal_subsample_video(torch.stack([image] * 3), 2).shape == (2, 3, 9, 12)
    assert not hasattr(F, "grayscale_to_rgb_video")
    with pytest.raises(TypeError, match="missing a required argument: 'brightness_factor'"):
        F.adjust_brightness_image(image)
