"""Tensors of more than 2**31 elements, whose last ones are reached by offsets of 64 bits.

They take gigabytes and seconds, so ``CLTORCH_LONG=1`` asks for them.
"""

from __future__ import annotations

import os

import pytest

import cltorch

pytestmark = pytest.mark.skipif(os.environ.get("CLTORCH_LONG") != "1", reason="gigabytes; CLTORCH_LONG=1 asks for it")

HALF = 2**30 + 40
N = 2 * HALF


@pytest.fixture
def large(cl_device):
    """Return 2**31 + 80 bytes on a device: 0, but 5 at the very end and 3 where 32 bits would count it as the first."""
    caps = cltorch.device(cl_device).resolve().context.caps
    if caps.max_alloc < N or caps.global_mem < 4 * N:
        pytest.skip("the device has no room for so many")
    x = cltorch.zeros(N, dtype=cltorch.int8, device=cl_device)
    x[-1] = 5
    x[2**31] = 3
    yield x
    cltorch.cl.empty_cache()


def test_assignments_and_views_reach_the_end(large):
    assert large[-1].item() == 5 and large[2**31].item() == 3 and large[0].item() == 0 and large[79].item() == 0
    assert large[2**31 - 2 :: 2].sum().item() == 3
    assert large.view(2, HALF).t()[HALF - 1].tolist() == [0, 5]
    large[2**31 + 1 : 2**31 + 4] = cltorch.tensor([1, 2, 4], dtype=cltorch.int8, device=large.device)
    assert large[2**31 - 1 : 2**31 + 5].tolist() == [0, 3, 1, 2, 4, 0]


def test_reductions_see_all(large):
    assert large.sum().item() == 8 and large.argmax().item() == N - 1 and large.amax().item() == 5
    rows = large.view(2, HALF)
    assert rows.sum(1).tolist() == [0, 8] and rows.argmax(1).tolist() == [0, HALF - 1]
    assert large.view(HALF, 2).sum(0).tolist() == [3, 5] and large.view(HALF, 2).amax(0).tolist() == [3, 5]
    assert cltorch.count_nonzero(large).item() == 2


def test_pointwise_operators_write_all(large):
    y = large + 1
    assert y[-1].item() == 6 and y[2**31].item() == 4 and y[0].item() == 1
    assert y.sum().item() == N + 8
    y.mul_(2)
    assert y[-2:].tolist() == [2, 12] and y.amin().item() == 2


def test_broadcast_and_transposed_operands(large):
    column = cltorch.tensor([[1], [2]], dtype=cltorch.int8, device=large.device)
    y = large.view(2, HALF) + column
    assert y[1, -1].item() == 7 and y[0, -1].item() == 1 and y[1, HALF - 80].item() == 5
    turned = large.view(2, HALF).t().contiguous()
    assert turned[-1].tolist() == [0, 5] and turned.view(-1)[-1].item() == 5


def test_indices_beyond(large):
    at = cltorch.tensor([0, 2**31, N - 1], device=large.device)
    assert large[at].tolist() == [0, 3, 5] and large.index_select(0, at).tolist() == [0, 3, 5]
    assert large.gather(0, at).tolist() == [0, 3, 5]
    large[at] = 7
    assert large[at].tolist() == [7, 7, 7] and large.sum().item() == 21
    assert large.nonzero().flatten().tolist() == [0, 2**31, N - 1]


def test_a_product_with_a_vector(large):
    v = cltorch.ones(HALF, dtype=cltorch.int8, device=large.device)
    assert (large.view(2, HALF) @ v).tolist() == [0, 8]
    assert (cltorch.ones(1, 2, dtype=cltorch.int8, device=large.device) @ large.view(2, HALF))[0, -1].item() == 5
