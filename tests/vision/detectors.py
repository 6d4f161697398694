"""Small detectors, made from the same lines of torchvision and of cltorch, and what torchvision 0.28 gives for them.

``python -m tests.vision.detectors`` records its answers in detectors.json; it alone needs torchvision.
"""

import json
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np

RECORDED = Path(__file__).parent / "detectors.json"
SIZES = ((40, 52), (48, 36))
BOXES = (
    ((4.0, 6.0, 24.0, 30.0), (20.0, 10.0, 50.0, 38.0), (2.0, 20.0, 12.0, 36.0)),
    ((6.0, 4.0, 30.0, 44.0), (1.0, 1.0, 16.0, 14.0)),
)
LABELS = ((1, 2, 1), (2, 1))


def values(state):
    """Return a state_dict's values from NumPy's generator: scores and offsets small, as trained ones are."""
    rng, out = np.random.default_rng(0), {}
    for name, value in state.items():
        shape = tuple(value.shape)
        if "num_batches" in name:
            out[name] = np.zeros(shape, np.int64)
        elif "running_var" in name:
            out[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif len(shape) > 1:
            part = 0.1 if "bbox" in name else 1.0
            out[name] = rng.standard_normal(shape, np.float32) * np.float32(part * (2 / np.prod(shape[1:])) ** 0.5)
        else:
            out[name] = rng.standard_normal(shape, np.float32) * np.float32(0.1) + np.float32("weight" in name)
    return out


def images():
    rng = np.random.default_rng(1)
    return [rng.random((3, *size), np.float32) for size in SIZES]


def targets():
    """Return boxes, labels, masks and key points of two images, as arrays."""
    found = []
    for (height, width), boxes, labels in zip(SIZES, BOXES, LABELS, strict=True):
        b = np.array(boxes, np.float32)
        y, x = np.mgrid[:height, :width]
        centre, radius = (b[:, :2] + b[:, 2:]) / 2, (b[:, 2:] - b[:, :2]) / 2
        away = ((x[None] - centre[:, 0, None, None]) / radius[:, 0, None, None]) ** 2
        away = away + ((y[None] - centre[:, 1, None, None]) / radius[:, 1, None, None]) ** 2
        points = np.stack([b[:, :2] + radius * f for f in (0.3, 1.0, 2.0)], axis=1)
        seen = np.broadcast_to(np.array([1, 0, 1], np.float32), points.shape[:2])
        found.append(
            {
                "boxes": b,
                "labels": np.array(labels, np.int64),
                "masks": (away <= 1).astype(np.uint8),
                "keypoints": np.concatenate([points, seen[..., None]], axis=2).astype(np.float32),
            }
        )
    return found


def backbone(torch, channels=32, listed=True):
    """Return a module with maps at a quarter and at an eighth of the resolution."""
    nn = torch.nn

    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, channels, 5, stride=4, padding=2)
            self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
            if listed:
                self.out_channels = channels

        def forward(self, x):
            fine = self.first(x).relu()
            return OrderedDict([("0", fine), ("1", self.second(fine).relu())])

    return Maps()


def _rcnn(torch, vision, kind, **more):
    detection = vision.models.detection
    anchors = detection.anchor_utils.AnchorGenerator(((8, 16), (24, 40)), ((0.5, 1.0, 2.0),) * 2)
    pool = partial(vision.ops.MultiScaleRoIAlign, ["0", "1"], sampling_ratio=2)
    parts = {key: value(detection, pool) for key, value in more.items()}
    return getattr(detection, kind)(
        backbone(torch), 3, min_size=48, max_size=64, rpn_anchor_generator=anchors, box_roi_pool=pool(output_size=3),
        box_head=detection.faster_rcnn.TwoMLPHead(32 * 9, 1024), rpn_batch_size_per_image=10_000,
        box_batch_size_per_image=10_000, rpn_pre_nms_top_n_test=60, rpn_post_nms_top_n_test=20,
        rpn_pre_nms_top_n_train=100, box_detections_per_img=6, **parts,
    )  # fmt: skip


def _mask(torch, vision):
    return _rcnn(
        torch, vision, "MaskRCNN", mask_roi_pool=lambda d, pool: pool(output_size=4),
        mask_head=lambda d, pool: d.mask_rcnn.MaskRCNNHeads(32, [256], 1),
    )  # fmt: skip


