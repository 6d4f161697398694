"""What both kinds of iterators over a loader have in common."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from cltorch.cl import device_count
from cltorch.utils.data._utils.fetch import DatasetKind
from cltorch.utils.data._utils.pin_memory import pin_memory
from cltorch.utils.data._utils.seed import draw_seed


class BaseIterator(Iterator[Any]):
    """Count the batches of one pass and warn when they are more than the samples that a stream said it has.

    A loader of another class must have ``dataset``, ``_dataset_kind``, ``_index_sampler``, ``_auto_collation``,
    ``collate_fn``, ``drop_last``, ``generator``, ``pin_memory``, ``pin_memory_device``, ``timeout`` and
    ``_IterableDataset_len_called``; with workers also what PyTorch's loader has for them. Libraries derive iterators of
    their own from this one, and go on where a checkpoint was: its attributes have PyTorch's names.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._dataset, self._dataset_kind = loader.dataset, loader._dataset_kind
        self._auto_collation, self._collate_fn, self._drop_last = (
            loader._auto_collation, loader.collate_fn, loader.drop_last,
        )  # fmt: skip
        self._index_sampler, self._timeout = loader._index_sampler, loader.timeout
        self._num_workers = getattr(loader, "num_workers", 0)
        self._persistent_workers = getattr(loader, "persistent_workers", False)
        self._shared_seed, self._world_size, self._rank = None, 1, 0  # PyTorch's, for DataPipes
        self.pin: Callable[[Any], Any] | None = None
        if loader.pin_memory and not device_count():
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be "
                "used.",
                stacklevel=4,
            )
        elif loader.pin_memory:
            self.pin = functools.partial(pin_memory, device=loader.pin_memory_device or None)
        self._pin_memory, self._pin_memory_device = self.pin is not None, loader.pin_memory_device or None
        self._start(loader)
        # drawn whether or not there are workers, so that their number does not change what is drawn afterwards
        self._base_seed = draw_seed(loader.generator)

    def _start(self, loader: Any) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        self._start(loader)

    def _new_pass(self) -> None:
        self._reset(self._loader)
        self._base_seed = draw_seed(self._loader.generator)

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        batch = self._next_data()
        self._count()
        return batch

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def _count(self) -> None:
        self._num_yielded += 1
        claimed = self._IterableDataset_len_called
        if claimed is not None and self._num_yielded > claimed:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be {claimed} (when "
                f"accessing len(dataloader)), but {self._num_yielded} samples have been fetched. Have __iter__ yield "
                "each worker's own part of the stream when num_workers > 0, and make __len__ count all of them.",
                stacklevel=3,
            )


class SingleProcessIterator(BaseIterator):
    """Fetch each batch in the calling process, when it is asked for."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.timeout:
            raise AssertionError(f"timeout={loader.timeout} is for workers, of which this DataLoader has none")
        self._dataset_fetcher = DatasetKind.create_fetcher(
            loader._dataset_kind, loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def _next_data(self) -> Any:
        batch = self._dataset_fetcher.fetch(self._next_index())
        return batch if self.pin is None else self.pin(batch)
