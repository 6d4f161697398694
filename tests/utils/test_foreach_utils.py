"""Lists of tensors in groups of a device and a dtype, as optimisers outside this library ask for them."""

from __future__ import annotations

import pytest

import cltorch
from cltorch.utils import _foreach_utils as utils


def test_lists_are_split_alike_by_device_and_dtype(device):
    params = [
        cltorch.ones(1, device=device), cltorch.ones(1), cltorch.ones(1, dtype=cltorch.int64), cltorch.ones(2)
    ]  # fmt: skip
    grads = [p * 2 for p in params]
    groups = utils._group_tensors_by_device_and_dtype([params, grads, [], [None, 1, 2, 3]], with_indices=True)
    host = cltorch.device("cpu")
    floats = [0, 1, 3] if device == "cpu" else [1, 3]
    assert len(groups) == (2 if device == "cpu" else 3)
    (own, other, none, last), places = groups[host, cltorch.float32]
    assert places == floats and none == [] and last == [[None, 1, 2, 3][i] for i in floats]
    assert all(a is params[i] and b is grads[i] for a, b, i in zip(own, other, floats, strict=True))
    assert groups[host, cltorch.int64][0][0][0] is params[2]
    assert all(places == [] for _, places in utils._group_tensors_by_device_and_dtype([params]).values())


@pytest.mark.parametrize("lists", [[], [[]], [[None]], [[cltorch.ones(1)], [cltorch.ones(1)] * 2]])
def test_lists_that_do_not_fit_together_are_refused(lists):
    with pytest.raises(RuntimeError):
        utils._group_tensors_by_device_and_dtype(lists)


def test_lists_of_plain_tensors_are_served(device):
    tensor = cltorch.ones(1, device=device)
    assert utils._has_foreach_support([tensor, None], tensor.device)
    assert not utils._has_foreach_support([cltorch.nn.Parameter(tensor)], tensor.device)
    assert not utils._has_foreach_support([tensor], cltorch.device("meta"))
