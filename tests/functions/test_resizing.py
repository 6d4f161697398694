"""Tensors that are given other memory or another size in place."""

from __future__ import annotations

import pytest

import cltorch


@pytest.fixture
def make(device):
    """Return ``cltorch.tensor`` on the device of the test."""
    return lambda data, **kw: cltorch.tensor(data, **{"device": device, **kw})


def test_memory_of_another_tensor(make):
    x, y = make([1.0, 2.0]), make([3.0, 4.0, 5.0])
    x.set_(y)
    y[0] = 9
    assert x.tolist() == [9.0, 4.0, 5.0] and x.is_set_to(y)
    x.set_(y.untyped_storage(), 1, (2,), (1,))
    assert x.tolist() == [4.0, 5.0] and not x.is_set_to(y)
    assert x.set_().shape == (0,)
    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        x.set_(y.untyped_storage(), 2, (2,))
    z = make([1.0, 2.0])
    z.data = make([[7.0]])
    assert z.tolist() == [[7.0]] and z.shape == (1, 1)
    z.data.add_(1)
    assert z.item() == 8.0 and z._version == 0
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got int"):
        z.data = 3


def test_sizes_change_in_place(make):
    x = make([1, 2, 3, 4, 5, 6])
    assert x.resize_(2, 2).tolist() == [[1, 2], [3, 4]] and x.resize_(2, 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    x.resize_(3, 4)[1:].fill_(9)
    assert x[0].tolist() == [1, 2, 3, 4] and x.resize_as_(make([0, 0])).tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        make([1.0]).requires_grad_().resize_(2)


def test_sizes_change_in_place_to_an_order_in_memory(device):
    x, template = cltorch.zeros(2, 3, device=device), cltorch.zeros(1, 2, 3, 4).to(memory_format=cltorch.channels_last)
    assert x.clone().resize_(1, 2, 3, 4, memory_format=cltorch.channels_last).stride() == (24, 1, 8, 2)
    assert x.clone().resize_as_(template, memory_format=cltorch.preserve_format).stride() == (24, 1, 8, 2)
    assert x.clone().resize_as_(template).stride() == (24, 12, 4, 1)
    for shape, order, words in (((2, 3), "channels_last", "rank 4"), ((2, 3), "preserve_format", "Unsupported memory")):
        with pytest.raises(RuntimeError, match=words):
            x.resize_(shape, memory_format=getattr(cltorch, order))
