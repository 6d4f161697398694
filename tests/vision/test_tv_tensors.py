"""What operators make of tensors that say what they are, and how plain ones become such."""

import copy

import pytest

import cltorch as torch
from cltorch.vision import tv_tensors as tv


def boxes(device="cpu"):
    values = torch.tensor([[1.0, 2, 3, 4], [0, 1, 5, 6]], device=device)
    return tv.BoundingBoxes(values, format="XYWH", canvas_size=(9, 12), clamping_mode=None)


def test_operators_return_the_kind_where_asked(device):
    b, image = boxes(device), tv.Image(torch.ones(3, 4, 5, device=device))
    with tv.set_return_type("TVTensor"):
        assert type(image + 2) is type(2 * image) is type(image.flip(-1)) is type(image[0]) is tv.Image
        assert (image + 2).tolist() == (torch.ones(3, 4, 5) + 2).tolist()
        assert type(torch.add(image, 1)) is tv.Image and image.shape == (3, 4, 5) and image.sum().item() == 60
        moved = b + 1
        assert type(moved) is tv.BoundingBoxes and moved.format is b.format and moved.canvas_size == (9, 12)
        assert moved.clamping_mode is None and [type(part) for part in b.unbind()] == [tv.BoundingBoxes] * 2
        assert type(torch.ones(2, device=device) + 1) is torch.Tensor
        with tv.set_return_type("tensor"):
            assert type(image + 2) is torch.Tensor
        assert type(image + 2) is tv.Image and type(image.clone()) is tv.Image
    assert type(image + 2) is torch.Tensor and type(b + 1) is torch.Tensor and type(b.clone()) is tv.BoundingBoxes
    with pytest.raises(ValueError, match="return_type must be"):
        tv.set_return_type("Image")


def test_wrap(device):
    b, plain = boxes(device), torch.zeros(1, 4, device=device)
    for out in (tv.wrap(plain, like=b, format="xyxy"), tv.BoundingBoxes.wrap(plain, b, format="XYXY")):
        assert type(out) is tv.BoundingBoxes and out.format is tv.BoundingBoxFormat.XYXY
        assert out.canvas_size == (9, 12) and out.clamping_mode is None
    assert tv.wrap(plain[0], like=b).shape == (1, 4)
    assert type(tv.Mask.wrap(plain, like=tv.Mask(plain))) is tv.Mask
    assert tv.wrap(plain, like=tv.KeyPoints(plain[:, :2], canvas_size=(3, 4)), canvas_size=(5, 6)).canvas_size == (5, 6)
    assert tv.wrap(plain, like=plain) is plain
    with pytest.raises(ValueError, match="1D or 2D"):
        tv.wrap(plain[None], like=b)
    with pytest.raises(ValueError, match="clamping_mode"):
        tv.wrap(plain, like=b, clamping_mode="none")


def test_a_class_of_ones_own_says_how_it_is_wrapped():
    class Depth(tv.TVTensor):
        @classmethod
        def wrap(cls, tensor, like, **kwargs):
            out = tensor.as_subclass(cls)
            out.unit = kwargs.get("unit", like.unit)
            return out

    depth = torch.ones(2).as_subclass(Depth)
    depth.unit = "m"
    assert tv.wrap(depth + 1, like=depth).unit == "m" and tv.wrap(depth + 1, like=depth, unit="mm").unit == "mm"


def test_copies_keep_the_kind_and_what_it_knows():
    b = copy.deepcopy(boxes())
    assert type(b) is tv.BoundingBoxes and b.canvas_size == (9, 12) and b.tolist() == boxes().tolist()
