"""Turned boxes: what transforms make of them is torchvision's, and their formats tell the same boxes."""

import json
from pathlib import Path

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import tv_tensors as tv
from cltorch.vision.transforms import v2
from cltorch.vision.transforms.v2 import functional as F
from cltorch.vision.utils import draw_bounding_boxes

# from torchvision 0.28: canvas, and the second and the fourth box
RECORDED = json.loads((Path(__file__).parent / "rotated_boxes.json").read_text())
FORMATS = ("CXCYWHR", "XYWHR", "XYXYXYXY")
BOXES = [[6, 5, 4, 3, 30], [-1.5, 4, 6, 2.5, -100], [13, 10, 7, 5, 160], [8, 6, 30, 4, 45]]
ARGUMENTS = {
    "horizontal_flip": (), "vertical_flip": (), "crop": (1, 2, 8, 9), "pad": ([1, 2, 3, 4],), "resize": ([26, 9],),
    "affine": (30.0, [1, 2], 1.2, [5.0, 6.0]), "rotate": (-40.0,),
    "perspective": ([[0, 0], [16, 0], [16, 12], [0, 12]], [[1, 2], [14, 1], [15, 11], [2, 10]]),
}  # fmt: skip


def boxes(format, mode="soft", device="cpu"):
    first = torch.tensor(BOXES, dtype=torch.float32, device=device)
    values = F.convert_bounding_box_format(first, old_format=tv.BoundingBoxFormat.XYWHR, new_format=format)
    return tv.BoundingBoxes(values, format=format, canvas_size=(13, 17), clamping_mode=mode)


@pytest.mark.parametrize("format", FORMATS)
def test_transforms_give_torchvisions_boxes(device, format):
    for key, (canvas, *numbers) in RECORDED.items():
        name, of, mode = key.split()
        if of != format:
            continue
        given = boxes(format, None if mode == "None" else mode, device)
        arguments = (torch.full((1, 13, 17, 2), 0.1),) if name == "elastic" else ARGUMENTS[name]
        found = getattr(F, name)(given, *arguments)
        assert type(found) is tv.BoundingBoxes and found.format.value == format and list(found.canvas_size) == canvas
        values = found.cpu().as_subclass(torch.Tensor)[[1, 3]].numpy().ravel()
        if format != "XYXYXYXY":  # an angle is the same a turn later
            values[4::5] += np.round((np.array(numbers)[4::5] - values[4::5]) / 360) * 360
        np.testing.assert_allclose(values, numbers, rtol=1e-3, atol=4e-3, err_msg=key)


def test_formats_tell_the_same_boxes(device):
    for old in FORMATS:
        for new in FORMATS:
            back = F.convert_bounding_box_format(
                F.convert_bounding_box_format(boxes(old, device=device), new_format=new), new_format=old
            )
            torch.testing.assert_close(
                back.as_subclass(torch.Tensor), boxes(old, device=device).as_subclass(torch.Tensor)
            )
    # the first corner at (1, 4), up by 2 and then to the right by 1
    box = tv.BoundingBoxes([[1.0, 4.0, 2.0, 1.0, 90.0]], format="XYWHR", canvas_size=(9, 9))
    corners = v2.ConvertBoundingBoxFormat("XYXYXYXY")(box)
    np.testing.assert_allclose(corners.numpy(), [[1, 4, 1, 2, 2, 2, 2, 4]], atol=1e-6)
    with pytest.raises(ValueError, match="between rotated and unrotated"):
        F.convert_bounding_box_format(box, new_format="XYXY")


def test_boxes_are_sanitized_by_their_corners(device):
    kept, valid = F.sanitize_bounding_boxes(boxes("CXCYWHR", device=device))
    assert valid.tolist() == [True, False, True, False] and kept.shape == (2, 5) and kept.format.value == "CXCYWHR"
    assert F.sanitize_bounding_boxes(boxes("XYWHR", device=device), min_size=3.5)[1].tolist() == [
        False,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("mode", ["soft", "hard", None])
def test_what_lies_inside_stays(mode):
    inside = tv.BoundingBoxes([[8.0, 6, 4, 3, 30]], format="CXCYWHR", canvas_size=(13, 17), clamping_mode=mode)
    corners = F.convert_bounding_box_format(F.clamp_bounding_boxes(inside), new_format="XYXYXYXY")
    expected = F.convert_bounding_box_format(inside, new_format="XYXYXYXY")
    points = [sorted(x.reshape(4, 2).round(decimals=3).tolist()) for x in (corners, expected)]
    np.testing.assert_allclose(*points, atol=2e-3)


def test_no_boxes_stay_none():
    for format, length in (("CXCYWHR", 5), ("XYXYXYXY", 8)):
        none = tv.BoundingBoxes(torch.zeros(0, length), format=format, canvas_size=(4, 5))
        for found in (
            F.rotate(none, 30),
            F.crop(none, 0, 1, 2, 3),
            F.horizontal_flip(none),
            F.clamp_bounding_boxes(none),
        ):
            assert found.shape == (0, length)


def test_what_turned_boxes_must_be():
    assert tv.is_rotated_bounding_format("XYWHR") and tv.is_rotated_bounding_format(tv.BoundingBoxFormat.XYXYXYXY)
    assert not tv.is_rotated_bounding_format(tv.BoundingBoxFormat.XYXY)
    with pytest.raises(ValueError, match="floating point tensors, got torch.int64"):
        tv.BoundingBoxes([[1, 2, 3, 4, 5]], format="CXCYWHR", canvas_size=(4, 4))
    with pytest.raises(ValueError, match=r"boxes \(N, 8\)"):
        tv.BoundingBoxes([[1.0, 2, 3, 4, 5]], format="XYXYXYXY", canvas_size=(4, 4))
    with pytest.raises(ValueError, match="str or BoundingBoxFormat"):
        tv.is_rotated_bounding_format(3)


def test_representations_are_torchvisions():
    assert repr(boxes("XYWHR")[:1]) == "tensor([[ 6.,  5.,  4.,  3., 30.]])"
    two = tv.BoundingBoxes([[1.0, 2, 3, 4], [5, 6, 7, 8]], format="XYXY", canvas_size=(9, 9))
    assert repr(two) == (
        "BoundingBoxes([[1., 2., 3., 4.],\n               [5., 6., 7., 8.]], "
        "format=BoundingBoxFormat.XYXY, canvas_size=(9, 9), clamping_mode=soft)"
    )
    assert repr(tv.Mask([[1, 2]])) == "Mask([[1, 2]])" and repr(tv.Image([[1, 2]])) == "Image([[[1, 2]]], )"


def test_turned_boxes_are_drawn_with_a_dashed_first_side():
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    box = torch.tensor([[3.0, 5, 25, 5, 25, 15, 3, 15]])
    drawn = draw_bounding_boxes(image, box, colors=(7, 8, 9))
    # as torchvision 0.28 draws it: dashes and gaps of five
    assert drawn[0, 5].nonzero().flatten().tolist() == [*range(3, 9), *range(13, 19), *range(23, 26)]
    assert drawn[1, 15].nonzero().flatten().tolist() == list(range(3, 26)) and drawn[2, 10, [3, 25]].tolist() == [9, 9]
    assert int((drawn[0] > 0).sum()) == 15 + 23 + 2 * 9
    filled = draw_bounding_boxes(image + 100, box, colors=(7, 8, 9), fill=True)
    assert filled[0, 10, 12].item() not in (7, 100) and filled[0, 1, 1].item() == 100
