"""torch.testing: what is close passes, what is not is told with where and how far."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cltorch as torch
from cltorch.testing import assert_close, make_tensor
from cltorch.testing._comparison import (
    BooleanPair,
    NonePair,
    NumberPair,
    ObjectPair,
    TensorLikePair,
    not_close_error_metas,
    originate_pairs,
)


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
    with pytest.raises(ValueError, match="'rtol' and 'atol' must be either specified or omitted, but got no atol"):
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


def test_made_tensors_keep_to_what_their_dtype_holds(device):
    x = make_tensor(5, 3, dtype=torch.int32, device=device, noncontiguous=True)
    assert x.stride() == (6, 2) and x.storage_offset() == 1
    assert make_tensor(400, dtype=torch.int8, device=device).unique().tolist() == list(range(-9, 10))
    assert make_tensor(400, dtype=torch.uint8, device=device).unique().tolist() == list(range(10))
    wide = make_tensor(64, dtype=torch.float16, device=device, low=-1e9, high=1e9)
    assert wide.isfinite().all() and wide.abs().max() > 10000
    with pytest.raises(ValueError, match=r"is \[300, 400\), but torch.uint8 only supports \[0, 256\)"):
        make_tensor(2, dtype=torch.uint8, device=device, low=300, high=400)
    with pytest.raises(ValueError, match="mutually exclusive"):
        make_tensor(2, dtype=torch.float32, device=device, noncontiguous=True, memory_format=torch.channels_last)
    assert make_tensor(1, 3, 4, 4, dtype=torch.float32, device=device, memory_format=torch.channels_last).stride() == (
        48, 1, 12, 3,
    )  # fmt: skip


class _Rounded(TensorLikePair):
    """What a test suite makes for itself: values that are equal once they are rounded."""

    def __init__(self, actual, expected, *, digits=0, **others):
        super().__init__(actual, expected, **others)
        self.digits = digits

    def compare(self):
        actual, expected = self._equalize_attributes(self.actual, self.expected)
        self._compare_attributes(actual, expected)
        if self.digits > 9:
            self._fail(AssertionError, "so many digits there are not")
        self._compare_values(actual.round(decimals=self.digits), expected.round(decimals=self.digits))


def test_kinds_of_pairs_are_taken_in_turn_and_can_be_added(device):
    x, y = torch.tensor([1.04], device=device), torch.tensor([1.03], device=device)
    options = {"pair_types": (NonePair, BooleanPair, NumberPair, _Rounded), "rtol": 0.0, "atol": 0.0}
    inputs = {"a": None, "b": [True, 2, x]}, {"a": None, "b": (True, 2, y)}
    pairs = originate_pairs(*inputs, **options)
    assert [type(p) for p in pairs] == [NonePair, BooleanPair, NumberPair, _Rounded]
    assert [p.id for p in pairs] == [("a",), ("b", 0), ("b", 1), ("b", 2)]
    assert not not_close_error_metas(*inputs, **options, digits=1)
    (meta,) = not_close_error_metas(*inputs, **options, digits=2)
    assert "rtol=0.0" in repr(pairs[3]) and "Tensor-likes are not equal!" in meta.msg
    assert str(meta.to_error()).endswith("The failure occurred for item ['b'][2]")
    assert type(meta.to_error("mine")) is AssertionError and str(meta.to_error("mine")) == "mine"
    (meta,) = not_close_error_metas(*inputs, **options, digits=10)
    assert meta.msg == "so many digits there are not" and meta.id == ("b", 2)


def test_objects_of_any_kind_are_compared_by_equality():
    assert not not_close_error_metas("ab", "ab")
    assert not_close_error_metas({1}, {2}, pair_types=(ObjectPair,))[0].msg == "{1} != {2}"
    with pytest.raises(TypeError, match="No comparison pair was able to handle"):
        not_close_error_metas("ab", "ab", pair_types=(TensorLikePair,))


@pytest.mark.parametrize(
    "a, b, error, words",
    [
        (1.0, 1, AssertionError, r"The \(d\)types do not match: <class 'float'> != <class 'int'>"),
        (True, False, AssertionError, "Booleans mismatch: True is not False"),
        (True, 1, AssertionError, r"The \(d\)types do not match"),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, AssertionError, r"Missing keys in the actual mapping: \['c'\]"),
        (np.ones(2), np.zeros(2), AssertionError, r"Greatest relative difference: inf at index \(0,\)"),
        (np.ones(2), torch.ones(2), TypeError, "No comparison pair was able to handle"),
        (torch.tensor([1, 9]), torch.tensor([1, 2]), AssertionError, r"absolute difference: 7 at index \(1,\)$"),
    ],
)
def test_values_that_differ_in_kind_or_number(a, b, error, words):
    with pytest.raises(error, match=f"(?m){words}"):
        assert_close(a, b)


def test_subclasses_are_as_good_as_tensors_unless_told_otherwise():
    parameter = torch.nn.Parameter(torch.ones(2))
    assert_close(parameter, torch.ones(2))
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(parameter, torch.ones(2), allow_subclasses=False)
    assert_close(torch.tensor([1.0]), torch.tensor([1]), check_dtype=False)
    assert_close(torch.tensor([1], dtype=torch.uint16), torch.tensor([1]), check_dtype=False)
    with pytest.warns(FutureWarning, match="assert_allclose"), pytest.raises(AssertionError, match="up to 0.0001"):
        torch.testing.assert_allclose([1.0], torch.tensor([1.1]))


def test_fractions_of_8_bits_are_compared_bit_by_bit():
    x, y = (torch.tensor([1.0, v]).to(torch.float8_e4m3fn) for v in (2.0, 3.0))
    with pytest.raises(AssertionError, match=r"not 'equal'!\n\nMismatched elements: 1 / 2 \(50.0%\)\nThe first"):
        assert_close(x, y)
    with pytest.raises(AssertionError, match="not supported for bitwise comparison"):
        assert_close(x, x, rtol=0.1, atol=0.1)


def test_tolerances_may_be_tensors(device):
    x = torch.ones(2, device=device)
    torch.testing.assert_close(x, x + 0.25, rtol=0, atol=torch.tensor(0.5, device=device))
    with pytest.raises(AssertionError, match="absolute difference: 0.25"):
        torch.testing.assert_close(x, x + 0.25, rtol=0, atol=torch.tensor(0.125, device=device))
