"""Datasets and splitting them."""

import pytest

import cltorch as torch
from cltorch.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i * i


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def test_base_classes_name_the_missing_method():
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError, match="abstract.*__iter__"):
        IterableDataset()


def test_tensor_dataset(device):
    x = torch.arange(12, device=device).reshape(4, 3)
    y = torch.tensor([5, 6, 7, 8])
    data = TensorDataset(x, y)
    assert len(data) == 4
    a, b = data[2]
    assert a.tolist() == [6, 7, 8] and b.item() == 7
    a, b = data[1:3]
    assert a.tolist() == [[3, 4, 5], [6, 7, 8]] and b.tolist() == [6, 7]
    with pytest.raises(AssertionError, match="Size mismatch"):
        TensorDataset(x, y[:2])


def test_tensor_dataset_gathers_a_batch_like_its_samples(device):
    x = torch.arange(12, dtype=torch.float32, device=device).reshape(4, 3)
    y = torch.tensor([5, 6, 7, 8])
    data = TensorDataset(x, y)
    batch = data.__getitems__([3, 0, -2])
    assert len(batch) == 3
    for got, i in zip(batch, [3, 0, 2], strict=True):
        assert got[0].tolist() == data[i][0].tolist() and got[1].item() == data[i][1].item()
        assert got[0].device == x.device and got[1].device == y.device
    assert batch[-1][1].item() == 7 and len(batch[1:]) == 2
    with pytest.raises(IndexError, match="4"):
        data.__getitems__([0, 4])


def test_stack_dataset():
    pairs = StackDataset(Squares(3), ["a", "b", "c"])
    assert pairs[2] == (4, "c") and len(pairs) == 3
    assert pairs.__getitems__([0, 1]) == [(0, "a"), (1, "b")]
    named = StackDataset(number=Squares(2), letter=["a", "b"])
    assert named.__getitems__([1]) == [{"number": 1, "letter": "b"}]
    with pytest.raises(ValueError, match="Size mismatch"):
        StackDataset(Squares(3), Squares(2))
    with pytest.raises(ValueError, match="At least one"):
        StackDataset()
    with pytest.raises(ValueError, match="both types"):
        StackDataset(Squares(1), a=Squares(1))


def test_concat_dataset():
    data = Squares(3) + Squares(2)
    assert isinstance(data, ConcatDataset)
    assert [data[i] for i in range(5)] == [0, 1, 4, 0, 1]
    assert data[-1] == 1 and data.cumulative_sizes == [3, 5]
    with pytest.raises(ValueError, match="absolute value"):
        data[-6]
    with pytest.raises(IndexError):
        data[5]
    with pytest.raises(AssertionError, match="empty"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Count(1)])


def test_chain_dataset():
    data = Count(2) + Count(3)
    assert isinstance(data, ChainDataset)
    assert list(data) == [0, 1, 0, 1, 2] and len(data) == 5
    with pytest.raises(AssertionError, match="ChainDataset"):
        list(ChainDataset([Squares(1)]))


def test_subset_hands_a_batch_on_in_one_call():
    calls = []

    class Whole(Squares):
        def __getitems__(self, indices):
            calls.append(list(indices))
            return [self[i] for i in indices]

    part = Subset(Whole(10), [9, 7, 5])
    assert len(part) == 3 and part[1] == 49 and list(part) == [81, 49, 25]
    assert [b.tolist() for b in DataLoader(part, batch_size=2)] == [[81, 49], [25]]
    assert calls == [[9, 7], [5]]


def test_random_split():
    generator = torch.Generator().manual_seed(3)
    parts = random_split(Squares(10), [7, 3], generator)
    assert [len(p) for p in parts] == [7, 3]
    assert sorted(i for p in parts for i in p.indices) == list(range(10))
    again = random_split(Squares(10), [7, 3], torch.Generator().manual_seed(3))
    assert [list(p.indices) for p in parts] == [list(p.indices) for p in again]
    # fractions are rounded down, the remainder goes to the first parts
    assert [len(p) for p in random_split(Squares(10), [0.33, 0.33, 0.34])] == [4, 3, 3]
    with pytest.raises(ValueError, match="does not equal"):
        random_split(Squares(10), [5, 4])
    with pytest.raises(ValueError, match="index 0"):
        random_split(Squares(10), [1.5, -0.5])
    with pytest.warns(UserWarning, match="index 1 is 0"):
        random_split(Squares(1), [0.5, 0.5])


def test_subset_takes_what_its_dataset_gives_for_a_batch():
    class Fewer(Squares):
        def __getitems__(self, indices):
            return [self[indices[0]]]

    assert Subset(Fewer(5), [3, 2]).__getitems__([0, 1]) == [9]
    assert [b.tolist() for b in DataLoader(Subset(Squares(5), torch.tensor([3, 2])), batch_size=2)] == [[9, 4]]


def test_old_name_of_the_sizes():
    with pytest.warns(FutureWarning, match="cumulative_sizes"):
        assert ConcatDataset([Squares(2), Squares(3)]).cummulative_sizes == [2, 5]


def test_lengths_of_a_split_are_integers():
    with pytest.raises(TypeError, match=r"integers.*\[5.0, 5.0\]"):
        random_split(range(10), [5.0, 5.0])
