"""Boxes, suppression, pooling of regions, losses and blocks, against torchvision and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch as torch
from cltorch.vision import ops

FORMS = ["xyxy", "xywh", "cxcywh"]


def boxes(n, seed=0, size=20.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, size, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, size / 2, (n, 2))], 1).astype(np.float32)


def plain_iou(a, b):
    inter = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return inter / (sum(area) - inter)


def plain_nms(b, scores, threshold):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(plain_iou(b[i], b[j]) <= threshold for j in kept):
            kept.append(int(i))
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [0, 1, 40])
def test_nms_keeps_what_a_loop_keeps(device, n, threshold):
    b, scores = boxes(n), np.random.default_rng(1).uniform(size=n).astype(np.float32)
    kept = ops.nms(torch.tensor(b, device=device).reshape(n, 4), torch.tensor(scores, device=device), threshold)
    assert kept.dtype is torch.int64 and kept.tolist() == plain_nms(b, scores, threshold)


@pytest.mark.parametrize("pool", ["roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool"])
def test_regions_keep_their_places_under_autocast(device, pool):
    x = torch.zeros(1, 4, 2, 4096, device=device)
    x[..., 2049] = 1.0
    rois = torch.tensor([[0.0, 2047.0, 0.0, 2051.0, 1.0], [0.0, 2049.0, 0.0, 2050.0, 1.0]], device=device)
    expected = getattr(ops, pool)(x, rois, (1, 1))
    with torch.autocast(device.split(":")[0]):
        found = getattr(ops, pool)(x.to(torch.bfloat16), rois, (1, 1))
    assert found.dtype is torch.bfloat16 and expected.abs().max().item() > 0.2
    torch.testing.assert_close(found.float(), expected, rtol=1e-2, atol=1e-3)


def test_suppression_takes_mixed_precision(device):
    b, scores = (torch.tensor(v, device=device) for v in ([[0.0, 0, 4, 4], [0, 0, 4, 5]], [0.5, 0.9]))
    with torch.autocast(device.split(":")[0]):
        assert ops.nms(b, scores.half(), 0.5).tolist() == [1]
    with pytest.raises(RuntimeError, match="same type as scores"):
        ops.nms(b, scores.half(), 0.5)


@pytest.mark.parametrize("together", [4000, 20])
def test_nms_by_category(device, together, monkeypatch):
    monkeypatch.setattr(ops.boxes, "_TOGETHER", together)
    b, scores = boxes(30), np.random.default_rng(1).uniform(size=30).astype(np.float32)
    kinds = np.random.default_rng(2).integers(0, 3, 30)
    kept = ops.batched_nms(*(torch.tensor(x, device=device) for x in (b, scores, kinds)), 0.2)
    plain = [i for k in range(3) for i in np.flatnonzero(kinds == k)[plain_nms(b[kinds == k], scores[kinds == k], 0.2)]]
    assert kept.tolist() == sorted(plain, key=lambda i: -scores[i])


def test_iou_and_areas(device):
    a, b = boxes(5), boxes(7, seed=3)
    found = ops.box_iou(torch.tensor(a, device=device), torch.tensor(b, device=device)).cpu().numpy()
    np.testing.assert_allclose(found, [[plain_iou(x, y) for y in b] for x in a], rtol=1e-4, atol=1e-6)
    whole = torch.tensor([[0, 0, 200, 200]], dtype=torch.uint8, device=device)
    assert ops.box_area(whole).tolist() == [40_000]


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("source", FORMS)
def test_boxes_convert_there_and_back(device, source, target):
    b = torch.tensor(boxes(4), device=device)
    there = ops.box_convert(b, source, target)
    torch.testing.assert_close(ops.box_convert(there, target, source), b, rtol=1e-5, atol=1e-5)


def test_known_conversions():
    b = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    assert ops.box_convert(b, "xyxy", "cxcywh").tolist() == [[2.5, 5, 3, 6]]
    assert ops.box_convert(b, "xywh", "xyxy").tolist() == [[1, 2, 5, 10]]
    with pytest.raises(ValueError, match="Unsupported Bounding Box"):
        ops.box_convert(b, "xyxy", "yxyx")


def test_boxes_of_masks_clipping_and_small_ones(device):
    masks = torch.zeros(2, 6, 5, device=device)
    masks[0, 2:4, 1:3] = 1
    masks[1, 5, 4] = 1
    assert ops.masks_to_boxes(masks).tolist() == [[1, 2, 2, 3], [4, 5, 4, 5]]
    b = torch.tensor([[-1.0, 2.0, 30.0, 40.0], [1.0, 1.0, 1.5, 9.0]], device=device)
    assert ops.clip_boxes_to_image(b, (20, 10)).tolist() == [[0, 2, 10, 20], [1, 1, 1.5, 9]]
    assert ops.remove_small_boxes(b, 1.0).tolist() == [0]


def plain_generalised(a, b):
    hull = [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]
    area = (hull[2] - hull[0]) * (hull[3] - hull[1])
    inter = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)) - inter
    return inter / union - (area - union) / area


def plain_distance(a, b):
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    apart = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    return plain_iou(a, b) - apart / diagonal


def plain_complete(a, b):
    v = 4 / np.pi**2 * np.subtract(*(np.arctan((x[2] - x[0]) / (x[3] - x[1])) for x in (a, b))) ** 2
    return plain_distance(a, b) - v * v / (1 - plain_iou(a, b) + v)


OVERLAPS = {"generalized": plain_generalised, "distance": plain_distance, "complete": plain_complete}


@pytest.mark.parametrize("name", OVERLAPS)
def test_other_overlaps_follow_their_papers(device, name):
    a, b = boxes(5), boxes(7, seed=3)
    mine = getattr(ops, f"{name}_box_iou")(torch.tensor(a, device=device), torch.tensor(b, device=device))
    expected = [[OVERLAPS[name](x, y) for y in b.astype(np.float64)] for x in a.astype(np.float64)]
    np.testing.assert_allclose(mine.cpu().numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OVERLAPS)
def test_losses_of_boxes_are_one_less_the_overlap(device, name):
    a, b = boxes(6), boxes(6, seed=3)
    loss = getattr(ops, f"{name}_box_iou_loss")
    x, y = torch.tensor(a, device=device), torch.tensor(b, device=device)
    expected = np.array([1 - OVERLAPS[name](p, q) for p, q in zip(a.astype(float), b.astype(float), strict=True)])
    np.testing.assert_allclose(loss(x, y).cpu().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert loss(x, y, reduction="mean").item() == pytest.approx(expected.mean(), rel=1e-4)
    assert loss(x, y, reduction="sum").item() == pytest.approx(expected.sum(), rel=1e-4)


@pytest.mark.parametrize("name", ["generalized", "distance"])  # the weight in the complete loss counts as a constant
def test_losses_of_boxes_have_gradients(device, fp64, name):
    if not fp64:
        pytest.skip("no float64")
    x, y = (torch.tensor(boxes(4, seed), dtype=torch.float64, device=device) for seed in (0, 3))
    loss = getattr(ops, f"{name}_box_iou_loss")
    assert torch.autograd.gradcheck(lambda a: loss(a, y), (x.requires_grad_(),))


@pytest.mark.parametrize("alpha", [0.25, -1])
def test_focal_loss_follows_its_paper(device, alpha):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 5)), rng.integers(0, 2, (4, 5)).astype(float)
    p = 1 / (1 + np.exp(-logits))
    right = np.where(targets == 1, p, 1 - p)
    weight = 1 if alpha < 0 else np.where(targets == 1, alpha, 1 - alpha)
    expected = -weight * (1 - right) ** 1.5 * np.log(right)
    given = [torch.tensor(t, dtype=torch.float32, device=device) for t in (logits, targets)]
    np.testing.assert_allclose(ops.sigmoid_focal_loss(*given, alpha, 1.5).cpu().numpy(), expected, rtol=1e-4)
    assert ops.sigmoid_focal_loss(*given, alpha, 1.5, "mean").item() == pytest.approx(expected.mean(), rel=1e-4)
    with pytest.raises(ValueError, match="Invalid Value for arg 'reduction': 'max'"):
        ops.sigmoid_focal_loss(*given, reduction="max")
    with pytest.raises(ValueError, match="Invalid alpha value: 2"):
        ops.sigmoid_focal_loss(*given, alpha=2)


ROIS = [[0, 0.0, 0.0, 7.0, 5.0], [1, 2.3, 1.2, 9.9, 8.8], [0, -3.0, -2.0, 2.0, 30.0], [1, 4.0, 4.0, 4.0, 4.0]]


def bilinear(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = int(y), int(x)
    k, m = min(i + 1, height - 1), min(j + 1, width - 1)
    p, q = y - i, x - j
    return (1 - p) * ((1 - q) * plane[i, j] + q * plane[i, m]) + p * ((1 - q) * plane[k, j] + q * plane[k, m])


def plain_roi_align(image, rois, rows, columns, scale, ratio, aligned):
    out = np.zeros((len(rois), image.shape[1], rows, columns))
    for r, (b, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (c * scale - 0.5 * aligned for c in corners)
        width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        gy, gx = (ratio, ratio) if ratio > 0 else (int(np.ceil(height / rows)), int(np.ceil(width / columns)))
        for c, i, j in np.ndindex(out.shape[1:]):
            points = [
                bilinear(
                    image[int(b), c],
                    y1 + (i + (p + 0.5) / gy) * height / rows,
                    x1 + (j + (q + 0.5) / gx) * width / columns,
                )
                for p in range(gy)
                for q in range(gx)
            ]
            out[r, c, i, j] = sum(points) / max(gy * gx, 1)
    return out


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(("size", "ratio"), [((3, 3), 2), ((2, 4), -1)])
def test_roi_align_averages_bilinear_samples(device, size, ratio, aligned):
    image = np.random.default_rng(0).normal(size=(2, 3, 9, 10))
    mine = ops.roi_align(
        torch.tensor(image, dtype=torch.float32, device=device), torch.tensor(ROIS, device=device), size, 0.75, ratio,
        aligned,
    )  # fmt: skip
    expected = plain_roi_align(image, ROIS, *size, 0.75, ratio, aligned)
    np.testing.assert_allclose(mine.cpu().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_regions_have_gradients(device, fp64):
    if not fp64:
        pytest.skip("no float64")
    image = torch.randn(2, 1, 5, 6, dtype=torch.float64, device=device, requires_grad=True)
    rois = torch.tensor(ROIS, dtype=torch.float64, device=device)
    assert torch.autograd.gradcheck(lambda x: ops.RoIAlign(2, 0.5, 2, True)(x, rois), (image,))
    assert torch.autograd.gradcheck(lambda x: ops.RoIPool(2, 0.5)(x, rois), (image,))


def test_roi_pool_takes_the_greatest(device):
    image = np.random.default_rng(0).normal(size=(2, 3, 9, 10)).astype(np.float32)
    mine = ops.roi_pool(torch.tensor(image, device=device), torch.tensor(ROIS, device=device), (2, 3), 0.75)
    expected = np.zeros(mine.shape, np.float32)
    for r, (b, *corners) in enumerate(ROIS):
        x1, y1, x2, y2 = (int(np.copysign(np.floor(abs(c * 0.75) + 0.5), c)) for c in corners)
        height, width = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for i, j in np.ndindex(2, 3):
            rows = np.clip([y1 + int(np.floor(i * height / 2)), y1 + int(np.ceil((i + 1) * height / 2))], 0, 9)
            columns = np.clip([x1 + int(np.floor(j * width / 3)), x1 + int(np.ceil((j + 1) * width / 3))], 0, 10)
            bin = image[int(b), :, slice(*rows), slice(*columns)].reshape(3, -1)
            expected[r, :, i, j] = bin.max(1) if bin.size else 0
    np.testing.assert_array_equal(mine.cpu().numpy(), expected)


def test_regions_as_a_list(device):
    x = torch.arange(32.0, device=device).reshape(2, 1, 4, 4)
    listed = [torch.tensor([[0.0, 0.0, 3.0, 3.0]], device=device), torch.zeros(0, 4, device=device)]
    assert ops.roi_align(x, listed, 2, sampling_ratio=2).shape == (1, 1, 2, 2)
    with pytest.raises(AssertionError, match=r"List\[Tensor\[L, 4\]\] is expected, got \(1, 3\)"):
        ops.roi_align(x, [torch.zeros(1, 3)], 2)


def test_frozen_batch_norm_is_batch_norm_in_evaluation(device):
    norm = torch.nn.BatchNorm2d(3).to(device)
    frozen = ops.FrozenBatchNorm2d(3).to(device)
    for t in (norm.weight.data, norm.bias.data, norm.running_mean):
        t.normal_()
    frozen.load_state_dict(norm.state_dict())
    x = torch.randn(2, 3, 4, 4, device=device)
    torch.testing.assert_close(frozen(x), norm.eval()(x), rtol=1e-5, atol=1e-5)
    assert not list(frozen.parameters()) and repr(frozen) == "FrozenBatchNorm2d(3, eps=1e-05)"


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_stochastic_depth_leaves_out_whole_samples(device, mode):
    x = torch.ones(64, 2, 3, device=device)
    y = ops.stochastic_depth(x, 0.5, mode).reshape(64, -1)
    assert set(y.flatten().tolist()) <= {0.0, 2.0}
    assert (y == y[:, :1]).all() and ((y == y[0]).all() if mode == "batch" else len(set(y[:, 0].tolist())) == 2)
    assert ops.StochasticDepth(0.5, mode).eval()(x) is x
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        ops.stochastic_depth(x, 2, mode)


def test_blocks_have_published_parameters():
    def shapes(module):
        return {name: tuple(t.shape) for name, t in module.state_dict().items() if "num_batches" not in name}

    assert shapes(ops.Conv2dNormActivation(3, 8)) == {
        "0.weight": (8, 3, 3, 3), "1.weight": (8,), "1.bias": (8,), "1.running_mean": (8,), "1.running_var": (8,),
    }  # fmt: skip
    assert shapes(ops.Conv3dNormActivation(3, 8, norm_layer=None)) == {"0.weight": (8, 3, 3, 3, 3), "0.bias": (8,)}
    assert shapes(ops.SqueezeExcitation(8, 2)) == {
        "fc1.weight": (2, 8, 1, 1), "fc1.bias": (2,), "fc2.weight": (8, 2, 1, 1), "fc2.bias": (8,),
    }  # fmt: skip
    assert list(shapes(ops.MLP(4, [8, 2]))) == ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_blocks_compute(device):
    x = torch.randn(2, 3, 8, 8, device=device)
    assert ops.Conv2dNormActivation(3, 4, 3, 2, dilation=2).to(device)(x).shape == (2, 4, 4, 4)
    assert ops.SqueezeExcitation(3, 2).to(device)(x).shape == x.shape
    assert ops.Permute([0, 2, 3, 1])(x).shape == (2, 8, 8, 3)
    assert ops.MLP(8, [4, 2], torch.nn.LayerNorm).to(device)(x).shape == (2, 3, 8, 2)


TURNED = [[10.0, 20, 8, 4, 30], [0, 0, 2, 6, -90], [5, 5, 3, 3, 0]]


def corners(x, y, width, height, angle):
    """Return the corners of a box around its centre, turned against the clock where y points down."""
    turn = np.deg2rad(angle)
    across, down = np.array([np.cos(turn), -np.sin(turn)]) * width, np.array([np.sin(turn), np.cos(turn)]) * height
    return [np.array([x, y]) + a * across / 2 + b * down / 2 for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def test_turned_boxes_are_converted(device):
    boxes = torch.tensor(TURNED, device=device)
    expected = np.array([np.concatenate(corners(*row)) for row in TURNED])
    four = ops.box_convert(boxes, "cxcywhr", "xyxyxyxy")
    assert np.allclose(four.cpu().numpy(), expected, atol=1e-5)
    corner = ops.box_convert(boxes, "cxcywhr", "xywhr").cpu().numpy()
    assert np.allclose(corner[:, :2], expected[:, :2], atol=1e-5)
    assert np.array_equal(corner[:, 2:], np.float32(TURNED)[:, 2:])
    for fmt in ("xywhr", "xyxyxyxy"):
        back = ops.box_convert(ops.box_convert(boxes, "cxcywhr", fmt), fmt, "cxcywhr")
        assert np.allclose(back.cpu().numpy(), TURNED, atol=1e-4)
    assert ops.box_convert(boxes.int(), "cxcywhr", "xywhr")[0].tolist() == [6, 20, 8, 4, 30]
    for call in (lambda: ops.box_convert(boxes, "xywhr", "xyxy"), lambda: ops.box_iou(boxes, boxes, "cxcywhr")):
        with pytest.raises(NotImplementedError):
            call()


def test_masks_without_a_pixel_and_scores_of_another_dtype(device):
    masks = torch.zeros(2, 5, 6, device=device)
    masks[1, 2, 3] = 1
    assert ops.masks_to_boxes(masks).tolist() == [[0, 0, 0, 0], [3, 2, 3, 2]]
    with pytest.raises(RuntimeError, match="same type"):
        ops.nms(torch.zeros(3, 4, device=device), torch.zeros(3, dtype=torch.float16, device=device), 0.5)


def test_operators_by_their_schemas(device):
    rng = np.random.default_rng(5)
    pixels = torch.from_numpy(rng.standard_normal((2, 4, 9, 9)).astype(np.float32)).to(device).requires_grad_()
    rois = torch.tensor([[0.0, 1, 1, 6, 7], [1, 0, 2, 8, 8]], device=device)
    found = torch.ops.torchvision.roi_align(pixels, rois, 0.5, 2, 3, 2, True)
    assert torch.equal(found, ops.roi_align(pixels, rois, (2, 3), 0.5, 2, True))
    found.sum().backward()
    assert abs(pixels.grad.sum().item() - 2 * 4 * 6) < 1e-3  # each of the means has weights that add up to 1
    scores = torch.tensor([0.1, 0.9], device=device)
    kept = torch.ops.torchvision.nms.default(torch.stack([rois[0, 1:], rois[0, 1:] + 0.5]), scores, 0.5)
    assert kept.tolist() == [1]
    offset = torch.zeros(2, 18, 4, 4, device=device)
    weight, bias = torch.ones(2, 2, 3, 3, device=device), torch.ones(2, device=device)
    share = torch.full((2, 9, 4, 4), 0.5, device=device)
    for use_mask, factor in ((True, 0.5), (False, 1.0)):
        bent = torch.ops.torchvision.deform_conv2d(
            pixels, weight, offset, share, bias, 2, 2, 0, 0, 1, 1, 2, 1, use_mask
        )
        plain = torch.nn.functional.conv2d(pixels, weight * factor, bias, stride=2, groups=2)
        assert torch.allclose(bent, plain, atol=1e-5)


def test_pooling_is_one_node_of_a_graph():
    class Pools(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.align, self.most = ops.RoIAlign(2, 1.0, 2), ops.RoIPool(2, 1.0)
            self.parts = ops.PSRoIAlign(1, 1.0, 2)

        def forward(self, x, boxes):
            return self.align(x, boxes), self.most(x, boxes), self.parts(x, boxes)

    graph = torch.fx.symbolic_trace(Pools())
    called = [node.target.__name__ for node in graph.graph.nodes if node.op == "call_function"]
    assert called == ["roi_align", "roi_pool", "ps_roi_align"]
    x, boxes = torch.rand(1, 4, 8, 8), torch.tensor([[0.0, 0, 0, 5, 5]])
    for a, b in zip(graph(x, boxes), Pools()(x, boxes), strict=True):
        assert torch.equal(a, b)
