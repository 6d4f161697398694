"""Samplers: the order in which a loader visits a dataset.

Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.Sampler
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from cltorch import functions
from cltorch.dtypes import float64, int64
from cltorch.utils.data._utils.seed import fresh_generator, home

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Yield indices (or lists of indices) of a dataset.

    A subclass defines ``__iter__`` and, for a loader that has a length, ``__len__``.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.Sampler

    >>> import cltorch as torch
    >>> class Backwards(torch.utils.data.Sampler):
    ...     def __iter__(self):
    ...         return iter([2, 1, 0])
    >>> list(torch.utils.data.DataLoader([5, 6, 7], sampler=Backwards(), batch_size=None))
    [7, 6, 5]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class SequentialSampler(Sampler[int]):
    """Visit 0, 1, … in order.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.SequentialSampler

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Visit indices in random order, or draw them with replacement.

    ``num_samples`` defaults to the dataset's length; a larger number goes round again with a new permutation.
    Without ``generator`` the order follows from the default generator's seed.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.RandomSampler

    >>> sorted(RandomSampler("abcd"))
    [0, 1, 2, 3]
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        """Return how many indices one pass yields (read anew: a dataset may grow between passes)."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        generator = fresh_generator() if self.generator is None else self.generator
        left = self.num_samples
        if n == 0 and left:
            kind = RuntimeError if self.replacement else ZeroDivisionError
            raise kind(f"cannot draw {left} samples from an empty dataset")
        while left:
            if self.replacement:
                take = min(left, 4096)
                drawn = functions.randint(
                    high=n, size=(take,), dtype=int64, generator=generator, device=generator.device
                )
                yield from drawn.tolist()
            else:
                take = min(left, n)
                yield from functions.randperm(n, generator=generator, device=generator.device).tolist()[:take]
            left -= take

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Visit the given indices once, in random order.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.SubsetRandomSampler

    >>> sorted(SubsetRandomSampler([3, 5]))
    [3, 5]
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = functions.randperm(len(self.indices), generator=self.generator, device=home(self.generator))
        for i in order.tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Draw index i with a probability proportional to ``weights[i]``.

    The weights need not sum to one. Without replacement each index comes at most once.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.WeightedRandomSampler

    >>> set(WeightedRandomSampler([0.0, 1.0, 0.0], 5))
    {1}
    """

    weights: Any
    num_samples: int
    replacement: bool

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = functions.as_tensor(weights, dtype=float64)
        if self.weights.dim() != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        weights = self.weights if self.generator is None else self.weights.to(self.generator.device)
        drawn = functions.multinomial(weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Group the indices of another sampler into lists.

    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.BatchSampler

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
