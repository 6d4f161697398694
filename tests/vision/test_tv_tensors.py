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


def test_what_works_in_place_returns_a_plain_tensor_and_leaves_the_kind(device):
    b, image = boxes(device), tv.Image(torch.ones(3, 4, 5, device=device))
    out = b.add_(1)
    assert type(out) is torch.Tensor and type(b) is tv.BoundingBoxes and out.data_ptr() == b.data_ptr()
    assert b.tolist() == (boxes() + 1).tolist()
    for same in (
        image.float(),
        image.type(torch.float32),
        image.contiguous(),
        image.mul_(2),
        image.clamp_(0, 1),
        image.copy_(image),
    ):
        assert type(same) is torch.Tensor and same.data_ptr() == image.data_ptr()
    before = image
    image += 1
    assert type(image) is torch.Tensor and type(before) is tv.Image and before.unique().tolist() == [2]
    assert type(before.requires_grad_()) is tv.Image and before.requires_grad
    with torch.no_grad(), tv.set_return_type("TVTensor"):
        assert type(before.add_(1)) is type(before.float()) is tv.Image and type(b.zero_()) is tv.BoundingBoxes


def test_gradients_are_wanted_as_said(device):
    values = torch.ones(1, 2, 2, device=device, requires_grad=True)
    assert tv.Image(values).requires_grad
    assert not tv.Image(values, requires_grad=False).requires_grad
    assert tv.Image(torch.ones(1, 2, 2, device=device), requires_grad=True).requires_grad


def test_wrap(device):
    b, plain = boxes(device), torch.zeros(1, 4, device=device)
    for out in (tv.wrap(plain, like=b, format="xyxy"), tv.BoundingBoxes.wrap(plain, b, format="XYXY")):
        assert type(out) is tv.BoundingBoxes and out.format is tv.BoundingBoxFormat.XYXY
        assert out.canvas_size == (9, 12) and out.clamping_mode is None
    assert tv.wrap(plain[0], like=b).shape == (1, 4)
    assert type(tv.Mask.wrap(plain, like=tv.Mask(plain))) is tv.Mask
    points = tv.KeyPoints(plain[:, :2], canvas_size=(3, 4))
    assert tv.wrap(plain[:, :2], like=points, canvas_size=(5, 6)).canvas_size == (5, 6)
    with pytest.raises(ValueError, match=r"\(\.\.\., 2\)"):
        tv.wrap(plain, like=points)
    with pytest.raises(ValueError, match="format should be"):
        tv.BoundingBoxes(plain, format=4, canvas_size=(3, 4))
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


def test_deep_copies_want_gradients_as_the_original_does(device):
    for given in (tv.Image(torch.ones(1, 2, 2, device=device), requires_grad=True), boxes(device).requires_grad_()):
        copied = copy.deepcopy({"x": given})["x"]
        assert type(copied) is type(given) and copied.requires_grad and copied.is_leaf and copied.grad_fn is None
        assert copied.data_ptr() != given.data_ptr() and torch.equal(copied, given)
    assert copy.deepcopy(boxes(device).requires_grad_()).canvas_size == (9, 12)


def test_kinds_of_a_program_are_made_as_torchvisions_are(device):
    class Heat(tv.TVTensor):
        def __new__(cls, data, *, dtype=None, device=None, requires_grad=None):
            return cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad).as_subclass(cls)

    class Faces(tv.BoundingBoxes):
        pass

    heat = Heat([[1, 2]], dtype=torch.float32, device=device, requires_grad=True)
    assert type(heat) is Heat and heat.requires_grad and heat.dtype is torch.float32 and heat.tolist() == [[1, 2]]
    faces = Faces._wrap(torch.zeros(4, device=device), format="xywh", canvas_size=(3, 4))
    assert type(faces) is Faces and faces.shape == (1, 4) and faces.format is tv.BoundingBoxFormat.XYWH
    assert faces.clamping_mode == "soft" and type(tv.wrap(faces + 1, like=faces)) is Faces
    points = tv.KeyPoints._wrap(torch.zeros(2, device=device), canvas_size=(3, 4))
    assert type(points) is tv.KeyPoints and points.shape == (1, 2) and points.canvas_size == (3, 4)
    for wrong in (lambda: Faces._wrap(torch.zeros(1, 1, 4), format="XYXY", canvas_size=(3, 4)),
                  lambda: tv.KeyPoints._wrap(torch.zeros(1, 3), canvas_size=(3, 4))):  # fmt: skip
        with pytest.raises(ValueError, match="Expected a"):
            wrong()
