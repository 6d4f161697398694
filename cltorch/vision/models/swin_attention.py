"""Attention within windows of an image, shifted from layer to layer: what Swin Transformers are made of.

Source: https://arxiv.org/abs/2103.14030; https://arxiv.org/abs/2111.09883
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cltorch import nn
from cltorch.functions import public as functions
from cltorch.fx import wrap
from cltorch.nn import functional as F
from cltorch.tensor import Tensor


def windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """Return the windows [N * windows, elements, C] of [N, *sizes, C], whose sizes are multiples of the window's."""
    n, *sizes, c = x.shape
    d = len(sizes)
    x = x.reshape(n, *(m for size, w in zip(sizes, window, strict=True) for m in (size // w, w)), c)
    x = x.permute(0, *range(1, 2 * d, 2), *range(2, 2 * d + 1, 2), 2 * d + 1)
    return x.reshape(-1, math.prod(window), c)


def joined(x: Tensor, window: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """Return [N, *sizes, C] of its windows [N * windows, elements, C]."""
    d, c = len(sizes), x.shape[-1]
    x = x.reshape(-1, *(size // w for size, w in zip(sizes, window, strict=True)), *window, c)
    x = x.permute(0, *(axis for i in range(d) for axis in (1 + i, 1 + d + i)), 2 * d + 1)
    return x.reshape(-1, *sizes, c)


def apart(sizes: Sequence[int], window: Sequence[int], shift: Sequence[int]) -> np.ndarray:
    """Return -100 where two elements share a window only because of the shift, else 0: [windows, area, area]."""
    region = np.zeros((1,) * len(sizes), np.int64)
    for axis, (n, w, s) in enumerate(zip(sizes, window, shift, strict=True)):
        at = np.arange(n)
        # without a shift the last slice covers everything, as -0 is 0 in a slice
        part = np.where((at >= n - s) | (s == 0), 2, np.where(at >= n - w, 1, 0))
        region = region * 3 + part.reshape([-1 if i == axis else 1 for i in range(len(sizes))])
    d = len(sizes)
    blocks = region.reshape([m for n, w in zip(sizes, window, strict=True) for m in (n // w, w)])
    blocks = blocks.transpose([*range(0, 2 * d, 2), *range(1, 2 * d, 2)]).reshape(-1, math.prod(window))
    return np.where(blocks[:, None, :] != blocks[:, :, None], np.float32(-100), np.float32(0))


def distances(window: Sequence[int]) -> np.ndarray:
    """Return the number of the distance between each two elements of a window, [elements, elements]."""
    at = np.stack(np.meshgrid(*(np.arange(w) for w in window), indexing="ij")).reshape(len(window), -1)
    number = np.zeros((at.shape[1],) * 2, np.int64)
    for w, place in zip(window, at, strict=True):
        number = number * (2 * w - 1) + (place[:, None] - place[None, :] + w - 1)
    return number


def attend(
    x: Tensor, scores: Tensor, values: Tensor, barrier: np.ndarray | None, attention_dropout: float, training: bool
) -> Tensor:
    """Return the weighted values [N * windows, elements, C] of ``scores`` [N * windows, heads, elements, elements].

    ``barrier`` is what ``apart`` returns.
    """
    if barrier is not None:
        count, area = barrier.shape[:2]
        mask = functions.from_numpy(barrier).to(x.device, x.dtype)
        scores = scores.reshape(-1, count, scores.shape[1], area, area) + mask[None, :, None]
        scores = scores.flatten(0, 1)
    scores = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    return (scores @ values).transpose(1, 2).flatten(2)


def shifted_window_attention(
    input: Tensor, qkv_weight: Tensor, proj_weight: Tensor, relative_position_bias: Tensor, window_size: list[int],
    num_heads: int, shift_size: list[int], attention_dropout: float = 0.0, dropout: float = 0.0,
    qkv_bias: Tensor | None = None, proj_bias: Tensor | None = None, logit_scale: Tensor | None = None,
    training: bool = True,
) -> Tensor:  # fmt: skip
    """Let the pixels of each window of [N, H, W, C] attend to each other; the result has the same shape.

    ``shift_size`` moves the windows, around the edges; pixels that lie together only so do not see each other.
    ``logit_scale`` makes it attention by cosine, whose keys have no bias.
    """
    h, w, c = input.shape[1:]
    x = F.pad(input, (0, 0, 0, -w % window_size[1], 0, -h % window_size[0]))
    height, width = x.shape[1:3]
    # a window as large as the image needs no shift
    shift = [s if win < size else 0 for s, win, size in zip(shift_size, window_size, (height, width), strict=True)]
    if any(shift):
        x = functions.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    x = windows(x, window_size)
    if logit_scale is not None and qkv_bias is not None:
        third = qkv_bias.numel() // 3
        qkv_bias = functions.cat([qkv_bias[:third], functions.zeros_like(qkv_bias[:third]), qkv_bias[2 * third :]])
    qkv = F.linear(x, qkv_weight, qkv_bias).reshape(*x.shape[:2], 3, num_heads, c // num_heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    if logit_scale is not None:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        scores = scores * functions.clamp(logit_scale, max=math.log(100.0)).exp()
    else:
        scores = (q * (c // num_heads) ** -0.5) @ k.transpose(-2, -1)
    scores = scores + relative_position_bias
    barrier = apart((height, width), window_size, shift) if any(shift) else None
    x = attend(x, scores, v, barrier, attention_dropout, training)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = joined(x, window_size, (height, width))
    if any(shift):
        x = functions.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x[:, :h, :w, :].contiguous()


wrap("shifted_window_attention")  # a node of its own where the network is traced: how it goes on depends on sizes


class ShiftedWindowAttention(nn.Module):
    """Attention within windows, with a learnt bias for each distance between two pixels."""

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, qkv_bias: bool = True,
        proj_bias: bool = True, attention_dropout: float = 0.0, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """Make the table: a number for each distance and head."""
        count = math.prod(2 * w - 1 for w in self.window_size)
        self.relative_position_bias_table = nn.Parameter(functions.zeros(count, self.num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Make the index of the distance between each two pixels of a window."""
        index = functions.from_numpy(distances(self.window_size).ravel())
        self.register_buffer("relative_position_index", index)

    def _bias(self, table: Tensor) -> Tensor:
        area = self.window_size[0] * self.window_size[1]
        return table[self.relative_position_index].reshape(area, area, -1).permute(2, 0, 1)[None]

    def get_relative_position_bias(self) -> Tensor:
        """Return what is added to the scores, [1, heads, area, area]."""
        return self._bias(self.relative_position_bias_table)

    def forward(self, x: Tensor) -> Tensor:
        """Return [N, H, W, C]."""
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(), self.window_size, self.num_heads,
            self.shift_size, self.attention_dropout, self.dropout, self.qkv.bias, self.proj.bias,
            getattr(self, "logit_scale", None), self.training,
        )  # fmt: skip


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Attention by cosine within windows; a small network of the distance gives the bias."""

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int, qkv_bias: bool = True,
        proj_bias: bool = True, attention_dropout: float = 0.0, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout)
        self.logit_scale = nn.Parameter(functions.log(10 * functions.ones((num_heads, 1, 1))))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False))
        if qkv_bias:
            self.qkv.bias.detach()[dim : 2 * dim].zero_()

    def define_relative_position_bias_table(self) -> None:
        """Make the table of distances, on a logarithmic scale."""
        axes = [np.arange(1 - n, n, dtype=np.float32) / np.float32(n - 1) * 8 for n in self.window_size]
        table = np.stack(np.meshgrid(*axes, indexing="ij"), -1)[None]
        table = np.sign(table) * np.log2(np.abs(table) + 1) / 3
        self.register_buffer("relative_coords_table", functions.from_numpy(table.astype(np.float32)))

    def get_relative_position_bias(self) -> Tensor:
        """Return what is added to the scores, [1, heads, area, area]."""
        return 16 * functions.sigmoid(self._bias(self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)))
