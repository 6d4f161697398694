"""Loading images: Fashion-MNIST's sizes through ToTensor and Normalize, by two worker processes.

PyTorch's side has no torchvision to ask: there a sample is made by the steps that torchvision takes, one by one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from cltorch.bench.workload import Side, Workload
from cltorch.vision import transforms
from cltorch.vision.datasets import FashionMNIST

_IMAGES, _BATCH, _WORKERS = 16384, 128, 2
_MEAN, _STD = (0.286,), (0.353,)
_BYTES = 28 * 28 * (1 + 4.0)  # an image's bytes are read, its numbers written


def _bytes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (_IMAGES, 28, 28), np.uint8), rng.integers(0, 10, _IMAGES, np.int64)


class _Invented(FashionMNIST):
    """The data set with invented images in place of its files."""

    def _check_exists(self) -> bool:
        return True

    def _load_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return _bytes()


class _OneByOne:
    """The same samples for PyTorch's loader, by way of Pillow as in torchvision."""

    def __init__(self) -> None:
        images, labels = _bytes()
        self._torch: Any = importlib.import_module("torch")
        self._image: Any = importlib.import_module("PIL.Image")
        self.data, self.targets = self._torch.from_numpy(images), self._torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        torch = self._torch
        picture = self._image.fromarray(self.data[i].numpy())
        x = torch.from_numpy(np.array(picture)).view(28, 28, 1).permute(2, 0, 1).contiguous().float().div(255)
        mean, std = (torch.as_tensor(v, dtype=x.dtype).view(-1, 1, 1) for v in (_MEAN, _STD))
        return x.sub_(mean).div_(std), int(self.targets[i])


def _load(side: Side) -> Callable[[], Any]:
    loader = side.torch.utils.data.DataLoader
    if side.name.startswith("cltorch"):
        steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)])
        images: Any = _Invented("", transform=steps)
    else:
        images = _OneByOne()
    batches = loader(images, batch_size=_BATCH, num_workers=_WORKERS, persistent_workers=True)

    def step() -> Any:
        count, batch = 0, None
        for batch in batches:
            count += len(batch[1])
        assert count == _IMAGES
        return batch

    return step


ROWS = [
    Workload(
        f"load {_IMAGES} images 28x28, {_WORKERS} workers", _load, bytes=_BYTES * _IMAGES, tolerance=1e-6, items=_IMAGES
    )
]
