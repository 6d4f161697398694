"""The loader in one process: batches, order, arguments."""

import warnings

import pytest

import cltorch as torch
from cltorch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset
from tests.libraries import LIBRARIES


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i * i


class Count(IterableDataset):
    def __init__(self, n, claimed=None):
        self.n = n
        self.claimed = n if claimed is None else claimed

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.claimed


def test_batches():
    loader = DataLoader(Squares(5), batch_size=2)
    assert [b.tolist() for b in loader] == [[0, 1], [4, 9], [16]] and len(loader) == 3
    assert [b.tolist() for b in DataLoader(Squares(5), 2, drop_last=True)] == [[0, 1], [4, 9]]
    assert [b.tolist() for b in DataLoader(Squares(3))] == [[0], [1], [4]]
    assert list(DataLoader(Squares(3), batch_size=None)) == [0, 1, 4]
    assert list(DataLoader(Squares(0))) == []
    assert [b.tolist() for b in DataLoader([5, 6, 7], batch_size=2)] == [[5, 6], [7]]


def test_shuffle_follows_the_seed():
    def order(**kwargs):
        return [int(b) for b in DataLoader(Squares(30), shuffle=True, **kwargs)]

    torch.manual_seed(1)
    first = order()
    assert sorted(first) == [i * i for i in range(30)] and first != sorted(first)
    assert order() != first
    torch.manual_seed(1)
    assert order() == first
    own = order(generator=torch.Generator().manual_seed(4))
    assert own == order(generator=torch.Generator().manual_seed(4))


def test_a_dataset_on_a_device_gives_batches_there(device):
    x = torch.arange(10, dtype=torch.float32, device=device)
    batches = list(DataLoader(TensorDataset(x, x * 2), batch_size=4))
    assert all(b.device == x.device for pair in batches for b in pair)
    assert torch.cat([a for a, _ in batches]).tolist() == list(range(10))
    assert batches[1][1].tolist() == [8, 10, 12, 14]


def test_getitems_is_called_once_for_each_batch():
    calls = []

    class Whole(Squares):
        def __getitems__(self, indices):
            calls.append(list(indices))
            return [self[i] for i in indices]

    assert [b.tolist() for b in DataLoader(Whole(5), batch_size=3)] == [[0, 1, 4], [9, 16]]
    assert calls == [[0, 1, 2], [3, 4]]


def test_iterable_dataset():
    assert [b.tolist() for b in DataLoader(Count(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Count(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Count(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Count(5), batch_size=2)) == 3
    for wrong in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="IterableDataset"):
            DataLoader(Count(3), **wrong)


def test_a_stream_that_is_longer_than_it_said_warns_for_each_batch_too_many():
    loader = DataLoader(Count(5, claimed=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(iter(loader))) == 5  # nobody has asked for the length
        halves = DataLoader(Count(5, claimed=3), batch_size=2)
        assert len(halves) == 2 and len(list(halves)) == 3  # batches are held against samples
    assert len(loader) == 3
    for _ in range(2):
        with pytest.warns(UserWarning, match="reported to be 3") as said:
            assert len(list(loader)) == 5
        assert len(said) == 2


def test_a_timeout_is_for_workers():
    with pytest.raises(AssertionError, match="timeout=5"):
        iter(DataLoader([1], timeout=5))


def test_an_order_that_a_sampler_draws_at_once_comes_before_the_seed_of_the_pass():
    class AtOnce:
        def __iter__(self):
            return iter(torch.randperm(20).tolist())

    torch.manual_seed(4)
    expected = torch.randperm(20).tolist()
    torch.manual_seed(4)
    assert list(DataLoader(range(20), batch_size=None, sampler=AtOnce())) == expected


def test_the_order_is_that_of_a_generator_seeded_from_the_default_one():
    torch.manual_seed(5)
    torch.empty((), dtype=torch.int64).random_()  # the seed of the pass
    seed = int(torch.empty((), dtype=torch.int64).random_())
    expected = torch.randperm(9, generator=torch.Generator().manual_seed(seed)).tolist()
    torch.manual_seed(5)
    assert list(DataLoader(range(9), shuffle=True, batch_size=None)) == expected


def test_samplers_replace_shuffle():
    assert [b.tolist() for b in DataLoader(Squares(9), 2, sampler=[5, 3, 1])] == [[25, 9], [1]]
    batches = BatchSampler(SequentialSampler(range(4)), 3, False)
    loader = DataLoader(Squares(4), batch_sampler=batches)
    assert [b.tolist() for b in loader] == [[0, 1, 4], [9]] and loader.batch_size is None and len(loader) == 2
    with pytest.raises(ValueError, match="sampler option is mutually exclusive with shuffle"):
        DataLoader(Squares(3), sampler=[0], shuffle=True)
    for wrong in ({"batch_size": 2}, {"shuffle": True}, {"sampler": [0]}, {"drop_last": True}):
        with pytest.raises(ValueError, match="batch_sampler option is mutually exclusive"):
            DataLoader(Squares(4), batch_sampler=batches, **wrong)
    with pytest.raises(ValueError, match="batch_size=None"):
        DataLoader(Squares(4), batch_size=None, drop_last=True)


def test_arguments():
    for wrong, message in (
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"batch_size": 0}, "batch_size should be a positive integer"),
    ):
        with pytest.raises(ValueError, match=message):
            DataLoader(Squares(3), **wrong)
    loader = DataLoader(Squares(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 4
    loader.collate_fn = list
    assert list(loader) == [[0], [1], [4]]


def test_the_seed_drawn_for_a_pass_is_the_same_for_every_kind_of_loader():
    def after(loader):
        torch.manual_seed(2)
        list(loader)
        return torch.rand(1).item()

    assert after(DataLoader(Squares(3))) == after(DataLoader(Squares(7), batch_size=2))


def test_errors_of_a_dataset_come_through():
    class Broken(Squares):
        def __getitem__(self, i):
            raise KeyError("sample 0 is missing")

    with pytest.raises(KeyError, match="sample 0 is missing"):
        list(DataLoader(Broken(2)))


@pytest.mark.parametrize("name", LIBRARIES)
def test_libraries_derive_iterators_that_go_on_where_they_were(name):
    data = LIBRARIES[name]().utils.data

    class Resumed(data.dataloader._BaseDataLoaderIter):
        def __init__(self, loader, done):
            super().__init__(loader)
            assert self._num_workers == 0 and self._timeout == 0 and not self._pin_memory
            self._dataset_fetcher = data._utils.fetch._MapDatasetFetcher(
                self._dataset, self._auto_collation, self._collate_fn, self._drop_last
            )
            for _ in range(done):
                next(self._sampler_iter)
            self._num_yielded = done

        def _next_data(self):
            return self._dataset_fetcher.fetch(self._next_index())

    loader = data.DataLoader(Squares(5), batch_size=2)
    batches = Resumed(loader, 1)
    assert next(batches).tolist() == [4, 9] and batches._num_yielded == 2
    assert [b.tolist() for b in batches] == [[16]] and len(batches) == 3
    batches._reset(loader)
    assert batches._num_yielded == 0 and next(batches).tolist() == [0, 1]
    plain = iter(loader)
    next(plain._sampler_iter)
    assert next(plain).tolist() == [4, 9]
    stream = data._utils.fetch._IterableDatasetFetcher(Count(3), True, list, False)
    assert stream.fetch([None]) == [0] and next(stream.dataset_iter) == 1 and stream.dataset.n == 3 and not stream.ended
