"""Fetching one batch: from a map dataset by its indices, or from a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cltorch.utils.data._utils.batch import SampleBatch, SampleRows
from cltorch.utils.data._utils.collate import default_collate


class MapFetcher:
    """Fetch samples by index, with one ``__getitems__`` call where the dataset has it, and collate them."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.many = getattr(dataset, "__getitems__", None) or None

    def fetch(self, index: Any) -> Any:
        """Return the collated batch of a list of indices, or the converted sample of one index."""
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if self.many is not None:
            samples = self.many(index)
            if isinstance(samples, SampleBatch) and self.collate_fn is not default_collate:
                samples = SampleRows(samples)
            return self.collate_fn(samples)
        return self.collate_fn([self.dataset[i] for i in index])


class IterableFetcher:
    """Take the next samples of a stream; the indices only say how many."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool) -> None:
        self.dataset = dataset
        self.dataset_iter: Iterator[Any] = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """Return the next batch; raise StopIteration at the end of the stream."""
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.dataset_iter))
        samples = []
        for _ in index:
            try:
                samples.append(next(self.dataset_iter))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise StopIteration
        return self.collate_fn(samples)


_MapDatasetFetcher, _IterableDatasetFetcher = MapFetcher, IterableFetcher  # PyTorch's names


class DatasetKind:
    """Name what a loader takes samples from: by their indices, or as they come."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> MapFetcher | IterableFetcher:
        """Return the fetcher of a dataset."""
        made = MapFetcher if kind == DatasetKind.Map else IterableFetcher
        return made(dataset, auto_collation, collate_fn, drop_last)
