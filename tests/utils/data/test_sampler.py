"""Samplers: which indices, how many, and the same ones for the same seed."""

import pytest

import cltorch as torch
from cltorch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)
from cltorch.utils.data.distributed import DistributedSampler


def test_sequential():
    sampler = SequentialSampler("abc")
    assert list(sampler) == [0, 1, 2] and len(sampler) == 3
    with pytest.raises(NotImplementedError):
        iter(Sampler())


def test_random_is_a_permutation_that_follows_the_seed():
    torch.manual_seed(7)
    first = list(RandomSampler(range(50)))
    second = list(RandomSampler(range(50)))
    assert sorted(first) == list(range(50)) and first != second
    torch.manual_seed(7)
    assert list(RandomSampler(range(50))) == first
    generator = torch.Generator().manual_seed(1)
    own = list(RandomSampler(range(50), generator=generator))
    assert own == list(RandomSampler(range(50), generator=torch.Generator().manual_seed(1)))


def test_an_order_does_not_depend_on_numbers_drawn_meanwhile():
    torch.manual_seed(7)
    undisturbed = list(RandomSampler(range(20), replacement=True, num_samples=5000))
    torch.manual_seed(7)
    disturbed = []
    for i in RandomSampler(range(20), replacement=True, num_samples=5000):
        if len(disturbed) % 1000 == 0:
            torch.rand(3)
        disturbed.append(i)
    assert disturbed == undisturbed


def test_random_with_num_samples():
    long = list(RandomSampler(range(4), num_samples=10))
    assert sorted(long[:4]) == sorted(long[4:8]) == [0, 1, 2, 3] and len(set(long[8:])) == 2
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=300))
    assert len(drawn) == 300 and set(drawn) == {0, 1, 2} and len(RandomSampler("ab", num_samples=5)) == 5
    with pytest.raises(TypeError, match="boolean"):
        RandomSampler("ab", replacement=1)
    for samples, count in (("ab", -1), ("ab", 0), ("", None), ("ab", 2.5)):
        with pytest.raises(ValueError, match="num_samples should be a positive integer value"):
            RandomSampler(samples, num_samples=count)


def test_subset_random():
    sampler = SubsetRandomSampler([3, 5, 8])
    assert sorted(sampler) == [3, 5, 8] and len(sampler) == 3


def test_weighted_random():
    torch.manual_seed(0)
    drawn = list(WeightedRandomSampler([0.0, 3.0, 1.0], 2000))
    assert set(drawn) == {1, 2} and 0.7 < drawn.count(1) / 2000 < 0.8
    assert sorted(WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(ValueError, match="positive integer"):
        WeightedRandomSampler([1.0], 0)
    with pytest.raises(ValueError, match="boolean"):
        WeightedRandomSampler([1.0], 1, replacement=2)
    with pytest.raises(ValueError, match="1d sequence"):
        WeightedRandomSampler([[1.0]], 1)


@pytest.mark.parametrize("drop_last, batches", [(False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])])
def test_batch(drop_last, batches):
    sampler = BatchSampler(SequentialSampler(range(5)), 2, drop_last)
    assert list(sampler) == batches and len(sampler) == len(batches)
    with pytest.raises(ValueError, match="batch_size=0"):
        BatchSampler(range(5), 0, drop_last)
    with pytest.raises(ValueError, match="drop_last"):
        BatchSampler(range(5), 2, 1)


@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed_parts_cover_the_dataset(drop_last):
    parts = [DistributedSampler(range(10), 4, rank, drop_last=drop_last) for rank in range(4)]
    orders = [list(p) for p in parts]
    assert {len(o) for o in orders} == {len(parts[0])} == {2 if drop_last else 3}
    assert len({i for o in orders for i in o}) == (8 if drop_last else 10)
    parts[0].set_epoch(1)
    assert list(parts[0]) != orders[0]
    assert list(DistributedSampler([], 2, 1)) == []
    with pytest.raises(ValueError, match="Invalid rank"):
        DistributedSampler(range(3), 2, 2)
    with pytest.raises(ValueError, match="has not been initialized"):
        DistributedSampler(range(3))


def test_an_empty_dataset_has_nothing_to_draw():
    with pytest.raises(ZeroDivisionError, match="3 samples from an empty"):
        list(RandomSampler([], num_samples=3))
    with pytest.raises(RuntimeError, match="3 samples from an empty"):
        list(RandomSampler([], replacement=True, num_samples=3))
    with pytest.raises(RuntimeError, match="no categories"):
        list(WeightedRandomSampler([], 1))


def test_orders_are_drawn_on_the_host_whatever_the_default_device_is(cl_device):
    data = TensorDataset(torch.arange(8))
    samplers = [
        lambda: RandomSampler(data), lambda: RandomSampler(data, replacement=True),
        lambda: RandomSampler(data, generator=torch.Generator(device="cpu").manual_seed(1)),
        lambda: SubsetRandomSampler([3, 5, 7], torch.Generator(device="cpu").manual_seed(1)),
        lambda: DistributedSampler(data, num_replicas=1, rank=0),
        lambda: random_split(data, [3, 5], torch.Generator(device="cpu").manual_seed(1))[0].indices,
        lambda: [i for (batch,) in DataLoader(data, 2, shuffle=True) for i in batch.tolist()],
    ]  # fmt: skip
    if torch.device(cl_device).resolve().context.caps.fp64:  # as which the weights lie on the default device
        generator = torch.Generator(device="cpu")
        samplers.append(lambda: WeightedRandomSampler([1.0, 2.0], 5, generator=generator.manual_seed(1)))
    orders = []
    for device in ("cpu", cl_device):
        with torch.device(device):
            torch.manual_seed(0)
            orders.append([list(make()) for make in samplers])
    assert orders[0] == orders[1]
