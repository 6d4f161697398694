"""Memory without values where the same bits are asked for from run to run."""

import math

import pytest

import cltorch
from cltorch.utils import deterministic


@pytest.fixture
def determined():
    cltorch.use_deterministic_algorithms(True)
    yield
    deterministic.fill_uninitialized_memory = True
    cltorch.use_deterministic_algorithms(False)


def test_what_nothing_was_written_to_is_filled(device, determined):
    at = {"device": device}
    for x in (
        cltorch.empty(3, **at), cltorch.empty((2, 2), dtype=cltorch.float16, **at), cltorch.ones(2, **at).new_empty(3),
        cltorch.empty_like(cltorch.ones(2, 3, **at).T), cltorch.empty_strided((2, 2), (1, 4), **at),
        cltorch.empty_permuted((2, 3), (1, 0), **at), cltorch.empty(2, dtype=cltorch.complex64, **at),
        cltorch.empty(1, 2, 3, 3, memory_format=cltorch.channels_last, **at),
    ):  # fmt: skip
        assert x.isnan().all()
    assert cltorch.empty(2, dtype=cltorch.int8, **at).tolist() == [127, 127]
    assert cltorch.empty(1, dtype=cltorch.int64, **at).item() == 2**63 - 1
    assert cltorch.empty(2, dtype=cltorch.bool, **at).all()
    grown = cltorch.ones(2, **at).resize_(4).tolist()
    assert grown[:2] == [1, 1] and all(map(math.isnan, grown[2:]))


def test_it_can_be_left_out(device, determined):
    assert deterministic.fill_uninitialized_memory is True
    deterministic.fill_uninitialized_memory = False
    assert deterministic.fill_uninitialized_memory is False
    cltorch.zeros(5, device=device)
    assert not cltorch.empty(5, dtype=cltorch.int16, device=device).eq(2**15 - 1).all()
    with pytest.raises(RuntimeError, match="expected a bool"):
        deterministic.fill_uninitialized_memory = 1
