"""A sampler that gives each process of a group its own part of the dataset.

Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.distributed.DistributedSampler
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from cltorch import functions
from cltorch.distributed.world import get_rank, get_world_size
from cltorch.utils.data._utils.seed import seeded_generator
from cltorch.utils.data.sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Visit every ``num_replicas``-th index, from ``rank`` on, of an order that all processes share.

    Call ``set_epoch`` before each epoch to shuffle anew. Without ``drop_last`` indices repeat so that every process
    has equally many. ``num_replicas`` and ``rank`` are those of torch.distributed's group where they are not
    given, and ValueError is raised where there is none.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.DistributedSampler

    >>> list(DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = get_world_size() if num_replicas is None else num_replicas
        rank = get_rank() if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            order = functions.randperm(n, generator=seeded_generator(self.seed + self.epoch), device="cpu").tolist()
        else:
            order = list(range(n))
        while order and len(order) < self.total_size:
            order += order[: self.total_size - len(order)]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffle of this epoch; the same number gives the same order in every process."""
        self.epoch = epoch
