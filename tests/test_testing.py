"""torch.testing: what is close passes, what is not is told with where and how far."""

from __future__ import annotations

import math

import pytest

import cltorch as torch
from cltorch.testing import assert_close, make_tensor


def test_what_is_close_passes(device):
    x = torch.tensor([1.0, 2.0, math.inf], device=device)
    assert_close(x, x.clone())
    assert_close(x, x * (1 + 1e-6))
    assert_close({"a": [x, 3]}, {"a": [x, 3]})
    assert_close(torch.tensor([math.nan]), torch.tensor([math.nan]), equal_nan=True)
    assert_close(torch.tensor([2**60 + 1]), torch.tensor([2**60 + 1]))
    assert_close(torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.01], dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ([1.0, 2.0], [1.0, 2.1], r"1 / 2 \(50.0%\)\nGreatest absolute difference: 0.0999\d+ at index \(1,\)"),
        ([1.0, 2.0], [1.0], r"'shape' do not match: torch.Size\(\[2\]\) != torch.Size\(\[1\]\)"),
        ([1.0], [1], "'dtype' do not match: torch.float32 != torch.int64"),
        (1.0, 1.1, "Scalars are not close"),
        ([2**60 + 1], [2**60], "Mismatched elements: 1 / 1"),
        ([math.nan], [math.nan], "Mismatched elements: 1 / 1"),
    ],
)  # fmt: skip
def test_what_is_not_close_is_told(a, b, told):
    with pytest.raises(AssertionError, match=told):
        assert_close(torch.tensor(a), torch.tensor(b))


def test_where_in_a_structure_it_fails():
    with pytest.raises(AssertionError, match=r"item \['w'\]\[1\]"):
        assert_close({"w": [1.0, 2.0]}, {"w": [1.0, 3.0]})
    with pytest.raises(AssertionError, match="mine"):
        assert_close(1.0, 2.0, msg="mine")
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close("a", "a")
    with pytest.raises(ValueError, match="rtol and atol"):
        assert_close(1.0, 1.0, rtol=1e-3)


def test_made_tensors_are_as_asked(device):
    x = make_tensor((64, 3), dtype=torch.float32, device=device, low=2, high=3, noncontiguous=True)
    assert x.shape == (64, 3) and not x.is_contiguous() and 2 <= x.min().item() and x.max().item() < 3
    assert make_tensor(4, dtype=torch.int64, device=device, low=0, high=1, exclude_zero=True).tolist() == [1] * 4
    assert set(make_tensor(64, dtype=torch.bool, device=device).tolist()) == {True, False}
    assert make_tensor(2, dtype=torch.float32, device=device, requires_grad=True).requires_grad


def test_what_is_no_pair():
    with pytest.raises(AssertionError, match="None mismatch"):
        assert_close(torch.ones(1), None)
    for number in (1.0, 1):
        with pytest.raises(TypeError, match="No comparison pair was able to handle"):
            assert_close(torch.tensor(1.0), number)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"low": 5, "high": 1}, "`low` must be less than `high`, but got 5 >= 1"),
        ({"low": float("nan")}, "cannot be NaN"),
        ({"dtype": torch.int64, "requires_grad": True}, "is not supported for boolean and integral dtypes"),
    ],
)
def test_random_tensors_that_cannot_be(given, words):
    with pytest.raises(ValueError, match=words):
        make_tensor(2, **{"dtype": torch.float32, "device": "cpu", **given})
