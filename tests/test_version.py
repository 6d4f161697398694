"""Versions are ordered as PEP 440 orders them, beside numbers and texts."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest

from cltorch.version import TorchVersion as V

ORDER = [
    "1.0.dev3", "1.0a1", "1.0a2.dev1", "1.0a2", "1.0b1", "1.0rc1.dev2", "1.0rc1", "1.0", "1.0+abc", "1.0+abc.2",
    "1.0+5", "1.0.post1.dev2", "1.0.post1", "1.0.1", "1.2", "1.10", "2.0", "1!0.1",
]  # fmt: skip


def test_the_order_of_versions():
    for i, a in enumerate(ORDER):
        for j, b in enumerate(ORDER):
            for other in (b, V(b)):
                found = [V(a) < other, V(a) <= other, V(a) == other, V(a) >= other, V(a) > other, V(a) != other]
                assert found == [i < j, i <= j, i == j, i >= j, i > j, i != j], (a, b)


def test_the_order_is_that_of_packaging():
    packaging = pytest.importorskip("packaging.version")
    assert [packaging.Version(a) < packaging.Version(b) for a, b in pairwise(ORDER)] == [True] * (len(ORDER) - 1)
    for a, b in (("v2.1.0", "2.1"), ("2.1-alpha.1", "2.1a1"), ("2.1.0-1", "2.1.post1"), ("2.1_rev2", "2.1.post2")):
        assert packaging.Version(a) == packaging.Version(b) and V(a) == b


def test_sequences_and_texts():
    version = V("2.13.0")
    assert version >= (2, 2) and version < (2, 14) and version == (2, 13) and version > [1, "9"]
    assert version != "parrot" and version < "parrot" and not version == 3
    assert isinstance(version, str) and {version: 1}["2.13.0"] == 1 and version.split(".")[1] == "13"
    assert pickle.loads(pickle.dumps(version)) == version
