"""Datasets: maps from an index to a sample, and streams of samples.

Source: https://docs.pytorch.org/docs/2.13/data.html
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

from cltorch import functions
from cltorch.dtypes import int64
from cltorch.random import default_generator
from cltorch.tensor import Tensor
from cltorch.utils.data._utils.batch import SampleBatch
from cltorch.utils.data._utils.seed import home

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """Map an index (any key) to a sample.

    A subclass defines ``__getitem__`` and usually ``__len__``. One that can fetch many samples faster than one by one
    also defines ``__getitems__(indices) -> list of samples``; the loader then calls it once for each batch.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.Dataset

    >>> class Squares(Dataset):
    ...     def __len__(self): return 4
    ...     def __getitem__(self, i): return i * i
    >>> [Squares()[i] for i in range(4)]
    [0, 1, 4, 9]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Yield samples from a stream.

    A subclass defines ``__iter__``. With several workers each holds a copy of the dataset, so ``__iter__`` has to ask
    ``get_worker_info()`` which part of the stream is its own.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.IterableDataset

    >>> class Count(IterableDataset):
    ...     def __iter__(self): return iter(range(3))
    >>> list(Count() + Count())
    [0, 1, 2, 0, 1, 2]
    """

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Zip tensors along their first dimension.

    Each tensor has the same first size N; sample i is the tuple of their i-th rows. Raises AssertionError where the
    first sizes differ.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.TensorDataset

    >>> import cltorch as torch
    >>> data = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))
    >>> data[1]
    (tensor([2, 3]), tensor(8))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if any(t.size(0) != tensors[0].size(0) for t in tensors):
            raise AssertionError(f"Size mismatch between tensors: {[tuple(t.shape) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> SampleBatch:
        """Return the samples of a batch, gathered by one indexing of each tensor."""
        n = len(self)
        outside = next((i for i in indices if not -n <= i < n), None)
        if outside is not None:
            raise IndexError(f"index {outside} is out of bounds for dimension 0 with size {n}")
        rows = functions.tensor([i + n if i < 0 else i for i in indices], dtype=int64)
        by_device: dict[Any, Tensor] = {}  # the indices travel once to each device that holds a tensor
        fields = []
        for t in self.tensors:
            at = by_device.setdefault(t.device, rows if t.device == rows.device else rows.to(t.device))
            fields.append(functions.index_select(t, 0, at))
        return SampleBatch(fields)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset[Any]):
    """Zip datasets: sample i is the tuple (or, from keywords, the dict) of their i-th samples.

    All datasets have one length; raises ValueError otherwise.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.StackDataset

    >>> StackDataset([1, 2], ["a", "b"])[1], StackDataset(number=[1, 2], letter=["a", "b"])[0]
    ((2, 'b'), {'number': 1, 'letter': 'a'})
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or ``dict``- (via ``kwargs``) like input/output, but both "
                "types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self._length = len(args[0]) if args else len(next(iter(kwargs.values())))
        self.datasets = args if args else kwargs
        if any(len(d) != self._length for d in self._members()):
            raise ValueError(f"Size mismatch between datasets: {[len(d) for d in self._members()]}")

    def _members(self) -> Iterable[Any]:
        return self.datasets.values() if isinstance(self.datasets, dict) else self.datasets

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        columns = [_fetch_many(d, indices) for d in self._members()]
        if isinstance(self.datasets, dict):
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Lay datasets end to end.

    Raises AssertionError for an empty list or for an iterable dataset (see ChainDataset).
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.ConcatDataset

    >>> ConcatDataset([[1, 2], [3]])[2]
    3
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Return the running sum of the lengths."""
        return list(itertools.accumulate(len(d) for d in sequence))

    def __init__(self, datasets: Iterable[Any]) -> None:
        super().__init__()
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def _locate(self, index: int) -> tuple[int, int]:
        n = len(self)
        if index < 0:
            if -index > n:
                raise ValueError("absolute value of index should not exceed dataset length")
            index += n
        which = bisect.bisect_right(self.cumulative_sizes, index)
        if which == len(self.datasets):
            raise IndexError(f"index {index} is out of range for a ConcatDataset of length {n}")
        return which, index - (self.cumulative_sizes[which - 1] if which else 0)

    @property
    def cummulative_sizes(self) -> list[int]:
        """Return ``cumulative_sizes`` under its old name, with a FutureWarning."""
        warnings.warn("cummulative_sizes is now cumulative_sizes", category=FutureWarning, stacklevel=2)
        return self.cumulative_sizes

    def __getitem__(self, idx: int) -> T_co:
        which, at = self._locate(idx)
        return cast(T_co, self.datasets[which][at])


class ChainDataset(IterableDataset[Any]):
    """Chain iterable datasets, one after the other.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.ChainDataset

    >>> import cltorch as torch
    >>> class Count(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         yield from range(2)
    >>> list(torch.utils.data.ChainDataset([Count(), Count()]))
    [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from d

    def __len__(self) -> int:
        total = 0
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            total += len(d)  # type: ignore[arg-type]
        return total


class Subset(Dataset[T_co]):
    """Take the given indices of a dataset.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.Subset

    >>> list(Subset(["a", "b", "c"], [2, 0]))
    ['c', 'a']
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> T_co:
        if isinstance(idx, list):
            return cast(T_co, self.dataset[[self.indices[i] for i in idx]])
        return cast(T_co, self.dataset[self.indices[idx]])

    def __getitems__(self, indices: Sequence[int]) -> Sequence[T_co]:
        wanted = [self.indices[i] for i in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        return cast(Sequence[T_co], fetch(wanted) if callable(fetch) else [self.dataset[i] for i in wanted])

    def __len__(self) -> int:
        return len(self.indices)


def _fetch_many(dataset: Any, indices: Sequence[int]) -> Sequence[Any]:
    fetch = getattr(dataset, "__getitems__", None)
    if not callable(fetch):
        return [dataset[i] for i in indices]
    samples = cast(Sequence[Any], fetch(indices))
    if len(samples) != len(indices):
        raise ValueError(f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)}")
    return samples


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Any = default_generator) -> list[Subset[Any]]:
    """Split a dataset at random into subsets of the given lengths, or of given fractions that sum to 1.

    Fractions are rounded down and the remainder is dealt out one each from the first subset on. Raises ValueError
    where the lengths do not sum to the dataset's, or a fraction lies outside [0, 1].
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.random_split

    >>> import cltorch as torch
    >>> [len(part) for part in random_split(range(10), [0.75, 0.25], generator=torch.Generator().manual_seed(1))]
    [8, 2]
    """
    n = len(dataset)
    sizes = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        for i, fraction in enumerate(sizes):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        sizes = [math.floor(n * fraction) for fraction in sizes]
        for i in range(n - int(sum(sizes))):
            sizes[i % len(sizes)] += 1
        for i, length in enumerate(sizes):
            if length == 0:
                message = f"Length of split at index {i} is 0. This might result in an empty dataset."
                warnings.warn(message, stacklevel=2)
    if sum(sizes) != n:
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    if any(isinstance(size, float) for size in sizes):
        raise TypeError(f"random_split expects lengths as integers, or fractions that sum to 1, got {sizes}")
    order = functions.randperm(n, generator=generator, device=home(generator)).tolist()
    ends = itertools.accumulate(int(s) for s in sizes)
    return [Subset(dataset, order[end - int(size) : end]) for end, size in zip(ends, sizes, strict=True)]
