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
ROWS = 2**21 + 2  # of 1024 elements


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


def test_scans_the_largest_and_what_is_joined(large):
    total = cltorch.cumsum(large, 0, dtype=cltorch.int8)
    assert total[[2**31 - 1, 2**31, N - 2, N - 1]].tolist() == [0, 3, 3, 8]
    values, places = cltorch.topk(large.view(2, HALF), 2, 1)
    assert values.tolist() == [[0, 0], [5, 3]] and places[1].tolist() == [HALF - 1, 2**31 - HALF]
    assert large.flip(0)[[0, N - 1 - 2**31]].tolist() == [5, 3]
    joined = cltorch.cat([large[: HALF + 3], large[HALF:]])
    assert joined[-1].item() == 5 and joined[2**31 + 3].item() == 3 and joined.sum().item() == 8


@pytest.fixture
def rows(cl_device):
    """Return ROWS rows of 1024 halves on a device: 0, but for the first one, the last one and where 31 bits end."""
    caps = cltorch.device(cl_device).resolve().context.caps
    if caps.max_alloc < 2048 * ROWS or caps.global_mem < 5 * 2048 * ROWS:
        pytest.skip("the device has no room for so many")
    x = cltorch.zeros(ROWS, 1024, dtype=cltorch.float16, device=cl_device)
    for row in EVERY:
        x[row] = cltorch.randn(1024, device=cl_device).half()
    yield x
    cltorch.cl.empty_cache()


EVERY = [0, 2**21 - 1, 2**21, ROWS - 1]
F = cltorch.nn.functional
CASES = {
    "softmax": lambda x: x.softmax(1),
    "normalised": lambda x: F.layer_norm(x, (1024,)),
    "batch norm": lambda x: F.batch_norm(x, *(v(1024, device=x.device) for v in (cltorch.zeros, cltorch.ones))),
    "padded": lambda x: F.pad(x, (1, 2)),
    "pooled": lambda x: F.avg_pool2d(x.view(-1, 1, 32, 32), 2).flatten(1),
    "each channel by itself": lambda x: F.conv2d(
        x.view(-1, 4, 16, 16), cltorch.arange(36.0, device=x.device).half().view(4, 1, 3, 3), padding=1, groups=4
    ).flatten(1),
    "from channel to channel": lambda x: F.conv2d(
        x.view(-1, 4, 16, 16), cltorch.arange(288.0, device=x.device).half().view(8, 4, 3, 3), stride=2, padding=1
    ).flatten(1),
    "a large result": lambda x: F.linear(x[:, :2].contiguous(), cltorch.ones(1024, 2, dtype=x.dtype, device=x.device)),
    "losses": lambda x: F.cross_entropy(x, cltorch.full((len(x),), 1023, device=x.device), reduction="none")[:, None],
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_row_is_as_it_is_alone(name, rows):
    found = CASES[name](rows)
    alone = CASES[name](cltorch.stack([rows[i] for i in EVERY]))
    for i, wanted in zip(EVERY, alone, strict=True):
        cltorch.testing.assert_close(found[i], wanted, rtol=1e-3, atol=1e-5)
