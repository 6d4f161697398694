"""Networks for whole training steps, written against ``torch.nn`` of either side."""

from __future__ import annotations

from typing import Any


def resnet18(nn: Any, classes: int = 10) -> Any:
    """Return ResNet-18 for images (N, 3, H, W).

    Source: He et al., Deep Residual Learning, https://arxiv.org/abs/1512.03385
    """

    class Block(nn.Module):
        def __init__(self, before: int, width: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
            )  # fmt: skip
            self.short = nn.Identity()
            if before != width:
                self.short = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            out = self.body(x)
            out += self.short(x)
            return self.relu(out)

    blocks, before = [], 64
    for width in (64, 128, 256, 512):
        blocks += [Block(before, width, 1 if width == 64 else 2), Block(width, width, 1)]
        before = width
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes),
    )  # fmt: skip


def gpt(nn: Any, words: int = 256, context: int = 256, width: int = 256, heads: int = 4, layers: int = 6) -> Any:
    """Return a decoder of Transformer blocks; it takes words (N, context) and gives scores (N * context, words).

    Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019 (GPT-2)
    """

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            n, t, _ = x.shape
            parts = self.qkv(self.norm1(x)).view(n, t, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            q, k, v = parts.unbind(0)
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(y.transpose(1, 2).reshape(n, t, width))
            return x + self.mlp(self.norm2(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(words, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

        def forward(self, x: Any) -> Any:
            y = self.blocks(self.words(x) + self.places.weight)
            return self.head(self.norm(y)).flatten(0, 1)

    return Model()


def lstm_language_model(nn: Any, words: int = 256, width: int = 256) -> Any:
    """Return an embedding, an LSTM and a linear layer; it takes words (N, T) and gives scores (N * T, words)."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(words, width)
            self.lstm = nn.LSTM(width, width, batch_first=True)
            self.head = nn.Linear(width, words)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.words(x))[0]).flatten(0, 1)

    return Model()
