"""Deformable convolution, position-sensitive pooling, feature pyramids and dropped blocks, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch.nn import functional as F
from cltorch.vision import ops, utils
from cltorch.vision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7
from tests.vision.test_ops import ROIS, plain_roi_align

rng = np.random.default_rng(0)


def at(plane, y, x):
    """Return a bilinear value of a plane that is zero outside."""
    i, j = int(np.floor(y)), int(np.floor(x))
    total = 0.0
    for r, wy in ((i, i + 1 - y), (i + 1, y - i)):
        for c, wx in ((j, j + 1 - x), (j + 1, x - j)):
            if 0 <= r < plane.shape[0] and 0 <= c < plane.shape[1]:
                total += wy * wx * plane[r, c]
    return total


def plain_deform(image, offset, weight, bias, stride, padding, dilation, mask):
    out = np.zeros((len(image), len(weight), *offset.shape[2:]))
    per_group, rows, columns = weight.shape[1:]
    k = rows * columns
    per_part = image.shape[1] // (offset.shape[1] // (2 * k))
    for n, o, h, w in np.ndindex(out.shape):
        total = bias[o]
        for c, i, j in np.ndindex(per_group, rows, columns):
            channel = o // (len(weight) // (image.shape[1] // per_group)) * per_group + c
            number = channel // per_part * k + i * columns + j
            y = h * stride[0] - padding[0] + i * dilation[0] + offset[n, 2 * number, h, w]
            x = w * stride[1] - padding[1] + j * dilation[1] + offset[n, 2 * number + 1, h, w]
            total += weight[o, c, i, j] * at(image[n, channel], y, x) * mask[n, number, h, w]
        out[n, o, h, w] = total
    return out


def test_deformable_convolution(device):
    image, weight, bias = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(4, 2, 2, 3)), rng.normal(size=4)
    geometry = (2, 1), (1, 0), (1, 2)
    offset, mask = rng.normal(size=(2, 24, 3, 2)) * 2, rng.uniform(size=(2, 12, 3, 2))
    given = [torch.tensor(a, dtype=torch.float32, device=device) for a in (image, offset, weight, bias, mask)]
    mine = ops.deform_conv2d(*given[:4], *geometry, given[4])
    np.testing.assert_allclose(
        mine.cpu().numpy(), plain_deform(image, offset, weight, bias, *geometry, mask), rtol=1e-3, atol=1e-4
    )
    layer = ops.DeformConv2d(4, 6, 3, padding=1, groups=2).to(device)
    still = torch.zeros(2, 18, 5, 6, device=device)
    expected = F.conv2d(given[0], layer.weight, layer.bias, padding=1, groups=2)
    torch.testing.assert_close(layer(given[0], still), expected, rtol=1e-4, atol=1e-5)
    assert repr(layer) == "DeformConv2d(4, 6, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2)"
    with pytest.raises(RuntimeError, match="dimension 1 is not valid"):
        layer(given[0], still[:, :4])


def test_deformable_convolution_has_gradients():
    draw = torch.Generator().manual_seed(0)
    shapes = (1, 2, 4, 4), (1, 16, 3, 3), (2, 2, 2, 2), (2,), (1, 8, 3, 3)
    given = [torch.randn(*s, dtype=torch.float64, generator=draw, requires_grad=True) for s in shapes]
    assert torch.autograd.gradcheck(
        lambda x, o, w, b, m: ops.deform_conv2d(x, o * 0.3 + 0.25, w, b, mask=m), tuple(given)
    )


@pytest.mark.parametrize("ratio", [2, -1])
def test_position_sensitive_alignment(device, ratio):
    image = rng.normal(size=(2, 12, 9, 10))
    regions = ROIS[:3]
    mine = ops.ps_roi_align(
        torch.tensor(image, dtype=torch.float32, device=device), torch.tensor(regions, device=device), (2, 3), 0.75,
        ratio,
    )  # fmt: skip
    whole = plain_roi_align(image, regions, 2, 3, 0.75, ratio, True)
    expected = np.stack([[whole[:, c * 6 + i * 3 + j, i, j] for j in range(3)] for c in range(2) for i in range(2)])
    expected = expected.reshape(2, 2, 3, len(regions)).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(mine.cpu().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert repr(ops.PSRoIAlign(2, 0.5, 1)) == "PSRoIAlign(output_size=2, spatial_scale=0.5, sampling_ratio=1)"
    with pytest.raises(RuntimeError, match="must be a multiple"):
        ops.ps_roi_align(torch.zeros(1, 5, 4, 4), [torch.zeros(0, 4)], 2)


def test_position_sensitive_pooling(device):
    image = rng.normal(size=(2, 12, 9, 10)).astype(np.float32)
    mine = ops.PSRoIPool((2, 3), 0.75)(torch.tensor(image, device=device), torch.tensor(ROIS, device=device))
    expected = np.zeros(mine.shape, np.float32)
    for r, (b, *corners) in enumerate(ROIS):
        x1, y1, x2, y2 = (int(np.copysign(np.floor(abs(c * 0.75) + 0.5), c)) for c in corners)
        height, width = max(y2 - y1, 1), max(x2 - x1, 1)
        for c, i, j in np.ndindex(2, 2, 3):
            rows = np.clip([y1 + int(np.floor(i * height / 2)), y1 + int(np.ceil((i + 1) * height / 2))], 0, 8)
            columns = np.clip([x1 + int(np.floor(j * width / 3)), x1 + int(np.ceil((j + 1) * width / 3))], 0, 9)
            bin = image[int(b), c * 6 + i * 3 + j, slice(*rows), slice(*columns)]
            expected[r, c, i, j] = bin.mean() if bin.size else 0
    np.testing.assert_allclose(mine.cpu().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_regions_are_pooled_from_the_map_that_suits_them():
    maps = {name: torch.randn(2, 3, n, n) for name, n in (("fine", 32), ("middle", 16), ("coarse", 8), ("other", 4))}
    boxes = [torch.tensor([[0.0, 0, 10, 10], [5, 5, 60, 62]]), torch.tensor([[10.0, 10, 42, 45]])]
    pool = ops.MultiScaleRoIAlign(["fine", "middle", "coarse"], 2, 2, canonical_scale=32, canonical_level=2)
    found = pool(maps, boxes, [(64, 64), (50, 60)])
    assert pool.scales == [0.5, 0.25, 0.125] and found.shape == (3, 3, 2, 2)
    for row, (image, box, name, scale) in enumerate(
        [(0, boxes[0][:1], "fine", 0.5), (0, boxes[0][1:], "middle", 0.25), (1, boxes[1], "middle", 0.25)]
    ):
        expected = ops.roi_align(maps[name][image : image + 1], [box], 2, scale, 2)
        torch.testing.assert_close(found[row : row + 1], expected)
    assert repr(pool) == (
        "MultiScaleRoIAlign(featmap_names=['fine', 'middle', 'coarse'], output_size=(2, 2), sampling_ratio=2)"
    )


def test_feature_pyramid():
    maps = {"a": torch.randn(1, 2, 9, 8), "b": torch.randn(1, 4, 4, 4)}
    pyramid = ops.FeaturePyramidNetwork([2, 4], 3, LastLevelMaxPool())
    found = pyramid(maps)
    coarse = pyramid.inner_blocks[1](maps["b"])
    fine = pyramid.inner_blocks[0](maps["a"]) + F.interpolate(coarse, size=(9, 8))
    assert list(found) == ["a", "b", "pool"] and found["pool"].shape == (1, 3, 2, 2)
    torch.testing.assert_close(found["a"], pyramid.layer_blocks[0](fine))
    torch.testing.assert_close(found["b"], pyramid.layer_blocks[1](coarse))
    assert list(pyramid.state_dict())[:2] == ["inner_blocks.0.0.weight", "inner_blocks.0.0.bias"]
    further = ops.FeaturePyramidNetwork([2, 4], 3, LastLevelP6P7(4, 3))(maps)
    assert [tuple(m.shape) for m in further.values()][2:] == [(1, 3, 2, 2), (1, 3, 1, 1)]
    with pytest.raises(TypeError, match="ExtraFPNBlock"):
        ops.FeaturePyramidNetwork([2], 3, torch.nn.ReLU())


def test_dropped_blocks(device):
    torch.manual_seed(0)
    x = torch.ones(16, 4, 20, 20, device=device)
    y = ops.drop_block2d(x, 0.2, 5).cpu()
    share = (y == 0).float().mean().item()
    assert 0.1 < share < 0.25 and y.mean().item() == pytest.approx(1, abs=1e-3)
    # every zero belongs to a square of zeros
    holes = F.max_pool2d(-F.max_pool2d((y != 0).float(), 5, stride=1), 5, stride=1, padding=0)
    assert holes.shape == (16, 4, 12, 12)
    inner = (y == 0).float()[:, :, 4:16, 4:16]
    assert ((inner == 0) | (holes == 0)).all()
    cubes = ops.drop_block3d(x[:4].reshape(4, 4, 4, 10, 10), 0.2, 3)
    assert 0 < (cubes == 0).float().mean().item() < 0.3
    still = ops.DropBlock3d(0.5, 3).eval()
    assert still(cubes) is cubes and repr(still) == "DropBlock3d(p=0.5, block_size=3, inplace=False)"
    with pytest.raises(ValueError, match="should be 4 dimensional. Got 5"):
        ops.drop_block2d(cubes, 0.1, 3)


def test_areas_of_other_forms():
    b = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    assert [ops.box_area(b, f).item() for f in ("xyxy", "xywh", "cxcywh")] == [18, 32, 32]
    with pytest.raises(ValueError, match="format yxyx"):
        ops.box_area(b, "yxyx")


def test_optical_flow_in_colours():
    flow = torch.tensor([[1.0, -1, 0, 0, 0], [0, 0, 1, -1, 0]])[:, None]
    # recorded from torchvision 0.28: right, left, down, up, nowhere
    expected = [[255, 0, 0], [0, 209, 255], [255, 229, 0], [88, 0, 255], [255, 255, 255]]
    assert utils.flow_to_image(flow)[:, 0].T.tolist() == expected
    assert utils.flow_to_image(flow[None].expand(2, -1, -1, -1)).shape == (2, 3, 1, 5)
    with pytest.raises(ValueError, match="dtype torch.float"):
        utils.flow_to_image(flow.double())


def test_maps_without_boxes_have_gradients_of_zero(device):
    maps = {"a": torch.rand(1, 2, 16, 16, device=device), "b": torch.rand(1, 2, 4, 4, device=device)}
    for m in maps.values():
        m.requires_grad_()
    small = torch.tensor([[1.0, 1, 6, 6]], device=device)
    ops.MultiScaleRoIAlign(["a", "b"], 2, 2)(maps, [small], [(64, 64)]).sum().backward()
    assert maps["a"].grad.abs().sum() > 0 and maps["b"].grad.abs().sum() == 0
