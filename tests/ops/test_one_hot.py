"""One-hot vectors by a kernel, both forms of it: any shape, layout and number of work-items."""

from __future__ import annotations

import numpy as np
import pytest

import cltorch
from cltorch.device import debug
from cltorch.errors import DeviceIndexError
from cltorch.nn import functional as F
from cltorch.ops.one_hot import one_hot


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize(("shape", "classes"), [((7,), 5), ((3, 4), 1), ((), 3), ((2, 0), 4), ((1001, 3), 40)])
def test_every_index_has_its_place(shape, classes, variant, cl_device):
    a = np.random.default_rng(0).integers(0, classes, shape)
    x = cltorch.tensor(a, device=cl_device)
    found = one_hot(x, classes, variant)
    assert found.dtype is cltorch.int64 and found.shape == (*shape, classes)
    assert (found.cpu().numpy() == np.eye(classes, dtype=int)[a]).all()
    if len(shape) == 2:
        assert (one_hot(x.t()[1:], classes, variant).cpu().numpy() == np.eye(classes, dtype=int)[a.T[1:]]).all()


@pytest.mark.skipif(debug.wanted(), reason="CLTORCH_DEBUG raises at the launch already")
@pytest.mark.parametrize("variant", ["cpu", "gpu"])
@pytest.mark.parametrize("wrong", [-1, 4])
def test_a_place_out_of_range_is_noted(wrong, variant, cl_device):
    x = cltorch.tensor([1, wrong, 3], device=cl_device)
    found = one_hot(x, 4, variant)
    with pytest.raises(DeviceIndexError, match=f"one_hot.*{wrong}"):
        found.tolist()
    assert found.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_one_launch_and_what_batches_see(cl_device):
    x = cltorch.tensor([[1, 0], [3, 1]], device=cl_device)
    F.one_hot(x, 4)
    context = x.device.context
    before = context.asked()
    alone = F.one_hot(x, 4)
    assert debug.wanted() or context.asked() == before + 1  # which launches kernels of its own
    assert cltorch.vmap(lambda row: F.one_hot(row, 4))(x).tolist() == alone.tolist() == F.one_hot(x).tolist()
    with pytest.raises(RuntimeError, match="Class values must be non-negative"):
        F.one_hot(x - 1)
