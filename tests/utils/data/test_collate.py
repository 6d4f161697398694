"""Collating samples into batches."""

from collections import UserDict, defaultdict, namedtuple

import numpy as np
import pytest

import cltorch as torch
from cltorch.utils.data import DataLoader, TensorDataset, default_collate, default_convert

Point = namedtuple("Point", "x y")


def test_leaves():
    assert default_collate([torch.tensor([1, 2]), torch.tensor([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert default_collate([1, 2]).dtype == torch.int64
    assert default_collate([True, False]).dtype == torch.bool
    assert default_collate([1.0, 2.0]).dtype == torch.float64
    assert default_collate(["a", "b"]) == ["a", "b"] and default_collate([b"a"]) == [b"a"]
    arrays = default_collate([np.zeros((2, 1), np.float32), np.ones((2, 1), np.float32)])
    assert arrays.dtype == torch.float32 and arrays.shape == (2, 2, 1)
    assert default_collate([np.int16(1), np.int16(2)]).dtype == torch.int16


def test_arrays_of_different_dtypes_are_promoted_as_tensors():
    mixed = default_collate([np.ones(2, np.float32), np.zeros(2, np.int32)])
    assert mixed.dtype == torch.float32 and mixed.tolist() == [[1, 1], [0, 0]]


def test_structures():
    assert default_collate([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])["b"] == ["x", "y"]
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(point, Point) and point.x.tolist() == [1, 3]
    assert [f.tolist() for f in default_collate([(1, 2), (3, 4)])] == [[1, 3], [2, 4]]
    assert [f.tolist() for f in default_collate([[1, 2], [3, 4]])] == [[1, 3], [2, 4]]
    mapping = default_collate([UserDict(a=1), UserDict(a=2)])
    assert isinstance(mapping, UserDict) and mapping["a"].tolist() == [1, 2]
    assert isinstance(default_collate([defaultdict(list, a=1)]), defaultdict)


def test_bad_samples():
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [3]])
    with pytest.raises(TypeError, match="default_collate: batch must contain"):
        default_collate([object()])
    with pytest.raises(TypeError, match="default_collate: batch must contain"):
        default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([torch.zeros(2), torch.zeros(3)])
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([np.zeros(2), np.zeros(3)])


def test_default_convert():
    converted = default_convert(
        {"x": np.array([1.5]), "y": [np.float32(2), "text"], "z": (1,), "p": Point(np.ones(1), 0)}
    )
    assert converted["x"].tolist() == [1.5] and converted["y"][1] == "text" and converted["z"] == [1]
    assert isinstance(converted["p"], Point) and converted["p"].x.tolist() == [1.0]


def test_a_custom_collate_sees_samples_of_a_gathered_batch():
    data = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))
    (batch,) = DataLoader(data, batch_size=3, collate_fn=lambda samples: [(x.tolist(), y.item()) for x, y in samples])
    assert batch == [([0, 1], 7), ([2, 3], 8), ([4, 5], 9)]


def test_a_custom_collate_gets_a_list_that_it_may_change():
    data = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([7, 8, 9]))

    def load(collate):
        (batch,) = DataLoader(data, batch_size=3, collate_fn=collate)
        return batch

    def backwards(samples):
        samples.sort(key=lambda sample: -sample[1])
        return default_collate(samples)

    def doubled(samples):
        samples.append(samples[0])
        return default_collate(samples + samples[:1])

    assert load(lambda samples: isinstance(samples, list))
    assert [t.tolist() for t in load(default_collate)] == [[[0, 1], [2, 3], [4, 5]], [7, 8, 9]]
    assert [t.tolist() for t in load(lambda s: default_collate(s))] == [[[0, 1], [2, 3], [4, 5]], [7, 8, 9]]
    assert [t.tolist() for t in load(backwards)] == [[[4, 5], [2, 3], [0, 1]], [9, 8, 7]]
    assert load(doubled)[1].tolist() == [7, 8, 9, 7, 7]
    assert load(lambda s: default_collate(s[1:]))[1].tolist() == [8, 9]
    with pytest.raises(IndexError):
        list(DataLoader(data, batch_sampler=[[]]))


def test_kinds_of_arrays_that_are_left_as_they_are():
    masked = np.ma.array([1, 2], mask=[False, True])
    record = np.rec.array([(1, 2)], dtype=[("a", int), ("b", int)])
    assert default_convert(masked) is masked and default_convert(record) is record
    with pytest.raises(TypeError):
        default_convert(np.array(["2020-01-01"], "M8[D]"))


def test_numpy_scalars_of_several_dtypes_are_promoted_as_pytorch_does():
    for batch, dtype in (
        ([np.float32(1), np.int64(2)], torch.float32),
        ([np.int8(1), np.int64(2)], torch.int64),
        ([np.float64(1), np.float32(2)], torch.float64),
        ([np.float16(1), np.float16(2)], torch.float16),
    ):
        found = default_collate(batch)
        assert found.dtype is dtype and found.tolist() == [1, 2]
