"""Boxes as offsets from other boxes, which is what networks predict.

Source: R. Girshick et al., Rich feature hierarchies, https://arxiv.org/abs/1311.2524, appendix C; Z. Tian et al., FCOS,
https://arxiv.org/abs/1904.01355
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cltorch as torch
from cltorch.tensor import Tensor


def _centre_and_size(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


def encode_boxes(reference_boxes: Tensor, proposals: Tensor, weights: Any) -> Tensor:
    """Return how far boxes [N, 4] are from proposals [N, 4]: centres in sizes, and logarithms of sizes, weighted."""
    wx, wy, ww, wh = weights
    x, y, width, height = _centre_and_size(reference_boxes)
    from_x, from_y, from_width, from_height = _centre_and_size(proposals)
    return torch.stack(
        (
            wx * (x - from_x) / from_width,
            wy * (y - from_y) / from_height,
            ww * torch.log(width / from_width),
            wh * torch.log(height / from_height),
        ),
        dim=1,
    )


class BoxCoder:
    """Turn boxes into offsets from other boxes and back; sizes grow at most by the power ``bbox_xform_clip`` of e.

    >>> import cltorch as torch
    >>> coder, anchor = BoxCoder((1.0, 1.0, 1.0, 1.0)), torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    >>> code = coder.encode_single(torch.tensor([[5.0, 0.0, 15.0, 20.0]]), anchor)
    >>> [round(x, 3) for x in code[0].tolist()]
    [0.5, 0.5, 0.0, 0.693]
    >>> coder.decode_single(code, anchor)
    tensor([[ 5.,  0., 15., 20.]])
    """

    def __init__(
        self, weights: tuple[float, float, float, float], bbox_xform_clip: float = math.log(1000.0 / 16)
    ) -> None:
        self.weights = weights
        self.bbox_xform_clip = bbox_xform_clip

    def encode(self, reference_boxes: list[Tensor], proposals: list[Tensor]) -> Sequence[Tensor]:
        """Return the offsets [N, 4] for each image."""
        counts = [len(boxes) for boxes in reference_boxes]
        codes = self.encode_single(torch.cat(list(reference_boxes)), torch.cat(list(proposals)))
        return torch.split(codes, counts)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Return the offsets [N, 4] of one image."""
        return encode_boxes(reference_boxes, proposals, self.weights)

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return boxes [N, K, 4] from offsets [N, 4 * K] from the boxes of all images, N together."""
        if not isinstance(boxes, (list, tuple)):
            raise AssertionError("This function expects boxes of type list or tuple.")
        if not isinstance(rel_codes, Tensor):
            raise AssertionError("This function expects rel_codes of type torch.Tensor.")
        together = torch.cat(list(boxes))
        if not len(together):
            return self.decode_single(rel_codes, together)
        return self.decode_single(rel_codes.reshape(len(together), -1), together).reshape(len(together), -1, 4)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Return boxes [N, 4 * K] from offsets [N, 4 * K] from boxes [N, 4]."""
        x, y, width, height = (v[:, None] for v in _centre_and_size(boxes.to(rel_codes.dtype)))
        dx, dy, dw, dh = (rel_codes[:, i::4] / w for i, w in enumerate(self.weights))
        x, y = dx * width + x, dy * height + y
        half_width = 0.5 * (torch.exp(dw.clamp(max=self.bbox_xform_clip)) * width)
        half_height = 0.5 * (torch.exp(dh.clamp(max=self.bbox_xform_clip)) * height)
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        return torch.stack(corners, dim=2).flatten(1)


class BoxLinearCoder:
    """Turn boxes into the distances of their sides from the centres of other boxes [..., 4], and back.

    With ``normalize_by_size`` a distance is counted in widths and heights of those other boxes.
    """

    def __init__(self, normalize_by_size: bool = True) -> None:
        self.normalize_by_size = normalize_by_size

    def _centres_and_sizes(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        low, high = boxes[..., :2], boxes[..., 2:]
        return 0.5 * (low + high), torch.cat((high - low, high - low), dim=-1)

    def encode(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """Return the distances from the centres of ``reference_boxes`` to the sides of ``proposals``."""
        centres, sizes = self._centres_and_sizes(reference_boxes)
        distances = torch.cat((centres - proposals[..., :2], proposals[..., 2:] - centres), dim=-1)
        return distances / sizes if self.normalize_by_size else distances

    def decode(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Return the boxes at distances from the centres of ``boxes``."""
        centres, sizes = self._centres_and_sizes(boxes.to(dtype=rel_codes.dtype))
        distances = rel_codes * sizes if self.normalize_by_size else rel_codes
        return torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), dim=-1)
