"""A batch that was fetched as a whole, still usable as a list of samples."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from cltorch.tensor import Tensor


class SampleBatch(Sequence[tuple[Any, ...]]):
    """Hold the fields of a batch as stacked tensors, and read as the sequence of its samples.

    A dataset's ``__getitems__`` returns one where it can gather a whole batch at once. ``default_collate`` then takes
    ``fields`` as they are; any other collate function gets the list of samples, one tuple of rows each.
    The fields listed in ``numbers`` are vectors whose elements a sample holds as Python numbers.
    Source: https://docs.pytorch.org/docs/2.13/data.html#torch.utils.data.SampleBatch
    """

    __slots__ = ("fields", "numbers")

    def __init__(self, fields: Sequence[Tensor], numbers: Sequence[int] = ()) -> None:
        self.fields = list(fields)
        self.numbers = numbers

    def __len__(self) -> int:
        return int(self.fields[0].shape[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"index {index} is out of range for a batch of {n} samples")
        return tuple(f[index].item() if i in self.numbers else f[index] for i, f in enumerate(self.fields))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        columns = (f.tolist() if i in self.numbers else f.unbind(0) for i, f in enumerate(self.fields))
        return zip(*columns, strict=True)


class SampleRows(list[tuple[Any, ...]]):
    """List the samples of a SampleBatch for a collate function, which may sort, cut or extend it.

    While it holds what it was made of, ``default_collate`` takes the fields from which the rows were cut.
    """

    __slots__ = ("_made", "fields")

    def __init__(self, batch: SampleBatch) -> None:
        super().__init__(batch)
        self.fields = batch.fields
        self._made = tuple(self)

    def whole(self) -> bool:
        """Return whether these are the samples of the batch still, in their order."""
        return 0 < len(self) == len(self._made) and all(map(operator.is_, self, self._made))