def _keypoint(torch, vision):
    return _rcnn(
        torch, vision, "KeypointRCNN", keypoint_roi_pool=lambda d, pool: pool(output_size=4),
        keypoint_head=lambda d, pool: d.keypoint_rcnn.KeypointRCNNHeads(32, [512]), num_keypoints=lambda d, pool: 3,
    )  # fmt: skip


def _retinanet(torch, vision, loss="l1"):
    detection = vision.models.detection
    anchors = detection.anchor_utils.AnchorGenerator(((8, 12), (24, 32)), ((0.5, 1.0, 2.0),) * 2)
    head = detection.retinanet.RetinaNetHead(32, 6, 3, norm_layer=partial(torch.nn.GroupNorm, 8))
    head.regression_head._loss_type = loss
    return detection.RetinaNet(
        backbone(torch), 3, min_size=48, max_size=64, anchor_generator=anchors, head=head, detections_per_img=8,
        topk_candidates=30,
    )  # fmt: skip


def _fcos(torch, vision):
    detection = vision.models.detection
    anchors = detection.anchor_utils.AnchorGenerator(((4,), (8,)), ((1.0,),) * 2)
    head = detection.fcos.FCOSHead(32, 1, 3, num_convs=2)
    return detection.FCOS(
        backbone(torch), 3, min_size=48, max_size=64, anchor_generator=anchors, head=head, detections_per_img=8,
        topk_candidates=30,
    )  # fmt: skip


def _ssd(torch, vision):
    detection = vision.models.detection
    boxes = detection.anchor_utils.DefaultBoxGenerator([[2], [2, 3]], min_ratio=0.2, max_ratio=0.9)
    return detection.ssd.SSD(
        backbone(torch, listed=False), boxes, (56, 48), 3, detections_per_img=8, topk_candidates=30
    )


CASES = {
    "faster_rcnn": partial(_rcnn, kind="FasterRCNN"),
    "mask_rcnn": _mask,
    "keypoint_rcnn": _keypoint,
    "retinanet": _retinanet,
    "retinanet_v2": partial(_retinanet, loss="giou"),
    "fcos": _fcos,
    "ssd": _ssd,
}


def run(torch, vision, name, device):
    """Return losses, sums of gradients, losses where an image holds nothing, and what is found in the images."""
    model = CASES[name](torch=torch, vision=vision)
    model.load_state_dict({key: torch.from_numpy(value) for key, value in values(model.state_dict()).items()})
    model = model.to(device)
    pictures = [torch.from_numpy(image).to(device) for image in images()]
    wanted = [{key: torch.from_numpy(value).to(device) for key, value in target.items()} for target in targets()]
    losses = model.train()(pictures, wanted)
    sum(losses.values()).backward()
    gradients = {key: p.grad.abs().sum().item() for key, p in model.named_parameters() if p.grad is not None}
    empty = {key: value[:0] for key, value in wanted[1].items()}
    with torch.no_grad():
        fewer = model(pictures, [wanted[0], empty])
        found = model.eval()(pictures)
    return {
        "losses": {key: value.item() for key, value in losses.items()},
        "gradients": gradients,
        "losses_with_an_empty_image": {key: value.item() for key, value in fewer.items()},
        "found": [{key: value.cpu().numpy() for key, value in image.items()} for image in found],
    }


def short(found):
    """Return what is found with every third element of masks, in five digits, as lists."""
    taken = {key: value[:2, 0, ::3, ::3] if key == "masks" else value for key, value in found.items()}
    return {
        key: value.tolist() if value.dtype == np.int64 else [float(f"{x:.5g}") for x in value.ravel()]
        for key, value in taken.items()
    }


def record():
    import torch  # noqa: PLC0415
    import torchvision  # noqa: PLC0415

    rows = []
    for name in CASES:
        answer = run(torch, torchvision, name, "cpu")
        answer["found"] = [short(found) for found in answer["found"]]
        for kind in ("losses", "gradients", "losses_with_an_empty_image"):
            answer[kind] = {key: float(f"{value:.6g}") for key, value in answer[kind].items()}
        rows.append(f'"{name}": {json.dumps(answer)}')
    RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    record()
